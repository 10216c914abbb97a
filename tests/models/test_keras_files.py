import keras
import numpy as np
import pytest
from small_models import images, small_encoder

import supcon_tf


@pytest.mark.parametrize("suffix", ["h5", "hdf5", "H5"])
def test_a_format_that_nobody_could_load_is_refused(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    for model in (
        supcon_tf.SupConModel(small_encoder()),
        supcon_tf.ClassificationModel(small_encoder(), 2),
        supcon_tf.JointModel(small_encoder(), None, 2),
        supcon_tf.LinearClassifier(small_encoder(), 2),
    ):
        with pytest.raises(ValueError, match=r"must end with \.keras"):
            model.save(path)
        with pytest.raises(ValueError, match=r"model\.keras' would do"):
            model.save(str(path))
    assert not list(tmp_path.iterdir())


def test_a_keras_file_and_weights_are_written(tmp_path):
    model = supcon_tf.SupConModel(small_encoder())
    x = images(2, 2, 4, 4, 3)
    expected = model(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(x), expected, rtol=1e-5)
    model.save_weights(tmp_path / "model.weights.h5")
