"""Two folders of photographs that any encoder tells apart: red and blue."""

import numpy as np
from PIL import Image


def write_red_and_blue(folder, count, height, width):
    """Writes `folder/red` and `folder/blue`, with `count` PNG files each."""
    random = np.random.default_rng(0)
    for name, channel in (("red", 0), ("blue", 2)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 60, (height, width, 3), np.uint8)
            pixels[..., channel] += 180
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
