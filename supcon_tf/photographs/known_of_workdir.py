"""Makes the known photographs of a workdir from its training images."""

import pathlib

from supcon_tf.config import PretrainConfig
from supcon_tf.config.settings import read_json
from supcon_tf.data.datasets import load_dataset
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.photographs.similarity_head import (
    augmented_features,
    train_similarity_head,
)
from supcon_tf.photographs.unknown import known_photographs
from supcon_tf.training.workdir import read_held_out

_VIEWS_OF_A_HEAD = 5


def prepare_known(workdir, asked, *, data_dir=None):
    """Finds the training images of a workdir; returns the rest as a function.

    The vectors are those of the similarity head, if there is one. It has seen
    all training images, so that the distances of held-out ones are measured by
    heads that are trained without them, each in seconds.

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
    encoder, head = asked.asked.encoder, asked.asked.head
    settings = {
        "image_size": asked.asked.image_size,
        "eval_augmentation": asked.asked.augmentation,
    }
    needs_views = head is not None and held_out is None
    features = augmented_features(
        encoder,
        train,
        num_views=_VIEWS_OF_A_HEAD if needs_views else 1,
        **settings,
    )
    if held_out is not None:
        held_out = augmented_features(
            encoder, held_out, num_views=1, **settings
        )
        held_out = asked.vectors(held_out[:, 0])

    def vectors_by(fitted):
        """The vectors `[N, D]` of a head trained on these, or of none."""
        if head is None or len(fitted) == len(features):
            return asked.vectors(features[:, 0])
        trained = train_similarity_head(
            features[fitted],
            train.labels[fitted],
            units=(
                head.get_layer("hidden").units,
                head.get_layer("output").units,
            ),
            dropout=head.get_layer("dropout").rate,
        )
        return trained.predict(features[:, 0], verbose=0)

    return known_photographs(
        vectors_by,
        train.labels,
        held_out=held_out,
        fingerprint=asked.asked.fingerprint,
    )
