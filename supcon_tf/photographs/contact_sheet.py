"""Contact sheets: a row of photographs of each class, to look at before."""

import pathlib
import warnings

import numpy as np
from PIL import Image, ImageOps

from supcon_tf.data.photograph_files import decode_photograph
from supcon_tf.drawing import new_figure, write_figure
from supcon_tf.files import written_whole

COLUMNS = 10  # photographs of each class
ROWS = 12  # classes on a sheet
_SIDE = 96  # pixels of a photograph


def draw_contact_sheets(found, folder, *, max_pixels=None):
    """Draws photographs of each class, as a training reads them.

    Of each class, ten are taken at equal distances along its list, so that
    every sub-folder has its share. With more than 12 classes there are more
    sheets.

    Args:
      found: `ImageFolder`.
      folder: path of a folder that exists. The sheets are images.png,
        images_2.png, ...
      max_pixels: as in `decode_photograph`.

    Returns:
      List of the names of the files.

    Example:
      >>> from supcon_tf.data.image_folder import read_image_folder
      >>> for name in ("cat", "dog"):
      ...     pathlib.Path("photos", name).mkdir(parents=True)
      ...     Image.new("RGB", (40, 30)).save(f"photos/{name}/1.png")
      >>> found = read_image_folder("photos")
      >>> draw_contact_sheets(found, pathlib.Path("."))
      ['images.png']
    """
    folder = pathlib.Path(folder)
    names = []
    for first in range(0, len(found.class_names), ROWS):
        number = first // ROWS + 1
        names.append("images.png" if number == 1 else f"images_{number}.png")
        labels = range(first, min(first + ROWS, len(found.class_names)))
        figure, panels = new_figure(
            COLUMNS * 1.06, len(labels) * 1.3, rows=len(labels)
        )
        for panel, label in zip(panels, labels, strict=True):
            _draw_class(panel, found, label, max_pixels)
        with written_whole(folder / names[-1]) as path, _AnyLetters():
            write_figure(figure, path)
    return names


def _draw_class(panel, found, label, max_pixels):
    """Draws the row of one class."""
    files = [file for file in found.train if file.label == label]
    places = np.linspace(0, len(files) - 1, min(len(files), COLUMNS))
    row = Image.new("RGB", (COLUMNS * (_SIDE + 4), _SIDE), "white")
    for column, place in enumerate(places.round().astype(int)):
        pixels = decode_photograph(files[place].path, max_pixels=max_pixels)
        image = ImageOps.contain(Image.fromarray(pixels), (_SIDE, _SIDE))
        left = column * (_SIDE + 4) + (_SIDE - image.width) // 2
        row.paste(image, (left, (_SIDE - image.height) // 2))
    panel.imshow(row)
    panel.axis("off")
    panel.set_title(
        f"{found.class_names[label]}, {len(files):,}",
        loc="left",
        fontsize=9,
        parse_math=False,
    )


class _AnyLetters(warnings.catch_warnings):
    """Passes over letters that matplotlib's font lacks; it draws a box."""

    def __enter__(self):
        entered = super().__enter__()
        warnings.filterwarnings("ignore", "Glyph")
        return entered
