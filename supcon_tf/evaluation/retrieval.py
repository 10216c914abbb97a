"""Scores how an image finds the others of its class: P@1, R-precision, MAP@R.

They need only the R nearest neighbours of a query. The similarities are
computed for a block of queries at a time, never for all pairs at once.
"""

import numpy as np

from supcon_tf.errors import check_int
from supcon_tf.evaluation.representations import (
    check_labelled,
    of_unit_length,
)

# The key of each score -> what tables call it.
SCORES = {
    "precision_at_1": "precision@1",
    "r_precision": "R-precision",
    "map_at_r": "MAP@R",
}


def retrieval_scores(
    representations,
    labels,
    *,
    references=None,
    reference_labels=None,
    block_size=256,
):
    """Computes precision@1, R-precision and MAP@R.

    Each image is a query. It ranks the references by their cosine similarity
    to it. R is the number of references of its class, and P(i) is the share of
    its class among the i nearest. The scores of a query are

        precision@1 = P(1)
        R-precision = P(R)
        MAP@R       = 1/R sum_{i=1..R} P(i) [the i-th nearest is of its class]

    and their means over the queries are returned. Without `references` all
    other images are the references of a query, also those that are identical
    to it. The query itself is never one. With `references` all of them are
    ranked, so that an image that is in both sets finds itself.

    Similarities are rounded to nine decimals, since the last bits are rounding
    errors. If some are then equal, the reference with the lower index is the
    nearer one.

    Args:
      representations: `[n, D]` finite floats, of any length. A representation
        of the length 0 has the similarity 0 to all.
      labels: `[n]` integers.
      references: `[m, D]` finite floats, of any length. None, the default,
        stands for the other images.
      reference_labels: `[m]` integers, with `references` alone.
      block_size: int >= 1, queries that are ranked at a time; 256 by default.
        About 16 bytes of memory are needed for each reference and each of
        these queries.

    Returns:
      A dict of
        precision_at_1, r_precision, map_at_r: Python floats in [0, 1], or None
          if there is no query. pytorch-metric-learning calls the last one
          `mean_average_precision_at_r`.
        queries: int, the number of images whose class has a reference. The
          means are over these.
        queries_left_out: int, the number of the others.

    Raises:
      ValueError: if an argument is not as described, or a single image has no
        `references`.

    Example:
      >>> angles = np.array([0.0, 0.1, 0.3, 0.7, 2.0])
      >>> points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
      >>> retrieval_scores(points, [0, 0, 1, 0, 2])
      {'precision_at_1': 0.666..., 'r_precision': 0.5, 'map_at_r': 0.416...,
       'queries': 3, 'queries_left_out': 2}

    Reference:
      Musgrave et al., "A Metric Learning Reality Check", ECCV 2020,
      https://arxiv.org/abs/2003.08505
    """
    check_int("block_size", block_size, 1)
    x, labels, y, y_labels = _checked_sets(
        representations, labels, references, reference_labels
    )
    leaves_one_out = references is None
    num_positives = _occurrences(labels, y_labels) - leaves_one_out
    queries = np.flatnonzero(num_positives)
    # Queries with about the same R are in a block.
    queries = queries[np.argsort(num_positives[queries], kind="stable")]
    scores = np.empty((len(queries), 3))
    for first in range(0, len(queries), block_size):
        block = queries[first : first + block_size]
        sizes = num_positives[block]
        nearest = _nearest(
            x[block],
            y,
            count=sizes.max(),
            left_out=block if leaves_one_out else None,
        )
        is_right = y_labels[nearest] == labels[block, None]
        scores[first : first + block_size] = _scores(is_right, sizes)
    means = scores.mean(axis=0).tolist() if len(queries) else [None] * 3
    return {
        **dict(zip(SCORES, means, strict=True)),
        "queries": len(queries),
        "queries_left_out": len(x) - len(queries),
    }


def _nearest(queries, references, *, count, left_out):
    """Indices `[b, count]` of the nearest references, the nearest one first.

    `left_out` is None or, for each query, the reference that is not ranked.
    """
    size = len(references)
    distances = queries @ references.T
    distances *= -1e9
    np.rint(distances, out=distances)
    # One integer orders by similarity, then by index, and holds the index.
    keys = distances.astype(np.int64)
    keys *= size
    keys += np.arange(size)
    if left_out is not None:
        keys[np.arange(len(keys)), left_out] = np.iinfo(np.int64).max
    keys.partition(count - 1, axis=1)
    return np.sort(keys[:, :count], axis=1) % size


def _scores(is_right, sizes):
    """The three scores `[b, 3]` of queries with R = `sizes` `[b]`."""
    ranks = np.arange(1, is_right.shape[1] + 1)
    is_right = is_right & (ranks <= sizes[:, None])
    num_right = np.cumsum(is_right, axis=1)
    precisions = np.sum(is_right * num_right / ranks, axis=1)
    return np.stack(
        [is_right[:, 0], num_right[:, -1] / sizes, precisions / sizes], axis=1
    )


def _occurrences(labels, others):
    """Counts how often each of the labels is among the others, `[n]`."""
    classes, counts = np.unique(others, return_counts=True)
    index = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    return np.where(classes[index] == labels, counts[index], 0)


def _checked_sets(representations, labels, references, reference_labels):
    """Unit vectors and labels of the queries, and those of the references."""
    x, labels = _checked("representations", representations, "labels", labels)
    if references is None and reference_labels is None:
        if len(x) < 2:
            raise ValueError(
                "`representations` must be of two or more images, or have "
                f"`references`. Received: {len(x)}"
            )
        return x, labels, x, labels
    if references is None or reference_labels is None:
        given = "reference_labels" if references is None else "references"
        raise ValueError(
            "`references` and `reference_labels` must be given together. "
            f"Received: {given} alone"
        )
    y, y_labels = _checked(
        "references", references, "reference_labels", reference_labels
    )
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            "`references` must have as many features as `representations`, "
            f"{x.shape[1]}. Received: {y.shape[1]}"
        )
    return x, labels, y, y_labels


def _checked(name, representations, labels_name, labels):
    """Unit vectors `[n, D]` and labels `[n]`; refuses what is neither."""
    x, labels = np.asarray(representations, np.float64), np.asarray(labels)
    check_labelled(name, x, labels_name, labels)
    return of_unit_length(x), labels
