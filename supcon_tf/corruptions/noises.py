"""The noises of CIFAR-10-C; constants from make_cifar_c.py, as in ops.py."""

import numpy as np

from supcon_tf.corruptions.ops import constant, to_pixels


def gaussian_noise(images, severity, rng):
    """Adds normal noise.

    Args:
      images: `[n, H, W, 3]` uint8.
      severity: int, 1 to 5: standard deviation of 4 % to 10 % of the range.
      rng: `np.random.Generator`.

    Returns:
      `[n, H, W, 3]` uint8.
    """
    std = constant(severity, (0.04, 0.06, 0.08, 0.09, 0.10))
    x = images / 255
    return to_pixels(x + rng.normal(scale=std, size=x.shape))


def shot_noise(images, severity, rng):
    """Counts photons: white is `c` of them on average, with Poisson noise.

    Args:
      images: `[n, H, W, 3]` uint8.
      severity: int, 1 to 5: c = 500 down to 50.
      rng: `np.random.Generator`.

    Returns:
      `[n, H, W, 3]` uint8.
    """
    photons = constant(severity, (500, 250, 100, 75, 50))
    return to_pixels(rng.poisson(images / 255 * photons) / photons)


def impulse_noise(images, severity, rng):
    """Makes some values 0 or 255, each as likely; channels one by one.

    Args:
      images: `[n, H, W, 3]` uint8.
      severity: int, 1 to 5: 1 % to 7 % of the values.
      rng: `np.random.Generator`.

    Returns:
      `[n, H, W, 3]` uint8.

    Reference:
      `mode="s&p"` of skimage's `random_noise`.
    """
    share = constant(severity, (0.01, 0.02, 0.03, 0.05, 0.07))
    is_hit = rng.random(images.shape) < share
    is_white = rng.random(images.shape) < 0.5
    return np.where(is_hit, np.uint8(255) * is_white, images)


def speckle_noise(images, severity, rng):
    """Adds normal noise in proportion to the value.

    Args:
      images: `[n, H, W, 3]` uint8.
      severity: int, 1 to 5: standard deviation of 6 % to 20 % of the value.
      rng: `np.random.Generator`.

    Returns:
      `[n, H, W, 3]` uint8.
    """
    std = constant(severity, (0.06, 0.1, 0.12, 0.16, 0.2))
    x = images / 255
    return to_pixels(x + x * rng.normal(scale=std, size=x.shape))
