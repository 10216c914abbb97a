"""The model of linear evaluation: one dense layer on a frozen encoder."""

import math
import numbers

import keras
from keras import layers


@keras.saving.register_keras_serializable("supcon_tf")
class LinearClassifier(keras.Model):
    """One dense layer on a frozen encoder: images in, class scores out.

    Args:
      encoder: Keras model, `[B, ...]` -> representations `[B, R]`. Frozen: it
        runs in inference mode and its weights never change.
      num_classes: int >= 1.
      class_names: names of the classes in the order of the scores, or None.

    Call arguments:
      images: `[B, ...]` as the encoder takes them.

    Returns:
      `[B, num_classes]` float32 scores: softmax probabilities.

    Raises:
      ValueError: if the number of names is not `num_classes`.

    Example:
      >>> classifier = keras.saving.load_model("classifier.keras")
      >>> scores = classifier.predict(images)
      >>> [classifier.class_names[i] for i in scores.argmax(axis=1)]
      ['cat', 'ship']

    Reference:
      Khosla et al. 2020, Sec. 3: the linear classifier of the second stage.
    """

    def __init__(self, encoder, num_classes, class_names=None, **kwargs):
        super().__init__(autocast=False, **kwargs)  # as in SupConModel
        if class_names is not None and len(class_names) != num_classes:
            raise ValueError(
                f"`class_names` must be {num_classes} names, one a class. "
                f"Received: {len(class_names)} names"
            )
        self.encoder = encoder
        self.num_classes = num_classes
        self.class_names = None if class_names is None else tuple(class_names)
        self.dense = layers.Dense(
            num_classes,
            activation="softmax",
            dtype="float32",
            name="scores",
        )

    def build(self, input_shape):
        """Builds the dense layer for the encoder's representations."""
        images = keras.KerasTensor((None, *input_shape[1:]))
        if not self.dense.built:
            self.dense.build(self.encoder(images).shape)
        self.built = True

    def call(self, images):
        """`[B, ...]` -> `[B, num_classes]`."""
        return self.dense(self.encoder(images, training=False))

    @property
    def trainable_weights(self):
        """The dense layer's: the encoder is frozen here, not elsewhere."""
        return self.dense.trainable_weights

    @property
    def trainable_variables(self):
        """As `trainable_weights`."""
        return self.dense.trainable_variables

    def get_config(self):
        """Every argument of the constructor."""
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "num_classes": self.num_classes,
            "class_names": self.class_names,
        }

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        config = dict(config)
        config["encoder"] = keras.saving.deserialize_keras_object(
            config["encoder"]
        )
        return cls(**config)


def new_classifier(encoder, images, labels, class_names):
    """A built and compiled `LinearClassifier` whose dense layer is to be set.

    Args:
      encoder: as for `LinearClassifier`.
      images: a batch of them, of which only the shape matters.
      labels: `[n]` integers of the training images; None if only the names say
        how many classes there are.
      class_names: as for `LinearClassifier`; None or none of them gives as many
        classes as the highest label says.

    Returns:
      A `LinearClassifier`, compiled with accuracy.

    Raises:
      ValueError: if labels are not integers >= 0 of two or more classes, or
        have no names.
    """
    if labels is None and not class_names:
        raise ValueError(
            "`class_names` must name all classes of images whose labels are "
            f"not in memory. Received: class_names={class_names}"
        )
    if labels is not None and (
        labels.min() < 0 or labels.min() == labels.max()
    ):
        raise ValueError(
            "`labels` must be integers >= 0 of two or more classes. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    class_names = class_names or None
    num_classes = len(class_names) if class_names else int(labels.max()) + 1
    if labels is not None and labels.max() >= num_classes:
        raise ValueError(
            f"`class_names` must name all {labels.max() + 1} classes. "
            f"Received: {num_classes} names"
        )
    classifier = LinearClassifier(encoder, num_classes, class_names)
    classifier(images)  # builds it
    classifier.compile(
        optimizer=keras.optimizers.SGD(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    return classifier


def as_candidates(name, values):
    """A number, or several to choose from, as a tuple of floats.

    Args:
      name: of the argument, for the error.
      values: finite number > 0, or a tuple or list of them.

    Raises:
      ValueError: if it is none.
    """
    several = values if isinstance(values, (tuple, list)) else (values,)
    if not several or not all(
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and 0 < value < math.inf
        for value in several
    ):
        raise ValueError(
            f"`{name}` must be a finite number > 0, or several of them to "
            f"choose from. Received: {name}={values!r}"
        )
    return tuple(float(value) for value in several)
