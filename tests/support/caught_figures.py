"""Figures of Matplotlib, caught on their way into a file."""

from PIL import Image


def caught_figure(monkeypatch, module, path, draw):
    """Draws into a file, and returns the figure and the image in the file.

    Args:
      monkeypatch: pytest's.
      module: the module with the function `write_figure` that `draw` uses.
      path: file to draw into.
      draw: function without arguments that draws one figure.
    """
    write, figures = module.write_figure, []

    def catch(figure, path):
        figures.append(figure)
        return write(figure, path)

    monkeypatch.setattr(module, "write_figure", catch)
    draw()
    monkeypatch.setattr(module, "write_figure", write)
    (figure,) = figures
    with Image.open(path) as image:
        assert image.format == "PNG"
        image.load()
        return figure, image
