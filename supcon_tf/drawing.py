"""What all figures share: matplotlib without a display and without traces.

It is needed for figures alone, hence imported when one is asked for. Nothing of
it is left behind: no window, no global settings.
"""

import importlib.util

GREY = "#DDDDDD"


def check_matplotlib(option):
    """Refuses to draw where there is no matplotlib.

    Args:
      option: name of what asked for figures, for the message.

    Raises:
      ValueError: if it is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError(
            f"`{option}` must be False (--no{option}) without matplotlib, "
            "which `pip install supcon_tf[figures]` brings. "
            f"Received: {option}=True"
        )


def new_figure(width, height, rows=1, *, columns=1, **options):
    """A figure that nothing but the caller knows of.

    Args:
      width: in inches, of 100 pixels each; so is height.
      height: see there.
      rows: of panels.
      columns: of panels.
      **options: of `matplotlib.figure.Figure.subplots`.

    Returns:
      The figure and a list of its panels, row by row.
    """
    from matplotlib.figure import Figure  # not pyplot, which keeps them all

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
      figure: of `new_figure`.
      path: of the file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # needs no display
    figure.savefig(path, dpi=100)
