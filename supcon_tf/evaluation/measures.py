"""Measures of a frozen encoder on a data set: probe, neighbours, geometry."""

from tqdm import tqdm

from supcon_tf import metrics
from supcon_tf.evaluation.encode import encode_with_progress
from supcon_tf.evaluation.linear.fitting import probe_representations
from supcon_tf.evaluation.neighbors import choose_neighbors, knn_accuracies
from supcon_tf.evaluation.representations import effective_rank
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
):
    """A linear probe, nearest neighbours, and how the representations lie.

    Each image is encoded once. Test images have no part in what is chosen.

    Args:
      encoder: Keras model, float32 RGB images in [0, 1] -> `[B, R]`.
      train: `LabelledImages` or `StreamedImages`, with class names.
      test: the same.
      image_size: as for `image_size_of`.
      l2: as for `fit_linear_classifier`.
      neighbors: ints >= 1, candidates as for `choose_neighbors`.
      validation_fraction: float in (0, 1), the part of the training images
        that is held out to choose k and l2.
      seed: integer that decides which part that is.
      title: string before the progress bars.

    Returns:
      A `LinearClassifier` on the encoder; the test representations `[n, R]`
      and labels `[n]`; and a dict of
        linear_probe: `top_1_accuracy`, `top_5_accuracy` (None for up to five
          classes), `l2`, `held_out_top_1_accuracies`.
        knn: `top_1_accuracy`, `neighbors`, `held_out_top_1_accuracies`.
        alignment, uniformity: as in `metrics`, of the test images; an image's
          positives are those of its class.
        effective_rank: of the test representations.
        num_features: R.

    Raises:
      ValueError: as `fit_linear_classifier` and `choose_neighbors`.
      NotFiniteError: if a representation is not finite.

    Example:
      >>> *_, measured = measure(encoder, *load_dataset("digits"))
      >>> measured["knn"]
      {'top_1_accuracy': 0.98, 'neighbors': 5, 'held_out_top_1_...
    """
    x_train, y_train = encode_with_progress(
        encoder, train, image_size=image_size, title=f"{title}, training images"
    )
    x_test, y_test = encode_with_progress(
        encoder, test, image_size=image_size, title=f"{title}, test images"
    )
    knn = _knn(
        (x_train, y_train),
        (x_test, y_test),
        candidates=neighbors,
        fraction=validation_fraction,
        seed=seed,
        title=title,
    )
    with tqdm(total=4, unit="step", disable=None) as bar:

        def step(what, compute):
            bar.set_description(f"{title}, {what}")
            value = compute()
            bar.update()
            return value

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
        alignment = step("alignment", lambda: metrics.alignment(y_test, x_test))
        uniformity = step(
            "uniformity", lambda: metrics.uniformity(None, x_test)
        )
        rank = step("effective rank", lambda: effective_rank(x_test))
    return (
        classifier,
        x_test,
        y_test,
        {
            "linear_probe": top_accuracies(classifier, x_test, y_test) | chosen,
            "knn": knn,
            "alignment": float(alignment),
            "uniformity": float(uniformity),
            "effective_rank": rank,
            "num_features": x_test.shape[1],
        },
    )


def _knn(train, test, *, title, **choice):
    """The accuracy of the k that is best on a held-out part, a dict."""
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
