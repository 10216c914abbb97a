"""HubEncoder, a Keras 3 layer around a Reusable SavedModel of TF-Hub."""

import os
import pathlib
import warnings
from typing import Any

import keras

from supcon_tf.augmentations.pixels import in_unit_range
from supcon_tf.encoders.pretrained import (
    PRETRAINED,
    pretrained_archive,
    pretrained_keras_file,
    unpacked,
)
from supcon_tf.frameworks.backends import check_tensorflow, is_tensorflow, tf
from supcon_tf.frameworks.extras import check_extra
from supcon_tf.frameworks.keras_internals import in_safe_mode

_OWN = "supcon_tf:"


@keras.saving.register_keras_serializable("supcon_tf")
class HubEncoder(keras.layers.Layer):
    """An encoder from TF-Hub, to use and to fine-tune in Keras 3.

    `hub.KerasLayer` is a layer of Keras 2, which Keras 3 refuses. This layer
    holds the SavedModel's variables as weights of its own. Optimizers train
    them, `trainable` freezes them and a .keras file keeps them. Unless the
    layer is frozen, `training=True` puts the SavedModel into its training mode,
    too (batch statistics, dropout), and `losses` has its regularization losses.

    A .keras file has the weights but not the graph, which is loaded from the
    handle again. A SavedModel is code that may read and write files. Therefore
    `keras.saving.load_model` loads such a file only with `safe_mode=False`,
    unless the handle is one of this package's own, `supcon_tf:NAME`.

    Under a strategy, the layer must be made in the strategy's scope. Each
    replica has batch statistics of its own. The layer works with TensorFlow
    only.

    Args:
      handle: the folder of a Reusable SavedModel, such as `supcon-hub-export`
        writes, or its .tar.gz archive, or a URL that `tensorflow_hub.resolve`
        accepts, or `supcon_tf:NAME` with a name as in `load_pretrained`.
      trainable: whether the weights are trained. It may be set later, too.
      dtype: dtype of the layer. The SavedModel itself gets float32 images (or
        integer ones, if it takes them) and computes as it was exported.
      argument: the name that errors give to the handle.
      **kwargs: further arguments of `keras.layers.Layer`, such as `name`.

    Call arguments:
      images: what the SavedModel takes. By TF-Hub's convention, that is float32
        RGB `[B, H, W, 3]` in [0, 1].
      training: whether the SavedModel is in its training mode.

    Returns:
      What the SavedModel returns. For an encoder, that is float32 features
      `[B, R]`.

    Raises:
      ValueError: if there is no Reusable SavedModel at the handle, or the layer
        comes from a file that is read in safe mode.

    Example:
      >>> unpack_pretrained("cifar10_resnet18_w025", "saved_model")
      >>> inputs = keras.Input((32, 32, 3))
      >>> features = HubEncoder("saved_model", trainable=True)(inputs)
      >>> keras.Model(inputs, features).output_shape
      (None, 128)

    Reference:
      https://www.tensorflow.org/hub/reusable_saved_models
    """

    def __init__(
        self,
        handle: str | os.PathLike[str],
        trainable: bool = False,
        *,
        dtype: Any = "float32",
        argument: str = "handle",
        **kwargs: Any,
    ):
        super().__init__(dtype=dtype, **kwargs)
        self.handle = str(handle)
        loaded = _load(self.handle, argument)
        # The SavedModel is in a closure, since an attribute would be saved with
        # this layer, and with it the variables a second time.
        self._apply = lambda images, training: loaded(images, training=training)
        self.module_variables = [
            _as_weight(v, any(v is x for x in loaded.trainable_variables))
            for v in loaded.variables
        ]
        losses = list(getattr(loaded, "regularization_losses", None) or [])
        trained = self.trainable_variables
        if losses and trained:
            # The format does not tell which loss belongs to which variable, but
            # only the sum matters. It is the regularizer of one weight, since
            # Keras counts that once however a batch is divided, unlike a loss
            # of `add_loss`.
            trained[0].regularizer = _SumOf(losses)
        self.trainable = trainable
        self.built = True

    def call(self, images, training=False):
        """Returns the SavedModel's features of the images."""
        if images.dtype.is_floating:
            images = tf.cast(images, tf.float32)
        return self._apply(images, bool(training and self.trainable))

    def get_config(self):
        """Returns the constructor's arguments, except `argument`."""
        return {**super().get_config(), "handle": self.handle}

    @classmethod
    def from_config(cls, config):
        """Makes a layer from its config, in safe mode only `supcon_tf:NAME`."""
        is_own = str(config.get("handle")).startswith(_OWN)
        if in_safe_mode() and not is_own:
            raise ValueError(
                "HubEncoder must not be read in safe mode: its SavedModel is "
                "code, which is loaded from the handle. If you trust it, pass "
                "safe_mode=False. "
                f"Received: handle={config.get('handle')!r}"
            )
        return cls(**config)


@keras.saving.register_keras_serializable("supcon_tf")
class HubModel(keras.Model):
    """A functional model around a `HubEncoder` that takes uint8 images, too.

    Keras casts what a functional model gets to the dtype of its input. Integers
    from 0 to 255 would then pass for floats in [0, 1].

    Args:
      *args: as for `keras.Model(inputs, outputs)`.
      **kwargs: likewise.

    Call arguments:
      inputs: `[B, H, W, 3]`, floats in [0, 1] or uint8.

    Example:
      >>> encoder = load_pretrained("cifar10_resnet18_w025")
      >>> pixels = np.uint8(255 * images)
      >>> bool(np.allclose(encoder(pixels), encoder(pixels / 255), atol=1e-5))
      True
    """

    def call(self, inputs, training=None, mask=None, **kwargs):
        """As in Keras, on images in [0, 1]."""
        return super().call(
            keras.tree.map_structure(in_unit_range, inputs),
            training=training,
            mask=mask,
            **kwargs,
        )


