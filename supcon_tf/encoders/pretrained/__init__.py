"""Encoders that were trained with this package, ready to be loaded.

`supcon_tf.load_pretrained(NAME)` loads one. An encoder that comes with the
package has four files beside this one: the archive that `supcon-hub-export`
wrote, its checksum, its model card, and the same encoder as a .keras file of
Keras' own layers, which needs no TensorFlow. To add an encoder, run
`supcon-hub-export --archive`, save the encoder for images of any size as
.keras, and add a line to `PRETRAINED`.
"""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import tarfile
import tempfile

import keras

_HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class PretrainedEncoder:
    """A pretrained encoder: its place, its training and its accuracy.

    Attributes:
      archive: name of a file beside this one, or a URL.
      sha256: SHA-256 of the archive, 64 hexadecimal digits.
      keras_file: name of a file beside this one, or a URL, of the same encoder
        for backends other than TensorFlow.
      keras_sha256: SHA-256 of that file.
      num_features: R, the size of the representations.
      image_size: height and width of the training images, in pixels.
      dataset: name of the data set for training and evaluation.
      top_1: accuracy in [0, 1] of a linear classifier of the frozen features,
        on the test images. The archive has this classifier, too, as the
        callable `classifier`.
      command: the command that trained the encoder.
    """

    archive: str
    sha256: str
    keras_file: str
    keras_sha256: str
    num_features: int
    image_size: int
    dataset: str
    top_1: float
    command: str


PRETRAINED = {
    "cifar10_resnet18_w025": PretrainedEncoder(
        archive="cifar10_resnet18_w025-1.tar.gz",
        sha256=(
            "4854731d09c9aeeb0d84ba51df829e3332f11242d37b49982c3893e1bb365f3f"
        ),
        keras_file="cifar10_resnet18_w025-1.keras",
        keras_sha256=(
            "42af866292dfc10218169d65a2f72e3df4105cdbd8324719e25722c59dd45a54"
        ),
        num_features=128,
        image_size=32,
        dataset="cifar10",
        top_1=0.8743,
        command="supcon-pretrain --recipe=cifar10_cpu --seed=0",
    ),
}


def pretrained_archive(name):
    """Finds the archive of a pretrained encoder and checks its SHA-256.

    An archive that does not come with the package is downloaded once, to Keras'
    own folder (`~/.keras`, or that of the environment variable KERAS_HOME).

    Args:
      name: key of `PRETRAINED`.

    Returns:
      `pathlib.Path` of a .tar.gz file.

    Raises:
      ValueError: if the name is unknown, or the archive cannot be downloaded or
        is not the one that was published.

    Example:
      >>> pretrained_archive("cifar10_resnet18_w025").name
      'cifar10_resnet18_w025-1.tar.gz'
    """
    encoder = _described(name)
    return _published(encoder.archive, "archive", encoder.sha256)


def pretrained_keras_file(name):
    """As `pretrained_archive`, the .keras file of the same encoder.

    Args:
      name: key of `PRETRAINED`.

    Returns:
      `pathlib.Path` of a .keras file: float32 images `[B, H, W, 3]` in [0, 1],
      of any size -> features `[B, R]`.

    Raises:
      ValueError: as `pretrained_archive`.

    Example:
      >>> pretrained_keras_file("cifar10_resnet18_w025").name
      'cifar10_resnet18_w025-1.keras'
    """
    encoder = _described(name)
    return _published(encoder.keras_file, "file", encoder.keras_sha256)


def unpack_pretrained(name: str, folder: str | os.PathLike[str]) -> None:
    """Writes the SavedModel of a pretrained encoder to a folder.

    The SavedModel has more than `load_pretrained` gives, such as a classifier
    and endpoints, and `hub.KerasLayer` and TensorFlow Serving can load it.

    Args:
      name: key of `PRETRAINED`.
      folder: path of the new folder, which must not exist yet.

    Raises:
      ValueError: if the name is unknown or the folder exists.

    Example:
      >>> unpack_pretrained("cifar10_resnet18_w025", "encoder")
      >>> loaded = tf.saved_model.load("encoder")
      >>> loaded.classifier(images).shape
      TensorShape([8, 10])
    """
    archive = pretrained_archive(name)
    folder = pathlib.Path(folder).expanduser()
    if os.path.lexists(folder):
        raise ValueError(
            "`folder` must not exist yet. "
            f"Received: folder={str(folder)!r}, which does"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
        draft = pathlib.Path(aside) / "saved_model"
        _unpack(archive, draft)
        os.rename(draft, folder)


@contextlib.contextmanager
def unpacked(archive):
    """Unpacks a SavedModel's archive to a temporary folder.

    Args:
      archive: path of a .tar.gz file whose members are at the root.

    Yields:
      `pathlib.Path` of the folder, which is removed afterwards.

    Raises:
      ValueError: if the archive is not such a file.

    Example:
      >>> with unpacked(pretrained_archive("cifar10_resnet18_w025")) as folder:
      ...     (folder / "saved_model.pb").is_file()
      True
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder) / "saved_model"
        _unpack(archive, folder)
        yield folder


def _described(name):
    if name not in PRETRAINED:
        raise ValueError(
            f"`name` must be one of {sorted(PRETRAINED)}. "
            f"Received: name={name!r}"
        )
    return PRETRAINED[name]


def _published(where, kind, sha256):
    """The path of a file beside this one or at a URL, with that SHA-256."""
    path = _downloaded(where) if "://" in where else _HERE / where
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise ValueError(
            f"{path} must be the {kind} that was published, of SHA-256 "
            f"{sha256}. Received: {digest}"
        )
    return path


def _unpack(archive, folder):
    try:
        with tarfile.open(archive, "r:gz") as members:
            # "data" refuses members and links that lead out of the folder.
            members.extractall(folder, filter="data")
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ValueError(
            f"{archive} must be a whole .tar.gz archive. "
            f"Received: {type(error).__name__}: {error}"
        ) from error


def _downloaded(url):
    try:
        return pathlib.Path(
            keras.utils.get_file(origin=url, cache_subdir="supcon_tf")
        )
    except Exception as error:  # Keras makes a bare one of urllib's
        raise ValueError(
            f"{url} must be there to be downloaded. "
            f"Received: {type(error).__name__}: {error}"
        ) from error
