"""Fits of a second or less, for tests of what watches a fit."""

import keras
import numpy as np
from small_models import small_encoder

from supcon_tf import SupConLoss, SupConModel, metrics


def constant_encoder():
    """Maps every image to the same vector; has a regulariser to pay."""
    return small_encoder(
        kernel_initializer="zeros",
        bias_initializer="ones",
        bias_regularizer=keras.regularizers.L2(0.1),
    )


def bright_rows(count, seed=0):
    """Images of classes 0, 1, 2, 3, 0, ..., each with its own bright row."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    images = random.random((count, 4, 4, 3)).astype("float32") * 0.5
    images[np.arange(count), labels] += 0.4
    return images, labels


def compiled(encoder, learning_rate=0.1, head=None, **kwargs):
    model = SupConModel(encoder, head, **kwargs)
    model.compile(keras.optimizers.SGD(learning_rate), SupConLoss())
    return model


def plain_model(encoder, learning_rate=0.1, compiled_metrics=()):
    encoder.compile(
        keras.optimizers.SGD(learning_rate),
        SupConLoss(),
        metrics=[metrics.collapsed_loss, *compiled_metrics],
    )
    return encoder


def dense_model(units=3):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    return model


def fit_dense(model, callbacks, **kwargs):
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    y = np.zeros((16, 3), "float32")
    return model.fit(
        x, y, shuffle=False, verbose=0, callbacks=callbacks, **kwargs
    )
