"""The names that `>>>` examples of docstrings may use without making them."""

import keras
import numpy as np
import tensorflow as tf

import supcon_tf


def example_names():
    """Modules, the public names of supcon_tf, and small objects to work on.

    Returns:
      A dict of `keras`, `np`, `tf`, `supcon_tf`, what `supcon_tf` exports, and

        images, labels: `[8, 32, 32, 3]` float32 in [0, 1], `[8]` of 4 classes.
        views: `[8, 2, 32, 32, 3]` float32, two views of each image.
        train, test: the digits as `LabelledImages`, 200 and 100 of them.
        encoder: a Keras model, images of 32 x 32 pixels -> `[B, 8]`.
        model: a compiled `SupConModel` of that encoder.
        classifier: a `LinearClassifier` of that encoder, for 4 classes.
        projections: `[8, 2, 4]` float32, of random directions.
        augmentation: `augmentations.crop_flip`.
    """
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    names = {name: getattr(supcon_tf, name) for name in supcon_tf.__all__}
    views = random.random((8, 2, 32, 32, 3), "float32")
    encoder = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Conv2D(8, 3, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
        ],
        name="encoder",
    )
    model = supcon_tf.SupConModel(encoder, supcon_tf.ProjectionHead((8, 4)))
    model.compile(optimizer="sgd", loss=supcon_tf.SupConLoss())
    train, test = supcon_tf.load_dataset("digits")
    return {
        **names,
        "keras": keras,
        "np": np,
        "tf": tf,
        "supcon_tf": supcon_tf,
        "images": views[:, 0],
        "labels": np.arange(8) % 4,
        "views": views,
        "train": train.take(np.arange(200)),
        "test": test.take(np.arange(100)),
        "encoder": encoder,
        "model": model,
        "classifier": supcon_tf.LinearClassifier(encoder, 4),
        "projections": random.normal(size=(8, 2, 4)).astype("float32"),
        "augmentation": supcon_tf.augmentations.crop_flip,
    }
