"""Similarities and training curves, as models of Bokeh."""

import numpy as np
import pytest

from supcon_tf.photographs.page import curves

X = np.random.default_rng(0).normal(size=(12, 4))
LABELS = np.arange(12) % 3


def test_each_kind_of_pair_has_an_area_of_100_percent():
    plot = curves.similarity_histogram(0, X, LABELS)
    assert len(plot.renderers) == 2
    for renderer in plot.renderers:
        tops = renderer.data_source.data["top"]
        assert np.sum(tops) == pytest.approx(100)


def test_without_two_kinds_of_pairs_there_is_no_histogram():
    assert curves.similarity_histogram(0, X, np.zeros(12, int)) is None
    assert curves.similarity_histogram(0, X, np.arange(12)) is None


def test_losses_and_all_else_have_a_figure_each():
    history = ([1.0, 2.0], {"loss": [3.0, 2.0], "knn_top_1": [0.1, np.nan]})
    (name, losses), (_, others) = curves.training_curves({"own": history})
    assert name == "own"
    assert losses.renderers[0].data_source.data["y"] == [3.0, 2.0]
    assert others.renderers[0].data_source.data["y"][0] == 0.1
    only = curves.training_curves({"own": ([1.0], {"loss": [3.0]})})
    assert len(only) == 1