def load_pretrained(
    name: str, *, image_size: int | None = None, trainable: bool = False
) -> keras.Model:
    """Loads an encoder that was trained with this package.

    The small encoders come with the package, so nothing is downloaded for them.
    `PRETRAINED` has the measured accuracy of each.

    Args:
      name: key of `PRETRAINED`, such as `cifar10_resnet18_w025`.
      image_size: int, height and width of the images in pixels. None is the
        size that the encoder was trained on.
      trainable: whether the weights are trained further.

    Returns:
      A `keras.Model` like the package's other encoders: float32 RGB images
      `[B, image_size, image_size, 3]` in [0, 1], or uint8 ones -> features
      `[B, R]`. Its one layer is a `HubEncoder` on TensorFlow. On the other
      backends it is a model of Keras' own layers, with the same features.

    Raises:
      ValueError: if the name is unknown, or an encoder that does not come with
        the package cannot be downloaded.

    Example:
      >>> encoder = load_pretrained("cifar10_resnet18_w025")
      >>> encoder(images).shape
      TensorShape([8, 128])
    """
    layer = pretrained_layer(name, trainable=trainable)
    size = image_size or PRETRAINED[name].image_size
    images = keras.Input((size, size, 3), name="images")
    return HubModel(images, layer(images), name=name)


def pretrained_layer(name, *, trainable, argument="name"):
    """The layer of `load_pretrained`, which needs no TensorFlow elsewhere.

    Args:
      name: key of `PRETRAINED`.
      trainable: whether the weights are trained further.
      argument: what the error message calls the name.

    Returns:
      A `HubEncoder`, or off TensorFlow a `keras.Model`.

    Raises:
      ValueError: as in `load_pretrained`.
    """
    if is_tensorflow():
        return HubEncoder(
            f"{_OWN}{name}", trainable, name="hub_encoder", argument=argument
        )
    model = keras.saving.load_model(pretrained_keras_file(name), compile=False)
    model.trainable = trainable
    return model


def _load(handle, argument):
    """Loads the Reusable SavedModel at a handle."""
    check_tensorflow(
        "A SavedModel", "give the .keras file of the encoder", as_backend=True
    )
    if handle.startswith(_OWN):
        archive = pretrained_archive(handle.removeprefix(_OWN))
    else:
        path = _resolved(handle, argument) if "://" in handle else handle
        archive = pathlib.Path(path).expanduser()
    if not archive.is_file():
        return _load_folder(archive, handle, argument)
    with unpacked(archive) as folder:
        return _load_folder(folder, handle, argument)


def _load_folder(folder, handle, argument):
    if not (folder / "saved_model.pb").is_file():
        raise ValueError(
            f"`{argument}` must be a folder that holds saved_model.pb, its "
            ".tar.gz archive, or the URL of one. "
            f"Received: {argument}={handle!r}"
        )
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # protobuf's, OpError, KeyError of unknown ops
        raise ValueError(
            f"`{argument}` must be a whole SavedModel of TensorFlow 2. "
            f"Received: {argument}={handle!r}, {_first_line(error)}"
        ) from error
    for name in ("__call__", "variables", "trainable_variables"):
        if not hasattr(loaded, name):
            raise ValueError(
                f"`{argument}` must be a Reusable SavedModel, which has "
                "__call__, variables and trainable_variables, such as "
                f"supcon-hub-export writes. Received: {argument}={handle!r}, "
                f"without {name}"
            )
    return loaded


def _resolved(url, argument):
    """Downloads a SavedModel with TF-Hub and returns the path it is at."""
    check_extra("tensorflow_hub", f"`{argument}` {url}")
    # Imported here, since it is slow, loads Keras 2 and warns of pkg_resources.
    with warnings.catch_warnings(action="ignore"):
        import tensorflow_hub

    try:
        return tensorflow_hub.resolve(url)
    except Exception as error:  # urllib, tarfile and TensorFlow raise their own
        raise ValueError(
            f"`{argument}` must be the URL of a SavedModel that can be "
            "downloaded. "
            f"Received: {argument}={url!r}, {_first_line(error)}"
        ) from error


def _first_line(error):
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text}"


class _SumOf(keras.regularizers.Regularizer):
    """The sum of losses that are functions of no argument.

    It does not depend on the weight that it belongs to.
    """

    def __init__(self, losses):
        self.losses = losses

    def __call__(self, weight):
        return tf.add_n([loss() for loss in self.losses])


def _as_weight(variable, trainable):
    """A Keras weight that is the variable itself, not a copy of it."""
    weight = keras.Variable(
        variable,
        trainable=trainable,
        dtype=variable.dtype.name,
        autocast=False,  # the SavedModel computes as it was exported
        name=variable.name.split(":")[0].split("/")[-1],
    )
    if weight.value is not variable:
        raise ValueError(
            "HubEncoder needs a Keras whose Variable takes a tf.Variable as it "
            f"is: 3.12 or later. Received: Keras {keras.__version__}"
        )
    return weight
