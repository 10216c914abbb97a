"""Small copies of images, as WebP or as one large image of them all."""

import io
import math
import pathlib

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

_QUALITY = 70  # of WebP: at 64 pixels there is no difference to see from 90


def webp_thumbnails(images, size, *, title=None):
    """Makes a small WebP copy of each image.

    Args:
      images: `[n, H, W, C]` uint8 (0 to 255) or float (0 to 1) with C = 1 or 3,
        or n paths of image files. The orientation that a camera has noted in
        a file is honoured, and what is transparent is put on white.
      size: int >= 1, in pixels. The copy fits into a square of this side. An
        image is never made larger.
      title: string before a progress bar, which is only shown on a terminal.
        None, the default, shows none.

    Returns:
      A list of n `bytes`, the contents of WebP files.

    Raises:
      ValueError: if the images have another shape, or a file is no image.

    Example:
      >>> small = webp_thumbnails(images, 16)
      >>> len(small), small[0][8:12]
      (8, b'WEBP')
    """
    thumbnails = []
    for picture in tqdm(
        pictures(images, size),
        total=len(images),
        desc=title,
        unit="img",
        disable=True if title is None else None,
    ):
        picture.thumbnail((size, size), reducing_gap=2)
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=_QUALITY, method=4)
        thumbnails.append(file.getvalue())
    return thumbnails


def sprite(images, size):
    """Puts small copies of all images into one image, row by row.

    Args:
      images: as in `webp_thumbnails`.
      size: int >= 1, in pixels. Each copy has a square of this side, in whose
        middle it stands on white. An image is never made larger.

    Returns:
      A `PIL.Image`, with as many columns as rows, or one row fewer.

    Example:
      >>> sprite(images, 10).size
      (30, 30)
    """
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    whole = Image.new("RGB", (columns * size, rows * size), "white")
    for index, picture in enumerate(pictures(images, size)):
        picture.thumbnail((size, size))
        row, column = divmod(index, columns)
        left = column * size + (size - picture.width) // 2
        top = row * size + (size - picture.height) // 2
        whole.paste(picture, (left, top))
    return whole


def pictures(images, size=None):
    """Yields images or image files one by one, as RGB pictures of Pillow.

    Args:
      images: as in `webp_thumbnails`.
      size: int >= 1, the side in pixels that is needed, so that a JPEG file is
        decoded at a fraction of its size; None decodes all of it.

    Yields:
      `PIL.Image` in the mode RGB.

    Raises:
      ValueError: as in `webp_thumbnails`.

    Example:
      >>> [picture.size for picture in pictures(images[:2])]
      [(32, 32), (32, 32)]
    """
    if not isinstance(images, np.ndarray) or images.dtype.kind in "UO":
        for path in images:
            yield _picture_of_file(path, size)
        return
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(
            "`images` must be of shape [n, H, W, 3] or [n, H, W, 1], or paths "
            f"of image files. Received: shape {images.shape}"
        )
    for image in images:
        if image.dtype.kind == "f":
            image = np.round(255 * np.clip(image, 0, 1))
        image = image.astype(np.uint8)
        yield Image.fromarray(np.repeat(image, 3 // image.shape[2], axis=2))


def _picture_of_file(path, size):
    """The picture in a file, upright, in RGB."""
    try:
        with Image.open(pathlib.Path(path)) as file:
            if size is not None:
                file.draft("RGB", (2 * size, 2 * size))  # of JPEG alone
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith("I;16"):
                # Pillow would clip what is above 255.
                return Image.fromarray(
                    (np.asarray(picture) // 256).astype(np.uint8)
                ).convert("RGB")
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                white = Image.new("RGBA", picture.size, "white")
                picture = Image.alpha_composite(white, picture)
            return picture.convert("RGB")
    except (OSError, TypeError, Image.DecompressionBombError) as error:
        raise ValueError(
            "`images` must be arrays or paths of image files that Pillow "
            f"reads. Received: {str(path)!r}: {error}"
        ) from error
