"""The figures of a sweep: what is drawn where."""

import pytest
from caught_figures import caught_figure

from supcon_tf.studies import Run
from supcon_tf.studies import figures as study_figures
from supcon_tf.studies.figures import accuracy_boxes, accuracy_curves
from supcon_tf.studies.results import in_order, row_of
from supcon_tf.training.objectives import OBJECTIVES

pytest.importorskip("matplotlib")


def test_objectives_are_told_apart_and_an_unknown_one_is_grey():
    styles = [study_figures._style(name) for name in (*OBJECTIVES, "mine")]
    for parts in zip(*styles, strict=True):
        assert len(set(parts)) == len(styles)
    assert styles[-1][0] == study_figures.UNKNOWN
    groups = {("mine", 1): [], ("cross_entropy", 1): [], ("supcon", 1): []}
    in_order = study_figures._in_order(groups)
    assert in_order == ["supcon", "cross_entropy", "mine"]


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """A function that draws, checks the file, and returns the figure's axes."""

    def draw(function, *arguments, **options):
        path = tmp_path / "figure.png"
        figure, image = caught_figure(
            monkeypatch,
            study_figures,
            path,
            lambda: function(*arguments, path, title="The title", **options),
        )
        made = figure.axes
        assert min(image.size) >= 400
        assert "The title" in (figure.get_suptitle(), made[0].get_title())
        assert made[0].get_ylabel() == "top-1 of a linear classifier (%)"
        return made

    return draw


def row(objective, settings, seed, accuracy):
    results = None if accuracy is None else {"top_1_accuracy": accuracy}
    error = "no" if accuracy is None else None
    run = Run(objective, settings, seed)
    return row_of(run, "study", results=results, error=error)


def epochs(objective, number, seed, accuracy):
    return row(objective, {"epochs": number}, seed, accuracy)


CURVES = [
    epochs("cross_entropy", 2, 0, 0.5),
    epochs("cross_entropy", 16, 0, 0.625),
    epochs("supcon", 2, 0, 0.5),
    epochs("supcon", 2, 1, 0.75),
    epochs("supcon", 4, 0, None),
    epochs("supcon", 16, 0, 0.875),
    epochs("supcon", 16, 1, 0.625),
    epochs("supcon", 16, 2, 0.75),
]


@pytest.mark.slow
def test_a_line_is_the_mean_over_seeds_and_a_point_a_run(drawn):
    (axes,) = drawn(accuracy_curves, CURVES, "epochs", label="epochs")
    supcon, cross_entropy = axes.get_lines()
    assert supcon.get_xydata().tolist() == [[2, 62.5], [16, 75]]
    assert cross_entropy.get_xydata().tolist() == [[2, 50], [16, 62.5]]
    points = sorted(
        point
        for part in axes.collections
        if hasattr(part, "get_sizes") and len(part.get_sizes())
        for point in part.get_offsets().tolist()
    )
    assert points == [[2, 50], [2, 75], [16, 62.5], [16, 75], [16, 87.5]]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == [
        "SupCon, mean +- standard deviation of 2 to 3 seeds",
        "cross-entropy, 1 seed",
    ]
    assert axes.get_xlabel() == "epochs"


@pytest.mark.slow
def test_the_band_is_a_standard_deviation_each_way(drawn):
    (axes,) = drawn(accuracy_curves, CURVES, "epochs", label="epochs")
    corners = axes.collections[-2].get_paths()[0].vertices.tolist()
    assert [16, 62.5] in corners  # 75 +- 12.5
    assert [16, 87.5] in corners


@pytest.mark.slow
def test_what_has_no_such_setting_is_a_line_across(drawn):
    rows = [r for r in CURVES if r["objective"] == "supcon"]
    rows += [row("cross_entropy", {}, seed, 0.5 + seed / 4) for seed in (0, 1)]
    (axes,) = drawn(accuracy_curves, rows, "epochs", label="epochs")
    supcon, cross_entropy = axes.get_lines()
    assert supcon.get_xydata().tolist() == [[2, 62.5], [16, 75]]
    assert cross_entropy.get_xydata().tolist() == [[2, 62.5], [16, 62.5]]
    assert (supcon.get_linestyle(), cross_entropy.get_linestyle()) == (
        "-", "--",
    )  # fmt: skip
    assert [t.get_text() for t in axes.get_xticklabels()] == ["2", "16"]


@pytest.mark.slow
def test_the_axis_is_logarithmic_where_values_are_far_apart(drawn):
    (axes,) = drawn(accuracy_curves, CURVES, "epochs", label="epochs")
    assert axes.get_xscale() == "log"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["2", "16"]
    near = [r for r in CURVES if r["epochs"] == 2]
    near.append(epochs("supcon", 3, 0, 0.5))
    (axes,) = drawn(accuracy_curves, near, "epochs", label="epochs")
    assert axes.get_xscale() == "linear"


