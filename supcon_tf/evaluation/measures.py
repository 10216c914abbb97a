"""Measures a frozen encoder: probe, neighbours, retrieval, geometry."""

import functools

from tqdm import tqdm

from supcon_tf import metrics
from supcon_tf.data.shared_images import warn_of_shared_images
from supcon_tf.evaluation.encode import encode_with_progress
from supcon_tf.evaluation.linear.fitting import probe_representations
from supcon_tf.evaluation.neighbors import choose_neighbors, knn_accuracies
from supcon_tf.evaluation.open_set import open_set_scores
from supcon_tf.evaluation.representations import effective_rank
from supcon_tf.evaluation.retrieval import retrieval_scores
from supcon_tf.metrics.accuracy import top_accuracies


def measure(
    encoder,
    train,
    test,
    *,
    image_size=None,
    l2=1.0,
    neighbors=(1, 5, 10, 20, 50, 200),
    validation_fraction=0.1,
    seed=0,
    title="encode",
    unknown=None,
):
    """Measures an encoder by a linear probe, k-NN, retrieval and geometry.

    Each image is encoded once. The choices of k and l2 do not use test images.

    Args:
      encoder: Keras model, float32 RGB images in [0, 1] -> representations
        `[B, R]`.
      train: `LabelledImages` or `StreamedImages`, with class names.
      test: test images of the same kind. There is a warning if, in memory,
        some are training images, too.
      image_size: as in `image_size_of`.
      l2: as in `fit_linear_classifier`.
      neighbors: ints >= 1, the k to choose from, as in `choose_neighbors`.
      validation_fraction: float in (0, 1), the part of the training images
        that is held out to choose k and l2; 0.1 by default. None is as in
        `split`.
      seed: integer that decides which part is held out, 0 by default.
      title: string before the progress bars, `"encode"` by default.
      unknown: images of other classes, of the same kind. None, the default,
        measures nothing on them.

    Returns:
      A `LinearClassifier` on the encoder, the test representations `[n, R]`,
      their labels `[n]`, and a dict of
        linear_probe: dict of `top_1_accuracy`, `top_5_accuracy` (None for up to
          five classes), `expected_calibration_error`, `l2` and
          `held_out_top_1_accuracies`.
        knn: dict of `top_1_accuracy`, `neighbors` and
          `held_out_top_1_accuracies`.
        retrieval: dict, as from `retrieval_scores`, of the test images among
          themselves.
        alignment, uniformity: as in `metrics`, of the test representations.
          The positives of an image are the other images of its class.
        effective_rank: that of the test representations.
        num_features: R.
        open_set: with `unknown` alone, a dict as from `open_set_scores`.

    Raises:
      ValueError: as in `fit_linear_classifier` and `choose_neighbors`.
      NotFiniteError: if a representation is not finite.

    Example:
      >>> classifier, x, y, measured = measure(encoder, train, test)
      >>> x.shape, measured["num_features"]
      ((100, 8), 8)
      >>> sorted(measured["knn"])
      ['held_out_top_1_accuracies', 'neighbors', 'top_1_accuracy']
    """

    def encoded(images, what):
        return encode_with_progress(
            encoder, images, image_size=image_size, title=f"{title}, {what}"
        )

    warn_of_shared_images(train, test, name="test", stacklevel=2)
    x_train, y_train = encoded(train, "training images")
    x_test, y_test = encoded(test, "test images")
    open_set = {}
    if unknown is not None:
        x_unknown, _ = encoded(unknown, "unknown")
        open_set["open_set"] = open_set_scores(x_train, x_test, x_unknown)
    knn = _knn(
        (x_train, y_train),
        (x_test, y_test),
        candidates=neighbors,
        fraction=validation_fraction,
        seed=seed,
        title=title,
    )
    with tqdm(total=5, unit="step", disable=None) as bar:
        step = functools.partial(_step, bar, title)
        classifier, chosen = step(
            "linear probe",
            lambda: probe_representations(
                encoder,
                x_train,
                y_train,
                class_names=train.class_names,
                l2=l2,
                validation_fraction=validation_fraction,
                seed=seed,
            ),
        )
        del chosen["seconds"]
        measured = {
            "linear_probe": top_accuracies(classifier, x_test, y_test) | chosen,
            "knn": knn,
            **_retrieval_and_geometry(step, x_test, y_test),
            **open_set,
        }
    return classifier, x_test, y_test, measured


def _step(bar, title, what, compute):
    """Computes a value while the bar says what it is."""
    bar.set_description(f"{title}, {what}")
    value = compute()
    bar.update()
    return value


def _retrieval_and_geometry(step, x, y):
    """Measures representations `[n, R]` by their labels `[n]`, into a dict."""
    retrieval = step("retrieval", lambda: retrieval_scores(x, y))
    alignment = step("alignment", lambda: metrics.alignment(y, x))
    uniformity = step("uniformity", lambda: metrics.uniformity(None, x))
    rank = step("effective rank", lambda: effective_rank(x))
    return {
        "retrieval": retrieval,
        # They are float32: 0.3, say, would be 0.30000001192092896.
        "alignment": round(float(alignment), 7),
        "uniformity": round(float(uniformity), 7),
        "effective_rank": rank,
        "num_features": x.shape[1],
    }


def _knn(train, test, *, title, **choice):
    """Returns a dict of the k that is best on a held-out part and its accuracy.

    `train` and `test` are pairs of representations `[n, R]` and labels `[n]`.
    """
    k, accuracies = choose_neighbors(
        *train, title=f"{title}, choice of k", **choice
    )
    (top_1_accuracy,) = knn_accuracies(
        *train, *test, neighbors=[k], title=f"{title}, nearest neighbours"
    )
    return {
        "top_1_accuracy": top_1_accuracy,
        "neighbors": k,
        "held_out_top_1_accuracies": accuracies,
    }
