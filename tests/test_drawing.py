"""Tests of supcon_tf/drawing.py: what all figures share."""

from supcon_tf.drawing import new_figure, write_figure


def test_a_figure_has_its_panels_and_is_written(tmp_path):
    figure, panels = new_figure(3, 2, 2, columns=2)
    assert len(panels) == 4
    write_figure(figure, tmp_path / "figure.png")
    content = (tmp_path / "figure.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert int.from_bytes(content[16:20]) == 300  # pixels, its width
