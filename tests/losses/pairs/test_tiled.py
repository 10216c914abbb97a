"""Log-sum-exps by tiles, against the array of all pairs."""

import numpy as np
import pytest
import tensorflow as tf
from pairwise import pairwise

from supcon_tf.losses.pairs import tiles
from supcon_tf.losses.pairs.contrasts import Contrasts
from supcon_tf.losses.pairs.kinds import by_class
from supcon_tf.losses.pairs.terms import ALL_PAIRS, Exps
from supcon_tf.losses.pairs.tiled import sums_over_pairs


def by_array(vectors, groups=None):
    """The same in NumPy, float64; NaN where a vector has no others."""
    similarities = vectors @ vectors.T
    other = ~np.eye(len(vectors), dtype=bool)
    masks = [other]
    if groups is not None:
        masks.append(other & (groups[:, None] == groups))
    columns = []
    for mask in masks:
        values = np.where(mask, similarities, -np.inf)
        top = np.where(mask.any(1), values.max(1), np.nan)
        columns.append(top + np.log(np.exp(values - top[:, None]).sum(1)))
    return np.stack(columns, axis=1)


def alone(vectors, groups=None, bound=None):
    """Contrasts that are nothing but the vectors of the replica."""
    groups = None if groups is None else tf.constant(groups)
    return Contrasts(vectors, vectors, groups, views=1, bound=bound)


def log_sum_exps(contrasts, *, with_positives=False, tile_size=None):
    """Over all others and, with positives, over those of the own group."""
    terms = [Exps(), Exps("positive")] if with_positives else [Exps()]
    kinds = by_class(contrasts) if with_positives else ALL_PAIRS
    return sums_over_pairs(contrasts, terms, kinds, tile_size=tile_size)


def problem(size, scale=1.0):
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(size, 3)) * scale
    return vectors, generator.integers(0, 3, size).astype("int32")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "tile_size", "with_groups", "bound", "compiled"),
    pairwise(
        size=[12, 7, 1],
        tile_size=[5, 100, 1],
        with_groups=[True, False],
        bound=[40, None],
        compiled=[False, True],
    ),
)
def test_values_and_gradients_are_those_of_the_array(
    size, tile_size, with_groups, bound, compiled
):
    vectors, groups = problem(size)
    groups = groups if with_groups else None
    expected = by_array(vectors, groups)
    upstream = np.random.default_rng(1).normal(size=expected.shape)
    upstream[np.isnan(expected)] = 0

    def value_and_gradient(vectors):
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            values = log_sum_exps(
                alone(vectors, groups, bound),
                with_positives=with_groups,
                tile_size=tile_size,
            )
        return values, tape.gradient(values, vectors, upstream)

    if compiled:  # N unknown
        value_and_gradient = tf.function(
            value_and_gradient,
            input_signature=[tf.TensorSpec([None, 3], tf.float64)],
        )
    values, gradient = value_and_gradient(tf.constant(vectors))
    is_known = ~np.isnan(expected)
    np.testing.assert_allclose(
        values.numpy()[is_known], expected[is_known], rtol=1e-12, atol=1e-12
    )
    assert np.isfinite(values).all()
    softmax = np.zeros((size, size))
    for column in range(expected.shape[1]):
        weights = np.exp(vectors @ vectors.T - expected[:, column, None])
        if column == 1:
            weights = np.where(groups[:, None] == groups, weights, 0)
        np.fill_diagonal(weights, 0)
        softmax += np.nan_to_num(weights) * upstream[:, column, None]
    np.testing.assert_allclose(
        gradient, (softmax + softmax.T) @ vectors, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("tile_size", [4, 100])
def test_shifted_tiles_stand_similarities_of_any_size(tile_size):
    vectors, groups = problem(10, scale=100.0)
    expected = by_array(vectors, groups)
    values = log_sum_exps(
        alone(vectors, groups), with_positives=True, tile_size=tile_size
    ).numpy()
    is_known = ~np.isnan(expected)
    np.testing.assert_allclose(values[is_known], expected[is_known], rtol=1e-12)


@pytest.mark.parametrize("bound", [40.0, 41.0])
def test_both_ways_agree_at_the_largest_bound(bound):
    """exp(40) and exp(-40) in one sum, in float32."""
    vectors = np.array([[1, 0], [-1, 0], [0, 1], [1, 0]]) * np.sqrt(40)
    pairs = alone(vectors.astype("float32"), bound=bound)
    values = log_sum_exps(pairs, tile_size=3)
    np.testing.assert_allclose(values, by_array(vectors), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("bound", [10.0, None])
def test_it_compiles_under_xla(bound):
    vectors, groups = problem(10)

    @tf.function(jit_compile=True)
    def compiled(vectors):
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            pairs = alone(vectors, groups, bound)
            values = log_sum_exps(pairs, with_positives=True, tile_size=3)
        return values, tape.gradient(values, vectors)

    values, gradient = compiled(tf.constant(vectors))
    expected = by_array(vectors, groups)
    is_known = ~np.isnan(expected)
    np.testing.assert_allclose(
        values.numpy()[is_known], expected[is_known], rtol=1e-9
    )
    assert np.isfinite(gradient).all()


@pytest.mark.slow
def test_no_array_of_all_pairs_is_in_the_graph():
    size = 4096

    @tf.function
    def gradient(vectors):
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            values = log_sum_exps(alone(vectors, bound=10.0))
        return tape.gradient(values, vectors)

    graph = gradient.get_concrete_function(tf.TensorSpec([size, 8])).graph
    largest = 0
    for function in [graph, *_functions_of(graph)]:
        for op in function.get_operations():
            for output in op.outputs:
                largest = max(largest, output.shape.num_elements() or 0)
    assert 500**2 < largest <= tiles.TILE_SIZE**2


def _functions_of(graph):
    """The bodies of the loops, and of the loops in them."""
    for op in graph.get_operations():
        if op.type in ("While", "StatelessWhile"):
            for attribute in ("body", "cond"):
                name = op.get_attr(attribute).name
                inner = graph._get_function(name).graph
                yield inner
                yield from _functions_of(inner)
