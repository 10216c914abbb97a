"""Tells photographs of none of the classes by their nearest training images."""

import dataclasses
import json

import numpy as np
from tqdm import tqdm

from supcon_tf.errors import check_int, check_number
from supcon_tf.files import opened, written_whole
from supcon_tf.photographs.index import PhotographIndex, unit_vectors

NEIGHBORS = 5
KEEP = 0.95
_FOLDS = 5


@dataclasses.dataclass(frozen=True)
class KnownPhotographs:
    """The training photographs, and from which distance on one is unknown.

    Attributes:
      vectors: `[N, D]` float32 of unit length.
      held_out: `[m]` floats, the distances of photographs of the classes that
        were held out.
      keep: float in (0, 1), the part of them that is to be kept.
      neighbors: int k.
      fingerprint: tells whose vectors they are, as in `AskedEncoder`.

    Example:
      >>> known = KnownPhotographs(np.eye(2), [0.1, 0.2, 0.5], neighbors=1)
      >>> known.threshold
      0.5
      >>> known.distances([[1.0, 0.0], [-1.0, -1.0]])
      array([0.        , 1.707...], dtype=float32)
    """

    vectors: np.ndarray
    held_out: np.ndarray
    keep: float = KEEP
    neighbors: int = NEIGHBORS
    fingerprint: str = ""

    @property
    def threshold(self):
        """The smallest distance that keeps the part: farther is unknown.

        It is one of those held out, a Python float.
        """
        return float(np.quantile(self.held_out, self.keep, method="higher"))

    def distances(self, vectors):
        """Computes the distances to the nearest training photographs.

        Args:
          vectors: `[Q, D]` finite floats, of any length.

        Returns:
          `[Q]` float32, one minus the mean cosine similarity to the k nearest:
          0 for a copy of them, at most 2.

        Raises:
          ValueError: if the vectors are not as described.
        """
        index = PhotographIndex(self.vectors, [], [], self.fingerprint)
        _, similarities = index.search(vectors, self.neighbors)
        return 1 - similarities.mean(axis=1)

    def save(self, path):
        """Writes them to a .npz file, which is whole or absent.

        Args:
          path: path of the file, whose folder exists.
        """
        facts = {
            "keep": self.keep,
            "neighbors": self.neighbors,
            "fingerprint": self.fingerprint,
        }
        with written_whole(path) as aside:
            np.savez(
                aside,
                vectors=self.vectors,
                held_out=self.held_out,
                facts=json.dumps(facts),
            )


def load_known(path):
    """Reads what `KnownPhotographs.save` wrote.

    Args:
      path: path of the file.

    Returns:
      `KnownPhotographs`.

    Raises:
      ValueError: if it is no such file.

    Example:
      >>> KnownPhotographs(np.eye(2), [0.5]).save("known.npz")
      >>> load_known("known.npz").threshold
      0.5
    """
    try:
        with (
            opened(path) as archive,
            np.load(archive, allow_pickle=False) as file,
        ):
            facts = json.loads(str(file["facts"]))
            return KnownPhotographs(file["vectors"], file["held_out"], **facts)
    except Exception as error:  # zip, NumPy and JSON raise their own
        raise ValueError(
            f"{path} must be what supcon-predict wrote: remove it, and it is "
            f"made anew. Received: {' '.join(str(error).split())}"
        ) from error


def known_photographs(
    vectors_by,
    labels,
    *,
    held_out=None,
    neighbors=NEIGHBORS,
    keep=KEEP,
    fingerprint="",
    seed=0,
):
    """Chooses the threshold on held-out training photographs.

    The photographs are dealt to five parts, class by class. Each part in turn
    is held out, and its distances to the others are measured. The threshold is
    the smallest that keeps the part `keep` of all of them. A head must not have
    seen what is held out, since it brings what it was trained on closer; so
    `vectors_by` is asked for the vectors of a head trained without it.

    Args:
      vectors_by: `[N, R]` vectors of a frozen encoder; or a function of the
        positions that may be trained on -> vectors `[N, D]` of all.
      labels: `[N]` integers >= 0.
      held_out: None, or `[m, D]` vectors of other photographs of the classes,
        which nothing was trained on. They take the place of the five parts.
      neighbors: int k >= 1, at most what is there.
      keep: float in (0, 1), the part of known photographs that is to be kept.
      fingerprint: as in `KnownPhotographs`.
      seed: int, which decides the parts.

    Returns:
      `KnownPhotographs`, of the vectors that are trained on all.

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> random = np.random.default_rng(0)
      >>> vectors = np.repeat(np.eye(3), 20, axis=0)
      >>> vectors += 0.1 * random.normal(size=vectors.shape)
      >>> known = known_photographs(vectors, np.repeat([0, 1, 2], 20))
      >>> known.distances([[1, 0, 0], [1, 1, 1]]) > known.threshold
      array([False,  True])
    """
    check_int("neighbors", neighbors, 1)
    check_number("keep", keep, above=0, below=1)
    labels = np.asarray(labels)
    if len(labels) < 2:
        raise ValueError(
            "`labels` must be of two or more photographs. "
            f"Received: {len(labels)}"
        )
    is_frozen = not callable(vectors_by)
    find = (lambda fitted: vectors_by) if is_frozen else vectors_by
    known = KnownPhotographs(
        unit_vectors(find(np.arange(len(labels)))),
        np.zeros(1),
        keep,
        neighbors,
        fingerprint,
    )
    if held_out is not None:
        distances = known.distances(held_out)
        return dataclasses.replace(known, held_out=distances)
    distances = []
    bar = {"desc": "none of these", "disable": None, "delay": 2}
    for part in tqdm(_parts(labels, seed), **bar):
        fitted = np.setdiff1d(np.arange(len(labels)), part)
        vectors = unit_vectors(find(fitted))
        others = dataclasses.replace(known, vectors=vectors[fitted])
        distances.append(others.distances(vectors[part]))
    return dataclasses.replace(known, held_out=np.concatenate(distances))


def _parts(labels, seed):
    """Deals photographs to parts, class by class; positions of each part."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    # Neighbours in this order are of one class, and go to different parts.
    order = order[np.argsort(labels[order], kind="stable")]
    count = min(_FOLDS, len(labels))
    return [order[first::count] for first in range(count)]
