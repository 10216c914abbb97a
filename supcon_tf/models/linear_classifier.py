"""LinearClassifier, the model of linear evaluation."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from supcon_tf.encoders.encoder_check import (
    check_encoder,
    check_representations,
)
from supcon_tf.labels import as_names
from supcon_tf.models.checked_inputs import CheckedInputs, is_one_of
from supcon_tf.models.keras_files import KerasFiles


@keras.saving.register_keras_serializable("supcon_tf")
class LinearClassifier(CheckedInputs, KerasFiles, keras.Model):
    """One dense layer on a frozen encoder: images in, class scores out.

    Args:
      encoder: Keras model, `[B, ...]` -> representations `[B, R]`. It is
        frozen: it runs in inference mode and its weights never change.
      num_classes: int >= 1.
      class_names: names of the classes in the order of the scores, or None. A
        list or an array of strings; bytes are decoded.
      image_size: (height, width) of the images that it was trained on, in
        pixels, or None. `supcon_tf.predict` brings photographs to it.
      resizing: how the images were brought to that size, by its name in
        `AUGMENTATIONS`, such as `"center_crop"`, or None.

    Call arguments:
      images: `[B, ...]` as the encoder takes them. Images `[B, H, W, C]` are
        uint8 (0 to 255) or, with 1 or 3 channels, floats in [0, 1].

    Returns:
      `[B, num_classes]` float32 scores, which are softmax probabilities.

    Raises:
      ValueError: if the number of names is not `num_classes`, or if images
        whose values are known leave their range.

    Example:
      >>> classifier = LinearClassifier(encoder, 2, class_names=["cat", "ship"])
      >>> scores = classifier.predict(images, verbose=0)
      >>> names = [classifier.class_names[i] for i in scores.argmax(axis=1)]
      >>> len(names)
      8

    Reference:
      Khosla et al. 2020, Sec. 3: the linear classifier of the second stage.
    """

    def __init__(
        self,
        encoder: keras.Model,
        num_classes: int,
        class_names: Sequence[str] | None = None,
        image_size: tuple[int, int] | None = None,
        resizing: str | None = None,
        **kwargs: Any,
    ):
        check_encoder(encoder)
        super().__init__(autocast=False, **kwargs)  # as in SupConModel
        names = as_names(class_names)
        if class_names is not None and len(names) != num_classes:
            raise ValueError(
                f"`class_names` must be {num_classes} names, one a class. "
                f"Received: {len(names)} names"
            )
        self.encoder = encoder
        self.num_classes = num_classes
        self.class_names = None if class_names is None else names
        self.image_size = None if image_size is None else tuple(image_size)
        self.resizing = resizing
        self.dense = layers.Dense(
            num_classes,
            activation="softmax",
            dtype="float32",
            name="scores",
        )

    def build(self, input_shape):
        """Builds the dense layer for the encoder's representations."""
        self._check_form(tuple(input_shape))
        images = keras.KerasTensor((None, *input_shape[1:]))
        if not self.dense.built:
            representations = self.encoder(images)
            check_representations(representations)
            self.dense.build(representations.shape)
        self.built = True

    def call(self, images):
        """Classifies images: `[B, ...]` -> `[B, num_classes]`."""
        self._check_known_images(images)
        images = self._in_unit_range(images)
        return self.dense(self.encoder(images, training=False))

    @property
    def output_shape(self):
        """The shape of the scores, `(None, num_classes)`."""
        return (None, self.num_classes)

    def _check_form(self, shapes):
        """As in `CheckedInputs`: single images of the encoder's shape."""
        own = self.input_shape
        if own is not None and not is_one_of(shapes, own):
            raise ValueError(
                f"Images must have the encoder's shape {own}. "
                f"Received: shape {shapes}"
            )

    def _image_shape(self, shape):
        """As in `CheckedInputs`."""
        return tuple(shape)[1:]

    @property
    def trainable_weights(self):
        """The weights of the dense layer; this model freezes the encoder."""
        return self.dense.trainable_weights

    @property
    def trainable_variables(self):
        """As `trainable_weights`."""
        return self.dense.trainable_variables

    @property
    def non_trainable_weights(self):
        """The weights of the encoder, and those of a frozen dense layer."""
        return _others(self.weights, self.trainable_weights)

    @property
    def non_trainable_variables(self):
        """As `non_trainable_weights`, with the state of random layers."""
        return _others(self.variables, self.trainable_variables)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "num_classes": self.num_classes,
            "class_names": self.class_names,
            "image_size": self.image_size,
            "resizing": self.resizing,
        }

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        config = dict(config)
        config["encoder"] = keras.saving.deserialize_keras_object(
            config["encoder"]
        )
        return cls(**config)


def _others(variables, trainable):
    """The variables that are not among the trainable ones."""
    known = {id(variable) for variable in trainable}
    return [variable for variable in variables if id(variable) not in known]
