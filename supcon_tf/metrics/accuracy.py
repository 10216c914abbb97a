"""Accuracies of scores."""

import keras
import numpy as np
from keras import ops


def top_1_accuracy(labels, scores):
    """Share of the images whose highest score is their label's.

    Args:
      labels: `[B]` integers in [0, C).
      scores: `[B, C]` floats.

    Returns:
      A Python float in [0, 1].
    """
    predicted = keras.ops.argmax(scores, axis=-1)
    labels = ops.cast(ops.convert_to_tensor(labels), predicted.dtype)
    return float(ops.mean(ops.cast(predicted == labels, "float32")))


def top_accuracies(classifier, representations, labels):
    """Top-1 and top-5 accuracy of a linear classifier; nothing is encoded.

    Args:
      classifier: `LinearClassifier`.
      representations: `[n, R]` float32, of its encoder.
      labels: `[n]` integers.

    Returns:
      A dict of `top_1_accuracy` and `top_5_accuracy`, as that of
      `classification_accuracy`.
    """
    scores = np.asarray(classifier.dense(representations))
    top_5_accuracy = None
    if classifier.num_classes > 5:
        best = np.argpartition(-scores, 4, axis=1)[:, :5]
        top_5_accuracy = float(np.mean((best == labels[:, None]).any(axis=1)))
    return {
        "top_1_accuracy": float(np.mean(scores.argmax(axis=1) == labels)),
        "top_5_accuracy": top_5_accuracy,
    }
