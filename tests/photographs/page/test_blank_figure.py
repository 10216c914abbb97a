"""The figure that every figure of a page starts from."""

from supcon_tf.photographs.page.blank_figure import blank_figure


def test_a_figure_has_its_name_and_options_and_asks_nobody_for_a_logo():
    plot = blank_figure("map0", height=123, tools="pan")
    assert (plot.name, plot.height) == ("map0", 123)
    assert [type(tool).__name__ for tool in plot.tools] == ["PanTool"]
    assert plot.sizing_mode == "stretch_width"
    assert plot.toolbar.logo is None


def test_a_figure_has_no_colour_that_would_be_light_on_a_dark_page():
    plot = blank_figure("map0")
    assert plot.background_fill_color is None
    assert plot.border_fill_color is None
    assert plot.outline_line_color is None
