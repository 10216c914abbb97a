"""Classifies images by their nearest neighbours, without any training."""

import warnings

import numpy as np
from keras import ops
from sklearn.preprocessing import normalize
from tqdm import tqdm

from supcon_tf.data.image_batches import image_batches
from supcon_tf.data.splits import split_labels
from supcon_tf.evaluation.most_similar import most_similar
from supcon_tf.evaluation.representations import check_labelled


def knn_accuracy(
    train_representations,
    train_labels,
    test_representations,
    test_labels,
    *,
    neighbors=20,
):
    """Computes the top-1 accuracy of a vote among the k nearest neighbours.

    The neighbours of a test image are the training representations with the
    highest cosine similarity s to its own. Each of the k nearest votes for its
    label with the weight `exp(s / 0.07)`. Nothing is trained. If the test
    images are the training images, each is left out of its own neighbours, and
    there is a warning.

    Args:
      train_representations: `[n, R]` finite floats, of any length.
      train_labels: `[n]` integers.
      test_representations: `[m, R]` finite floats, of any length.
      test_labels: `[m]` integers.
      neighbors: int k, 1 <= k <= n. The default, 20, is what Caron et al. found
        best.

    Returns:
      The accuracy, a Python float in [0, 1].

    Raises:
      ValueError: if `neighbors` is out of its range, or representations or
        labels are not as described.

    Example:
      >>> x_train = train.images.reshape(200, -1)  # pixels as representations
      >>> x_test = test.images.reshape(100, -1)
      >>> accuracy = knn_accuracy(x_train, train.labels, x_test, test.labels)
      >>> accuracy > 0.8
      True

    Reference:
      The vote and its 0.07 are from Wu et al. 2018 (instance discrimination),
      Sec. 3.4. k = 20 is from Caron et al. 2021 (DINO), Sec. 3.2.
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
    """Computes what `knn_accuracy` does for several k, with a single search.

    Args:
      train_representations: as in `knn_accuracy`.
      train_labels: as in `knn_accuracy`.
      test_representations: as in `knn_accuracy`.
      test_labels: as in `knn_accuracy`.
      neighbors: list of ints k, 1 <= k <= n.
      title: string before a progress bar, which is only shown on a terminal.
        None, the default, shows none.

    Returns:
      A list of Python floats in [0, 1], one for each k.

    Raises:
      ValueError: if representations or labels are not as described.
    """
    train_labels, test_labels = map(np.asarray, (train_labels, test_labels))
    for part, representations, labels in (
        ("train", train_representations, train_labels),
        ("test", test_representations, test_labels),
    ):
        check_labelled(
            f"{part}_representations",
            np.asarray(representations),
            f"{part}_labels",
            labels,
        )
    sizes = [
        np.shape(x)[1] for x in (train_representations, test_representations)
    ]
    if sizes[0] != sizes[1]:
        raise ValueError(
            "`test_representations` must have as many features as "
            f"`train_representations`, {sizes[0]}. Received: {sizes[1]}"
        )
    is_same = _are_same(train_representations, test_representations)
    if is_same:
        check_neighbors(max(neighbors), len(train_labels) - 1)
    blocks = most_similar(
        normalize(train_representations),
        normalize(test_representations),
        max(neighbors) + is_same,
    )
    classes, answers = np.unique(train_labels, return_inverse=True)
    first = 0
    num_right = np.zeros(len(neighbors), int)
    with tqdm(
        total=len(test_labels),
        desc=title,
        unit="img",
        disable=True if title is None else None,
    ) as bar:
        for similarities, nearest in blocks:
            expected = test_labels[first : first + len(nearest)]
            distances = 1 - similarities
            if is_same:
                distances, nearest = _without_itself(distances, nearest, first)
            first += len(nearest)
            votes = np.exp(-distances / 0.07)
            rows = np.arange(len(expected))[:, None]
            for index, k in enumerate(neighbors):
                scores = np.zeros((len(expected), len(classes)))
                np.add.at(scores, (rows, answers[nearest[:, :k]]), votes[:, :k])
                given = classes[scores.argmax(axis=1)]
                num_right[index] += np.sum(given == expected)
            bar.update(len(expected))
    return [float(number) for number in num_right / len(test_labels)]


def _are_same(train, test):
    """Whether both are the same images; warns if the test is among the train.

    The nearest neighbour of such an image is itself, and its label is right.
    """
    train, test = np.asarray(train), np.asarray(test)
    is_same = train.shape == test.shape and np.array_equal(train, test)
    if is_same:
        warnings.warn(
            "The test images are the training images: each is left out of its "
            "own neighbours",
            stacklevel=4,
        )
        return True
    known = {row.tobytes() for row in train}
    rows = [row.tobytes() for row in test]
    if len(set(rows)) > 1 and all(row in known for row in rows):
        warnings.warn(
            f"All {len(rows)} test images are among the training images: each "
            "finds itself, and its label is right",
            stacklevel=4,
        )
    return False


def _without_itself(distances, nearest, first):
    """Leaves each image out of its k + 1 neighbours: `[b, k + 1]` -> `[b, k]`.

    `first` is the number of the first image.
    """
    own = nearest == first + np.arange(len(nearest))[:, None]
    # Among many equal ones an image may not be found itself.
    own[~own.any(axis=1), -1] = True
    shape = (len(nearest), -1)
    return distances[~own].reshape(shape), nearest[~own].reshape(shape)


def check_neighbors(neighbors, num_images):
    """Raises a ValueError if `neighbors` is not an int in [1, num_images]."""
    is_int = hasattr(neighbors, "__index__") and not isinstance(neighbors, bool)
    if not is_int or not 1 <= neighbors <= num_images:
        raise ValueError(
            "`neighbors` must be an int from 1 to the number of training "
            f"images, {num_images}. Received: neighbors={neighbors}"
        )


def nearest_neighbor_accuracy(train, test, *, image_size):
    """Computes the top-1 accuracy of the nearest training image by raw pixels.

    This is a yardstick that needs no learning. An encoder that does not beat it
    has not earned its place.

    Args:
      train: as in `linear_probe`.
      test: as in `linear_probe`.
      image_size: int, in pixels. The images are centre-cropped to this size, or
        to 32 pixels if it is larger, since the pixels of photographs are no
        closer at a finer size.

    Returns:
      The accuracy, a Python float in [0, 1].

    Example:
      >>> nearest_neighbor_accuracy(train, test, image_size=8) > 0.8
      True
    """
    size = min(image_size, 32)
    test_batches = [
        (_flat(images), np.asarray(labels))
        for images, labels in image_batches(test, image_size=size)
    ]
    nearest = [np.full(len(labels), np.inf) for _, labels in test_batches]
    answers = [np.full(len(labels), -1) for _, labels in test_batches]
    # The training images are read once, in blocks.
    for images, labels in image_batches(
        train, image_size=size, batch_size=4096
    ):
        pixels = _flat(images)
        squares = ops.sum(ops.square(pixels), axis=1)
        for part, (test_pixels, _) in enumerate(test_batches):
            # This is |a - b|^2 without |a|^2, which is the same for every b.
            distances = squares - 2 * ops.matmul(
                test_pixels, ops.transpose(pixels)
            )
            closest = ops.convert_to_numpy(ops.argmin(distances, axis=1))
            distance = ops.convert_to_numpy(ops.min(distances, axis=1))
            closer = distance < nearest[part]
            nearest[part][closer] = distance[closer]
            answers[part][closer] = np.asarray(labels)[closest[closer]]
    lengths = np.concatenate([_squares(pixels) for pixels, _ in test_batches])
    if np.all(np.concatenate(nearest) + lengths <= 1e-5 * lengths):
        warnings.warn(
            f"All {len(lengths)} test images are among the training images: "
            "each finds itself, and its label is right",
            stacklevel=2,
        )
    correct = sum(
        int(np.sum(answer == labels))
        for answer, (_, labels) in zip(answers, test_batches, strict=True)
    )
    return correct / sum(len(labels) for _, labels in test_batches)


def _squares(pixels):
    """The squared lengths of rows, `[n]`."""
    return ops.convert_to_numpy(ops.sum(ops.square(pixels), axis=1))


def _flat(images):
    return ops.reshape(images, (len(images), -1))


def choose_neighbors(
    representations, labels, *, candidates, fraction=0.1, seed=0, title=None
):
    """Chooses the number of neighbours that is best on a held-out part.

    Args:
      representations: `[n, R]` finite floats, of the training images.
      labels: `[n]` integers >= 0.
      candidates: ints k >= 1. A k that exceeds the number of training images
        that are left, once the part is held out, is passed over.
      fraction: float in (0, 1), the part that is held out, class by class; 0.1
        by default.
      seed: integer that decides which part is held out, 0 by default.
      title: string before a progress bar, which is only shown on a terminal.
        None, the default, shows none.

    Returns:
      The k with the highest accuracy, the first one if several are equally
      good. And a list of pairs `[k, accuracy]`, one for each candidate that was
      not passed over.

    Raises:
      ValueError: if no candidate is left, or a class has too few images.

    Example:
      >>> points = np.eye(2)[labels % 2]  # two classes, two points
      >>> choose_neighbors(
      ...     points, labels % 2, candidates=(1, 2, 20), fraction=0.25
      ... )
      (1, [[1, 1.0], [2, 1.0]])
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
