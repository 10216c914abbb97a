"""Tests of supcon_tf/drawing.py: what all figures share."""

import sys

import pytest

from supcon_tf.drawing import check_matplotlib, new_figure, write_figure


@pytest.mark.parametrize("option", ["figure", "figures"])
def test_without_matplotlib_one_line_says_how_to_get_it(option, monkeypatch):
    check_matplotlib(option)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ValueError) as error:
        check_matplotlib(option)
    assert str(error.value) == (
        f"`{option}` must be False (--no{option}) without matplotlib, which "
        f"`pip install supcon_tf[figures]` brings. Received: {option}=True"
    )


def test_a_figure_has_its_panels_and_is_written(tmp_path):
    figure, panels = new_figure(3, 2, 2, columns=2)
    assert len(panels) == 4
    write_figure(figure, tmp_path / "figure.png")
    content = (tmp_path / "figure.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert int.from_bytes(content[16:20]) == 300  # pixels, its width
