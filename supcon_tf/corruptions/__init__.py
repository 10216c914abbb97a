"""Corrupted images, to measure robustness: 12 of the 19 kinds of CIFAR-10-C.

To add a kind, write it in noises.py, or in ops.py if it draws nothing, and name
it here.
"""

import zlib

import numpy as np

from supcon_tf.corruptions import noises, ops
from supcon_tf.errors import check_int

CORRUPTIONS = {
    "gaussian_noise": noises.gaussian_noise,
    "shot_noise": noises.shot_noise,
    "impulse_noise": noises.impulse_noise,
    "speckle_noise": noises.speckle_noise,
    "gaussian_blur": ops.gaussian_blur,
    "defocus_blur": ops.defocus_blur,
    "zoom_blur": ops.zoom_blur,
    "brightness": ops.brightness,
    "contrast": ops.contrast,
    "saturate": ops.saturate,
    "pixelate": ops.pixelate,
    "jpeg_compression": ops.jpeg_compression,
}

# These are the other kinds of CIFAR-10-C, and why they are not here.
LEFT_OUT = {
    "frost": "pastes photographs of frost that come with the authors' code",
    "snow": "needs the motion blur of ImageMagick",
    "fog": "needs random heights that the authors' code alone defines",
    "motion_blur": "needs the motion blur of ImageMagick",
    "glass_blur": "swaps neighbouring pixels one after the other, slowly",
    "elastic_transform": "needs the affine warp of OpenCV",
    "spatter": "needs the edges and the distance transform of OpenCV",
}

_DRAW = ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise")
# The kinds that draw nothing take so many images at once. That is faster than
# all at once, for they stay in the cache, and there is memory for them.
_AT_ONCE = 64


def corrupted(images, name, severity, *, seed=0, offset=0):
    """Corrupts images as CIFAR-10-C does.

    The random numbers of an image depend only on `seed`, `name`, `severity` and
    the index of the image in its set. So the parts of a set, one after the
    other, give the same as the whole set at once. The published files have
    other draws of the same distributions.

    Args:
      images: `[n, H, W, 3]` uint8, H and W at least 2. The severities are
        those for 32 x 32 pixels. On a larger image the same blur, in pixels,
        has a weaker effect, and the published ImageNet-C has other constants.
      name: string, a key of `CORRUPTIONS`.
      severity: int, 1 (weak) to 5.
      seed: int >= 0, default 0.
      offset: int >= 0, the index of the first image in its set; default 0.

    Returns:
      `[n, H, W, 3]` uint8, a new array.

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> noisy = corrupted(test.images, "shot_noise", severity=3)
      >>> noisy.shape, noisy.dtype
      ((100, 8, 8, 3), dtype('uint8'))
      >>> rest = corrupted(test.images[90:], "shot_noise", 3, offset=90)
      >>> np.array_equal(rest, noisy[90:])
      True

    Reference:
      Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to
      Common Corruptions and Perturbations", ICLR 2019,
      https://arxiv.org/abs/1903.12261
    """
    images = np.asarray(images)
    _check(images, name, severity, seed=seed, offset=offset)
    at_once = 1 if name in _DRAW else _AT_ONCE
    result = np.empty_like(images)
    for first in range(0, len(images), at_once):
        rng = np.random.default_rng(
            np.random.SeedSequence(
                [seed, zlib.crc32(name.encode()), severity],
                spawn_key=(offset + first,),
            )
        )
        some = slice(first, first + at_once)
        result[some] = CORRUPTIONS[name](images[some], severity, rng)
    return result


def _check(images, name, severity, **counts):
    if (
        images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[3] != 3
        or min(images.shape[1:3]) < 2
    ):
        raise ValueError(
            "`images` must be uint8 of shape [n, H, W, 3], H and W at least 2. "
            f"Received: {images.dtype} of shape {images.shape}"
        )
    if name not in list(CORRUPTIONS):  # a list, for an unhashable name
        reasons = [why for kind, why in LEFT_OUT.items() if kind == name]
        why = f", which is left out: it {reasons[0]}" if reasons else ""
        raise ValueError(
            f"`name` must be one of {sorted(CORRUPTIONS)}. "
            f"Received: name={name!r}{why}"
        )
    ops.check_severity(severity)
    for argument, value in counts.items():
        check_int(argument, value, 0)
