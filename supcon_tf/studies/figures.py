"""Draws the figures of a sweep: curves over a setting, boxes over several."""

import statistics

from supcon_tf.drawing import new_figure, write_figure
from supcon_tf.studies.results import grouped, mean_and_spread
from supcon_tf.training.objectives import OBJECTIVES

UNKNOWN = "#999999"  # the color of an objective that has no row
_ACCURACY = "top-1 of a linear classifier (%)"
_TIMES = "x "
# In a range of fewer percent, single test images would look like much.
_LEAST_RANGE = 4
# An axis is logarithmic if its largest value is this many times the smallest.
_GEOMETRIC = 8


def accuracy_curves(rows, column, path, *, label, title):
    """Draws top-1 against a setting, with a line for each objective.

    A line is the mean over seeds. A small point is a run. A band reaches one
    sample standard deviation up and down. An objective without the setting is a
    dashed line across. Runs that failed, without accuracy, are left out.

    Args:
      rows: dicts with `objective`, `top_1_accuracy` and, in at least one row,
        the column.
      column: name of the column on the horizontal axis, which holds numbers.
      path: path of the PNG file to write.
      label: what the axis calls the column.
      title: title of the figure.

    Example:
      >>> rows = [
      ...     {"objective": "supcon", "temperature": t, "top_1_accuracy": 0.9}
      ...     for t in (0.1, 0.5)
      ... ]
      >>> accuracy_curves(
      ...     rows, "temperature", "curves.png", label="temperature", title=""
      ... )
    """
    groups = grouped(rows, ("objective", column))
    values = sorted({value for _, value in groups} - {None})
    figure, (axes,) = new_figure(7, 4.8, 1)
    for objective in _in_order(groups):
        color, marker, name = _style(objective)
        if (objective, None) in groups:  # it has no such setting
            own, style = [values[0], values[-1]], "--"
            runs = 2 * [_percent(groups[objective, None])]
        else:
            own, style = [v for v in values if (objective, v) in groups], "-"
            runs = [_percent(groups[objective, value]) for value in own]
        for value, percents in zip(own, runs, strict=True):
            if len(percents) > 1:
                axes.scatter(
                    [value] * len(percents),
                    percents,
                    s=14,
                    color=color,
                    alpha=0.5,
                    linewidths=0,
                    clip_on=False,
                )
        means, spreads = zip(*map(mean_and_spread, runs), strict=True)
        spreads = [spread or 0 for spread in spreads]
        axes.fill_between(
            own,
            [m - s for m, s in zip(means, spreads, strict=True)],
            [m + s for m, s in zip(means, spreads, strict=True)],
            color=color,
            alpha=0.18,
            linewidth=0,
        )
        axes.plot(
            own,
            means,
            color=color,
            marker=marker if style == "-" else None,
            linestyle=style,
            linewidth=1.8,
            clip_on=False,
            label=f"{name}, {_seeds(map(len, runs))}",
        )
    axes.set(xlabel=label, ylabel=_ACCURACY, title=title)
    if values[-1] >= _GEOMETRIC * values[0] > 0:
        axes.set_xscale("log")
    _tick_at(axes, values)
    _widen(axes)
    axes.legend(frameon=False)
    write_figure(figure, path)


def accuracy_boxes(rows, settings, path, *, title):
    """Draws how top-1 spreads over all runs, and by each of the settings.

    A point is a run. A box shows the quartiles, and the line in it the median.
    The whiskers reach to the furthest run within 1.5 times the box's length.

    Args:
      rows: dicts with `objective`, `top_1_accuracy` and the settings. Runs that
        failed, without accuracy, are left out.
      settings: names of the columns that were varied. A number is shown
        relative to the middle one that its objective has with its optimizer.
      path: path of the PNG file to write.
      title: title of the figure.

    Example:
      >>> rows = [
      ...     {"objective": "supcon", "augmentation": x, "top_1_accuracy": 0.9}
      ...     for x in ("simclr", "crop_flip")
      ... ]
      >>> accuracy_boxes(rows, ("augmentation",), "boxes.png", title="")
    """
    figure, panels = new_figure(9, 6.6, 2, columns=2, sharey=True)
    levels = {"": ["all runs"] * len(rows)} | {
        name: _levels(rows, name) for name in settings
    }
    objectives = _in_order(grouped(rows, ("objective",)))
    for panel, (setting, of_rows) in zip(panels, levels.items(), strict=False):
        names = _in_level_order(of_rows)
        for index, objective in enumerate(objectives):
            samples = [
                _percent(
                    row
                    for row, level in zip(rows, of_rows, strict=True)
                    if (level, row["objective"]) == (name, objective)
                    and row["top_1_accuracy"] is not None
                )
                for name in names
            ]
            _add_boxes(panel, samples, index, len(objectives), objective)
        panel.set_xticks(range(len(names)), names)
        panel.set_xlim(-0.6, len(names) - 0.4)
        panel.set_title(_panel_title(setting, names), fontsize="medium")
        panel.grid(False, axis="x")
    for panel in panels[::2]:
        panel.set_ylabel(_ACCURACY)
    for panel in panels[len(levels) :]:
        panel.set_visible(False)
    _widen(panels[0])
    figure.suptitle(title, fontsize="large")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(objectives),
        frameon=False,
    )
    write_figure(figure, path)


