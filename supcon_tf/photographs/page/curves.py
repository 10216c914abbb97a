"""Figures of a page that are looked at: similarities, and training curves."""

import numpy as np

from supcon_tf.drawing import COLORS
from supcon_tf.evaluation.representations import pair_similarities
from supcon_tf.photographs.page.blank_figure import blank_figure

_DASHES = ("solid", "dashed", "dotted", "dashdot")


def similarity_histogram(k, representations, labels, *, seed=0):
    """Draws how similar two images of one class are, and of two classes.

    Args:
      k: int, the number of the encoder.
      representations: `[n, R]` finite floats.
      labels: `[n]` integers.
      seed: int that decides which pairs are drawn.

    Returns:
      A Bokeh figure named `similaritiesk`, or None if there are no pairs of
      one of the kinds.
    """
    try:
        similarities = pair_similarities(representations, labels, seed=seed)
    except ValueError:  # every image has its own class, or all have one
        return None
    lowest = min(values.min() for values in similarities.values())
    bins = np.linspace(min(lowest, 0.9), 1, 51)
    plot = blank_figure(
        f"similarities{k}",
        tools="",
        height=300,
        x_axis_label="cosine similarity of two images (1: same direction)",
        y_axis_label="pairs of the kind (%)",
    )
    for (name, values), color, hatch in zip(
        similarities.items(),
        (COLORS[0], COLORS[6]),
        (None, "/"),
        strict=True,
    ):
        heights, _ = np.histogram(values, bins)
        plot.quad(
            left=bins[:-1],
            right=bins[1:],
            bottom=0,
            top=100 * heights / len(values),
            fill_color=color,
            fill_alpha=0.5,
            line_color=color,
            hatch_pattern=hatch,
            hatch_color=color,
            hatch_alpha=0.6,
            legend_label=f"{name}, median {np.median(values):.2f}",
        )
    _legend_above(plot, columns=1)
    return plot


def training_curves(histories):
    """Draws the losses of runs, and all else that they logged.

    Args:
      histories: dict of names to pairs `(epochs, columns)` as from
        `read_history`.

    Returns:
      A list of Bokeh figures named `training0`, ..., one for each run and kind.
    """
    plots = []
    for name, (epochs, columns) in histories.items():
        losses = {n: c for n, c in columns.items() if n.endswith("loss")}
        others = {n: c for n, c in columns.items() if n not in losses}
        for series, unit in ((losses, "loss (nats)"), (others, "value")):
            if series:
                plot = _curves(f"training{len(plots)}", epochs, series, unit)
                plots.append((name, plot))
    return plots


def _curves(name, epochs, series, unit):
    from bokeh.models import HoverTool

    plot = blank_figure(
        name, tools="", height=280, x_axis_label="epoch", y_axis_label=unit
    )
    for index, (column, values) in enumerate(series.items()):
        style = {
            "color": COLORS[index % len(COLORS)],
            "legend_label": column.replace("_", " "),
        }
        line = plot.line(
            epochs,
            values,
            line_width=2,
            line_dash=_DASHES[index % len(_DASHES)],
            **style,
        )
        plot.scatter(
            epochs, values, size=5 if len(epochs) <= 30 else 0, **style
        )
        text = [(column.replace("_", " "), "@y{0.0000}"), ("epoch", "@x")]
        plot.add_tools(
            HoverTool(renderers=[line], tooltips=text, visible=False)
        )
    _legend_above(plot, columns=2)
    return plot


def _legend_above(plot, columns):
    legend = plot.legend[0]
    plot.add_layout(legend, "above")
    # It is HTML and would have a colour of its own.
    legend.stylesheets = ["div { color: var(--ink) !important; }"]
    legend.orientation = "horizontal"
    legend.ncols = columns
    legend.padding = 0
    legend.margin = 4
    legend.border_line_color = None
    legend.background_fill_color = None
