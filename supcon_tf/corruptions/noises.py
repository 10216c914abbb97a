"""The noises of CIFAR-10-C, with constants of make_cifar_c.py, as in ops.py.

All take images `[n, H, W, 3]` uint8, a severity from 1 to 5 and a
`np.random.Generator`, and return images of the same shape and dtype.
"""

import numpy as np

from supcon_tf.corruptions.ops import constant, to_pixels


def gaussian_noise(images, severity, rng):
    """Adds normal noise, with a std of 4 % to 10 % of the range."""
    std = constant(severity, (0.04, 0.06, 0.08, 0.09, 0.10))
    x = images / 255
    return to_pixels(x + rng.normal(scale=std, size=x.shape))


def shot_noise(images, severity, rng):
    """Counts photons with Poisson noise.

    White is 500 photons on average at severity 1, and 50 at severity 5.
    """
    photons = constant(severity, (500, 250, 100, 75, 50))
    return to_pixels(rng.poisson(images / 255 * photons) / photons)


def impulse_noise(images, severity, rng):
    """Makes 1 % to 7 % of the values 0 or 255, both equally likely.

    Each channel is hit independently, as by `mode="s&p"` of skimage's
    `random_noise`.
    """
    share = constant(severity, (0.01, 0.02, 0.03, 0.05, 0.07))
    is_hit = rng.random(images.shape) < share
    is_white = rng.random(images.shape) < 0.5
    return np.where(is_hit, np.uint8(255) * is_white, images)


def speckle_noise(images, severity, rng):
    """Adds normal noise, with a std of 6 % to 20 % of the value."""
    std = constant(severity, (0.06, 0.1, 0.12, 0.16, 0.2))
    x = images / 255
    return to_pixels(x + x * rng.normal(scale=std, size=x.shape))
