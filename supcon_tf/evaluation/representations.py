"""Measures how the representations of an encoder lie in their space."""

import numpy as np


def effective_rank(representations):
    """Computes how many directions the representations fill.

    The effective rank is a real number, the exponential of the entropy of the
    singular values s divided by their sum:

        exp(-sum_i p_i log p_i),   p_i = s_i / sum_j s_j

    If the representations spread equally in k directions, it is k. If the
    spread is unequal, the weaker directions count for less.

    Args:
      representations: `[n, R]` finite floats. Their mean is subtracted.

    Returns:
      A Python float from 1 to min(n - 1, R), or 0 if all representations are
      identical.

    Raises:
      ValueError: if the representations have another shape or are not finite.

    Example:
      >>> effective_rank([[1, 0], [-1, 0], [0, 1], [0, -1]])
      2.0

    Reference:
      Roy & Vetterli, "The effective rank: a measure of effective
      dimensionality", EUSIPCO 2007. They do not subtract the mean. The mean of
      non-negative features would count as one strong direction.
    """
    x = np.asarray(representations, np.float64)
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise ValueError(
            "`representations` must be finite floats of shape [n, R]. "
            f"Received: shape {x.shape}"
        )
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    # Identical rows less their mean are not 0 but the rounding of the mean.
    if values.sum() <= 1e-12 * np.linalg.norm(x):
        return 0.0
    shares = values / values.sum()
    shares = shares[shares > 0]
    return float(np.exp(-np.sum(shares * np.log(shares))))


def pair_similarities(representations, labels, *, max_pairs=5000, seed=0):
    """Computes the cosine similarities of random pairs of images.

    There are two kinds of pairs: pairs of images of one class, and pairs of
    images of two classes. The first image of a pair is drawn from all images,
    the second from those that make a pair of that kind with it.

    Args:
      representations: `[n, R]` floats.
      labels: `[n]` integers.
      max_pairs: int >= 1, the number of pairs that are drawn of each kind; 5000
        by default. A pair of an image with itself is dropped afterwards, and
        so is an image for which there is no second.
      seed: integer that decides which pairs are drawn, 0 by default.

    Returns:
      A dict of `"one class"` and `"two classes"` to arrays of floats in
      [-1, 1]. A representation that is 0 everywhere has the similarity 0 to
      all others.

    Raises:
      ValueError: if there are no pairs of one of the kinds.

    Example:
      >>> similarities = pair_similarities([[1, 0], [1, 0], [0, 1]], [0, 0, 1])
      >>> {kind: set(x.tolist()) for kind, x in similarities.items()}
      {'one class': {1.0}, 'two classes': {0.0}}
    """
    x, labels = of_unit_length(representations), np.asarray(labels)
    random = np.random.default_rng(seed)
    similarities = {}
    for name, same in (("one class", True), ("two classes", False)):
        first = random.integers(len(x), size=max_pairs)
        second = np.empty_like(first)
        for label in np.unique(labels[first]):
            is_asked = labels[first] == label
            (members,) = np.nonzero((labels == label) == same)
            if not len(members):
                second[is_asked] = -1
                continue
            second[is_asked] = random.choice(members, is_asked.sum())
        is_pair = (second >= 0) & (first != second)
        if not is_pair.any():
            raise ValueError(
                f"`labels` must have pairs of images of {name}. "
                f"Received: {len(labels)} labels without"
            )
        first, second = first[is_pair], second[is_pair]
        cosines = np.sum(x[first] * x[second], axis=1)
        # Rounding can bring a cosine slightly out of its range.
        similarities[name] = np.clip(cosines, -1, 1)
    return similarities


def check_labelled(name, representations, labels_name, labels):
    """Refuses what is not one finite row and one label for each image.

    Args:
      name: of the argument that has the representations.
      representations: array, `[n, R]` finite floats.
      labels_name: of the argument that has the labels.
      labels: array, `[n]` integers.

    Raises:
      ValueError: if they are not as described.

    Example:
      >>> check_labelled("x", np.eye(2), "labels", np.array([[0], [1]]))
      Traceback (most recent call last):
        ...
      ValueError: `labels` must be integers of shape [n], one for each of ...
    """
    x = representations
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        wrong = ", NaN or infinity" if x.ndim == 2 and x.size else ""
        raise ValueError(
            f"`{name}` must be finite floats of shape [n, D]. "
            f"Received: shape {x.shape}{wrong}"
        )
    if labels.shape != (len(x),) or labels.dtype.kind not in "biu":
        raise ValueError(
            f"`{labels_name}` must be integers of shape [n], one for each of "
            f"the {len(x)} `{name}`. "
            f"Received: shape {labels.shape}, {labels.dtype}"
        )


def of_unit_length(representations):
    """Scales representations to the length 1, as k-NN sees them.

    Args:
      representations: `[n, R]` floats.

    Returns:
      `[n, R]` float64. Representations of the length 0 stay as they are.

    Example:
      >>> of_unit_length([[3, 4], [0, 0]])
      array([[0.6, 0.8],
             [0. , 0. ]])
    """
    x = np.asarray(representations, np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(lengths > 0, lengths, 1)
