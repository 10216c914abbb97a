"""Files that version 0.1.0 wrote are loaded, and compute what they did."""

import pathlib

import keras
import numpy as np
import pytest

import supcon_tf

FOLDER = pathlib.Path(__file__).parent / "written_by_0_1_0"


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("*.keras")), ids=lambda p: p.stem
)
def test_a_file_of_an_earlier_version_gives_the_same_outputs(path):
    # Outputs were recorded with these images: [8, 2, 8, 8, 3], or their first
    # views for models of single images.
    views = np.random.default_rng(0).random((8, 2, 8, 8, 3), "float32")
    expected = np.load(FOLDER / "outputs.npz")[path.name]
    model = keras.saving.load_model(path)
    outputs = model(views if expected.ndim == 3 else views[:, 0])
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_model_of_an_earlier_version_goes_on_training():
    model = keras.saving.load_model(FOLDER / "supcon_model.keras")
    assert isinstance(model.optimizer, supcon_tf.optimizers.LARS)
    assert model.loss.summation == "inside"
    assert int(model.optimizer.iterations) == 2
    views = np.random.default_rng(0).random((8, 2, 8, 8, 3), "float32")
    history = model.fit(views, np.arange(8) % 2, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert int(model.optimizer.iterations) == 4
