"""A linear classifier with what it takes to ask it about photographs.

None of these is decided by the encoder's own features, also where there is a
similarity head: it draws what is no photograph of the classes to one of them
(docs/pages/benchmarks.md).
"""

import dataclasses
import os
import pathlib

import numpy as np
from keras import ops

from supcon_tf.encoders.saved import load_keras_file
from supcon_tf.evaluation.encode import image_size_of
from supcon_tf.models.linear_classifier import LinearClassifier
from supcon_tf.photographs.asked_encoder import (
    RESIZINGS,
    AskedEncoder,
    told_by_workdir,
)
from supcon_tf.photographs.prediction import NONE_OF_THESE, Prediction
from supcon_tf.photographs.unknown import load_known
from supcon_tf.photographs.vectors import BATCH_SIZE, vectors_of


@dataclasses.dataclass(frozen=True)
class AskedClassifier:
    """A classifier, and its encoder with size and resizing.

    Attributes:
      classifier: `LinearClassifier`.
      asked: `AskedEncoder` of the classifier's encoder, without a head.
    """

    classifier: LinearClassifier
    asked: AskedEncoder

    @property
    def class_names(self):
        """The names of the classes; numbers if the classifier has none."""
        names = self.classifier.class_names
        return list(names or map(str, range(self.classifier.num_classes)))

    def known_in(self, path):
        """Reads the known photographs of this encoder.

        Args:
          path: `pathlib.Path` of the file, which need not exist.

        Returns:
          `KnownPhotographs`; None if there are none, or those of another
          encoder.

        Raises:
          ValueError: if the file is damaged.
        """
        known = load_known(path) if path.is_file() else None
        if known is None or known.fingerprint != self.asked.fingerprint:
            return None
        return known

    def predict(
        self, files, *, known=None, batch_size=BATCH_SIZE, max_pixels=None
    ):
        """Classifies the photographs that can be read.

        Args:
          files: paths.
          known: None or `KnownPhotographs`.
          batch_size: int >= 1.
          max_pixels: as in `decode_photograph`.

        Returns:
          A list of `Prediction`, and a dict of positions to the reasons why the
          others are left out.

        Raises:
          ValueError: if `known` is of another encoder.
        """
        fingerprint = self.asked.fingerprint
        if known is not None and known.fingerprint != fingerprint:
            raise ValueError(
                "`known` must be of the classifier's encoder, "
                f"{fingerprint}. Received: {known.fingerprint}"
            )
        features, kept, left_out = vectors_of(
            self.asked,
            files,
            batch_size=batch_size,
            max_pixels=max_pixels,
            title="classify",
        )
        if not len(kept):
            return [], left_out
        scores = ops.convert_to_numpy(self.classifier.dense(features))
        distances = [None] * len(kept)
        if known is not None:
            distances = known.distances(features).tolist()
        names = np.array(self.class_names, object)
        predictions = []
        for position, row, distance in zip(
            kept, scores, distances, strict=True
        ):
            order = np.argsort(-row, kind="stable")
            is_known = None if known is None else distance <= known.threshold
            predictions.append(
                Prediction(
                    path=os.fspath(files[position]),
                    name=(
                        NONE_OF_THESE if is_known is False else names[order[0]]
                    ),
                    classes=names[order].tolist(),
                    scores=_plain(row[order]).tolist(),
                    distance=None if known is None else float(_plain(distance)),
                    is_known=is_known,
                )
            )
        return predictions, left_out


def asked_classifier(where, *, image_size=None, safe_mode=True):
    """Loads a classifier and finds out how it wants its photographs.

    Args:
      where: `LinearClassifier`, path of its .keras file, or a workdir.
      image_size: int, in pixels, if the classifier does not say its own.
      safe_mode: as in `load_encoder`.

    Returns:
      An `AskedClassifier`.

    Raises:
      ValueError: if it is no such classifier, or its image size is not known.

    Example:
      >>> asked_classifier(classifier).asked.image_size
      (32, 32)
    """
    told_size = told_resizing = None
    classifier = where
    if isinstance(where, (str, pathlib.PurePath)):
        path = pathlib.Path(where).expanduser()
        if path.is_dir():
            told_size, told_resizing = told_by_workdir(path)
            path = path / "classifier.keras"
        if not path.is_file():
            raise ValueError(
                "`classifier` must be a .keras file or a workdir with "
                f"classifier.keras. Received: {str(where)!r}, without {path}"
            )
        classifier = load_keras_file(path, safe_mode=safe_mode)
    if not isinstance(classifier, LinearClassifier):
        raise ValueError(
            "`classifier` must be a LinearClassifier, as supcon-linear-eval "
            f"writes it. Received: {type(classifier).__name__}"
        )
    own = classifier.image_size
    if own is not None and image_size not in (None, *own):
        raise ValueError(
            f"`image_size` must be that of the classifier's training, {own}. "
            f"Received: image_size={image_size}"
        )
    size = image_size_of(classifier.encoder, own or image_size or told_size)
    if size is None:
        raise ValueError(
            "`image_size` must be given with a classifier that does not say "
            "it, in pixels: that of its training. Received: image_size=None"
        )
    resizing = classifier.resizing or told_resizing or RESIZINGS[0]
    return AskedClassifier(
        classifier, AskedEncoder(classifier.encoder, size, resizing)
    )


def _plain(values):
    """Floats as a file shows them: 0.3 rather than 0.30000001192092896."""
    return np.round(np.float64(values), 7)
