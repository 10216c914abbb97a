"""GroCo against a sorting network in NumPy, with its whole matrix."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from equations import LABELS, assert_slopes, random_projections
from gradients import gradient_of_any_batch
from often import often
from pairwise import pairwise
from sheet import X2, X3, assert_measured, measured

from supcon_tf import GroCoLoss, groco_loss
from supcon_tf.losses.pairs import row_blocks


def loops(labels, projections, num_negatives=10, steepness=1.0, contrasts=None):
    """`[B]` losses, one anchor at a time, with the doubly stochastic P."""
    z = projections / np.linalg.norm(projections, axis=-1, keepdims=True)
    others = z if contrasts is None else contrasts
    batch, views, _ = z.shape
    if labels is None:
        labels = range(batch)
    losses = np.zeros((batch, views))
    for i in range(batch):
        for v in range(views):
            negatives = sorted(
                z[i, v] @ others[j, v]
                for j in range(batch)
                if labels[j] != labels[i]
            )[-num_negatives:]
            missing = num_negatives - len(negatives)
            positives = sorted(
                z[i, v] @ others[i, w] for w in range(views) if w != v
            )
            x = np.array([0.0] * missing + negatives + positives)
            matrix = np.eye(len(x))
            for layer in range(len(x)):
                step = np.eye(len(x))
                for a in range(layer % 2, len(x) - 1, 2):
                    if a >= missing:
                        rise = steepness * (x[a + 1] - x[a])
                        alpha = np.arctan(rise) / np.pi + 0.5
                        step[a : a + 2, a : a + 2] = [
                            [alpha, 1 - alpha],
                            [1 - alpha, alpha],
                        ]
                x, matrix = x @ step, matrix @ step
            q = matrix[:, num_negatives:].sum(axis=1)
            q[:num_negatives] = 1 - q[:num_negatives]
            losses[i, v] = -np.log(q[missing:]).mean()
    return losses.mean(axis=1)


def value_and_gradient(labels, projections, **options):
    z = tf.convert_to_tensor(projections)
    with tf.GradientTape() as tape:
        tape.watch(z)
        losses = groco_loss(labels, z, **options)
    return losses.numpy(), tape.gradient(losses, z).numpy()


def in_all_orders(z, **options):
    """The mean loss over the orders in which equal cosines can come."""
    return sum(
        tf.reduce_mean(groco_loss(None, turned, **options)) / 4
        for turned in (z, z[::-1], z[:, ::-1], z[::-1, ::-1])
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("x", "options", "value", "slopes", "norm"),
    [
        (
            X2,
            {"num_negatives": 2},
            0.300830131,
            [-0.0119899, 0.0078024, -0.0018075],
            0.0442384,
        ),
        (
            X3,
            {"num_negatives": 3, "steepness": 10.0},
            0.239710929,
            [-0.0088388, 0.0136453, -0.0092259],
            0.1312291,
        ),
    ],
    ids=["two views", "three views"],
)
def test_it_gives_the_recorded_numbers(x, options, value, slopes, norm):
    """Some cosines of these inputs are equal.

    There the loss has a kink, and each order of the images has a slope of its
    own. The recorded ones are central differences, so the mean of both sides.
    """
    found, _, _ = measured(lambda z: groco_loss(None, z, **options), x)
    assert abs(found - value) < 1e-9
    assert_measured(
        lambda z: in_all_orders(z, **options),
        x,
        value,
        slopes,
        norm,
        normalize=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "views", "num_negatives", "steepness", "detach", "block"),
    pairwise(
        labels=[None, LABELS, [0, 0, 0, 0, 0, 1]],
        views=[2, 3],
        num_negatives=[1, 2, 4, 7],
        steepness=[1.0, 20.0],
        detach=[False, True],
        block=[2**23, 50],
    ),
)
def test_value_and_gradient_are_those_of_the_network(
    monkeypatch, labels, views, num_negatives, steepness, detach, block
):
    monkeypatch.setattr(row_blocks, "LARGEST_BLOCK", block)
    z = random_projections(6, views, 4)
    options = {"num_negatives": num_negatives, "steepness": steepness}
    losses, gradient = value_and_gradient(
        labels, z, detach_contrasts=detach, **options
    )
    np.testing.assert_allclose(losses, loops(labels, z, **options), rtol=1e-11)
    fixed = None
    if detach:
        fixed = z / np.linalg.norm(z, axis=-1, keepdims=True)
    assert_slopes(
        lambda z: loops(labels, z, contrasts=fixed, **options).sum(),
        z,
        gradient,
        1e-6,
    )


def test_without_other_views_nothing_is_to_be_ordered():
    losses, gradient = value_and_gradient(None, random_projections(6, 1, 4))
    np.testing.assert_array_equal(losses, np.zeros(6))
    np.testing.assert_array_equal(gradient, 0)


def test_a_hard_network_gives_0_for_the_right_order_alone():
    near, far = [1.0, 0.0], [0.0, 1.0]
    right = [[near, near], [far, far]]
    wrong = [[near, far], [near, far]]  # each negative equals its anchor
    for projections, is_right in ((right, True), (wrong, False)):
        losses = groco_loss(None, projections, num_negatives=1, steepness=1e6)
        assert (np.max(losses) < 1e-3) == is_right


@pytest.mark.slow
@pytest.mark.parametrize("steepness", [1.0, 1e6, 1e30])
@pytest.mark.parametrize(
    "projections",
    [
        np.ones((6, 2, 3)),
        np.zeros((6, 2, 3)),
        np.tile(np.eye(6)[:, None], (1, 2, 1)),
        np.stack([np.eye(6), np.roll(np.eye(6), 1, axis=0)], 1),
        np.ones((1, 2, 3)),
        np.zeros((0, 2, 3)),
    ],
    ids=["equal", "zero", "right order", "wrong order", "one", "none"],
)
def test_value_and_gradient_are_finite(projections, steepness):
    losses, gradient = value_and_gradient(
        None, projections.astype("float32"), steepness=steepness
    )
    assert losses.shape == projections.shape[:1]
    assert gradient.shape == projections.shape
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()


@pytest.mark.release
@pytest.mark.parametrize("jit_compile", often([False, True], False))
def test_the_batch_size_may_be_unknown(monkeypatch, jit_compile):
    monkeypatch.setattr(row_blocks, "LARGEST_BLOCK", 50)
    z = random_projections(6, 2, 4)
    value, slopes, eager = gradient_of_any_batch(
        GroCoLoss(4, dtype="float64"),
        tf.constant(LABELS, tf.int64),
        tf.constant(z),
        jit_compile=jit_compile,
    )
    np.testing.assert_allclose(value, loops(LABELS, z, 4).mean(), rtol=1e-11)
    np.testing.assert_allclose(slopes, eager, atol=1e-13)


@pytest.mark.release
def test_a_model_of_a_keras_file_has_the_loss_and_learns(tmp_path):
    x = random_projections(16, 2, 5).astype("float32")
    x[:, 1] = x[:, 0] + 0.5 * x[:, 1]
    model = keras.Sequential([keras.Input((2, 5)), keras.layers.Dense(4)])
    loss = GroCoLoss(3, steepness=5.0)
    model.compile(keras.optimizers.SGD(0.5), loss)
    history = model.fit(x, batch_size=8, epochs=12, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == loss.get_config()
    np.testing.assert_allclose(
        again.evaluate(x, batch_size=16, verbose=0),
        loops(None, again(x).numpy(), 3, 5.0).mean(),
        rtol=1e-4,
    )


def test_the_loss_survives_its_config():
    loss = GroCoLoss(
        4, steepness=3.0, detach_contrasts=True, reduction="sum", name="mine"
    )
    config = json.loads(json.dumps(loss.get_config()))
    again = GroCoLoss.from_config(config)
    assert again.get_config() == config
    assert config["num_negatives"] == 4
    assert config["steepness"] == 3.0
    assert config["detach_contrasts"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_negatives": 0}, "`num_negatives` must be an int >= 1"),
        ({"steepness": 0}, "`steepness` must be a finite number > 0"),
        ({"detach_contrasts": None}, "`detach_contrasts` must be True or F"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    for make in (
        GroCoLoss,
        lambda **options: groco_loss(None, X2, **options),
    ):
        with pytest.raises(ValueError, match=message):
            make(**arguments)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b", "a", "b"], "`labels` must be integers"),
        ([0.5, 1, 2, 3], "`labels` must be whole numbers"),
        ([0, 1], "same batch size. Received: 2 labels and 4"),
    ],
)
def test_bad_labels_are_refused_in_one_line(labels, message):
    with pytest.raises(ValueError, match=message):
        GroCoLoss()(labels, X2)


def test_a_queue_is_refused():
    queue = ([0, 1], np.ones((2, 3)), [True, True])
    with pytest.raises(ValueError, match="`queue` must be None with GroCo"):
        GroCoLoss()(None, X2, queue=queue)
