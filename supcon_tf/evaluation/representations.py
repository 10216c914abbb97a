"""What representations that are computed once tell of their encoder."""

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from supcon_tf.data.datasets import split
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.evaluation.encode import batches_for, encode_function
from supcon_tf.evaluation.linear.fitting import fit_linear_classifier
from supcon_tf.evaluation.neighbors import knn_accuracies
from supcon_tf.models.linear_classifier import LinearClassifier

_BATCH_SIZE = 256


class NotFiniteError(Exception):
    """An encoder returned infinity or NaN."""


def encode_with_progress(encoder, source, *, image_size=None, title="encode"):
    """As `encode_all`, with a progress bar on a terminal.

    Args:
      encoder: as for `encode_all`.
      source: as for `encode_all`, of known length.
      image_size: as for `image_size_of`.
      title: string before the bar.

    Returns:
      `[n, R]` float32 and `[n]` integer arrays.

    Raises:
      NotFiniteError: if a representation is not finite.
    """
    sizes = {"batch_size": _BATCH_SIZE, "image_size": image_size}
    encode = encode_function(encoder, batch_size=_BATCH_SIZE)
    features, labels = [], []
    with tqdm(total=len(source), desc=title, unit="img", disable=None) as bar:
        for images, batch_labels in batches_for(encoder, source, **sizes):
            features.append(encode(images))
            labels.append(batch_labels.numpy())
            if not np.isfinite(features[-1]).all():
                raise NotFiniteError(
                    "The encoder must return finite representations. "
                    f"Received: {encoder.name!r}, which does not"
                )
            bar.update(len(labels[-1]))
    return np.concatenate(features), np.concatenate(labels)


def probe_representations(
    encoder,
    representations,
    labels,
    *,
    class_names,
    l2=1.0,
    validation_fraction=0.1,
    seed=0,
):
    """The linear classifier of `fit_linear_classifier`; nothing is encoded.

    Args:
      encoder: Keras model, which the representations are from.
      representations: `[n, R]` float32, of the training images.
      labels: `[n]` integers.
      class_names: names of the classes.
      l2: as for `fit_linear_classifier`.
      validation_fraction: as for `fit_linear_classifier`.
      seed: as for `fit_linear_classifier`.

    Returns:
      A `LinearClassifier` on `encoder`, and a dict as that of
      `fit_linear_classifier`.

    Raises:
      ValueError: as `fit_linear_classifier`.

    Example:
      >>> classifier, chosen = probe_representations(
      ...     encoder, *encode_all(encoder, train), class_names="0123456789")
    """
    shape = (1, 1, representations.shape[1])
    # They pass as images of one pixel with R channels, not cropped.
    pixels = tf.data.Dataset.from_tensor_slices(
        (representations.reshape(-1, *shape), labels)
    )
    probe, chosen = fit_linear_classifier(
        keras.Sequential([keras.Input(shape), keras.layers.Flatten()]),
        pixels,
        l2=l2,
        class_names=class_names,
        validation_fraction=validation_fraction,
        seed=seed,
        augmentation=lambda images, seeds, image_size: images,
        verbose=0,
    )
    classifier = LinearClassifier(encoder, probe.num_classes, class_names)
    classifier.build((None, *encoder.input_shape[1:]))
    classifier.dense.set_weights(probe.dense.get_weights())
    return classifier, chosen


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
    fitted, held_out = split(
        LabelledImages(representations, labels, tuple(classes)),
        fraction,
        seed=seed,
    )
    fitting = [k for k in candidates if 1 <= k <= len(fitted)]
    if not fitting:
        raise ValueError(
            "`neighbors` must have an int from 1 to the number of training "
            f"images that are not held out, {len(fitted)}. "
            f"Received: neighbors={tuple(candidates)}"
        )
    right = knn_accuracies(
        fitted.images,
        fitted.labels,
        held_out.images,
        held_out.labels,
        neighbors=fitting,
        title=title,
    )
    accuracies = [[k, a] for k, a in zip(fitting, right, strict=True)]
    best, _ = max(accuracies, key=lambda pair: pair[1])
    return best, accuracies


def effective_rank(representations):
    """How many directions the representations fill, as a real number.

    The exponential of the entropy of the singular values, these divided by
    their sum:

        exp(-sum_i p_i log p_i),   p_i = s_i / sum_j s_j

    k directions of the same spread give k; the weaker ones among unequal
    directions count for less.

    Args:
      representations: `[n, R]` finite floats. Their mean is subtracted.

    Returns:
      A Python float from 1 to min(n - 1, R); 0 if all are identical.

    Raises:
      ValueError: if they are not of that shape or not finite.

    Example:
      >>> effective_rank([[1, 0], [-1, 0], [0, 1], [0, -1]])
      2.0

    Reference:
      Roy & Vetterli, "The effective rank: a measure of effective
      dimensionality", EUSIPCO 2007. (They do not subtract the mean, which of
      non-negative features would be one strong direction.)
    """
    x = np.asarray(representations, np.float64)
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise ValueError(
            "`representations` must be finite floats of shape [n, R]. "
            f"Received: shape {x.shape}"
        )
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    # What is left of identical rows is the rounding of their mean.
    if values.sum() <= 1e-12 * np.linalg.norm(x):
        return 0.0
    shares = values / values.sum()
    shares = shares[shares > 0]
    return float(np.exp(-np.sum(shares * np.log(shares))))


def pair_similarities(representations, labels, *, max_pairs=5000, seed=0):
    """Cosine similarities of random pairs of one class, and of two classes.

    The first of a pair is any image, the second any of those that make such a
    pair with it.

    Args:
      representations: `[n, R]` floats.
      labels: `[n]` integers.
      max_pairs: int >= 1, pairs drawn of each sort; an image with itself, and
        one that has no second, is then left out.
      seed: int that decides which.

    Returns:
      A dict of `"one class"` and `"two classes"` to arrays of floats in
      [-1, 1]. Of a representation that is 0 everywhere they are 0.

    Raises:
      ValueError: if there are no pairs of one of the sorts.
    """
    x, labels = of_unit_length(representations), np.asarray(labels)
    random = np.random.default_rng(seed)
    similarities = {}
    for name, same in (("one class", True), ("two classes", False)):
        first = random.integers(len(x), size=max_pairs)
        second = np.empty_like(first)
        for label in np.unique(labels[first]):
            is_asked = labels[first] == label
            (members,) = np.nonzero((labels == label) == same)
            if not len(members):
                second[is_asked] = -1
                continue
            second[is_asked] = random.choice(members, is_asked.sum())
        is_pair = (second >= 0) & (first != second)
        if not is_pair.any():
            raise ValueError(
                f"`labels` must have pairs of images of {name}. "
                f"Received: {len(labels)} labels without"
            )
        first, second = first[is_pair], second[is_pair]
        cosines = np.sum(x[first] * x[second], axis=1)
        similarities[name] = np.clip(cosines, -1, 1)  # of their rounding
    return similarities


def of_unit_length(representations):
    """Representations scaled to the length 1, as k-NN sees them.

    Args:
      representations: `[n, R]` floats.

    Returns:
      `[n, R]` float64; those of the length 0 stay as they are.
    """
    x = np.asarray(representations, np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(lengths > 0, lengths, 1)
