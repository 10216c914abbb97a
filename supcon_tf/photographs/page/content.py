"""Writes the facts of a page's images as the JSON that page.js reads."""

import base64
import json

import numpy as np
from sklearn.neighbors import NearestNeighbors

from supcon_tf.drawing import COLORS
from supcon_tf.evaluation.representations import of_unit_length
from supcon_tf.photographs.page.plots import MARKERS

NEIGHBORS = 12


def page_facts(
    thumbnails, names, labels, class_names, models, *, matrices, looks
):
    """Gathers what page.js needs, each thing once.

    Args:
      thumbnails: list of n `bytes`, the contents of WebP files.
      names: list of n strings, what the images are called.
      labels: `[n]` integers in [0, C).
      class_names: C strings.
      models: dict of the encoders' names to `PageModel`s of the n images.
      matrices: list of `[C, C]` integers, for each encoder how often a class
        has a prediction. It is empty without predictions.
      looks: pair of a list of C colours and a list of C names of markers.

    Returns:
      A JSON string. It holds no `<`, so that it can stand inside of a script
      tag.

    Example:
      >>> from supcon_tf.photographs.page.models import PageModel
      >>> text = page_facts(
      ...     [b"1", b"2"], ["a.jpg", "</script>"], [0, 0], ["cat"],
      ...     {"encoder": PageModel(np.eye(2))},
      ...     matrices=[], looks=(["#3f90da"], ["circle"]),
      ... )
      >>> "<" in text, json.loads(text)["names"]
      (False, ['a.jpg', '</script>'])
    """
    facts = {
        "thumbnails": [base64.b64encode(t).decode() for t in thumbnails],
        "names": list(names),
        "labels": np.asarray(labels).tolist(),
        "classes": list(class_names),
        "colors": list(looks[0]),
        "markers": list(looks[1]),
        "palette": COLORS,
        "shapes": MARKERS,
        "cells": [_cells(matrix) for matrix in matrices],
        "models": [
            _facts_of_model(name, model) for name, model in models.items()
        ],
    }
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _facts_of_model(name, model):
    """One encoder: its predictions and each image's nearest neighbours."""
    neighbors, similarities = nearest_images(model.representations)
    predictions, confidences = model.predictions, model.confidences
    if confidences is not None:
        confidences = [round(value, 4) for value in confidences.tolist()]
    return {
        "name": name,
        "predictions": None if predictions is None else predictions.tolist(),
        "confidences": confidences,
        "neighbors": neighbors.tolist(),
        "similarities": np.round(100 * similarities).astype(int).tolist(),
    }


def _cells(matrix):
    """The cells of a matrix that are not 0, as "row,column" -> count."""
    places = zip(*np.nonzero(matrix), strict=True)
    return {
        f"{row},{column}": int(matrix[row, column]) for row, column in places
    }


def nearest_images(representations, count=NEIGHBORS):
    """Finds the most similar other images of each image.

    Args:
      representations: `[n, R]` finite floats.
      count: int >= 1, how many; 12 by default. If there are fewer others, it
        is all of them.

    Returns:
      Their positions, `[n, count]` integers, the nearest one first, and their
      cosine similarities, `[n, count]` floats.

    Example:
      >>> nearest_images([[1, 0], [0, 1], [1, 0.1]], 1)[0].tolist()
      [[2], [2], [0]]
    """
    x = of_unit_length(representations).astype(np.float32)
    count = min(count, len(x) - 1)
    # Without an argument, `kneighbors` leaves each image itself out.
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(x)
    distances, positions = search.kneighbors()
    # The |a - b|^2 of unit vectors is 2 - 2 cos.
    return positions, np.clip(1 - distances**2 / 2, -1, 1)
