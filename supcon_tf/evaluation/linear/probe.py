"""The linear probe: logistic regression on a frozen encoder in one call."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from supcon_tf import metrics
from supcon_tf.data.shared_images import warn_of_shared_images
from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.linear.fitting import fit_linear_classifier
from supcon_tf.metrics.accuracy import num_answers
from supcon_tf.models.linear_classifier import LinearClassifier


def linear_probe(
    encoder: keras.Model,
    train: Any,
    test: Any = None,
    *,
    class_names: Sequence[str] | None = None,
    l2: float | Sequence[float] = 1.0,
    max_iterations: int = 1000,
    verbose: int = 1,
) -> LinearClassifier:
    """Fits a linear classifier to a frozen encoder and tests it.

    The images are centre-cropped to the encoder's size and encoded once. Then
    one dense layer is fitted to the representations.
    `fit_linear_classifier` describes how, and also returns the l2 that was
    chosen.

    Args:
      encoder: Keras model, float32 RGB images in [0, 1] -> representations
        `[B, R]`.
      train: `(images, labels)`, `LabelledImages`, `StreamedImages` or a
        `tf.data.Dataset` of single `(image, label)` pairs. The images are
        uint8 (0 to 255) or float (0 to 1).
      test: test images, in the same form, whose accuracy is printed. None, the
        default, tests nothing. There is a warning if, in memory, some are
        training images, too.
      class_names: names of the classes. None, the default, takes those of
        `train`, if it has any.
      l2: float > 0, the weight of `|kernel|^2 / 2` against the summed
        cross-entropy of the training images, 1 by default. Or a tuple of them,
        from which the best on a held-out tenth of the training images is
        chosen.
      max_iterations: int >= 1, the most iterations of L-BFGS; 1000 by default.
      verbose: 0 prints nothing and does not use `test`; 1 by default.

    Returns:
      A `LinearClassifier`, a Keras model that maps images to class scores. It
      is compiled with accuracy, and its encoder is `encoder`, unchanged.

    Raises:
      ValueError: as in `fit_linear_classifier`.

    Example:
      >>> classifier = linear_probe(model.encoder, train, test)
      linear probe: top-1 0..., top-5 0... on 100 test images
      >>> classifier.predict(images, verbose=0).shape
      (8, 10)

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
        warn_of_shared_images(train, test, name="test", stacklevel=2)
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
    """Computes the top-1 and top-5 accuracy of a linear classifier.

    Args:
      classifier: `LinearClassifier`.
      test: as in `linear_probe`.
      augmentation: as in `encode_all`.
      image_size: as in `encode_all`.

    Returns:
      A dict of `top_1_accuracy`, a Python float in [0, 1]; `top_5_accuracy`,
      how often the label is among the five highest scores, or None if five
      classes or fewer had training images; and `num_test_images`, an int.

    Raises:
      ValueError: if a label is none of the classifier's classes.

    Example:
      >>> accuracies = classification_accuracy(classifier, (images, labels))
      >>> accuracies["top_5_accuracy"], accuracies["num_test_images"]
      (None, 8)
    """
    features, labels = encode_all(
        classifier.encoder,
        test,
        augmentation=augmentation,
        image_size=image_size,
    )
    _check_classes(labels, classifier)
    scores = classifier.dense(features)
    top_5_accuracy = None
    if num_answers(classifier) > 5:
        _, answers = ops.top_k(scores, 5)
        is_right = ops.convert_to_numpy(answers) == labels[:, None]
        top_5_accuracy = float(np.mean(is_right.any(axis=1)))
    return {
        "top_1_accuracy": metrics.top_1_accuracy(labels, scores),
        "top_5_accuracy": top_5_accuracy,
        "num_test_images": len(labels),
    }


def _check_classes(labels, classifier):
    """Refuses labels that the classifier could never answer."""
    classes = classifier.num_classes
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise ValueError(
            f"The labels of `test` must be in [0, {classes}), the classes of "
            f"`train`. Received: label={wrong[0]}"
        )


def probe_accuracy(classifier, test):
    """Computes the top-1 accuracy of a linear classifier on cropped images.

    The images are centre-cropped, as `linear_probe` does for training.

    Args:
      classifier: `LinearClassifier`.
      test: as in `linear_probe`.

    Returns:
      The accuracy, a Python float in [0, 1], and the number of images, an int.

    Example:
      >>> accuracy, num_images = probe_accuracy(classifier, (images, labels))
      >>> num_images
      8
    """
    accuracies = classification_accuracy(classifier, test)
    return accuracies["top_1_accuracy"], accuracies["num_test_images"]
