"""A queue for losses whose labels are no classes."""

import keras
import numpy as np
import pytest
from often import often
from small_models import images, small_encoder

from supcon_tf import ProjectionHead, SupConLoss, SupConModel
from supcon_tf.losses import (
    HierarchicalSupConLoss,
    SoftSupConLoss,
    similarities,
)
from supcon_tf.models.feature_mixing import FeatureTransformation
from supcon_tf.models.labelled_queue import LabelledQueue

X = images(8, 2, 4, 4, 3)
RNG = np.random.default_rng(1)
SHARES = RNG.random((8, 3)).astype("float32")
LEVELS = np.stack([np.arange(8) % 2, np.arange(8) % 4], axis=1)
TARGETS = RNG.random(8).astype("float32")
CASES = {
    "soft": (SoftSupConLoss(similarities.Cosine(), 0.2), SHARES),
    "levels": (HierarchicalSupConLoss(temperature=0.2), LEVELS),
    "targets": (SoftSupConLoss(similarities.GaussianKernel(0.3), 0.2), TARGETS),
}


def model_of(loss, label_size, queue_size=40, **options):
    keras.utils.set_random_seed(0)
    model = SupConModel(
        small_encoder(),
        ProjectionHead((8, 4)),
        queue_size=queue_size,
        queue_label_size=label_size,
        **options,
    )
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def test_a_queue_keeps_rows_of_labels():
    queue = LabelledQueue(3, 2, label_size=2)
    queue.enqueue([[0.5, 1.5]], np.ones((1, 2)))
    queue.enqueue([[2.0, 3.0], [4.0, 5.0]], np.zeros((2, 2)))
    labels, projections, is_filled = queue.items()
    np.testing.assert_array_equal(labels, [[2, 3], [4, 5], [0.5, 1.5]])
    np.testing.assert_array_equal(projections, [[0, 0], [0, 0], [1, 1]])
    assert np.all(is_filled)
    exact = LabelledQueue(1, 2, label_size=2, label_dtype="int")
    exact.enqueue(np.array([[2**53 + 1, -1]]), np.ones((1, 2)))
    np.testing.assert_array_equal(exact.items()[0], [[2**53 + 1, -1]])
    again = LabelledQueue.from_config(exact.get_config())
    assert again.get_config() == exact.get_config()


def test_rows_of_another_shape_and_dtype_are_refused():
    queue = LabelledQueue(3, 2, label_size=2)
    for labels in ([1.0], [[1.0]]):
        with pytest.raises(ValueError, match=r"must have shapes \[n, 2\] and"):
            queue.enqueue(labels, np.ones((1, 2)))
    with pytest.raises(ValueError, match="`label_dtype` must be 'float32' or"):
        LabelledQueue(3, 2, label_size=2, label_dtype="float16")
    with pytest.raises(ValueError, match="`label_size` must be an int >= 1"):
        LabelledQueue(3, 2, label_size=0)


@pytest.mark.slow
@pytest.mark.parametrize("case", often(list(CASES), next(iter(CASES))))
def test_the_loss_with_a_queue_is_that_of_the_bigger_batch(case, tmp_path):
    loss, labels = CASES[case]
    columns = labels.shape[1] if labels.ndim == 2 else 1
    dtype = "int" if case == "levels" else "float32"
    model = model_of(loss, columns, queue_label_dtype=dtype)
    model.fit(X, labels, batch_size=4, shuffle=False, verbose=0)
    held, vectors, is_filled = (np.array(x) for x in model.queue.items())
    assert is_filled.sum() == 16
    np.testing.assert_array_equal(
        held[:8], np.repeat(labels[4:].reshape(4, columns), 2, axis=0)
    )
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    # Anchors of the batch, contrasts of the batch and the queue.
    bigger = np.concatenate([np.reshape(model(X), (16, 4)), vectors[:16]])
    rows = np.concatenate(
        [np.repeat(labels.reshape(8, columns), 2, axis=0), held[:16]]
    )
    each = keras.ops.convert_to_numpy(
        loss.losses_of_images(rows.astype(labels.dtype), bigger[:, None])
    )
    for one in (model, again):
        one.reset_metrics()
        logs = one.train_on_batch(X, labels, return_dict=True)
        np.testing.assert_allclose(
            logs["contrastive_loss"], each[:16].mean(), rtol=1e-5
        )


@pytest.mark.slow
@pytest.mark.parametrize("label_size", [None, 2])
def test_a_size_that_is_not_that_of_the_labels_is_refused(label_size):
    model = model_of(CASES["soft"][0], label_size)
    with pytest.raises(ValueError) as error:
        model.fit(X, SHARES, verbose=0)
    assert str(error.value) == (
        "`queue_label_size` must be 3, the number of columns of the labels. "
        f"Received: queue_label_size={label_size}"
    )


@pytest.mark.slow
def test_a_size_with_classes_is_refused():
    model = model_of(SupConLoss(), 3)
    with pytest.raises(ValueError) as error:
        model.fit(X, np.arange(8) % 2, verbose=0)
    assert str(error.value) == (
        "`queue_label_size` must be None, since the labels of SupConLoss are "
        "classes. Received: queue_label_size=3"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue_size": 0}, "`queue_label_size` must be None without a queue"),
        (
            {"feature_mixing": FeatureTransformation()},
            "`feature_mixing` must be None with `queue_label_size`",
        ),
    ],
)
def test_what_does_not_go_with_a_size_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        model_of(SupConLoss(), 3, **options)
