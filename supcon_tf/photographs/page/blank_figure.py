"""The figure that all figures of a page start from."""


def blank_figure(name, **options):
    """Makes a figure as wide as its place, without a colour of its own.

    Args:
      name: string by which page.js finds it.
      **options: as for `bokeh.plotting.figure`.

    Returns:
      A Bokeh figure.
    """
    from bokeh.plotting import figure

    plot = figure(name=name, sizing_mode="stretch_width", **options)
    plot.toolbar.logo = None
    plot.toolbar.autohide = False
    plot.axis.axis_label_text_font_size = "12px"
    plot.axis.major_label_text_font_size = "12px"
    plot.background_fill_color = None
    plot.border_fill_color = None
    plot.outline_line_color = None
    plot.min_border = 4
    return plot
