"""How good is an encoder? Linear probe and nearest neighbours."""

import numpy as np
import tensorflow as tf
from keras import ops
from sklearn.neighbors import NearestNeighbors
from tqdm import tqdm

from supcon_tf import metrics
from supcon_tf.data.views import image_batches
from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.linear.fitting import fit_linear_classifier

_SEARCHED = 1024  # images whose neighbours are searched at a time


def linear_probe(
    encoder,
    train,
    test=None,
    *,
    class_names=None,
    l2=1.0,
    max_iterations=1000,
    verbose=1,
):
    """Trains a linear classifier on the frozen encoder.

    The images are centre-cropped to the encoder's size and encoded once. Then
    one dense layer is fitted to the representations, as
    `fit_linear_classifier` describes, which also returns what it chose.

    Args:
      encoder: Keras model, float32 RGB images in [0, 1] -> `[B, R]`.
      train: `(images, labels)`, `LabelledImages` or a `tf.data.Dataset` of
        single `(image, label)` pairs; uint8 (0 to 255) or float (0 to 1).
      test: the same, or None. Its accuracy is printed.
      class_names: names of the classes; by default those of `train`, if it has
        any.
      l2: float > 0, weight of `|kernel|^2 / 2` against the summed
        cross-entropy of the training images; or a tuple of them, of which the
        best on a held-out tenth of the training images is chosen.
      max_iterations: int >= 1, of L-BFGS.
      verbose: 0 prints nothing.

    Returns:
      A `LinearClassifier`, a Keras model: images in, class scores out. It is
      compiled with accuracy, and its encoder is `encoder`, unchanged.

    Raises:
      ValueError: as `fit_linear_classifier`.

    Example:
      >>> classifier = linear_probe(model.encoder, train, test)
      linear probe: top-1 0.9917, top-5 1.0000 on 360 test images
      >>> classifier.predict(images).shape
      (5, 10)

    Reference:
      The protocol is that of Chen et al. 2020 (SimCLR), Appendix B.6, and
      Khosla et al. 2020, Sec. 3, with another optimizer.
    """
    classifier, _ = fit_linear_classifier(
        encoder,
        train,
        l2=l2,
        max_iterations=max_iterations,
        class_names=class_names,
        verbose=verbose,
    )
    if test is not None and verbose:
        accuracies = classification_accuracy(classifier, test)
        text = f"top-1 {accuracies['top_1_accuracy']:.4f}"
        if accuracies["top_5_accuracy"] is not None:
            text += f", top-5 {accuracies['top_5_accuracy']:.4f}"
        print(
            f"linear probe: {text} on {accuracies['num_test_images']} "
            "test images"
        )
    return classifier


def classification_accuracy(
    classifier, test, *, augmentation=None, image_size=None
):
    """Top-1 and top-5 accuracy of a linear classifier.

    Args:
      classifier: `LinearClassifier`.
      test: as for `linear_probe`.
      augmentation: as for `encode_all`.
      image_size: as for `encode_all`.

    Returns:
      A dict: `top_1_accuracy`, a Python float in [0, 1]; `top_5_accuracy`, how
      often the label is among the five highest scores, None if there are five
      classes or fewer; `num_test_images`, an int.

    Example:
      >>> classification_accuracy(classifier, test)["top_1_accuracy"]
      0.9917
    """
    features, labels = encode_all(
        classifier.encoder,
        test,
        augmentation=augmentation,
        image_size=image_size,
    )
    scores = classifier.dense(features)
    top_5_accuracy = None
    if classifier.num_classes > 5:
        _, answers = ops.top_k(scores, 5)
        is_right = ops.convert_to_numpy(answers) == labels[:, None]
        top_5_accuracy = float(np.mean(is_right.any(axis=1)))
    return {
        "top_1_accuracy": metrics.top_1_accuracy(scores, labels),
        "top_5_accuracy": top_5_accuracy,
        "num_test_images": len(labels),
    }


def probe_accuracy(classifier, test):
    """Top-1 accuracy of a linear classifier, on images cropped as in training.

    Args:
      classifier: `LinearClassifier`.
      test: as for `linear_probe`.

    Returns:
      `(accuracy, number of images)`, a Python float in [0, 1] and an int.
    """
    accuracies = classification_accuracy(classifier, test)
    return accuracies["top_1_accuracy"], accuracies["num_test_images"]