def test_one_run_alone_is_drawn(drawn):
    (axes,) = drawn(accuracy_curves, CURVES[:1], "epochs", label="epochs")
    assert axes.get_lines()[0].get_xydata().tolist() == [[2, 50]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("accuracies", "limits"),
    [((0.5, 0.505), (48, 53)), ((0.99, 0.995), (96, 100)), ((0.2, 0.9), None)],
)
def test_small_differences_do_not_fill_the_axis(accuracies, limits, drawn):
    rows = [epochs("supcon", n, 0, a) for n, a in enumerate(accuracies, 1)]
    (axes,) = drawn(accuracy_curves, rows, "epochs", label="epochs")
    low, high = axes.get_ylim()
    assert low < 100 * accuracies[0] < 100 * accuracies[1] < high
    if limits is None:
        assert high - low > 70
    else:
        assert high - low == pytest.approx(4)
        assert limits[0] <= low < high <= limits[1]


@pytest.mark.slow
@pytest.mark.parametrize("lowest", [0.3, 0.99])
def test_the_axis_ends_at_100_percent_where_no_point_is_cut(lowest, drawn):
    rows = [
        epochs("supcon", number, seed, accuracy)
        for number in (2, 16)
        for seed, accuracy in enumerate((lowest, 1.0, 1.0))
    ]
    (axes,) = drawn(accuracy_curves, rows, "epochs", label="epochs")
    assert axes.get_ylim()[1] == 100
    (line,) = axes.get_lines()
    band, *points = sorted(axes.collections, key=lambda c: len(c.get_offsets()))
    assert not any(each.get_clip_on() for each in (line, *points))
    assert band.get_clip_on()  # a spread above 100 % is of no accuracy

    rows = grid("supcon", [lowest] + [1.0] * 11)
    for panel in drawn(accuracy_boxes, rows, VARIED):
        assert panel.get_ylim()[1] == 100
        for each in (*panel.lines, *panel.patches, *panel.collections):
            assert not each.get_clip_on()


VARIED = ("augmentation", "optimizer", "base_learning_rate")


def grid(objective, accuracies):
    accuracies = iter(accuracies)
    return [
        row(
            objective,
            dict(zip(VARIED, (augmentation, optimizer, rate), strict=True)),
            0,
            next(accuracies),
        )
        for augmentation in ("crop", "simclr")
        for optimizer, middle in (("adam", 0.004), ("sgd", 0.2))
        for rate in (middle / 4, middle, middle * 4)
    ]


def medians(panel):
    """Where the boxes stand, and the medians in them."""
    lines = [line for line in panel.get_lines() if line.get_linewidth() == 2]
    return [
        (round(float(line.get_xdata().mean()), 3), line.get_ydata()[0])
        for line in lines
    ]


@pytest.mark.slow
def test_boxes_are_of_all_runs_and_of_those_with_each_value(drawn):
    supcon = [0.9] * 6 + [0.8] * 3 + [0.7] * 2 + [None]
    rows = grid("supcon", supcon) + grid("cross_entropy", [0.5] * 12)
    rows = in_order(rows, VARIED)
    panels = drawn(accuracy_boxes, rows, VARIED)
    ticks = [
        [label.get_text() for label in panel.get_xticklabels()]
        for panel in panels
    ]
    assert ticks == [
        ["all runs"],
        ["crop", "simclr"],
        ["adam", "sgd"],
        ["x 0.25", "x 1", "x 4"],
    ]
    # SupCon on the left of each place, cross-entropy on the right.
    assert medians(panels[0]) == [(-0.175, 90), (0.175, 50)]
    assert medians(panels[1])[:2] == [(-0.175, 90), (0.825, 80)]
    assert medians(panels[2])[:2] == [(-0.175, 85), (0.825, 90)]
    points = panels[0].collections[0].get_offsets()
    assert len(points) == 11
    labels = panels[0].get_legend_handles_labels()[1]
    assert labels == ["SupCon, 11 runs", "cross-entropy, 12 runs"]


@pytest.mark.slow
def test_rates_are_ordered_by_size_whichever_comes_first(drawn):
    rows = grid("supcon", [0.5] * 12)[1:]  # without the smallest of adam
    *_, panel = drawn(accuracy_boxes, rows, VARIED)
    ticks = [label.get_text() for label in panel.get_xticklabels()]
    assert ticks == ["x 0.25", "x 1", "x 4"]
