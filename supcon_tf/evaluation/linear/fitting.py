"""Fits a linear classifier to representations that are computed once."""

import math
import numbers
import time

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from supcon_tf.data.splits import split_labels
from supcon_tf.evaluation.encode import batches_for, encode_all
from supcon_tf.labels import as_names
from supcon_tf.metrics.accuracy import ABSENT
from supcon_tf.models.linear_classifier import LinearClassifier


def fit_linear_classifier(
    encoder,
    train,
    *,
    l2=1.0,
    max_iterations=1000,
    class_names=None,
    validation_fraction=0.1,
    seed=0,
    augmentation=None,
    image_size=None,
    verbose=1,
):
    """Fits a dense layer to the representations of a frozen encoder.

    The images are encoded once and not augmented. The dense layer is
    scikit-learn's logistic regression (L-BFGS), which has one optimum and needs
    no learning rate. It minimises

        sum of the images' cross-entropies + l2 * |kernel|^2 / 2

    for standardised representations. The standardisation is folded into the
    dense layer afterwards.

    If `l2` is a tuple, each value is tried on a part of the training images
    that is held out, class by class. The value with the highest accuracy there
    is chosen, the first one if several are equally good. The layer is then
    fitted to all training images.

    All representations are in memory, at the peak in three to four copies. One
    copy takes n * R * 4 bytes, which is 10.5 GB for the 1.28 million images of
    ImageNet and R = 2048. `train_linear_classifier` needs no more than a batch.

    Args:
      encoder: Keras model, float32 RGB images in [0, 1] -> representations
        `[B, R]`.
      train: `(images, labels)`, `LabelledImages`, `StreamedImages` or a
        `tf.data.Dataset` of single `(image, label)` pairs. The images are
        uint8 (0 to 255) or float (0 to 1).
      l2: float > 0, the weight of the penalty, 1 by default. Or a tuple of
        them, to choose from.
      max_iterations: int >= 1, the most iterations of L-BFGS; 1000 by default.
      class_names: names of the classes. None, the default, takes those of
        `train`, if it has any.
      validation_fraction: float in (0, 1), the part that is held out to choose
        `l2`, 0.1 by default. It has no effect with a single `l2`.
      seed: integer that decides which part is held out, 0 by default.
      augmentation: as in `encode_all`.
      image_size: as in `image_size_of`.
      verbose: 0 prints nothing. 1, the default, prints the chosen `l2`.

    Returns:
      A `LinearClassifier`, and a dict of `l2`, the chosen value;
      `held_out_top_1_accuracies`, a list of pairs `[l2, accuracy]` that is
      empty for a single value; and `seconds`.

    Raises:
      ValueError: if labels are not integers >= 0 of two or more classes, if
        `l2` is out of its range, or if a class has too few images to be split.

    Example:
      >>> classifier, chosen = fit_linear_classifier(
      ...     encoder, train, l2=(0.1, 10)
      ... )
      l2 ...: top-1 0... on 20 held-out training images
      >>> [l2 for l2, _ in chosen["held_out_top_1_accuracies"]]
      [0.1, 10.0]
    """
    candidates = as_candidates("l2", l2)
    start = time.perf_counter()
    sizes = {"augmentation": augmentation, "image_size": image_size}
    features, labels = encode_all(encoder, train, **sizes)
    images, _ = next(iter(batches_for(encoder, train, batch_size=1, **sizes)))
    class_names = names_of(class_names, train)
    classifier = new_classifier(encoder, images, labels, class_names)
    chosen = _fit(
        classifier,
        features,
        labels,
        candidates,
        class_names=class_names,
        max_iterations=max_iterations,
        validation_fraction=validation_fraction,
        seed=seed,
        verbose=verbose,
    )
    chosen["seconds"] = round(time.perf_counter() - start, 2)
    return classifier, chosen


def _fit(
    classifier,
    features,
    labels,
    candidates,
    *,
    class_names,
    max_iterations=1000,
    validation_fraction,
    seed,
    verbose=0,
):
    """Fits the dense layer of a built classifier and returns the chosen l2."""
    num_classes = classifier.num_classes
    chosen, accuracies = candidates[0], []
    if len(candidates) > 1:
        present, ids = np.unique(labels, return_inverse=True)
        names = as_names(class_names) or range(num_classes)
        fitted, held_out = split_labels(
            ids,
            validation_fraction,
            class_names=[names[label] for label in present],
            seed=seed,
        )
        for value in candidates:
            kernel, bias = _fit_dense(
                features[fitted],
                labels[fitted],
                num_classes,
                value,
                max_iterations,
            )
            answers = np.argmax(features[held_out] @ kernel + bias, axis=1)
            accuracies.append(
                [value, float(np.mean(answers == labels[held_out]))]
            )
        chosen, accuracy = max(accuracies, key=lambda pair: pair[1])
        if verbose:
            print(
                f"l2 {chosen:g}: top-1 {accuracy:.4f} on {len(held_out)} "
                "held-out training images"
            )
    classifier.dense.set_weights(
        _fit_dense(features, labels, num_classes, chosen, max_iterations)
    )
    return {"l2": chosen, "held_out_top_1_accuracies": accuracies}


