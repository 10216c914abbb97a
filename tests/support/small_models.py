"""Models and images so small that a test of them takes milliseconds."""

import keras
import numpy as np

from supcon_tf import LabelledImages


def small_encoder(shape=(4, 4, 3), units=6, **kwargs):
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(units, **kwargs),
        ],
        name="encoder",
    )


def images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, "float32")


def dark_classifier(threshold=0.5, size=(8, 8)):
    """Says 0 where the mean brightness is below a threshold, else 1."""
    images = keras.Input((*size, 3))
    mean = keras.ops.mean(images, axis=(1, 2, 3))[:, None]
    scores = keras.ops.concatenate([threshold - mean, mean - threshold], axis=1)
    return keras.Model(images, scores)


def grey_images(values, labels, size=8):
    pixels = np.round(255 * np.asarray(values)).astype(np.uint8)
    images = np.broadcast_to(
        pixels[:, None, None, None], (len(values), size, size, 3)
    )
    return LabelledImages(images.copy(), np.asarray(labels), ("dark", "light"))
