"""Makes the known photographs of a workdir from its training images."""

import pathlib

from supcon_tf.config import PretrainConfig
from supcon_tf.config.settings import read_json
from supcon_tf.data.datasets import load_dataset
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.photographs.similarity_head import augmented_features
from supcon_tf.photographs.unknown import known_photographs
from supcon_tf.training.workdir import read_held_out


def prepare_known(workdir, asked, *, data_dir=None):
    """Finds the training images of a workdir; returns the rest as a function.

    If the run held out images of the training set (`validation_fraction`), the
    encoder never saw these, and the threshold is chosen on them. If not, it is
    chosen on images that the encoder was trained on, which it brings closer
    than new ones; more than the agreed part of new photographs is then called
    none of these.

    Args:
      workdir: path of a folder with the config.json of supcon-pretrain.
      asked: `AskedClassifier`.
      data_dir: path of the images, if not where the run found them.

    Returns:
      A function without arguments -> `KnownPhotographs`.

    Raises:
      ValueError: if the settings or the training images cannot be read, or are
        not in memory.
    """
    config = read_json(
        PretrainConfig,
        pathlib.Path(workdir) / "config.json",
        required=("dataset",),
    )
    train, held_out = load_dataset(
        config.dataset,
        data_dir=data_dir or config.data_dir,
        validation_fraction=config.validation_fraction,
        max_samples=config.max_samples,
        max_pixels=config.max_pixels,
        seed=config.seed,
        held_out=read_held_out(workdir),
    )
    if not isinstance(train, LabelledImages):
        raise ValueError(
            f"`dataset` must fit into memory. Received: {config.dataset!r}, "
            "which does not"
        )
    if config.validation_fraction is None:
        held_out = None
    return lambda: _known(asked, train, held_out)


def _known(asked, train, held_out):
    """Encodes the images and chooses the threshold; `KnownPhotographs`."""

    def vectors_of(images):
        """The features `[n, R]` of images, as in evaluation."""
        features = augmented_features(
            asked.asked.encoder,
            images,
            num_views=1,
            image_size=asked.asked.image_size,
            eval_augmentation=asked.asked.augmentation,
        )
        return features[:, 0]

    return known_photographs(
        vectors_of(train),
        train.labels,
        held_out=None if held_out is None else vectors_of(held_out),
        fingerprint=asked.asked.fingerprint,
    )