def _fit_dense(features, labels, num_classes, l2, max_iterations):
    """Returns kernel `[R, C]` and bias `[C]` of softmax regression."""
    scaler = StandardScaler().fit(features)
    # For two classes, scikit-learn fits one vector w. Our kernel has two
    # columns, -w / 2 and w / 2, so that |kernel|^2 = |w|^2 / 2. Scikit-learn
    # adds |w|^2 / 2 to C times the cross-entropy, hence C = 2 / l2.
    num_present = len(np.unique(labels))
    strength = l2 / 2 if num_present == 2 else l2
    regression = LogisticRegression(C=1 / strength, max_iter=max_iterations)
    regression.fit(scaler.transform(features), labels)
    coefficients, intercepts = regression.coef_, regression.intercept_
    if num_present == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    kernel = np.zeros((features.shape[1], num_classes))
    # A class without training images must never be the answer.
    bias = np.full(num_classes, ABSENT)
    kernel[:, regression.classes_] = coefficients.T / scaler.scale_[:, None]
    bias[regression.classes_] = intercepts
    bias -= scaler.mean_ @ kernel
    return [kernel.astype(np.float32), bias.astype(np.float32)]


def new_classifier(encoder, images, labels, class_names):
    """Makes a built and compiled `LinearClassifier` that is still to be fitted.

    Args:
      encoder: as in `LinearClassifier`.
      images: a batch of images. Only its shape matters.
      labels: `[n]` integers of the training images, or None if they are not in
        memory. The names then say how many classes there are.
      class_names: as in `LinearClassifier`. If it is None or empty, there are
        as many classes as the highest label says.

    Returns:
      A `LinearClassifier`, compiled with accuracy as its metric.

    Raises:
      ValueError: if labels are not integers >= 0 of two or more classes, if
        there are fewer names than classes, or if both are None.

    Example:
      >>> new_classifier(encoder, images, labels, None).num_classes
      4
    """
    class_names = as_names(class_names) or None
    if labels is None and class_names is None:
        raise ValueError(
            "`class_names` must name all classes of images whose labels are "
            f"not in memory. Received: class_names={class_names}"
        )
    if labels is not None and (
        labels.min() < 0 or labels.min() == labels.max()
    ):
        raise ValueError(
            "`labels` must be integers >= 0 of two or more classes. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    if labels is not None and class_names is None:
        _refuse_ids(labels)
    num_classes = len(class_names) if class_names else int(labels.max()) + 1
    if labels is not None and labels.max() >= num_classes:
        raise ValueError(
            f"`class_names` must name all {labels.max() + 1} classes. "
            f"Received: {num_classes} names"
        )
    classifier = LinearClassifier(encoder, num_classes, class_names)
    classifier(images)  # builds it
    classifier.compile(
        optimizer=keras.optimizers.SGD(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    return classifier


def names_of(class_names, source):
    """Returns the names of the classes, as given or of a source.

    Args:
      class_names: names in any form, or None.
      source: labelled images, which may have `class_names`.

    Returns:
      A tuple of names, or None without any.

    Example:
      >>> names_of(np.array(["cat", "dog"]), train)
      ('cat', 'dog')
    """
    return (
        as_names(class_names)
        or as_names(getattr(source, "class_names", None))
        or None
    )


def _refuse_ids(labels):
    """Refuses labels that number things in a far wider range than classes."""
    most, present = int(labels.max()), len(np.unique(labels))
    if most > 100_000 and most > 10 * present:
        raise ValueError(
            "`labels` must be the numbers of classes, from 0 on: "
            "`ids, labels = np.unique(labels, return_inverse=True)` makes them."
            f" Received: {present} classes with labels up to {most}"
        )


def as_candidates(name, values):
    """Returns a number, or several to choose from, as a tuple of floats.

    Args:
      name: name of the argument, for the error message.
      values: finite number > 0, or a tuple or list of them.

    Returns:
      A tuple of one or more floats.

    Raises:
      ValueError: if `values` is not as described.

    Example:
      >>> as_candidates("l2", (1, 10))
      (1.0, 10.0)
    """
    several = values if isinstance(values, (tuple, list)) else (values,)
    if not several or not all(
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and 0 < value < math.inf
        for value in several
    ):
        raise ValueError(
            f"`{name}` must be a finite number > 0, or several of them to "
            f"choose from. Received: {name}={values!r}"
        )
    return tuple(float(value) for value in several)


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
    """Does what `fit_linear_classifier` does, without encoding the images.

    `representations`, `[n, R]` float32, are those that `encoder` gives for the
    training images, and `labels` are `[n]` integers.
    """
    start = time.perf_counter()
    candidates = as_candidates("l2", l2)
    images = keras.KerasTensor((None, *encoder.input_shape[1:]))
    classifier = new_classifier(encoder, images, labels, class_names)
    chosen = _fit(
        classifier,
        representations,
        labels,
        candidates,
        class_names=class_names,
        validation_fraction=validation_fraction,
        seed=seed,
    )
    chosen["seconds"] = round(time.perf_counter() - start, 2)
    return classifier, chosen
