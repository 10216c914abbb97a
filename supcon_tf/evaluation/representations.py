"""What representations that are computed once tell of their encoder."""

import numpy as np


def effective_rank(representations):
    """How many directions the representations fill, as a real number.

    The exponential of the entropy of the singular values, these divided by
    their sum:

        exp(-sum_i p_i log p_i),   p_i = s_i / sum_j s_j

    k directions of the same spread give k; the weaker ones among unequal
    directions count for less.

    Args:
      representations: `[n, R]` finite floats. Their mean is subtracted.

    Returns:
      A Python float from 1 to min(n - 1, R); 0 if all are identical.

    Raises:
      ValueError: if they are not of that shape or not finite.

    Example:
      >>> effective_rank([[1, 0], [-1, 0], [0, 1], [0, -1]])
      2.0

    Reference:
      Roy & Vetterli, "The effective rank: a measure of effective
      dimensionality", EUSIPCO 2007. (They do not subtract the mean, which of
      non-negative features would be one strong direction.)
    """
    x = np.asarray(representations, np.float64)
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise ValueError(
            "`representations` must be finite floats of shape [n, R]. "
            f"Received: shape {x.shape}"
        )
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    # What is left of identical rows is the rounding of their mean.
    if values.sum() <= 1e-12 * np.linalg.norm(x):
        return 0.0
    shares = values / values.sum()
    shares = shares[shares > 0]
    return float(np.exp(-np.sum(shares * np.log(shares))))


def pair_similarities(representations, labels, *, max_pairs=5000, seed=0):
    """Cosine similarities of random pairs of one class, and of two classes.

    The first of a pair is any image, the second any of those that make such a
    pair with it.

    Args:
      representations: `[n, R]` floats.
      labels: `[n]` integers.
      max_pairs: int >= 1, pairs drawn of each sort; an image with itself, and
        one that has no second, is then left out.
      seed: int that decides which.

    Returns:
      A dict of `"one class"` and `"two classes"` to arrays of floats in
      [-1, 1]. Of a representation that is 0 everywhere they are 0.

    Raises:
      ValueError: if there are no pairs of one of the sorts.
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
        similarities[name] = np.clip(cosines, -1, 1)  # of their rounding
    return similarities


def of_unit_length(representations):
    """Representations scaled to the length 1, as k-NN sees them.

    Args:
      representations: `[n, R]` floats.

    Returns:
      `[n, R]` float64; those of the length 0 stay as they are.
    """
    x = np.asarray(representations, np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(lengths > 0, lengths, 1)
