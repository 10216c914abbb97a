"""Figures as PNG files; that they look right has been looked at by eye."""

import sys
import threading

import numpy as np
import pytest
from caught_figures import caught_figure

from supcon_tf.evaluation.report import figures
from supcon_tf.evaluation.report.figures import (
    corruption_bars,
    embedding_maps,
    read_history,
    similarity_histograms,
    training_curves,
)

HISTORY = "epoch,loss,collapsed_loss,val_knn_accuracy\n1,5,4,0.2\n2,4.5,4,0.4\n"


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """A function that draws, checks the file, and returns the figure's axes."""

    def draw(function, *arguments, **options):
        path = tmp_path / "figure.png"
        figure, image = caught_figure(
            monkeypatch,
            figures,
            path,
            lambda: function(*arguments, path, **options),
        )
        made = figure.axes
        assert min(image.size) >= 200
        assert len(set(image.convert("RGB").getdata())) > 20
        for axes in made:
            assert axes.get_ylabel()
        assert made[-1].get_xlabel()
        assert made[0].get_title()
        return made

    return draw


def clusters(num_classes=3, count=90, dim=6):
    random = np.random.default_rng(0)
    labels = np.arange(count) % num_classes
    x = random.normal(size=(count, dim))
    return x + 5 * random.normal(size=(num_classes, dim))[labels], labels


def test_a_map_shows_each_class_at_its_two_main_directions(drawn):
    x, labels = clusters()
    (axes,) = drawn(embedding_maps, {"a": x}, labels, ("cat", "dog", "ship"))
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["cat", "dog", "ship"]
    points = [part.get_offsets() for part in axes.collections]
    assert [len(p) for p in points] == [30, 30, 30]
    # Variances along the two directions are the largest of the covariance.
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    variances = np.linalg.eigvalsh(np.cov(unit.T, bias=True))[::-1]
    places = np.concatenate(points)
    np.testing.assert_allclose(places.var(axis=0), variances[:2])
    share = f"{100 * variances[0] / variances.sum():.0f} %"
    assert share in axes.get_xlabel()


@pytest.mark.slow
def test_of_many_classes_those_with_most_images_are_coloured(drawn):
    labels = np.concatenate([np.arange(30), np.repeat([4, 29], 5)])
    x = np.random.default_rng(0).normal(size=(len(labels), 5))
    names = [f"class {i}" for i in range(30)]
    (axes,) = drawn(embedding_maps, {"a": x}, labels, names)
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(legend) == 21
    assert legend[0] == "other classes"
    assert {"class 4", "class 29"} < set(legend)
    pairs = {
        (tuple(part.get_facecolor()[0]), len(part.get_paths()[0].vertices))
        for part in axes.collections[1:]
    }
    assert len(pairs) == 20  # no two look the same


def test_of_many_images_some_are_drawn_the_same_each_time(drawn):
    x, labels = clusters(count=300)
    first, second = (
        np.concatenate(
            [
                part.get_offsets()
                for part in drawn(
                    embedding_maps, {"a": x}, labels, "abc", max_points=50
                )[0].collections
            ]
        )
        for _ in range(2)
    )
    assert len(first) == 50
    np.testing.assert_array_equal(first, second)


def test_identical_representations_have_a_map_too(drawn):
    x = {"a": np.ones((10, 4))}
    drawn(embedding_maps, x, np.arange(10) % 2, ["a", "b"])


@pytest.mark.slow
def test_two_encoders_have_a_panel_each_and_one_legend(drawn):
    x, labels = clusters()
    encoders = {"supcon": x, "cross_entropy": x[:, ::-1] * 3}
    panels = drawn(embedding_maps, encoders, labels, list("abc"))
    assert [panel.get_title() for panel in panels] == list(encoders)
    assert [panel.get_legend() is None for panel in panels] == [True, False]
    for name, histogram in zip(
        encoders,
        drawn(similarity_histograms, encoders, labels),
        strict=True,
    ):
        assert histogram.get_title().endswith(f": {name}")


def test_histograms_tell_the_medians_of_both_sorts_of_pairs(drawn):
    directions = np.array([[1, 0], [0.5, np.sqrt(0.75)]])
    labels = np.arange(40) % 2
    (axes,) = drawn(similarity_histograms, {"a": directions[labels]}, labels)
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "one class, median 1.00",
        "two classes, median 0.50",
    ]


def test_identical_representations_have_histograms_too(drawn):
    (axes,) = drawn(
        similarity_histograms,
        {"a": np.full((10, 3), 0.1)},
        np.arange(10) % 2,
    )
    (histogram, _) = axes.patches
    assert histogram.get_xy()[:, 1].max() == pytest.approx(600)  # 1 / width


def test_bars_are_the_mean_errors_of_each_model(drawn):
    errors = {
        "SupCon": {"fog": (0.1, 0.3), "shot_noise": (0.2, 0.4)},
        "cross-entropy": {"fog": (0.2, 0.4), "shot_noise": (0.5, 0.7)},
    }
    (axes,) = drawn(corruption_bars, errors)
    widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
    np.testing.assert_allclose(widths, [[20, 30], [30, 60]])
    kinds = [label.get_text() for label in axes.get_yticklabels()]
    assert kinds == ["fog", "shot noise"]
    texts = axes.get_legend().get_texts()
    assert [text.get_text() for text in texts] == [
        "SupCon, mean 25.0 %",
        "cross-entropy, mean 45.0 %",
    ]


def test_losses_and_other_values_have_a_panel_each(drawn, tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    losses, others = drawn(training_curves, path)
    assert [line.get_label() for line in losses.lines] == [
        "loss",
        "collapsed loss",
    ]
    np.testing.assert_array_equal(losses.lines[0].get_ydata(), [5, 4.5])
    np.testing.assert_array_equal(others.lines[0].get_ydata(), [0.2, 0.4])
    np.testing.assert_array_equal(others.lines[0].get_xdata(), [1, 2])


def test_a_history_of_losses_alone_has_one_panel(drawn, tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss\n1,3\n")
    assert len(drawn(training_curves, path)) == 1


@pytest.mark.parametrize(
    "text", [None, "", "epoch,loss\n", "loss\n1\n", "epoch,loss\n1,a\n",
             "epoch,loss\n1\n", "epoch\n1\n"]
)  # fmt: skip
def test_a_history_that_is_none_is_named(text, tmp_path):
    path = tmp_path / "history.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=r"history\.csv must be the history"):
        read_history(path)


def test_nothing_is_left_behind(tmp_path):
    import matplotlib

    settings = dict(matplotlib.rcParams)
    x, labels = clusters()
    thread = threading.Thread(  # where a window could not be opened
        target=similarity_histograms,
        args=({"a": x}, labels, tmp_path / "figure.png"),
    )
    thread.start()
    thread.join()
    assert (tmp_path / "figure.png").exists()
    assert dict(matplotlib.rcParams) == settings
    if "matplotlib.pyplot" in sys.modules:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()


def test_matplotlib_is_imported_by_no_module_of_figures():
    assert not hasattr(figures, "matplotlib")
