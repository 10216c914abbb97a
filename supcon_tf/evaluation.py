"""How good is an encoder? Linear probe and nearest neighbours."""

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from supcon_tf import metrics
from supcon_tf.encode import batches_for, encode_all
from supcon_tf.linear_classifier import LinearClassifier
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
    if labels.max() >= num_classes:
        raise ValueError(
            f"`class_names` must name all {labels.max() + 1} classes. "
            f"Received: {num_classes} names"
        )
    classifier = LinearClassifier(encoder, num_classes, class_names)
    images, _ = next(iter(batches_for(encoder, train, batch_size=1)))
    classifier(images)  # builds it
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
    classifier = KNeighborsClassifier(
        neighbors,
        metric="cosine",  # the distance 1 - s
        weights=lambda distances: np.exp(-distances / 0.07),
    )
    classifier.fit(train_representations, train_labels)
    return float(classifier.score(test_representations, test_labels))


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
