"""Similarities of images whose labels are more than a class.

A similarity makes weights of pairs from labels: 1 for a full positive, 0 for a
negative. `SoftSupConLoss` and `CrossViewLoss` take one. One of your own needs
two methods:

    features(labels) -> [B, F] numbers, of labels with one row for each image
    tile(rows, columns) -> [r, c] floats in [0, 1], of two blocks of features

`similarity` has the base class. The others stand in a file a kind of labels:
`class_vectors`, `targets` of a regression, `levels` of a hierarchy and
`mixed_images`.
"""

from supcon_tf.losses.similarities.class_vectors import (
    AffineCosine,
    Cosine,
    Dot,
    Jaccard,
)
from supcon_tf.losses.similarities.levels import SharedLevels, levels_of
from supcon_tf.losses.similarities.mixed_images import Mixed
from supcon_tf.losses.similarities.similarity import (
    Similarity,
    check_similarity,
    label_features,
)
from supcon_tf.losses.similarities.targets import (
    Distance,
    GaussianKernel,
    Haversine,
    LaplaceKernel,
    Within,
)

__all__ = [
    "AffineCosine",
    "Cosine",
    "Distance",
    "Dot",
    "GaussianKernel",
    "Haversine",
    "Jaccard",
    "LaplaceKernel",
    "Mixed",
    "SharedLevels",
    "Similarity",
    "Within",
    "check_similarity",
    "label_features",
    "levels_of",
]
