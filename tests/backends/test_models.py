"""The models train to the same losses on every backend of Keras."""

import keras
import numpy as np
import pytest
from trained_models import MODELS, compiled, losses_of, views_and_labels

from supcon_tf import ProjectionHead, SupConModel
from supcon_tf.errors import NeedsTensorFlowError

pytestmark = pytest.mark.release  # on TensorFlow; elsewhere all of them run

# The mean losses of three epochs, as TensorFlow computes them.
LOSSES = {
    "plain": [4.0947762, 2.7460625, 2.6749659],
    "queue": [4.8340163, 3.6729362, 3.4158990],
    "momentum": [4.8795266, 3.9312248, 3.5511150],
    "temperature": [4.0602641, 2.7307322, 2.6806977],
    "classification": [1.0305706, 0.9481425, 0.8555438],
    "joint": [5.1317718, 3.7275846, 3.5649378],
}


@pytest.mark.parametrize("name", list(MODELS))
def test_a_model_trains_to_the_losses_of_tensorflow(name):
    """It would find a queue that is filled a step early, or a momentum encoder
    that follows the weights of the step before."""
    np.testing.assert_allclose(
        losses_of(compiled(name)), LOSSES[name], rtol=5e-6
    )


@pytest.mark.parametrize("name", ["momentum", "classification", "joint"])
def test_a_saved_model_goes_on_where_it_was(name, tmp_path):
    model = compiled(name)
    losses_of(model, epochs=1)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        losses_of(again, epochs=1), losses_of(model, epochs=1), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("queue", {None: (24, 2, 4)}),
        ("classification", {None: (24, 2, 3)}),
        ("joint", {"projections": (24, 2, 4), "logits": (24, 2, 3)}),
    ],
)
def test_a_model_steps_tests_and_predicts_on_single_batches(name, output):
    views, labels = views_and_labels()
    model = compiled(name)
    trained = model.train_on_batch(views, labels, return_dict=True)
    tested = model.test_on_batch(views, labels, return_dict=True)
    assert np.isfinite([trained["loss"], tested["loss"]]).all()
    found = model.predict_on_batch(views)
    found = found if isinstance(found, dict) else {None: found}
    assert {name: x.shape for name, x in found.items()} == output
    assert model.evaluate(views, labels, verbose=0, return_dict=True)[
        "loss"
    ] == pytest.approx(tested["loss"], rel=1e-5)
    found = keras.ops.convert_to_numpy(model.encode(views[:, 0]))
    assert found.shape == (24, 64)


def test_an_unbuilt_model_is_built_by_fit():
    encoder = keras.Sequential(
        [keras.Input((6, 6, 3)), keras.layers.Flatten()], name="encoder"
    )
    model = SupConModel(
        encoder,
        ProjectionHead((8, 4)),
        queue_size=8,
        encoder_momentum=0.5,
        learn_temperature=True,
    )
    model.compile("sgd", "mse")
    views, labels = views_and_labels()
    with pytest.raises(ValueError, match="must be compiled with"):
        model.fit(views, labels, verbose=0)
    model.compile("sgd", compiled("plain").loss)
    history = model.fit(views, labels, batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["temperature"][0] == pytest.approx(0.2, rel=0.05)


def test_images_out_of_their_range_are_refused_before_the_first_step():
    views, labels = views_and_labels()
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        compiled("plain").fit(views * 255, labels, verbose=0)


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="TensorFlow does it"
)
def test_microbatches_are_refused_in_one_line():
    with pytest.raises(NeedsTensorFlowError) as caught:
        SupConModel(compiled("plain").encoder, num_microbatches=2)
    assert str(caught.value) == (
        "`num_microbatches` > 1 needs TensorFlow as backend: leave it at 1, or "
        "set KERAS_BACKEND=tensorflow. Received: "
        f"backend={keras.backend.backend()!r}"
    )
