"""The figures of a page, as models of Bokeh."""

import numpy as np
import pytest

from supcon_tf.drawing import COLORS
from supcon_tf.photographs.page import plots

X = np.random.default_rng(0).normal(size=(12, 4))


def test_up_to_30_classes_have_a_pair_each_and_the_smallest_beyond_are_grey():
    pairs = set(zip(*plots.colors_and_markers([1] * 30), strict=True))
    assert len(pairs) == 30
    colors, markers = plots.colors_and_markers([2] * 15 + [1] * 4 + [2] * 15)
    assert [c not in COLORS for c in colors] == (
        [False] * 15 + [True] * 4 + [False] * 15
    )
    assert len(markers) == 34


@pytest.mark.slow
def test_maps_share_their_images_and_their_filter():
    maps = [{"PCA": X[:, :2]}, {"t-SNE": X[:, 2:], "PCA": X[:, 1:3]}]
    first, second = plots.embedding_maps(maps, ["red"] * 12, ["circle"] * 12)
    (marks, *_), (others, *_) = first.renderers, second.renderers
    assert marks.data_source is others.data_source
    assert marks.view.filter is others.view.filter
    data = marks.data_source.data
    np.testing.assert_array_equal(data["x0"], X[:, 0])
    np.testing.assert_array_equal(data["y1"], X[:, 3])  # t-SNE is first
    np.testing.assert_array_equal(data["y1:PCA"], X[:, 2])
    assert first.output_backend == "webgl"


def test_a_matrix_shows_its_cells_by_row_and_column():
    counts = np.array([[3, 1, 0], [0, 4, 0], [2, 0, 2]])
    plot = plots.confusion_matrix(0, counts, ["a", "b", "c"])
    data = plot.renderers[0].data_source.data
    cells = set(zip(data["y"], data["x"], strict=True))
    assert cells == {(0, 0), (0, 1), (1, 1), (2, 0), (2, 2)}
    shown = {
        (y, x): text
        for renderer in plot.renderers[1:]
        for y, x, text in zip(
            *(renderer.data_source.data[key] for key in ("y", "x", "text")),
            strict=True,
        )
    }
    assert shown == {cell: str(counts[cell]) for cell in cells}
    # The first class is at the top, and all of it is seen.
    assert (plot.y_range.start, plot.y_range.end) == (2.5, -0.5)


def test_a_class_without_test_images_does_not_divide_by_0():
    plot = plots.confusion_matrix(0, np.array([[1, 1], [0, 0]]), ["a", "b"])
    assert np.isfinite(plot.renderers[0].data_source.data["alpha"]).all()


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("cat", "cat"),
        ("$$x^2$$", "$\u200b$x^2$\u200b$"),
        ("\\(x\\)", "\\\u200b(x\\\u200b)"),
        ("a" * 30, "a" * 17 + "…"),
    ],
)
def test_a_class_name_is_a_short_label_and_no_tex(name, label):
    plot = plots.confusion_matrix(0, np.eye(2, dtype=int), [name, "b"])
    assert plot.xaxis[0].major_label_overrides[0] == label
