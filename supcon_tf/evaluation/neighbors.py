"""How good is an encoder? Linear probe and nearest neighbours."""

import numpy as np
import tensorflow as tf
from sklearn.neighbors import NearestNeighbors
from tqdm import tqdm

from supcon_tf.data.splits import split_labels
from supcon_tf.data.views import image_batches

_SEARCHED = 1024  # images whose neighbours are searched at a time


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


def choose_neighbors(
    representations, labels, *, candidates, fraction=0.1, seed=0, title=None
):
    """The number of neighbours that is right most often on a held-out part.

    Args:
      representations: `[n, R]` finite floats, of the training images.
      labels: `[n]` integers >= 0.
      candidates: ints >= 1. Those of which there are not enough training
        images, once the part is held out, are passed over.
      fraction: float in (0, 1), the part that is held out, class by class.
      seed: integer that decides which part that is.
      title: string before a progress bar on a terminal; None: no bar.

    Returns:
      The k that is right most often, of equally good ones the first; and a
      list of pairs `[k, accuracy]`, one for each candidate that fits.

    Raises:
      ValueError: if no candidate fits, or a class has too few images.

    Example:
      >>> choose_neighbors(x, labels, candidates=(1, 5, 20))
      (5, [[1, 0.972], [5, 0.986], [20, 0.979]])
    """
    classes, labels = np.unique(labels, return_inverse=True)
    fitted, held_out = split_labels(
        labels, fraction, class_names=tuple(classes), seed=seed
    )
    fitting = [k for k in candidates if 1 <= k <= len(fitted)]
    if not fitting:
        raise ValueError(
            "`neighbors` must have an int from 1 to the number of training "
            f"images that are not held out, {len(fitted)}. "
            f"Received: neighbors={tuple(candidates)}"
        )
    right = knn_accuracies(
        representations[fitted],
        labels[fitted],
        representations[held_out],
        labels[held_out],
        neighbors=fitting,
        title=title,
    )
    accuracies = [[k, a] for k, a in zip(fitting, right, strict=True)]
    best, _ = max(accuracies, key=lambda pair: pair[1])
    return best, accuracies
