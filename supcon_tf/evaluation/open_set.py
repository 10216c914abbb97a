"""Images of no known class: how far they are from the training images."""

import numpy as np
from sklearn.preprocessing import normalize

from supcon_tf.errors import check_int
from supcon_tf.evaluation.most_similar import most_similar
from supcon_tf.metrics.open_set import auroc, fpr_at_95_tpr

NEIGHBORS = 5


def neighbor_distances(
    train_representations, representations, *, neighbors=NEIGHBORS
):
    """Computes how far images are from the training images.

    Args:
      train_representations: `[n, R]` finite floats, of any length.
      representations: `[m, R]` finite floats, of any length.
      neighbors: int k >= 1, 5 by default. It is n if there are fewer.

    Returns:
      `[m]` floats in [0, 2], one minus the mean cosine similarity to the k
      nearest training images.

    Raises:
      ValueError: if k is not as described.

    Example:
      >>> neighbor_distances(np.eye(2), [[3, 0], [1, 1]], neighbors=1).round(2)
      array([0.  , 0.29])
    """
    check_int("neighbors", neighbors, 1)
    blocks = most_similar(
        normalize(train_representations),
        normalize(representations),
        min(neighbors, len(train_representations)),
    )
    means = [similarities.mean(axis=1) for similarities, _ in blocks]
    return np.clip(1 - np.concatenate(means), 0, 2)


def open_set_scores(train, known, unknown, *, neighbors=NEIGHBORS):
    """Scores how well known images are told from unknown ones.

    An image is taken for unknown if it is far from its nearest training images.

    Args:
      train: `[n, R]` finite floats, representations of the training images.
      known: `[m, R]` finite floats, those of test images of the same classes.
      unknown: `[u, R]` finite floats, those of images of other classes.
      neighbors: as in `neighbor_distances`.

    Returns:
      A dict of
        auroc: how often an unknown image is farther than a known one.
        fpr_at_95_tpr: the part of the unknown that is taken for known if 95 %
          of the known are.
        neighbors: int, the k that was used.
        num_unknown_images: int u.

    Raises:
      ValueError: as in `neighbor_distances`.

    Example:
      >>> scores = open_set_scores(np.eye(3), np.eye(3), -np.eye(3))
      >>> scores["auroc"], scores["fpr_at_95_tpr"], scores["neighbors"]
      (1.0, 0.0, 3)

    Reference:
      Sun et al., "Out-of-distribution detection with deep nearest neighbors",
      ICML 2022, who take the distance to the k-th neighbour alone.
    """
    of_known, of_unknown = (
        neighbor_distances(train, x, neighbors=neighbors)
        for x in (known, unknown)
    )
    return {
        "auroc": auroc(of_known, of_unknown),
        "fpr_at_95_tpr": fpr_at_95_tpr(of_known, of_unknown),
        "neighbors": min(neighbors, len(np.asarray(train))),
        "num_unknown_images": len(np.asarray(unknown)),
    }
