"""Reads one photograph, as people have them, by Pillow."""

import io
import pathlib

import numpy as np
from PIL import Image, ImageOps


def decode_photograph(path_or_bytes, *, max_pixels=None):
    """Reads an image file to RGB, upright.

    The orientation of EXIF is honoured. Grey, CMYK and palettes become RGB,
    16 bits become 8, and what is transparent becomes white. An animation gives
    its first frame.

    Args:
      path_or_bytes: path of a file, or its contents.
      max_pixels: int >= 1, the most pixels that are decoded. None, the default,
        takes Pillow's own limit.

    Returns:
      `[H, W, 3]` uint8.

    Raises:
      ValueError: if it is no image that Pillow reads, is damaged, or has more
        pixels.

    Example:
      >>> Image.new("L", (30, 20)).save("grey.png")
      >>> decode_photograph("grey.png").shape
      (20, 30, 3)
    """
    is_contents = isinstance(path_or_bytes, bytes)
    name = f"{len(path_or_bytes)} bytes" if is_contents else str(path_or_bytes)
    file = io.BytesIO(path_or_bytes) if is_contents else path_or_bytes
    limit = max_pixels or Image.MAX_IMAGE_PIXELS
    try:
        if not is_contents and not pathlib.Path(file).is_file():
            raise OSError("it is no file")  # a FIFO would wait for ever
        with Image.open(file) as image:
            if limit and image.width * image.height > limit:
                raise OSError(
                    f"it has {image.width} x {image.height} pixels, more than "
                    f"{limit}"
                )
            return np.asarray(_as_rgb(ImageOps.exif_transpose(image)))
    # Damaged files raise nearly everything, from SyntaxError to struct.error.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{name} must be a whole image that Pillow reads. Received: "
            f"{reason}"
        ) from error


def _as_rgb(image):
    """An image of any mode in RGB, on white."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image, np.float64)
        scale = 255 if image.mode == "F" and values.max() <= 1 else 1 / 257
        values = np.clip(np.round(values * scale), 0, 255)
        image = Image.fromarray(values.astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")
