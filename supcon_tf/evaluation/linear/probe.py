"""The linear probe: logistic regression on a frozen encoder, in one call."""

import numpy as np
from keras import ops

from supcon_tf import metrics
from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.linear.fitting import fit_linear_classifier


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
        "top_1_accuracy": metrics.top_1_accuracy(labels, scores),
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
