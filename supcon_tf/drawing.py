"""Helpers for all figures: matplotlib without a display and without traces.

matplotlib is needed only for figures, so it is imported only when one is drawn.
It leaves nothing behind: no window and no global settings.
"""

GREY = "#DDDDDD"
# These are the ten colours of Petroff, "Accessible Color Sequences for Data
# Visualization", 2021, https://arxiv.org/abs/2107.02270. The colour-blind can
# tell them apart, too.
COLORS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip


def new_figure(width, height, rows=1, *, columns=1, **options):
    """Makes a figure that only the caller has a reference to.

    Args:
      width: width in inches, of 100 pixels each.
      height: height in inches.
      rows: number of rows of panels.
      columns: number of columns of panels.
      **options: options of `matplotlib.figure.Figure.subplots`.

    Returns:
      The figure and a list of its panels, row by row.

    Example:
      >>> figure, panels = new_figure(6, 4, rows=2, columns=3)
      >>> len(panels)
      6
    """
    from matplotlib.figure import Figure  # pyplot would keep all figures

    figure = Figure((width, height), dpi=100, layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for panel in panels:
        panel.grid(True, color=GREY, linewidth=0.6)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def write_figure(figure, path):
    """Writes a figure as a PNG file.

    Args:
      figure: figure from `new_figure`.
      path: path of the file.

    Example:
      >>> figure, _ = new_figure(2, 1)
      >>> write_figure(figure, "figure.png")
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # needs no display
    figure.savefig(path, dpi=100)
