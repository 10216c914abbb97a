"""The representations and predictions that a page shows of each encoder."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class PageModel:
    """The representations of an encoder and what a classifier says on them.

    Attributes:
      representations: `[n, R]` finite floats.
      predictions: `[n]` integers, the classes that were predicted, or None.
      confidences: `[n]` floats in [0, 1], the probabilities of the
        predictions, or None.

    Example:
      >>> model = PageModel(np.eye(3), np.array([0, 1, 1]))
      >>> model.take([2]).predictions.tolist()
      [1]
    """

    representations: np.ndarray
    predictions: np.ndarray | None = None
    confidences: np.ndarray | None = None

    def take(self, indices):
        """Selects images by their positions.

        Args:
          indices: `[m]` integers.

        Returns:
          A `PageModel` of these images.
        """
        values = (getattr(self, f.name) for f in dataclasses.fields(self))
        return PageModel(*(v if v is None else v[indices] for v in values))


def checked_models(labels, features, class_names=None, predictions=None):
    """Checks what `write_page` was given on the images.

    Args:
      labels: as in `write_page`.
      features: as in `write_page`.
      class_names: as in `write_page`.
      predictions: as in `write_page`.

    Returns:
      The labels, `[n]` integers; the class names, a list of strings; and a dict
      of the encoders' names to `PageModel`s. A single encoder without a name is
      called `encoder`.

    Raises:
      ValueError: if they are not as described.

    Example:
      >>> labels, names, models = checked_models([0, 1], np.eye(2))
      >>> names, list(models)
      (['0', '1'], ['encoder'])
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) < 2 or labels.dtype.kind not in "iu":
        raise ValueError(
            "`labels` must be integers of two or more images, of shape [n]. "
            f"Received: shape {labels.shape}, {labels.dtype}"
        )
    if class_names is None:
        class_names = range(labels.max() + 1)
    class_names = [str(name) for name in class_names]
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise ValueError(
            "`labels` must be in [0, C) with one of C `class_names` each. "
            f"Received: {labels.min()} to {labels.max()} with "
            f"{len(class_names)} names"
        )
    if not isinstance(features, dict):
        features = {"encoder": features}
        if predictions is not None:
            predictions = {"encoder": predictions}
    if predictions is not None and set(predictions) != set(features):
        raise ValueError(
            "`predictions` must be a dict with the keys of `features`, "
            f"{list(features)}. Received: {list(predictions)}"
        )
    models = {}
    for name, x in features.items():
        x = np.asarray(x)
        if x.ndim != 2 or len(x) != len(labels) or not np.isfinite(x).all():
            raise ValueError(
                "`features` must be finite floats of shape [n, R], one row for "
                f"each of the {len(labels)} labels. Received: shape {x.shape}"
            )
        of_model = (None, None)
        if predictions is not None:
            of_model = _answers(predictions[name], len(x), len(class_names))
        models[str(name)] = PageModel(x, *of_model)
    return labels, class_names, models


def _answers(predictions, count, num_classes):
    """Predicted classes `[n]` and their probabilities `[n]`, or None."""
    predictions = np.asarray(predictions)
    if predictions.shape == (count, num_classes):
        in_range = (predictions >= 0).all() and (predictions <= 1.001).all()
        if in_range and np.allclose(predictions.sum(axis=1), 1, atol=1e-3):
            return predictions.argmax(axis=1), predictions.max(axis=1)
        received = "rows that do not sum to 1"
    elif predictions.shape == (count,) and predictions.dtype.kind in "iu":
        if predictions.min() >= 0 and predictions.max() < num_classes:
            return predictions, None
        received = f"{predictions.min()} to {predictions.max()}"
    else:
        received = f"shape {predictions.shape}, {predictions.dtype}"
    raise ValueError(
        f"`predictions` must be integers [{count}] in [0, {num_classes}), or "
        f"probabilities [{count}, {num_classes}], such as those of a softmax. "
        f"Received: {received}"
    )


def matrix_of(labels, predictions, num_classes):
    """Counts how often images of each class get each prediction.

    Args:
      labels: `[n]` integers in [0, C).
      predictions: `[n]` integers in [0, C).
      num_classes: int C.

    Returns:
      `[C, C]` integers, rows by class and columns by prediction.

    Example:
      >>> matrix_of([0, 0, 1], [0, 1, 1], 2)
      array([[1, 1],
             [0, 1]])
    """
    matrix = np.zeros((num_classes, num_classes), int)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix
