"""An encoder with what it takes to ask it: image size, resizing, head."""

import dataclasses
import functools
import hashlib
import pathlib

import keras
import numpy as np

from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.config import PretrainConfig
from supcon_tf.config.settings import read_json
from supcon_tf.encoders.frozen import frozen_encoder, own_image_size
from supcon_tf.encoders.saved import load_keras_file
from supcon_tf.training.linear_results import read_linear_results

RESIZINGS = ("center_crop", "resize_then_crop")
HEAD_FILE = "similarity_head.keras"


@dataclasses.dataclass(frozen=True)
class AskedEncoder:
    """A frozen encoder, and how photographs are brought to its size.

    Attributes:
      encoder: Keras model, images in [0, 1] -> `[B, R]`.
      image_size: (height, width) of the images, in pixels.
      resizing: `"center_crop"` or `"resize_then_crop"`, by its name in
        `AUGMENTATIONS`.
      head: None, or a Keras model `[B, R]` -> `[B, D]` whose output is asked
        for in place of the representation.

    Raises:
      ValueError: if the resizing is another.

    Example:
      >>> AskedEncoder(encoder, (32, 32)).num_features
      8
    """

    encoder: keras.Model
    image_size: tuple[int, int]
    resizing: str = "center_crop"
    head: keras.Model | None = None

    def __post_init__(self):
        check_resizing(self.resizing)

    @property
    def augmentation(self):
        """The function that brings an image to the size."""
        return AUGMENTATIONS[self.resizing]

    @property
    def num_features(self):
        """The length of a vector, an int."""
        return (self.head or self.encoder).output_shape[-1]

    @functools.cached_property
    def fingerprint(self):
        """Tells vectors of one encoder from those of another: 16 hex digits.

        It depends on the weights of encoder and head, on the size and on the
        resizing.
        """
        parts = [weights_fingerprint(self.encoder), self.image_size]
        parts += [self.resizing]
        if self.head is not None:
            parts.append(weights_fingerprint(self.head))
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def asked_encoder(
    where, *, image_size=None, safe_mode=True, with_head=True, name="encoder"
):
    """Loads an encoder and finds out how it wants its photographs.

    A workdir tells its image size and resizing by config.json and
    linear_eval.json. Other encoders tell their size, and are given the centre.

    Args:
      where: workdir, .keras file, SavedModel, supcon_tf:NAME,
        keras_hub:PRESET or keras_cv:PRESET, as in `initial_encoder`.
      image_size: int >= 1, height and width in pixels. None, the default, is
        for an encoder that tells its own.
      safe_mode: as in `load_encoder`.
      with_head: whether the similarity_head.keras of a workdir is used; True by
        default.
      name: name of the argument, for messages.

    Returns:
      An `AskedEncoder`.

    Raises:
      ValueError: as in `initial_encoder`; if the size is not known; or if the
        similarity head was trained on another encoder.

    Example:
      >>> encoder.save("encoder.keras")
      >>> asked_encoder("encoder.keras").image_size
      (32, 32)
    """
    told_size = told_resizing = head = None
    workdir = _workdir(where)
    if workdir is not None:
        told_size, told_resizing = told_by_workdir(workdir)
    size = image_size or told_size
    is_told = size or own_image_size(where, safe_mode)
    encoder, size = frozen_encoder(
        where, image_size=size, safe_mode=safe_mode, name=name
    )
    if not is_told:
        raise ValueError(
            "`image_size` must be given with an encoder that takes images of "
            "any size, in pixels: best that of its training. "
            f"Received: image_size=None, {name}={str(where)!r}"
        )
    if with_head:
        head = head_beside(where, encoder)
    return AskedEncoder(encoder, size, told_resizing or RESIZINGS[0], head)


def told_by_workdir(workdir):
    """The facts in config.json and linear_eval.json of a workdir.

    Args:
      workdir: `pathlib.Path` of a folder.

    Returns:
      The image size, an int, and the resizing, a string; None for what a
      missing file does not tell.

    Raises:
      ValueError: if a file is not as the commands write it.

    Example:
      >>> told_by_workdir(pathlib.Path("."))
      (None, None)
    """
    path = workdir / "config.json"
    if not path.is_file():
        return None, None
    return read_json(PretrainConfig, path).image_size, _told_resizing(workdir)


def head_beside(where, encoder):
    """Reads the similarity head of a workdir, if it has one.

    Args:
      where: what the encoder was loaded from, as in `asked_encoder`.
      encoder: the encoder.

    Returns:
      A Keras model, `[B, R]` -> `[B, D]`, or None.

    Raises:
      ValueError: as in `load_similarity_head`.

    Example:
      >>> head_beside("supcon_tf:cifar10_resnet18_w025", encoder) is None
      True
    """
    workdir = _workdir(where)
    if workdir is None or not (workdir / HEAD_FILE).is_file():
        return None
    return load_similarity_head(workdir / HEAD_FILE, encoder)


def _workdir(where):
    """The path of a folder with an encoder.keras; None for anything else."""
    path = pathlib.Path(where or "").expanduser()
    return path if where and (path / "encoder.keras").is_file() else None


def load_similarity_head(path, encoder):
    """Reads a similarity head, and refuses one of another encoder.

    Args:
      path: path of a similarity_head.keras.
      encoder: the encoder that it is put on.

    Returns:
      A Keras model, `[B, R]` -> `[B, D]`.

    Raises:
      ValueError: if the file is damaged or of another encoder.
    """
    head = load_keras_file(path)
    if head.name != head_name(encoder):
        raise ValueError(
            f"{path} must be trained on this encoder: train it again, or "
            f"remove it. Received: {head.name}, and the encoder's would be "
            f"{head_name(encoder)}"
        )
    return head


def head_name(encoder):
    """The name of the similarity head of an encoder, which tells whose it is.

    Args:
      encoder: Keras model.

    Returns:
      A string.
    """
    return f"similarity_head_of_{weights_fingerprint(encoder)[:16]}"


def weights_fingerprint(model):
    """The SHA-256 of a model's weights, their shapes and dtypes.

    Args:
      model: Keras model.

    Returns:
      64 hexadecimal digits.

    Example:
      >>> weights_fingerprint(encoder) == weights_fingerprint(encoder)
      True
    """
    digest = hashlib.sha256()
    for weight in model.weights:
        values = np.ascontiguousarray(weight)
        digest.update(f"{values.shape} {values.dtype}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def check_resizing(resizing):
    """Refuses what is no name of a resizing.

    Args:
      resizing: what was given.

    Raises:
      ValueError: if it is so.
    """
    if resizing not in RESIZINGS:
        raise ValueError(
            f"`resizing` must be one of {list(RESIZINGS)}. "
            f"Received: resizing={resizing!r}"
        )


def _told_resizing(workdir):
    """The resizing that linear evaluation used, or None without one."""
    path = workdir / "linear_eval.json"
    if not path.is_file():
        return None
    results = read_linear_results(path)
    return results.get("config", {}).get("eval_augmentation")