def knn_accuracy(
    train_representations,
    train_labels,
    test_representations,
    test_labels,
    *,
    neighbors=20,
):
    """Top-1 accuracy of a vote among the nearest training representations.

    Nearest are those of the highest cosine similarity s, and each votes for
    its label with the weight `exp(s / 0.07)`. Nothing is trained.

    Args:
      train_representations: `[n, R]` finite floats, of any length.
      train_labels: `[n]` integers.
      test_representations: `[m, R]` finite floats.
      test_labels: `[m]` integers.
      neighbors: int k, 1 <= k <= n; 20 is what Caron et al. found best.

    Returns:
      A Python float in [0, 1].

    Raises:
      ValueError: if `neighbors` is out of its range.

    Example:
      >>> train, test = load_dataset("digits")  # and pixels as representation
      >>> knn_accuracy(*encode_all(encoder, train), *encode_all(encoder, test))
      0.975

    Reference:
      Wu et al. 2018 (instance discrimination), Sec. 3.4, with their 0.07;
      k = 20: Caron et al. 2021 (DINO), Sec. 3.2.
    """
    check_neighbors(neighbors, len(train_labels))
    (accuracy,) = knn_accuracies(
        train_representations,
        train_labels,
        test_representations,
        test_labels,
        neighbors=[neighbors],
    )
    return accuracy


def knn_accuracies(
    train_representations,
    train_labels,
    test_representations,
    test_labels,
    *,
    neighbors,
    title=None,
):
    """As `knn_accuracy` for several k, with one search for neighbours.

    Args:
      train_representations: as for `knn_accuracy`, as are the next three.
      train_labels: see there.
      test_representations: see there.
      test_labels: see there.
      neighbors: list of ints k, 1 <= k <= n.
      title: string before a progress bar on a terminal; None: no bar.

    Returns:
      A list of Python floats in [0, 1], one for each k.
    """
    search = NearestNeighbors(
        n_neighbors=max(neighbors),
        metric="cosine",  # the distance 1 - s
    ).fit(train_representations)
    classes, answers = np.unique(train_labels, return_inverse=True)
    num_right = np.zeros(len(neighbors), int)
    with tqdm(
        total=len(test_labels),
        desc=title,
        unit="img",
        disable=True if title is None else None,
    ) as bar:
        for first in range(0, len(test_labels), _SEARCHED):
            part = slice(first, first + _SEARCHED)
            expected = np.asarray(test_labels[part])
            distances, nearest = search.kneighbors(test_representations[part])
            votes = np.exp(-distances / 0.07)
            rows = np.arange(len(expected))[:, None]
            for index, k in enumerate(neighbors):
                scores = np.zeros((len(expected), len(classes)))
                np.add.at(scores, (rows, answers[nearest[:, :k]]), votes[:, :k])
                given = classes[scores.argmax(axis=1)]
                num_right[index] += np.sum(given == expected)
            bar.update(len(expected))
    return [float(number) for number in num_right / len(test_labels)]


def check_neighbors(neighbors, num_images):
    """Raises a ValueError unless there are so many neighbours to ask."""
    if not isinstance(neighbors, int) or not 1 <= neighbors <= num_images:
        raise ValueError(
            "`neighbors` must be an int from 1 to the number of training "
            f"images, {num_images}. Received: neighbors={neighbors}"
        )


def nearest_neighbor_accuracy(train, test, *, image_size):
    """Top-1 accuracy of the nearest training image, by raw pixels.

    The yardstick that needs no learning: an encoder that does not beat it has
    not earned its place.

    Args:
      train: as for `linear_probe`.
      test: the same.
      image_size: int; images are centre-cropped to it, or to 32 pixels if it
        is larger: pixels of photographs are no closer at a finer size.

    Returns:
      A Python float in [0, 1].
    """
    size = min(image_size, 32)
    test_batches = [
        (_flat(images), labels.numpy())
        for images, labels in image_batches(test, image_size=size)
    ]
    nearest = [np.full(len(labels), np.inf) for _, labels in test_batches]
    answers = [np.full(len(labels), -1) for _, labels in test_batches]
    # The training images pass by once, a block at a time.
    for images, labels in image_batches(
        train, image_size=size, batch_size=4096
    ):
        pixels = _flat(images)
        squares = tf.reduce_sum(tf.square(pixels), axis=1)
        for part, (test_pixels, _) in enumerate(test_batches):
            # |a - b|^2 without |a|^2, which is the same for every b.
            distances = squares - 2 * tf.matmul(
                test_pixels, pixels, transpose_b=True
            )
            closest = tf.argmin(distances, axis=1).numpy()
            distance = tf.reduce_min(distances, axis=1).numpy()
            closer = distance < nearest[part]
            nearest[part][closer] = distance[closer]
            answers[part][closer] = labels.numpy()[closest[closer]]
    correct = sum(
        int(np.sum(answer == labels))
        for answer, (_, labels) in zip(answers, test_batches, strict=True)
    )
    return correct / sum(len(labels) for _, labels in test_batches)


def _flat(images):
    return tf.reshape(images, [tf.shape(images)[0], -1])
