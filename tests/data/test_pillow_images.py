import io

import numpy as np
import pytest
from PIL import Image

from supcon_tf.data.pillow_images import READERS, header_of, to_rgb, webp_size

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)


def file_of(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def test_the_size_of_a_webp_file_is_known_in_all_its_forms():
    rgba = Image.fromarray(PIXELS).convert("RGBA")
    rgba.putalpha(9)
    for image, options in (
        (Image.fromarray(PIXELS), {}),
        (Image.fromarray(PIXELS), {"lossless": True}),
        (rgba, {}),
    ):
        head = file_of(image, "WebP", **options).getvalue()[:30]
        assert webp_size(head) == (48, 32)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WebP"])
def test_a_header_has_the_shape_of_what_is_decoded(kind):
    image = READERS[kind](file_of(Image.fromarray(PIXELS), kind))
    header = header_of(image, kind)
    assert (header.height, header.width) == (32, 48)
    assert header.is_plain == (kind in ("JPEG", "PNG"))
    assert (to_rgb(image).mode, to_rgb(image).size) == ("RGB", (48, 32))
