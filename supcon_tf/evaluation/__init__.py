"""What a frozen encoder is worth.

Functions of an encoder and images: `probes`, `measures`, `robustness`. Of
representations that are there already: `representations`. Linear evaluation:
`linear_classifier`, fitted (`linear_fitting`) or trained on augmented images
(`linear_training`). `figures` and `table` show what came out.
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

__all__ = [
    "classification_accuracy",
    "encode_all",
    "knn_accuracy",
    "linear_probe",
    "nearest_neighbor_accuracy",
    "probe_accuracy",
]
