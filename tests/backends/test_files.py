"""A .keras file that one backend wrote goes on training on the others.

The files in `written_by` are three epochs of one small training on each of the
backends, written by

    KERAS_BACKEND=jax PYTHONPATH=.:tests/support python -c "import \
    trained_models as t; t.trained('momentum').save('jax.keras')"
"""

import pathlib

import keras
import numpy as np
import pytest
from trained_models import compiled, losses_of, trained, views_and_labels

pytestmark = pytest.mark.release  # on TensorFlow; elsewhere all of them run

FOLDER = pathlib.Path(__file__).parent / "written_by"
WRITERS = ["tensorflow", "jax", "torch"]


@pytest.fixture(scope="module")
def here():
    """The same three epochs on this backend, and the losses of two more."""
    model = trained("momentum")
    views, _ = views_and_labels()
    predicted = model.predict(views, verbose=0)
    return predicted, losses_of(model, epochs=2)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_model_of_any_backend_predicts_and_goes_on_as_one_of_this(
    writer, here
):
    """It would find weights, queue, momentum encoder or optimizer that were
    written in another layout or left out: the losses would differ by 1e-2."""
    model = keras.models.load_model(FOLDER / f"{writer}.keras")
    views, _ = views_and_labels()
    predicted, losses = here
    np.testing.assert_allclose(
        model.predict(views, verbose=0), predicted, rtol=0, atol=2e-5
    )
    np.testing.assert_allclose(losses_of(model, epochs=2), losses, rtol=2e-5)


def test_a_file_leaves_it_to_each_backend_how_a_step_is_compiled(tmp_path):
    """JAX's own choice, True, would cost PyTorch ten minutes of compiling."""
    model = compiled("plain")
    model.save(tmp_path / "model.keras")
    config = model.get_compile_config()
    assert config["jit_compile"] == "auto"
    assert config["optimizer"]["module"] == "keras.optimizers"
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.jit_compile == model.jit_compile
