"""HubEncoder: a Keras 3 layer around a Reusable SavedModel of TF-Hub."""

import pathlib
import warnings

import keras
import tensorflow as tf

# Whether a file is being read that nobody vouched for: Keras tells its own
# layers only (keras.layers.Lambda and TFSMLayer ask the same).
from supcon_tf.encoders.pretrained import (
    PRETRAINED,
    pretrained_archive,
    unpacked,
)
from supcon_tf.keras_internals import in_safe_mode

_OWN = "supcon_tf:"


@keras.saving.register_keras_serializable("supcon_tf")
class HubEncoder(keras.layers.Layer):
    """An encoder from TF-Hub, to use and to fine-tune in Keras 3.

    `hub.KerasLayer` is a layer of Keras 2, which Keras 3 refuses. This one
    holds the SavedModel's variables as weights of its own: optimizers train
    them, `trainable` freezes them, a .keras file keeps them. In training mode,
    unless the layer is frozen, the SavedModel is in its training mode, too
    (batch statistics, dropout). Its regularization losses are in `losses`
    unless the layer is frozen.

    A .keras file has the weights but not the graph, which is loaded from the
    handle again. A SavedModel is code: it may read and write files. Hence
    `keras.saving.load_model` loads such a file with `safe_mode=False` only,
    unless the handle is one of this package's own, `supcon_tf:NAME`.

    Under a strategy it must be made in the strategy's scope; batch statistics
    are each replica's own. TensorFlow only.

    Args:
      handle: folder of a Reusable SavedModel, such as `supcon-hub-export`
        writes; its .tar.gz archive; a URL that `tensorflow_hub.resolve`
        accepts; or `supcon_tf:NAME`, as by `load_pretrained`.
      trainable: whether the weights are trained; may be set later, too.
      dtype: of the layer; the SavedModel itself gets float32 images (or
        integer ones, if it takes them) and computes as it was exported.
      **kwargs: further arguments of `keras.layers.Layer`, such as `name`.

    Call arguments:
      images: as the SavedModel takes them; by TF-Hub's convention float32 RGB
        `[B, H, W, 3]` in [0, 1].
      training: whether the SavedModel is in its training mode.

    Returns:
      What the SavedModel returns; an encoder's float32 features `[B, R]`.

    Raises:
      ValueError: if there is no Reusable SavedModel at the handle, or it comes
        from a file that is read in safe mode.

    Example:
      >>> images = keras.Input((32, 32, 3))
      >>> features = HubEncoder("encoder_saved_model", trainable=True)(images)
      >>> encoder = keras.Model(images, features)

    Reference:
      https://www.tensorflow.org/hub/reusable_saved_models
    """

    def __init__(self, handle, trainable=False, *, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.handle = str(handle)
        loaded = _load(self.handle)
        # A closure: as an attribute, the SavedModel would be saved with this
        # layer, its variables a second time.
        self._apply = lambda images, training: loaded(images, training=training)
        self.module_variables = [
            _as_weight(v, any(v is x for x in loaded.trainable_variables))
            for v in loaded.variables
        ]
        losses = list(getattr(loaded, "regularization_losses", None) or [])
        trained = self.trainable_variables
        if losses and trained:
            # Which loss is of which variable is not in the format; only the
            # sum matters. (As a weight's, unlike those of `add_loss`, it is
            # counted once however a batch is divided.)
            trained[0].regularizer = _SumOf(losses)
        self.trainable = trainable
        self.built = True

    def call(self, images, training=False):
        """The SavedModel's features of images."""
        if images.dtype.is_floating:
            images = tf.cast(images, tf.float32)
        return self._apply(images, bool(training and self.trainable))

    def get_config(self):
        """Every argument of the constructor."""
        return {**super().get_config(), "handle": self.handle}

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`; refused while reading in safe mode."""
        is_own = str(config.get("handle")).startswith(_OWN)
        if in_safe_mode() and not is_own:
            raise ValueError(
                "HubEncoder must not be read in safe mode: its SavedModel is "
                "code, which is loaded from the handle. If you trust it, pass "
                "safe_mode=False. "
                f"Received: handle={config.get('handle')!r}"
            )
        return cls(**config)


def load_pretrained(name, *, image_size=None, trainable=False):
    """An encoder that was trained with this package.

    The small ones come with the package: nothing is downloaded. `PRETRAINED`
    has what each was measured to be.

    Args:
      name: key of `PRETRAINED`, such as `cifar10_resnet18_w025`.
      image_size: int, height and width of the images; None for the size that it
        was trained on.
      trainable: whether the weights are to be trained further.

    Returns:
      A `keras.Model` like the package's other encoders: float32 RGB `[B,
      image_size, image_size, 3]` in [0, 1] -> features `[B, R]`. Its one layer
      is a `HubEncoder`.

    Raises:
      ValueError: if the name is unknown; if an encoder that does not come with
        the package cannot be downloaded.

    Example:
      >>> encoder = load_pretrained("cifar10_resnet18_w025")
      >>> encoder(np.zeros((2, 32, 32, 3), np.float32)).shape
      TensorShape([2, 128])
    """
    layer = HubEncoder(f"{_OWN}{name}", trainable, name="hub_encoder")
    size = image_size or PRETRAINED[name].image_size
    images = keras.Input((size, size, 3), name="images")
    return keras.Model(images, layer(images), name=name)


def _load(handle):
    """The object of a Reusable SavedModel."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "HubEncoder must be used with the backend tensorflow. "
            f"Received: {keras.backend.backend()}"
        )
    if handle.startswith(_OWN):
        archive = pretrained_archive(handle.removeprefix(_OWN))
    else:
        path = _resolved(handle) if "://" in handle else handle
        archive = pathlib.Path(path).expanduser()
    if not archive.is_file():
        return _load_folder(archive, handle)
    with unpacked(archive) as folder:
        return _load_folder(folder, handle)


def _load_folder(folder, handle):
    if not (folder / "saved_model.pb").is_file():
        raise ValueError(
            "`handle` must be a folder that holds saved_model.pb, its .tar.gz "
            "archive, or the URL of one. "
            f"Received: handle={handle!r}"
        )
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # protobuf, OpError, KeyError of unknown ops
        raise ValueError(
            "`handle` must be a whole SavedModel of TensorFlow 2. "
            f"Received: handle={handle!r}, {_first_line(error)}"
        ) from error
    for name in ("__call__", "variables", "trainable_variables"):
        if not hasattr(loaded, name):
            raise ValueError(
                "`handle` must be a Reusable SavedModel, which has __call__, "
                "variables and trainable_variables, such as supcon-hub-export "
                f"writes. Received: handle={handle!r}, without {name}"
            )
    return loaded


def _resolved(url):
    """Where TF-Hub puts what it has downloaded."""
    # Here: it is slow to import, loads Keras 2, and warns of pkg_resources.
    with warnings.catch_warnings(action="ignore"):
        import tensorflow_hub

    try:
        return tensorflow_hub.resolve(url)
    except Exception as error:  # of urllib, tarfile and TensorFlow
        raise ValueError(
            "`handle` must be the URL of a SavedModel that can be downloaded. "
            f"Received: handle={url!r}, {_first_line(error)}"
        ) from error


def _first_line(error):
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text}"


class _SumOf(keras.regularizers.Regularizer):
    """What functions of no argument give, whatever the weight is."""

    def __init__(self, losses):
        self.losses = losses

    def __call__(self, weight):
        return tf.add_n([loss() for loss in self.losses])


def _as_weight(variable, trainable):
    """A weight of Keras that is the variable, not a copy."""
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
