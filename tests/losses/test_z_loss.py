"""The Z-loss against loops straight from the equation."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from equations import assert_slopes

from supcon_tf import ZLoss, z_loss

LOGITS = np.array([[2.0, -1.0, 0.5, 0.0], [0.0, 3.0, -2.0, 1.0]])


def loops(labels, logits, a=1.0, b=0.0):
    losses = []
    for shares, row in zip(labels, logits, strict=True):
        mean, deviation = np.mean(row), np.std(row)
        each = [
            np.log1p(np.exp(a * (b - (logit - mean) / deviation))) / a
            for logit in row
        ]
        losses.append(np.dot(shares, each))
    return np.array(losses)


def value_and_gradient(labels, logits, **options):
    logits = tf.convert_to_tensor(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = z_loss(labels, logits, **options)
    return losses.numpy(), tape.gradient(losses, logits).numpy()


def test_it_gives_the_numbers_of_the_published_code():
    labels = np.eye(4)[[0, 2]]
    losses, gradient = value_and_gradient(labels, LOGITS[[0, 0]])
    np.testing.assert_allclose(losses, [0.201210750, 0.637077895], atol=1e-9)
    np.testing.assert_allclose(
        gradient[0],
        [-0.03142804, -0.03816262, 0.04938692, 0.02020374],
        atol=1e-8,
    )


@pytest.mark.parametrize("labels", [np.eye(4)[[0, 2]], np.full((2, 4), 0.25)])
@pytest.mark.parametrize(("a", "b"), [(1, 0), (0.3, 2.5), (4.0, -0.7)])
def test_value_and_gradient_are_those_of_the_equation(labels, a, b):
    losses, gradient = value_and_gradient(labels, LOGITS, a=a, b=b)
    expected = loops(labels, LOGITS, a, b)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    assert_slopes(
        lambda logits: loops(labels, logits, a, b).sum(),
        LOGITS,
        gradient,
        1e-8,
    )


def test_a_shift_and_a_positive_scale_of_the_logits_do_not_matter():
    labels = np.eye(4)[[1, 3]]
    np.testing.assert_allclose(
        z_loss(labels, 1e4 * LOGITS - 300.0), z_loss(labels, LOGITS), rtol=1e-9
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("logits", [[3.0] * 4, [0.0] * 4, [6e4, -6e4, 0, 0]])
def test_value_and_gradient_are_finite(logits, dtype):
    logits = np.array([logits], dtype)
    losses, gradient = value_and_gradient(np.eye(4)[:1], logits, a=100.0)
    assert losses.dtype == "float32"
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()


def test_equal_logits_have_z_0():
    losses, gradient = value_and_gradient(np.eye(4)[:1], np.ones((1, 4)))
    np.testing.assert_allclose(losses, np.log(2), rtol=1e-12)
    np.testing.assert_array_equal(gradient, 0)


def test_a_model_of_a_keras_file_has_the_loss(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Identity()])
    model.compile("sgd", ZLoss(2.0, 0.5))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    labels = np.eye(4)[[0, 2]]
    np.testing.assert_allclose(
        again.evaluate(LOGITS, labels, verbose=0),
        loops(labels, LOGITS, 2.0, 0.5).mean(),
        rtol=1e-5,
    )


def test_the_loss_survives_its_config():
    config = json.loads(json.dumps(ZLoss(2.0, 0.5).get_config()))
    again = ZLoss.from_config(config)
    assert (again.a, again.b) == (2.0, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"a": 0}, "`a` must be a finite number > 0. Received: a=0"),
        ({"b": float("nan")}, r"`b` must be a finite number\. Received: b=nan"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ZLoss(**arguments)
    with pytest.raises(ValueError, match=message):
        z_loss(np.eye(4)[:2], LOGITS, **arguments)


@pytest.mark.parametrize("labels", [[0, 2], [[0], [2]], np.eye(3)[:2]])
def test_labels_that_are_not_one_hot_are_refused_in_one_line(labels):
    for loss in (z_loss, ZLoss()):
        with pytest.raises(ValueError, match=r"^`labels` must be one-hot, .*"):
            loss(labels, LOGITS)
