"""The labels that a model with a classifier takes, and those it refuses."""

import keras
import numpy as np
import pytest
from small_models import images, small_encoder

from supcon_tf import ClassificationModel, JointModel, SupConLoss

LABELS = np.array([0, 2, 1, 2, 0])
MODELS = {
    "classification": lambda count: ClassificationModel(small_encoder(), count),
    "joint": lambda count: JointModel(small_encoder(), None, count),
}


def compiled(kind):
    model = MODELS[kind](3)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    if kind == "joint":
        loss = {"projections": SupConLoss(), "logits": loss}
    model.compile(optimizer="sgd", loss=loss)
    return model


@pytest.mark.parametrize("kind", MODELS)
def test_integers_a_column_of_them_and_one_hot_labels_are_the_same(kind):
    model = compiled(kind)
    outputs = model(images(5, 2, 4, 4, 3))
    losses = [
        model.compute_loss(None, labels, outputs).numpy()
        for labels in (LABELS, LABELS[:, None], np.eye(3)[LABELS])
    ]
    assert losses[0] == losses[1] == losses[2]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    "labels", [np.ones(5), np.ones((5, 2)), np.ones((5, 1)), np.ones((5, 3, 1))]
)
def test_other_labels_are_refused(kind, labels):
    model = compiled(kind)
    with pytest.raises(ValueError, match=r"Labels must be \[B\] integers or"):
        model.compute_loss(None, labels, model(images(5, 1, 4, 4, 3)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    ("labels", "first"),
    [
        (LABELS + 1, 3),
        (LABELS - 1, -1),
        (np.uint8(LABELS[:, None] + 1), 3),
        ([0, 1, 2, 300, 0], 300),
    ],
)
def test_labels_that_are_no_class_are_refused_where_they_are_known(
    kind, labels, first
):
    model = compiled(kind)
    x = images(5, 1, 4, 4, 3)
    with pytest.raises(ValueError) as by_loss:
        model.compute_loss(None, labels, model(x))
    before = model.get_weights()
    with pytest.raises(ValueError) as by_fit:
        model.fit(x, np.asarray(labels), verbose=0)
    assert str(by_loss.value) == str(by_fit.value)
    assert str(by_fit.value) == (
        "Labels must be in [0, num_classes). "
        f"Received: label={first}, num_classes=3"
    )
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", MODELS)
def test_images_without_labels_are_refused(kind):
    model = compiled(kind)
    with pytest.raises(ValueError, match="must be given the labels of the im"):
        model.fit(images(5, 2, 4, 4, 3), verbose=0)


@pytest.mark.parametrize("kind", MODELS)
def test_fewer_than_two_classes_are_refused(kind):
    with pytest.raises(ValueError, match="`num_classes` must be an"):
        MODELS[kind](1)


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        keras.losses.CategoricalCrossentropy(),
        keras.losses.BinaryCrossentropy(),
    ],
)
def test_a_loss_of_ids_or_of_probabilities_is_refused(loss):
    """Keras clipped logits to [0, 1] without a word."""
    for kind, losses in (
        ("classification", loss),
        ("joint", {"projections": SupConLoss(), "logits": loss}),
    ):
        model = MODELS[kind](4)
        model.compile("sgd", losses, run_eagerly=True)
        with pytest.raises(ValueError, match="from_logits=True"):
            model.fit(images(4, 2, 4, 4, 3), np.arange(4), verbose=0)


@pytest.mark.slow
def test_labels_of_another_rank_are_taken_by_the_same_model():
    """TensorFlow made one graph for both, of labels of unknown rank."""
    model, x = compiled("classification"), images(5, 2, 4, 4, 3)
    for labels in (LABELS, np.eye(3)[LABELS], LABELS[:, None]):
        model.fit(x, labels, verbose=0)


@pytest.mark.parametrize("kind", MODELS)
def test_an_accuracy_of_keras_is_refused_which_knows_of_no_views(kind):
    model = MODELS[kind](3)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    metrics = ["accuracy"]
    if kind == "joint":
        loss = {"projections": SupConLoss(), "logits": loss}
        metrics = {"logits": metrics}
    model.compile("sgd", loss, metrics=metrics, run_eagerly=True)
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="logs top_1_accuracy"):
            method(images(5, 2, 4, 4, 3), LABELS, verbose=0)
