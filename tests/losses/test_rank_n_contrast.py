"""Rank-N-Contrast against loops straight from the equation."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from equations import assert_slopes, random_projections
from gradients import gradient_of_any_batch
from pairwise import pairwise
from sheet import X2, assert_measured, c

from supcon_tf import RankNContrastLoss, rank_n_contrast_loss
from supcon_tf.losses.pairs import row_blocks

AGES = np.array([20.0, 35.0, 22.0, 20.0, 24.0, 5.0])  # with ties


def loops(targets, projections, temperature=2.0, similarity="distance", **more):
    """`[B]` losses, one pair at a time."""
    z = np.asarray(projections, np.float64)
    batch, views, dim = z.shape
    z = z.reshape(-1, dim)
    targets = np.repeat(np.reshape(targets, (batch, -1)), views, axis=0)
    if similarity == "cosine" or more.get("normalize"):
        z = z / np.linalg.norm(z, axis=1, keepdims=True)
    losses = np.zeros(len(z))
    for i in range(len(z)):
        f, gaps = {}, {}
        for k in range(len(z)):
            if k != i:
                f[k] = z[i] @ z[k] / temperature
                if similarity == "distance":
                    f[k] = -np.linalg.norm(z[i] - z[k]) / temperature
                gaps[k] = np.abs(targets[i] - targets[k]).sum()
        for j in f:
            total = sum(np.exp(f[k]) for k in f if gaps[k] >= gaps[j])
            losses[i] -= np.log(np.exp(f[j]) / total) / len(f)
    return losses.reshape(batch, views).mean(axis=1)


def value_and_gradient(targets, projections, **options):
    z = tf.convert_to_tensor(projections)
    with tf.GradientTape() as tape:
        tape.watch(z)
        losses = rank_n_contrast_loss(targets, z, **options)
    return losses.numpy(), tape.gradient(losses, z).numpy()


@pytest.mark.parametrize(
    ("options", "slopes", "value", "norm"),
    [
        (
            {},
            [-0.0436451, -0.0183135, 0.0100899],
            1.346126879,
            0.1159764,
        ),
        (
            {"temperature": 0.5, "normalize": True},
            [-0.0545490, -0.0022973, 0.0295718],
            1.365811766,
            0.1510740,
        ),
        (
            {"temperature": 0.5, "similarity": "cosine"},
            [-0.0382597, -0.0130235, 0.0321533],
            1.411146088,
            0.1291190,
        ),
    ],
    ids=["paper", "unit vectors", "cosine"],
)
def test_it_gives_the_numbers_of_the_official_code(
    options, value, slopes, norm
):
    assert_measured(
        lambda z: rank_n_contrast_loss(c, z, **options),
        X2,
        value,
        slopes,
        norm,
        normalize=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "views", "targets", "largest_block"),
    pairwise(
        options=[
            {"temperature": 0.7},
            {"temperature": 0.3, "normalize": True},
            {"temperature": 0.3, "similarity": "cosine"},
        ],
        views=[1, 2, 3],
        targets=[
            AGES,
            np.stack([AGES, AGES[::-1] ** 2], 1),
            AGES[:, None] > 21,
        ],
        largest_block=[2**23, 700],
    ),
)
def test_value_and_gradient_are_those_of_the_equation(
    monkeypatch, options, views, targets, largest_block
):
    monkeypatch.setattr(row_blocks, "LARGEST_BLOCK", largest_block)
    z = random_projections(6, views, 4)
    targets = targets.astype("float64")
    losses, gradient = value_and_gradient(targets, z, **options)
    expected = loops(targets, z, **options)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    assert_slopes(
        lambda z: loops(targets, z, **options).sum(), z, gradient, 1e-7
    )


def test_the_order_of_the_batch_does_not_matter():
    z = random_projections(6, 2, 4)
    losses, gradient = value_and_gradient(AGES, z)
    order = [3, 1, 5, 0, 4, 2]
    others, turned = value_and_gradient(AGES[order], z[order])
    np.testing.assert_allclose(others, losses[order], rtol=1e-12)
    np.testing.assert_allclose(turned, gradient[order], atol=1e-14)


def test_equal_projections_have_no_slope_between_them():
    z = np.ones((2, 1, 3))
    losses, gradient = value_and_gradient([1.0, 2.0], z)
    np.testing.assert_array_equal(losses, [0, 0])
    np.testing.assert_array_equal(gradient, 0)
    z = random_projections(3, 2, 4)
    z[1] = z[0]
    _, gradient = value_and_gradient([1.0, 2.0, 7.0], z)
    assert np.isfinite(gradient).all()
    z[0, 0, 0] += 1e-13  # so near that the slope is that of a unit vector
    _, near = value_and_gradient([1.0, 2.0, 7.0], z)
    assert np.abs(near - gradient).max() < 2


@pytest.mark.slow
@pytest.mark.parametrize("similarity", ["distance", "cosine"])
@pytest.mark.parametrize(
    ("targets", "projections"),
    [
        (AGES, np.ones((6, 2, 3))),
        (AGES, np.zeros((6, 2, 3))),
        (AGES, np.eye(6)[:, None]),
        (AGES, -1e10 * np.eye(6)[:, None]),
        (np.zeros(6), np.eye(6)[:, None]),
        ([3.0], np.ones((1, 2, 3))),
        ([3.0], np.ones((1, 1, 3))),
        (np.zeros(0), np.zeros((0, 2, 3))),
    ],
    ids=["equal", "zero", "far", "huge", "one target", "one", "alone", "none"],
)
def test_value_and_gradient_are_finite(similarity, targets, projections):
    losses, gradient = value_and_gradient(
        targets,
        projections.astype("float32"),
        temperature=0.005,
        similarity=similarity,
    )
    assert losses.shape == projections.shape[:1]
    assert gradient.shape == projections.shape
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()


def test_the_loss_of_identical_projections_is_the_mean_log_of_the_counts():
    counts = [
        np.log(np.sum(np.delete(gaps, i) >= gap))
        for i, gaps in enumerate(np.abs(AGES[:, None] - AGES))
        for gap in np.delete(gaps, i)
    ]
    losses = rank_n_contrast_loss(AGES, np.ones((6, 3)))
    np.testing.assert_allclose(np.mean(losses), np.mean(counts), rtol=1e-6)


def test_float32_is_exact_at_a_small_temperature():
    z = random_projections(40, 2, 8)
    ages = np.random.default_rng(1).integers(0, 30, 40).astype("float64")
    options = {"temperature": 0.005, "similarity": "cosine"}
    losses, gradient = value_and_gradient(ages, z, **options)
    in_32, gradient_in_32 = value_and_gradient(
        ages, z.astype("float32"), **options
    )
    np.testing.assert_allclose(in_32, losses, rtol=1e-5)
    size = np.abs(gradient).max()
    np.testing.assert_allclose(gradient_in_32, gradient, atol=1e-4 * size)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_batch_size_may_be_unknown(monkeypatch, jit_compile):
    monkeypatch.setattr(row_blocks, "LARGEST_BLOCK", 700)
    z = random_projections(6, 2, 4)
    value, slopes, eager = gradient_of_any_batch(
        RankNContrastLoss(dtype="float64"),
        tf.constant(AGES),
        tf.constant(z),
        jit_compile=jit_compile,
    )
    np.testing.assert_allclose(value, loops(AGES, z).mean(), rtol=1e-12)
    np.testing.assert_allclose(slopes, eager, atol=1e-14)


@pytest.mark.slow
def test_no_array_of_all_pairs_is_in_the_graph(monkeypatch):
    monkeypatch.setattr(row_blocks, "LARGEST_BLOCK", 2**17)
    size = 1024

    @tf.function
    def gradient(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            losses = rank_n_contrast_loss(np.arange(float(size)), z)
        return tape.gradient(losses, z)

    graph = gradient.get_concrete_function(tf.TensorSpec([size, 8])).graph
    names = [function.name for function in graph._functions.values()]
    graphs = [graph, *(graph._get_function(name).graph for name in names)]
    sizes = [
        output.shape.num_elements() or 0
        for function in graphs
        for op in function.get_operations()
        for output in op.outputs
    ]
    assert 2**16 <= max(sizes) <= 2**17


@pytest.mark.slow
def test_a_model_of_a_keras_file_has_the_loss_and_learns(tmp_path):
    x = random_projections(32, 5).astype("float32")
    ages = 30 + 10 * x[:, 0]
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    loss = RankNContrastLoss(0.5, similarity="cosine")
    model.compile(keras.optimizers.SGD(0.5), loss)
    history = model.fit(x, ages, batch_size=16, epochs=8, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 0.1
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == loss.get_config()
    np.testing.assert_allclose(
        again.evaluate(x, ages, batch_size=32, verbose=0),
        loops(ages, again(x)[:, None], 0.5, "cosine").mean(),
        rtol=1e-4,
    )


def test_the_loss_survives_its_config():
    loss = RankNContrastLoss(
        0.3, similarity="cosine", normalize=True, reduction="sum", name="mine"
    )
    config = json.loads(json.dumps(loss.get_config()))
    again = RankNContrastLoss.from_config(config)
    assert again.get_config() == config
    assert config["temperature"] == 0.3
    assert config["similarity"] == "cosine"
    assert config["normalize"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0}, "`temperature` must be a finite number > 0"),
        ({"similarity": "dot"}, "`similarity` must be one of 'distance', 'cos"),
        ({"normalize": 1}, "`normalize` must be True or False"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    for make in (
        RankNContrastLoss,
        lambda **options: rank_n_contrast_loss(AGES, X2, **options),
    ):
        with pytest.raises(ValueError, match=message):
            make(**arguments)


@pytest.mark.parametrize(
    ("targets", "received"),
    [
        (None, "Received: None"),
        (["young", "old", "old", "old"], "Received: dtype=str160"),
        (tf.constant(["young", "old", "old", "old"]), "dtype=string"),
        (np.array([1.0, np.nan, 2.0, 3.0]), "Received: nan"),
        (tf.constant([1.0, np.inf, 2.0, 3.0]), "Received: inf"),
        (np.zeros((4, 2, 2)), r"Received: shape=\(4, 2, 2\)"),
        (np.zeros(3), "Received: 3 targets and 4 rows of projections"),
    ],
)
def test_bad_targets_are_refused_in_one_line(targets, received):
    with pytest.raises(ValueError, match=r"^`targets` .*" + received):
        RankNContrastLoss()(targets, X2)


def test_a_queue_is_refused():
    queue = ([0, 1], np.ones((2, 3)), [True, True])
    with pytest.raises(ValueError, match="`queue` must be None with RankN"):
        RankNContrastLoss()(c, X2, queue=queue)
