"""How good is an encoder? Linear probe and nearest neighbour."""

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from supcon_tf import metrics
from supcon_tf.models import LinearClassifier
from supcon_tf.views import image_batches


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
    one dense layer is fitted to the representations: scikit-learn's logistic
    regression (L-BFGS), which has one optimum and needs no learning rate. The
    representations are standardised for it, and that is folded into the dense
    layer afterwards.

    Args:
      encoder: Keras model, float32 RGB images in [0, 1] -> `[B, R]`.
      train: `(images, labels)`, `LabelledImages` or a `tf.data.Dataset` of
        single `(image, label)` pairs; uint8 (0 to 255) or float (0 to 1).
      test: the same, or None. Its top-1 accuracy is printed.
      class_names: names of the classes; by default those of `train`, if it has
        any.
      l2: float > 0, weight of `|kernel|^2 / 2` against the summed
        cross-entropy of the training images.
      max_iterations: int >= 1, of L-BFGS.
      verbose: 0 prints nothing.

    Returns:
      A `LinearClassifier`, a Keras model: images in, class scores out. It is
      compiled with accuracy, and its encoder is `encoder`, unchanged.

    Raises:
      ValueError: if labels are not integers >= 0 of two or more classes.

    Example:
      >>> classifier = linear_probe(model.encoder, train, test)
      linear probe: top-1 0.9917 on 360 test images
      >>> classifier.predict(images).shape
      (5, 10)

    Reference:
      The protocol is that of Chen et al. 2020 (SimCLR), Appendix B.6, and
      Khosla et al. 2020, Sec. 3, with another optimizer.
    """
    features, labels = encode_all(encoder, train)
    if labels.min() < 0 or labels.min() == labels.max():
        raise ValueError(
            "`labels` must be integers >= 0 of two or more classes. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    class_names = class_names or getattr(train, "class_names", None) or None
    num_classes = len(class_names) if class_names else int(labels.max()) + 1
    classifier = LinearClassifier(encoder, num_classes, class_names)
    classifier.build((None, *encoder.input_shape[1:]))
    classifier.dense.set_weights(
        _fit_dense(features, labels, num_classes, l2, max_iterations)
    )
    classifier.compile(
        optimizer=keras.optimizers.SGD(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    if test is not None and verbose:
        accuracy, num_images = probe_accuracy(classifier, test)
        print(f"linear probe: top-1 {accuracy:.4f} on {num_images} test images")
    return classifier


def probe_accuracy(classifier, test):
    """Top-1 accuracy of a linear classifier, on images cropped as in training.

    Args:
      classifier: `LinearClassifier`.
      test: as for `linear_probe`.

    Returns:
      `(accuracy, number of images)`, a Python float in [0, 1] and an int.
    """
    features, labels = encode_all(classifier.encoder, test)
    scores = classifier.dense(features)
    return metrics.top_1_accuracy(scores, labels), len(labels)


def encode_all(encoder, source, *, batch_size=256):
    """Representations and labels of all images, centre-cropped, in order.

    Args:
      encoder: Keras model, images `[B, H, W, C]` in [0, 1] -> `[B, R]`.
      source: as for `linear_probe`.
      batch_size: int >= 1.

    Returns:
      `[n, R]` float32 and `[n]` integer arrays.
    """
    image_size = encoder.input_shape[1:3]
    if None in image_size:
        image_size = None
    batches = image_batches(
        source, image_size=image_size, batch_size=batch_size
    )

    features, labels = [], []
    for images, batch_labels in batches:
        features.append(encoder.predict_on_batch(images))
        labels.append(batch_labels.numpy())
    return np.concatenate(features).astype(np.float32), np.concatenate(labels)


def nearest_neighbor_accuracy(train, test, *, image_size, batch_size=256):
    """Top-1 accuracy of the nearest training image, by raw pixels.

    The yardstick that needs no learning: an encoder that does not beat it has
    not earned its place.

    Args:
      train: as for `linear_probe`.
      test: the same.
      image_size: int; images are centre-cropped to it.
      batch_size: int >= 1, test images compared at once.

    Returns:
      A Python float in [0, 1].
    """
    train_pixels, train_labels = _pixels(train, image_size)
    test_pixels, test_labels = _pixels(test, image_size)
    squares = tf.reduce_sum(tf.square(train_pixels), axis=1)
    correct = 0
    for start in range(0, len(test_labels), batch_size):
        part = slice(start, start + batch_size)
        # |a - b|^2 without |a|^2, which is the same for every b.
        distances = squares - 2 * tf.matmul(
            test_pixels[part], train_pixels, transpose_b=True
        )
        nearest = tf.argmin(distances, axis=1).numpy()
        correct += int(np.sum(train_labels[nearest] == test_labels[part]))
    return correct / len(test_labels)


def _pixels(source, image_size):
    images, labels = [], []
    for batch, batch_labels in image_batches(source, image_size=image_size):
        images.append(tf.reshape(batch, [tf.shape(batch)[0], -1]))
        labels.append(batch_labels.numpy())
    return tf.concat(images, axis=0), np.concatenate(labels)


def _fit_dense(features, labels, num_classes, l2, max_iterations):
    """Kernel and bias of softmax regression."""
    scaler = StandardScaler().fit(features)
    regression = LogisticRegression(C=1 / l2, max_iter=max_iterations)
    regression.fit(scaler.transform(features), labels)
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(coefficients) == 1:  # of the second of two classes
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    kernel = np.zeros((features.shape[1], num_classes))
    # A class without training images is never the answer.
    bias = np.full(num_classes, -1e9)
    kernel[:, regression.classes_] = coefficients.T / scaler.scale_[:, None]
    bias[regression.classes_] = intercepts
    bias -= scaler.mean_ @ kernel
    return [kernel.astype(np.float32), bias.astype(np.float32)]
