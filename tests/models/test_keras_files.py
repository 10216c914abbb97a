import keras
import numpy as np
import pytest
from small_models import images, small_encoder

import supcon_tf


def one_of_each():
    return (
        supcon_tf.SupConModel(small_encoder()),
        supcon_tf.ClassificationModel(small_encoder(), 2),
        supcon_tf.JointModel(small_encoder(), None, 2),
        supcon_tf.LinearClassifier(small_encoder(), 2),
    )


@pytest.mark.parametrize("suffix", ["h5", "hdf5", "H5"])
def test_a_format_that_nobody_could_load_is_refused(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    for model in one_of_each():
        with pytest.raises(ValueError, match=r"must end with \.keras"):
            model.save(path)
        with pytest.raises(ValueError, match=r"model\.keras' would do"):
            model.save(str(path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("model", "model.keras"),
        ("model.pt", "model.pt.keras"),
        ("model.KERAS", "model.keras"),
        ("model.keras.h5", "model.keras"),
    ],
)
def test_a_path_that_would_do_is_named_for_every_other_ending(name, instead):
    """Keras advised a .h5 file, which was refused in turn."""
    with pytest.raises(ValueError, match=r"must end with \.keras") as error:
        supcon_tf.SupConModel(small_encoder()).save(name)
    assert str(error.value).endswith(f"{instead!r} would do")


def test_the_function_that_saves_refuses_hdf5_too(tmp_path):
    """It wrote a file without a word, which no function could load."""
    path = tmp_path / "model.h5"
    for model in one_of_each():
        with pytest.raises(ValueError, match=r"must end with \.keras"):
            keras.saving.save_model(model, path)
        assert len(model.layers) >= 1
        keras.saving.save_model(model, tmp_path / "model.keras")


def test_hdf5_holds_a_model_that_has_a_linear_classifier_as_a_layer(tmp_path):
    inputs = keras.Input((4, 4, 3))
    classifier = supcon_tf.LinearClassifier(small_encoder(), 2)
    model = keras.Model(inputs, classifier(inputs))
    model.save(tmp_path / "model.h5")
    loaded = keras.saving.load_model(tmp_path / "model.h5")
    x = images(2, 4, 4, 3)
    np.testing.assert_allclose(loaded(x), model(x), rtol=1e-5)


def test_a_keras_file_and_weights_are_written(tmp_path):
    model = supcon_tf.SupConModel(small_encoder())
    x = images(2, 2, 4, 4, 3)
    expected = model(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(x), expected, rtol=1e-5)
    model.save_weights(tmp_path / "model.weights.h5")
    model.save(tmp_path / "folder", zipped=False)
    assert (tmp_path / "folder" / "config.json").is_file()
