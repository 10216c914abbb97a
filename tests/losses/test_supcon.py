"""The loss against loops straight from the equations, value and gradient."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from equations import (
    LABELS,
    assert_slopes,
    random_projections,
    supcon_by_loops,
    value_and_gradient,
)
from pairwise import pairwise

from supcon_tf import SupConLoss, supcon_loss
from supcon_tf.losses.pairs import tiled, tiles


@pytest.mark.parametrize(
    ("views", "temperature", "normalize", "labels"),
    pairwise(
        views=[1, 2, 3],
        temperature=[0.05, 0.1, 1.0],
        normalize=[True, False],
        labels=[LABELS, None],
    ),
)
def test_value_and_gradient_are_those_of_eq_2(
    views, temperature, normalize, labels
):
    z = random_projections(6, views, 4)
    kwargs = {"temperature": temperature, "normalize": normalize}
    losses, gradient = value_and_gradient(labels, z, **kwargs)
    assert losses.dtype == np.float64
    np.testing.assert_allclose(
        losses, supcon_by_loops(labels, z, **kwargs), rtol=1e-12, atol=1e-14
    )
    assert_slopes(
        lambda z: supcon_by_loops(labels, z, **kwargs).sum(), z, gradient, 1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("summation", "anchors", "views", "options"),
    pairwise(
        summation=["outside", "inside"],
        anchors=["all", "first"],
        views=[2, 1, 3],
        options=[
            {},
            {"scale_by_temperature": True},
            {"unlabeled_label": 0},
            {"labels": None},
            {"normalize": False},
            {"temperature": 0.01},
        ],
    ),
)
def test_tiled_is_dense(monkeypatch, summation, anchors, views, options):
    monkeypatch.setattr(tiles, "TILE_SIZE", 5)
    variant = {"summation": summation, "anchors": anchors, **options}
    labels = variant.pop("labels", [0, 1, 0, 2, 0, 1])
    z = random_projections(6, views, 3)
    values, gradient = value_and_gradient(
        labels, z, implementation="tiled", **variant
    )
    np.testing.assert_allclose(
        values, supcon_by_loops(labels, z, **variant), rtol=1e-12, atol=1e-12
    )
    _, expected = value_and_gradient(
        labels, z, implementation="dense", **variant
    )
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-11)


def test_projections_without_a_views_axis_are_one_view():
    z = random_projections(6, 5)
    np.testing.assert_array_equal(
        supcon_loss(LABELS, z), supcon_loss(LABELS, z[:, None])
    )


def test_an_anchor_without_positives_has_loss_0_and_counts_in_the_mean():
    z = random_projections(6, 8)
    losses, gradient = value_and_gradient(LABELS, z)
    assert losses[3] == 0
    assert np.isfinite(gradient).all()
    mean = SupConLoss(dtype="float64")(np.array(LABELS), z)
    np.testing.assert_allclose(mean, losses.sum() / 6, rtol=1e-12)


def test_a_batch_of_one_single_view_has_loss_0_and_gradient_0():
    losses, gradient = value_and_gradient([7], random_projections(1, 4))
    assert losses.tolist() == [0]
    assert not gradient.any()


def test_without_labels_it_is_nt_xent():
    z = random_projections(5, 2, 3)
    np.testing.assert_array_equal(
        supcon_loss(None, z), supcon_loss(np.arange(5), z)
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype):
    z = tf.cast(random_projections(6, 2, 16), dtype)
    losses = supcon_loss(LABELS, z, temperature=0.01)
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(
        losses,
        supcon_by_loops(LABELS, tf.cast(z, tf.float64), temperature=0.01),
        rtol=1e-4,
    )


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e3, 1e30])
def test_the_length_of_a_projection_does_not_matter(size):
    z = random_projections(6, 2, 4).astype("float32")
    losses, gradient = value_and_gradient(LABELS, z * np.float32(size))
    np.testing.assert_allclose(losses, supcon_by_loops(LABELS, z), rtol=1e-4)
    assert np.isfinite(gradient).all()


def test_a_zero_vector_has_similarity_0_and_gradient_exactly_0():
    z = random_projections(6, 2, 4)
    z[1, 0] = 0
    losses, gradient = value_and_gradient(LABELS, z)
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()
    assert not gradient[1, 0].any()
    unit = z / np.maximum(np.linalg.norm(z, axis=-1, keepdims=True), 1e-300)
    np.testing.assert_allclose(
        losses, supcon_by_loops(LABELS, unit, normalize=False), rtol=1e-12
    )


@pytest.mark.parametrize("temperature", [0.005, 10.0])
def test_opposed_and_equal_projections_stay_finite(temperature):
    z = np.ones((6, 2, 4), "float32")
    for projections in (z, z * np.array([1, -1], "float32")[None, :, None]):
        losses, gradient = value_and_gradient(
            LABELS, projections, temperature=temperature
        )
        assert np.isfinite(losses).all()
        assert np.isfinite(gradient).all()


def test_the_loss_of_identical_projections_is_log_of_the_contrasts():
    z = np.ones((8, 2, 4))
    np.testing.assert_allclose(
        supcon_loss(np.arange(8) % 3, z), np.log(15), rtol=1e-12
    )


@pytest.mark.slow
def test_the_batch_size_may_be_unknown():
    loss = SupConLoss()

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([None, 2, 4]),
        ]
    )
    def compiled(labels, z):
        return loss(labels, z)

    z = random_projections(6, 2, 4).astype("float32")
    np.testing.assert_allclose(
        compiled(np.array(LABELS), z),
        supcon_by_loops(LABELS, z).mean(),
        rtol=1e-5,
    )


@pytest.mark.slow
def test_it_compiles_under_xla():
    z = random_projections(6, 2, 4).astype("float32")
    compiled = tf.function(supcon_loss, jit_compile=True)
    np.testing.assert_allclose(
        compiled(tf.constant(LABELS), z), supcon_by_loops(LABELS, z), rtol=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "variant",
    [
        pytest.param({}, marks=pytest.mark.release),
        {"denominator": "one_positive"},
    ],
)
def test_a_model_compiled_with_xla_learns(variant):
    x = random_projections(32, 6).astype("float32")
    labels = (x[:, 0] > 0).astype("int32")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    model.compile(
        loss=SupConLoss(**variant),
        optimizer=keras.optimizers.SGD(0.05),
        jit_compile=True,
    )
    history = model.fit(x, labels, batch_size=32, epochs=9, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"temperature": 0},
            "`temperature` must be a finite number > 0, at least 1e-06. Rec",
        ),
        (
            {"temperature": -1.0},
            "`temperature` must be a finite number > 0, at least 1e-06. Rec",
        ),
        ({"labels": [0, 1]}, "same batch size. Received: 2 labels and 6"),
        ({"temperature": float("inf")}, "must be a finite number > 0"),
        ({"temperature": "0.1"}, "Received: temperature='0.1'"),
        ({"labels": np.ones((6, 2, 1))}, "shape [B], [B, 1] or, one-hot"),
        (
            {"labels": [0.5] * 6},
            "whole numbers, of at most 64 bits. Received: 0.5",
        ),
        ({"labels": ["cat"] * 6}, "np.unique(names, return_inverse=True)"),
        ({"summation": "in"}, "must be one of 'outside', 'inside'. Received"),
        ({"denominator": None}, "'only_negatives'. Received: denominator=None"),
        ({"anchors": "one"}, "must be one of 'all', 'first'. Received"),
        ({"temperature": 1e-300}, "at least 1e-06. Received: temperature=1e"),
        ({"normalize": "no"}, "`normalize` must be True or False. Received"),
        ({"scale_by_temperature": 1}, "`scale_by_temperature` must be True"),
        (
            {
                "labels": None,
                "positives_mask": np.eye(6) > 0,
                "unlabeled_label": 0,
            },
            "`unlabeled_label` must be None with `positives_mask`",
        ),
        ({"projections": np.ones((6, 2, 4)) * 1j}, "must be floats. Received"),
        ({"implementation": "xla"}, "one of 'auto', 'dense', 'tiled'. Rec"),
        ({"positives_cap": 3}, "Received: positives_cap=3 with 2 views"),
        ({"positives_cap": -2}, "`positives_cap` must be None or an int >= 0"),
        ({"unlabeled_label": 0.5}, "`unlabeled_label` must be None or an int"),
        ({"positives_mask": np.eye(6) > 0}, "must be None with `positives_m"),
        (
            {"labels": None, "positives_mask": np.eye(6)},
            "must be bool of shape [B, B]. Received: dtype=float64",
        ),
        (
            {"labels": None, "positives_mask": np.eye(5) > 0},
            "must be bool of shape [B, B]. Received: dtype=bool, shape=(5, 5)",
        ),
        (
            {"implementation": "tiled", "positives_cap": 2},
            "Received: positives_cap, which only 'dense' computes",
        ),
        ({"projections": np.ones((6, 0, 4))}, "each >= 1"),
        ({"queue": np.ones((3, 4))}, "(labels, projections, is_filled). Rec"),
        (
            {"queue": ([0], np.ones((1, 3)), [True])},
            "shape [Q, 4], as many dimensions as the batch's. Received: shape",
        ),
        (
            {"queue": ([0, 1], np.ones((2, 4)), [True])},
            "is_filled as bool of shape [2]. Received: dtype=",
        ),
        (
            {"queue": ([0, 1], np.ones((2, 4)), [0.5, 1.0])},
            "is_filled as bool of shape [2]. Received: dtype=",
        ),
        (
            {"queue": ([0], np.ones((2, 4)), [True, True])},
            "must hold 2 labels, as many as projections. Received: (1,)",
        ),
        (
            {"queue": (None, np.ones((2, 4)), [True, True])},
            "must hold 2 labels, as many as projections. Received: None",
        ),
        (
            {"queue": ([0], np.ones((1, 4)), [True]), "positives_cap": 2},
            "`positives_cap` must be None with a queue",
        ),
        ({"projections": np.ones(6)}, "must have shape [B, V, D] or [B, D]"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    arguments = {
        "labels": LABELS,
        "projections": np.ones((6, 2, 4)),
        **arguments,
    }
    with pytest.raises(ValueError) as error:
        supcon_loss(**arguments)
    assert message in str(error.value)


def test_float_labels_must_be_whole_numbers():
    z = random_projections(6, 2, 4)
    whole = SupConLoss()(np.array(LABELS, "float32"), z)
    np.testing.assert_allclose(
        whole, supcon_by_loops(LABELS, z).mean(), rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"whole numbers.* Received: 0.5"):
        SupConLoss()(np.array([0.5, 1, 2, 0, 1, 2]), z)


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize("summation", ["outside", "inside"])
def test_an_empty_batch_has_no_losses_and_no_gradient(
    implementation, summation
):
    """A replica may be left with none of the last images."""
    losses, gradient = value_and_gradient(
        np.zeros(0, int),
        np.zeros((0, 2, 4)),
        implementation=implementation,
        summation=summation,
    )
    assert losses.shape == (0,)
    assert gradient.shape == (0, 2, 4)


@pytest.mark.slow
def test_variables_are_projections_and_labels_as_well():
    z = random_projections(6, 2, 4).astype("float32")
    expected = supcon_by_loops(LABELS, z).mean()
    one_hot = tf.Variable(np.eye(3)[LABELS])
    for variable in (keras.Variable(z), tf.Variable(z)):
        compiled = tf.function(lambda z=variable: SupConLoss()(one_hot, z))
        np.testing.assert_allclose(compiled(), expected, rtol=1e-5)
        np.testing.assert_allclose(
            np.mean(supcon_loss(LABELS, variable)), expected, rtol=1e-5
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "size", "is_tiled"),
    [
        ({}, 2, True),
        ({"anchors": "first"}, 4, False),
        ({"anchors": "first"}, 8192, True),
        ({"temperature": 0.02}, 4, False),
        ({"temperature": 0.02}, 4096, True),
        ({"normalize": False, "summation": "inside"}, 4, False),
        ({"denominator": "one_positive"}, 4, True),
        ({"implementation": "dense"}, 4, False),
        ({"implementation": "tiled", "anchors": "first"}, 4, True),
    ],
)
def test_auto_is_tiled_where_that_is_faster(
    monkeypatch, options, size, is_tiled
):
    spies = []
    for name in ("sums_over_pairs", "sums_and_curve"):
        spy = mock.Mock(wraps=getattr(tiled, name))
        monkeypatch.setattr(tiled, name, spy)
        spies.append(spy)
    z = random_projections(size // 2, 2, 2)
    supcon_loss(np.arange(size // 2) // 2, z, **options)
    assert any(spy.called for spy in spies) == is_tiled


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batch", "options", "tile_size"),
    pairwise(
        batch=[(LABELS, 2), (LABELS, 1), (None, 2)],
        options=[
            {"implementation": "dense"},
            {"implementation": "tiled"},
            {"implementation": "tiled", "temperature": 0.01},
            {"implementation": "dense", "summation": "inside"},
            {"implementation": "tiled", "summation": "inside"},
            {"anchors": "first"},
            {"denominator": "one_positive"},
            {"denominator": "only_negatives"},
            {"unlabeled_label": 1},
            {"normalize": False, "temperature": 1.0},
        ],
        tile_size=[896, 3],
    ),
)
def test_a_queue_that_holds_the_rest_of_a_batch_is_the_big_batch(
    monkeypatch, batch, options, tile_size
):
    monkeypatch.setattr(tiles, "TILE_SIZE", tile_size)
    labels, views = batch
    z = random_projections(6, views, 4)
    ids = range(6) if labels is None else labels
    with tf.GradientTape() as tape:
        whole = tf.Variable(z)
        expected = supcon_loss(labels, whole, **options)[:2]
    expected_gradient = tape.gradient(expected, whole)[:2]
    # Rows beyond what the queue has got so far do not count.
    rest = np.concatenate([z[2:].reshape(-1, 4), np.full((3, 4), np.nan)])
    queue = (
        np.concatenate([np.repeat(ids[2:], views), [0, 1, 2]]),
        rest,
        np.arange(len(rest)) < len(rest) - 3,
    )
    losses, gradient = value_and_gradient(
        None if labels is None else labels[:2], z[:2], queue=queue, **options
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-12)


def test_no_gradient_flows_to_a_queue():
    z = tf.constant(random_projections(2, 2, 4))
    vectors = tf.constant(random_projections(3, 4, seed=1))
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        queue = ([0, 1, 0], vectors, [True] * 3)
        losses = supcon_loss([0, 1], z, queue=queue)
    gradient = tape.gradient(losses, vectors)
    assert gradient is None or not np.any(gradient)
