"""Encoders that were trained with this package, ready to be loaded.

`supcon_tf.load_pretrained(NAME)` makes a layer of one. Beside this file lie,
for each that comes with the package, the archive that `supcon-hub-export`
wrote, its checksum and its model card. To add one: `supcon-hub-export
--archive`, then a line in `PRETRAINED`.
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
    """Where an encoder is, and what it was measured to be.

    Attributes:
      archive: name of a file beside this one, or a URL.
      sha256: of the archive, 64 hexadecimal digits.
      num_features: R.
      image_size: pixels, height and width, that it was trained on.
      dataset: that it was trained and evaluated on.
      top_1: accuracy on the test images of a linear classifier on the frozen
        features, which is in the archive, too, as the callable `classifier`.
      command: that trained it.
    """

    archive: str
    sha256: str
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
        num_features=128,
        image_size=32,
        dataset="cifar10",
        top_1=0.8743,
        command="supcon-pretrain --recipe=cifar10_cpu --seed=0",
    ),
}


def pretrained_archive(name):
    """The archive of a pretrained encoder, checked.

    One that does not come with the package is downloaded once, to Keras' own
    folder (`~/.keras`, or that of the environment variable KERAS_HOME).

    Args:
      name: key of `PRETRAINED`.

    Returns:
      `pathlib.Path` of a .tar.gz file.

    Raises:
      ValueError: if the name is unknown, or the archive cannot be downloaded or
        is not the one that was published.
    """
    if name not in PRETRAINED:
        raise ValueError(
            f"`name` must be one of {sorted(PRETRAINED)}. "
            f"Received: name={name!r}"
        )
    archive = PRETRAINED[name].archive
    path = _HERE / archive
    if "://" in archive:
        path = _downloaded(archive)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != PRETRAINED[name].sha256:
        raise ValueError(
            f"{path} must be the archive that was published, of SHA-256 "
            f"{PRETRAINED[name].sha256}. Received: {digest}"
        )
    return path


def unpack_pretrained(name, folder):
    """Writes the SavedModel of a pretrained encoder to a folder.

    For who wants more of it than `load_pretrained` gives: its classifier, its
    endpoints, `hub.KerasLayer`, TensorFlow Serving.

    Args:
      name: key of `PRETRAINED`.
      folder: path to write; it must not exist yet.

    Raises:
      ValueError: if the name is unknown or the folder exists.

    Example:
      >>> unpack_pretrained("cifar10_resnet18_w025", "encoder")
      >>> loaded = hub.load("encoder")
      >>> loaded.classifier(images).shape
      TensorShape([2, 10])
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
    """The SavedModel of an archive, in a folder that goes afterwards.

    Args:
      archive: path of a .tar.gz file whose members are at the root.

    Yields:
      `pathlib.Path` of the folder.

    Raises:
      ValueError: if it is no such file.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder) / "saved_model"
        _unpack(archive, folder)
        yield folder


def _unpack(archive, folder):
    try:
        with tarfile.open(archive, "r:gz") as members:
            # "data": nothing outside of the folder, no links out of it.
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
    except Exception as error:  # Keras raises a bare one, of urllib's
        raise ValueError(
            f"{url} must be there to be downloaded. "
            f"Received: {type(error).__name__}: {error}"
        ) from error