def _add_boxes(panel, samples, index, count, objective):
    """Draws the boxes of an objective, index-th of `count` at each place."""
    color, marker, name = _style(objective)
    width = 0.7 / count
    places = [
        i + width * (index - (count - 1) / 2) for i in range(len(samples))
    ]
    drawn = [(p, s) for p, s in zip(places, samples, strict=True) if s]
    panel.boxplot(
        [sample for _, sample in drawn],
        positions=[place for place, _ in drawn],
        widths=0.8 * width,
        showfliers=False,  # all runs are drawn as points
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": color + "40", "edgecolor": color},
        medianprops={"color": color, "linewidth": 2},
        whiskerprops={"color": color},
        capprops={"color": color},
    )
    for artist in (*panel.lines, *panel.patches):
        # At 100 % half of a line is above the axes.
        artist.set_clip_on(False)
    panel.scatter(
        [place for place, sample in drawn for _ in sample],
        [percent for _, sample in drawn for percent in sample],
        s=16,
        marker=marker,
        color=color,
        alpha=0.8,
        linewidths=0,
        clip_on=False,
        zorder=3,
        label=f"{name}, {sum(map(len, samples))} runs",
    )


def _levels(rows, setting):
    """Lists what each row is called in the panel of a setting."""
    if not all(isinstance(row[setting], (int, float)) for row in rows):
        return [str(row[setting]) for row in rows]
    keys = [(row["objective"], row.get("optimizer")) for row in rows]
    scales = {}
    for key, row in zip(keys, rows, strict=True):
        scales.setdefault(key, set()).add(row[setting])
    middles = {key: statistics.median_low(scales[key]) for key in scales}
    return [
        f"{_TIMES}{row[setting] / middles[key]:g}"
        for key, row in zip(keys, rows, strict=True)
    ]


def _in_level_order(levels):
    """Lists each level once. Levels that are numbers are sorted by size."""
    if levels[0].startswith(_TIMES):
        return sorted(set(levels), key=lambda n: float(n.removeprefix(_TIMES)))
    return list(dict.fromkeys(levels))


def _panel_title(setting, levels):
    title = setting.replace("_", " ")
    if levels[0].startswith(_TIMES):
        title += ", relative to the optimizer's middle one"
    return title


def _in_order(groups):
    """Lists the objectives of groups in the order of OBJECTIVES."""
    found = {key[0] for key in groups}
    known = [objective for objective in OBJECTIVES if objective in found]
    return known + sorted(found.difference(OBJECTIVES))


def _style(objective):
    """Returns color, marker and title. An unknown objective is grey."""
    if objective not in OBJECTIVES:
        return UNKNOWN, "x", objective
    row = OBJECTIVES[objective]
    return row.color, row.marker, row.title


def _percent(rows):
    return [100 * row["top_1_accuracy"] for row in rows]


def _seeds(counts):
    """Returns the legend's text on the numbers of runs at a line's points."""
    few, *_, many = (*(ordered := sorted(counts)), ordered[-1])
    numbers = f"{few}" if few == many else f"{few} to {many}"
    return (
        "1 seed"
        if many == 1
        else f"mean +- standard deviation of {numbers} seeds"
    )


def _tick_at(axes, values):
    """Puts ticks at the values themselves, as they were given."""
    texts = [f"{value:,}" for value in values]
    crowded = sum(map(len, texts)) > 60
    axes.set_xticks(values, texts, rotation=45 if crowded else 0)
    axes.set_xticks([], minor=True)


def _widen(axes):
    """Widens the vertical axis to _LEAST_RANGE or more, but not above 100 %."""
    low, high = axes.get_ylim()
    missing = max(0, _LEAST_RANGE - (high - low))
    high = min(high + missing / 2, 100)
    axes.set_ylim(min(low, high - _LEAST_RANGE), high)
