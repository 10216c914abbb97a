"""The interactive figures of a page, as models of Bokeh.

What a person does on a figure reaches page.js through callbacks. Colours of
lines and text come from page.css, so that they follow light and dark.
"""

import math

import numpy as np

from supcon_tf.drawing import COLORS
from supcon_tf.photographs.page.blank_figure import blank_figure

MARKERS = ("circle", "square", "triangle")
# With ten colours and three markers, each of so many classes has its own pair.
MOST_PAIRS = len(COLORS) * len(MARKERS)
_MOST_NAMED = 20  # classes whose names fit beside a matrix
_OTHERS = "#9aa1a8"  # images of classes without a pair of their own
_RING = "#d6004b"  # around what was clicked; none of the ten colours


def colors_and_markers(counts):
    """Chooses the colour and the marker of each class.

    Args:
      counts: `[C]` integers, the images of each class. If there are more than
        30 classes, the 30 with the most images have a pair of their own, and
        the others are grey.

    Returns:
      Two lists of C strings.

    Example:
      >>> colors_and_markers([5, 5])
      (['#3f90da', '#ffa90e'], ['circle', 'square'])
    """
    named = np.sort(np.argsort(-np.asarray(counts), kind="stable")[:MOST_PAIRS])
    colors = [_OTHERS] * len(counts)
    markers = [MARKERS[0]] * len(counts)
    for index, label in enumerate(named):
        colors[label] = COLORS[index % len(COLORS)]
        markers[label] = MARKERS[index % len(MARKERS)]
    return colors, markers


def embedding_maps(maps, colors, markers):
    """Draws a map for each encoder. They share their images and the filter.

    Args:
      maps: list of the dicts of `places_on_maps`, one for each encoder, of the
        same n images.
      colors: list of n colours.
      markers: list of n names of markers.

    Returns:
      A list of Bokeh figures named `map0`, `map1`, ... Encoder k has the
      columns `xk` and `yk` of a data source named `images`, and all its maps
      in the columns `xk:NAME` and `yk:NAME`.
    """
    from bokeh.models import BooleanFilter, CDSView, ColumnDataSource

    columns = {"color": colors, "marker": markers}
    for k, of_encoder in enumerate(maps):
        for name, places in of_encoder.items():
            for axis, column in zip("xy", places.T, strict=True):
                columns[f"{axis}{k}:{name}"] = column
                columns.setdefault(f"{axis}{k}", column)
    source = ColumnDataSource(columns, name="images")
    shown = BooleanFilter(booleans=[True] * len(colors), name="shown")
    return [
        _embedding_map(k, source, CDSView(filter=shown))
        for k in range(len(maps))
    ]


def _embedding_map(k, source, view):
    from bokeh.models import ColumnDataSource, DataRange1d, WheelZoomTool

    plot = blank_figure(
        f"map{k}",
        tools="pan,box_zoom,zoom_in,zoom_out,reset",
        active_drag="pan",
        match_aspect=True,
        x_range=DataRange1d(),
        y_range=DataRange1d(),
        height=460,
        output_backend="webgl",
    )
    wheel = WheelZoomTool(modifiers="ctrl")
    plot.add_tools(wheel)
    plot.toolbar.active_scroll = wheel
    # t-SNE has no axes, and those of PCA no unit.
    plot.axis.visible = False
    plot.grid.visible = False
    count = len(source.data["color"])
    plot.scatter(
        f"x{k}",
        f"y{k}",
        source=source,
        view=view,
        marker="marker",
        fill_color="color",
        fill_alpha=0.85,
        line_color="white",  # parts marks that lie on each other
        line_alpha=0.5,
        line_width=0.7 if count <= 2000 else 0.3,
        size=5 if count > 5000 else 7 if count > 1000 else 10,
    )
    # The map stays where it is while marks are filtered out.
    everything = plot.scatter(f"x{k}", f"y{k}", source=source, visible=False)
    plot.x_range.renderers = plot.y_range.renderers = [everything]
    # Rings around the image that was clicked and its neighbours.
    rings = ColumnDataSource({"x": [], "y": [], "size": []}, name=f"rings{k}")
    for color, width in (("white", 5), (_RING, 2.5)):
        plot.scatter(
            "x",
            "y",
            source=rings,
            size="size",
            fill_color=None,
            line_color=color,
            line_width=width,
        )
    _listens(plot, "mousemove", f"supconPage.overMap({k}, cb_obj)")
    _listens(plot, "mouseleave", "supconPage.hideTip()")
    _listens(plot, "tap", f"supconPage.tapMap({k}, cb_obj)")
    return plot


def confusion_matrix(k, counts, class_names):
    """Draws how often images of each class get each prediction.

    Args:
      k: int, the number of the encoder.
      counts: `[C, C]` integers, rows by class and columns by prediction.
      class_names: C strings. If there are more than 20, no names are drawn.

    Returns:
      A Bokeh figure named `matrixk`, with class i at row and column i.
    """
    from bokeh.models import ColumnDataSource, Range1d

    size = len(class_names)
    rows, columns = np.nonzero(counts)
    cells = counts[rows, columns]
    # The share in its class is the shade, so that rare classes are seen, too.
    shares = cells / counts.sum(axis=1)[rows]
    source = ColumnDataSource(
        {
            "x": columns,
            "y": rows,
            "alpha": 0.12 + 0.88 * shares,
            "color": np.where(rows == columns, COLORS[0], COLORS[6]),
        }
    )
    limits = (-0.5, size - 0.5)
    plot = blank_figure(
        f"matrix{k}",
        tools="pan,box_zoom,zoom_in,zoom_out,reset",
        active_drag=None,
        x_range=Range1d(*limits, bounds=limits),
        y_range=Range1d(*reversed(limits), bounds=limits),
        height=130 + 300 if size <= 12 else 560,
        output_backend="webgl" if size > _MOST_NAMED else "canvas",
        x_axis_location="above",
        x_axis_label="prediction",
        y_axis_label="class",
    )
    plot.grid.visible = False
    plot.rect(
        "x",
        "y",
        1,
        1,
        source=source,
        fill_color="color",
        fill_alpha="alpha",
        line_color=None,
    )
    if size <= _MOST_NAMED:
        _write_class_names(plot, class_names)
        # page.js gives the faint cells, which show the paper, its own ink.
        for name, part in (("faint", shares < 0.7), ("full", shares >= 0.7)):
            plot.text(
                columns[part],
                rows[part],
                [f"{count:,}" for count in cells[part]],
                text_align="center",
                text_baseline="middle",
                text_font_size="12px" if size <= 12 else "9px",
                text_color="#10151a",
                name=f"{name}{k}",
            )
    _listens(plot, "mousemove", f"supconPage.overCell({k}, cb_obj)")
    _listens(plot, "mouseleave", "supconPage.hideTip()")
    _listens(plot, "tap", f"supconPage.tapCell({k}, cb_obj)")
    return plot


def _write_class_names(plot, class_names):
    plot.axis.ticker = list(range(len(class_names)))
    plot.axis.major_label_overrides = {
        number: _plain(name) for number, name in enumerate(class_names)
    }
    plot.xaxis.major_label_orientation = math.pi / 4


def _plain(name, limit=18):
    """A class name as a label: no longer than the limit, and never TeX."""
    name = name if len(name) <= limit else name[: limit - 1] + "…"
    return name.replace("$$", "$\u200b$").replace("\\", "\\\u200b")


def _listens(plot, event, code):
    from bokeh.models import CustomJS

    plot.js_on_event(event, CustomJS(code=code))
