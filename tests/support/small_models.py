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


def flatten_encoder(size=8):
    return keras.Sequential(
        [keras.Input((size, size, 3)), keras.layers.Flatten()]
    )


def blobs(count, seed):
    """Four classes, each with its own bright quarter of the image."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    images = random.random((count, 4, 4, 3)).astype("float32") * 0.5
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(label, 2)
        image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] += 0.4
    return images, labels


def conv_encoder(size=8):
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.Conv2D(6, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
        ]
    )
