"""The numbers of an evaluation as rows of text: what each of them means."""

import numpy as np

from supcon_tf import metrics
from supcon_tf.evaluation.representations import effective_rank
from supcon_tf.evaluation.retrieval import SCORES, retrieval_scores

_MEANINGS = {
    "precision_at_1": (
        "How often the most similar other image is of the same class."
    ),
    "r_precision": (
        "An image whose class has R other images looks at the R most similar "
        "ones: the part of them that is of its class."
    ),
    "map_at_r": (
        "The same, but images of the class count more if they come first. It "
        "is 100 % if each class lies apart from all others."
    ),
}


def measured_numbers(representations, labels, predictions=None):
    """Measures representations, as far as they alone allow it.

    Args:
      representations: `[n, R]` finite floats.
      labels: `[n]` integers.
      predictions: `[n]` integers, the classes that a classifier gave, or None,
        the default.

    Returns:
      A dict of `retrieval`, `alignment`, `uniformity`, `effective_rank` and
      `num_features`, as from `measure`, and with predictions of `accuracy`.

    Example:
      >>> x, labels = projections[:, 0], np.arange(8) % 2
      >>> sorted(measured_numbers(x, labels))
      ['alignment', 'effective_rank', 'num_features', 'retrieval', 'uniformity']
    """
    numbers = {
        "retrieval": retrieval_scores(representations, labels),
        "alignment": float(metrics.alignment(labels, representations)),
        "uniformity": float(metrics.uniformity(None, representations)),
        "effective_rank": effective_rank(representations),
        "num_features": representations.shape[1],
    }
    if predictions is not None:
        right = np.asarray(predictions) == np.asarray(labels)
        numbers["accuracy"] = float(np.mean(right))
    return numbers


def number_rows(models, labels):
    """Makes the rows of the table of numbers.

    Args:
      models: list of dicts, one for each encoder, as in evaluation.json or from
        `measured_numbers`. All have the same keys.
      labels: `[n]` integers, those of the test images.

    Returns:
      A list of rows `(name, values, meaning)`: a string, a list of strings, one
      for each model, and a sentence.

    Example:
      >>> numbers = measured_numbers(np.eye(4), [0, 0, 1, 1], [0, 0, 1, 0])
      >>> number_rows([numbers], [0, 0, 1, 1])[0][:2]
      ('right predictions', ['75.0 %'])
    """
    rows = [
        *_accuracies(models, labels),
        *_retrieval(models),
        *_similarity_head(models),
        (
            "alignment",
            [f"{m['alignment']:.3f}" for m in models],
            "The mean squared distance between images of one class, from 0, "
            "where a class is one point, to 4. Lower is better, if uniformity "
            "is not paid for it.",
        ),
        (
            "uniformity",
            [f"{m['uniformity']:.3f}" for m in models],
            "How evenly the images fill the sphere: 0 if all are one point, "
            "and lower the more evenly they spread.",
        ),
        (
            "effective rank",
            [f"{m['effective_rank']:.1f}" for m in models],
            "How many directions the representations use, of "
            f"{' or '.join(str(n) for n in _features(models))} features.",
        ),
    ]
    return rows + _open_set(models) + _corruption(models)


def _features(models):
    return dict.fromkeys(f"{model['num_features']:,}" for model in models)


def _accuracies(models, labels):
    """Rows of top-1 and top-5, of what the models have."""
    guess = f"{100 * np.max(np.bincount(labels)) / len(labels):.1f} %"
    rows = []
    if "accuracy" in models[0]:
        rows.append(
            (
                "right predictions",
                _percents(models, "accuracy"),
                "How many images the classifier puts into their class. Always "
                f"naming the largest class is right for {guess}.",
            )
        )
    if "linear_probe" not in models[0]:
        return rows
    probes = [model["linear_probe"] for model in models]
    rows.append(
        (
            "linear probe, top-1",
            _percents(probes, "top_1_accuracy"),
            "How many test images a linear classifier on the frozen encoder "
            "puts into their class. Its answers are the predictions on this "
            f"page. Always naming the largest class is right for {guess}.",
        )
    )
    if probes[0]["top_5_accuracy"] is not None:
        rows.append(
            (
                "linear probe, top-5",
                _percents(probes, "top_5_accuracy"),
                "How often the right class is among the five that the linear "
                "classifier finds most likely.",
            )
        )
    neighbors = [model["knn"] for model in models]
    chosen = " and ".join(
        dict.fromkeys(str(knn["neighbors"]) for knn in neighbors)
    )
    rows.append(
        (
            "nearest neighbours, top-1",
            _percents(neighbors, "top_1_accuracy"),
            "How many test images get their class by a vote of the k most "
            "similar training images. Nothing is trained for it, but k is "
            f"chosen on held-out images: {chosen}.",
        )
    )
    return rows


def _retrieval(models):
    """Rows of the scores of retrieval, which are None without a query."""
    retrieval = [model["retrieval"] for model in models]
    if not retrieval[0]["queries"]:
        return []
    left_out = retrieval[0]["queries_left_out"]
    alone = (
        f" {left_out:,} images are alone in their class and left out."
        if left_out
        else ""
    )
    return [
        (name, _percents(retrieval, key), _MEANINGS[key] + alone)
        for key, name in SCORES.items()
    ]


def _similarity_head(models):
    """Rows of the scores of retrieval by similarity heads, if there are any."""
    heads = [model.get("similarity_head") for model in models]
    if not any(head and head["queries"] for head in heads):
        return []
    return [
        (
            f"similarity head, {name}",
            [
                "-" if head is None else f"{100 * head[key]:.1f} %"
                for head in heads
            ],
            f"{name} by the output of the similarity head, as supcon-search "
            "and this page's map, neighbours and similarities use it.",
        )
        for key, name in SCORES.items()
    ]


def _open_set(models):
    """Rows of the scores on images of other classes, if there are any."""
    if not models[0].get("open_set"):
        return []
    scores = [model["open_set"] for model in models]
    count = f"{scores[0]['num_unknown_images']:,}"
    return [
        (
            "unknown classes, AUROC",
            _percents(scores, "auroc"),
            f"How often one of {count} images of other classes is farther from "
            "its nearest training images than a test image is. Chance is 50 %.",
        ),
        (
            "unknown classes, taken for known",
            _percents(scores, "fpr_at_95_tpr"),
            "How many images of other classes are as near as 95 % of the test "
            "images (FPR at 95 % TPR). Lower is better.",
        ),
    ]


def _corruption(models):
    """A row of the errors on corrupted images, if they were measured."""
    if not models[0].get("corruption"):
        return []
    errors = [model["corruption"]["mean_error"] for model in models]
    kinds = len(models[0]["corruption"]["errors"])
    return [
        (
            "error on corrupted images",
            [f"{100 * error:.1f} %" for error in errors],
            "How many test images the linear classifier gets wrong once "
            f"noise, blur and the like are added: the mean of {kinds} kinds.",
        )
    ]


def _percents(parts, key):
    return [f"{100 * part[key]:.1f} %" for part in parts]
