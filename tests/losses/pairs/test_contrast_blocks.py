"""Tests of losses/pairs/contrast_blocks.py: rows sorted by their group."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.losses.pairs import dense, tiled
from supcon_tf.losses.pairs.contrasts import contrasts_of
from supcon_tf.losses.pairs.kinds import by_class
from supcon_tf.losses.pairs.terms import Exps, Weights

GENERATOR = np.random.default_rng(0)
CLASSES = GENERATOR.permutation(61) % 20
Z = GENERATOR.normal(size=(61, 1, 4))
QUEUE = (np.arange(7) % 30, GENERATOR.normal(size=(7, 4)), np.arange(7) < 5)
TERMS = [Exps("negative"), Exps("positive"), Weights("positive")]


def counted_kinds(queue=None):
    """Contrasts, their kinds, and a list of which of them each tile took."""
    contrasts = contrasts_of(
        CLASSES, tf.constant(Z), temperature=0.5, queue=queue
    )
    kinds, calls = by_class(contrasts), []

    def noted(name):
        function = getattr(kinds, name)

        def call(rows, columns):
            calls.append(name)
            return function(rows, columns)

        return call

    noted_kinds = dataclasses.replace(
        kinds, weigh=noted("weigh"), apart=noted("apart")
    )
    return contrasts, noted_kinds, calls


def test_only_neighbouring_tiles_hold_pairs_of_a_class():
    contrasts, kinds, calls = counted_kinds()
    tiled.sums_over_pairs(contrasts, TERMS, kinds, tile_size=8)
    # 8 blocks: 8 tiles on the diagonal, and at most 7 that share a class.
    assert len(calls) == 36
    assert 8 <= calls.count("weigh") <= 15


@pytest.mark.parametrize("queue", [None, QUEUE])
@pytest.mark.parametrize("temperature", [0.5, 0.01])
def test_the_sums_of_sorted_rows_come_back_in_the_order_of_the_rows(
    queue, temperature
):
    contrasts = contrasts_of(
        CLASSES, tf.constant(Z), temperature=temperature, queue=queue
    )
    kinds = by_class(contrasts)
    found = tiled.sums_over_pairs(contrasts, TERMS, kinds, tile_size=8)
    expected = dense.sums_over_pairs(contrasts, TERMS, kinds)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_rows_are_not_sorted_where_no_term_asks_for_classes():
    contrasts, kinds, calls = counted_kinds()
    tiled.sums_over_pairs(contrasts, [Exps()], kinds, tile_size=8)
    assert "apart" not in calls
