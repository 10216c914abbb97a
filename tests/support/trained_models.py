"""Small trainings whose losses are the same on every backend of Keras."""

import keras
import numpy as np

from supcon_tf import (
    ClassificationModel,
    JointModel,
    ProjectionHead,
    SupConLoss,
    SupConModel,
)


def views_and_labels():
    """Two views of 24 images of three classes, `[24, 2, 6, 6, 3]`."""
    generator = np.random.default_rng(5)
    labels = np.arange(24) % 3
    views = generator.uniform(0, 0.5, (24, 2, 6, 6, 3)).astype("float32")
    views[..., 0] += labels[:, None, None, None] * 0.2
    return views, labels


def weighted(model):
    """The model with weights that do not depend on the backend's random."""
    generator = np.random.default_rng(1)
    for weight in model.trainable_weights:
        if weight.path.endswith("kernel"):
            size = np.sqrt(weight.shape[-2] * 9 ** (len(weight.shape) > 2))
            weight.assign(generator.normal(size=weight.shape) / size)
    return model


def encoder():
    return weighted(
        keras.Sequential(
            [
                keras.Input((6, 6, 3)),
                keras.layers.Conv2D(4, 3),
                keras.layers.BatchNormalization(),
                keras.layers.ReLU(),
                keras.layers.Flatten(),
            ]
        )
    )


def head():
    made = ProjectionHead((8, 4))
    made.build((None, 64))
    return weighted(made)


MODELS = {
    "plain": lambda: SupConModel(encoder(), head()),
    "queue": lambda: SupConModel(encoder(), head(), queue_size=16),
    "momentum": lambda: SupConModel(
        encoder(), head(), queue_size=16, encoder_momentum=0.9
    ),
    "temperature": lambda: SupConModel(
        encoder(), head(), learn_temperature=True
    ),
    "classification": lambda: ClassificationModel(encoder(), 3),
    "joint": lambda: JointModel(encoder(), head(), 3, contrast_weight=1.0),
}


def compiled(name, **options):
    """A model of MODELS, built and compiled."""
    model = MODELS[name]()
    loss = SupConLoss(0.2)
    if name in ("classification", "joint"):
        scores = keras.losses.CategoricalCrossentropy(from_logits=True)
        loss = scores
    if name == "joint":
        loss = {"projections": SupConLoss(0.2), "logits": scores}
    model.build((None, 2, 6, 6, 3))
    if name in ("classification", "joint"):
        weighted(model.classifier)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss, **options)
    return model


def losses_of(model, epochs=3):
    """The losses of so many epochs of three steps each."""
    views, labels = views_and_labels()
    history = model.fit(
        views, labels, batch_size=8, epochs=epochs, shuffle=False, verbose=0
    )
    return history.history["loss"]


def trained(name):
    """A model of MODELS after three epochs."""
    model = compiled(name)
    losses_of(model)
    return model
