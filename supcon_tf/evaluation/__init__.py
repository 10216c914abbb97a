"""Evaluates a frozen encoder.

`encode` computes the representations of a data set. `linear` puts a linear
classifier on them, `neighbors` votes among the nearest, `retrieval` scores how
these are ranked, `representations` measures how they lie. `measures` does all
of this at once, on the images that `measured_images` loads. `robustness` has
the errors on corrupted images, and `report` shows the results.
"""

from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.linear.probe import (
    classification_accuracy,
    linear_probe,
    probe_accuracy,
)
from supcon_tf.evaluation.neighbors import (
    knn_accuracy,
    nearest_neighbor_accuracy,
)
from supcon_tf.evaluation.retrieval import retrieval_scores

__all__ = [
    "classification_accuracy",
    "encode_all",
    "knn_accuracy",
    "linear_probe",
    "nearest_neighbor_accuracy",
    "probe_accuracy",
    "retrieval_scores",
]
