"""A linear classifier trained on augmented images: the paper's second stage."""

import itertools
import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from supcon_tf import augmentations, metrics
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.splits import split
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.data.views import view_batches
from supcon_tf.errors import check_int
from supcon_tf.evaluation.encode import (
    batches_for,
    encode_all,
    encode_function,
    image_size_of,
)
from supcon_tf.evaluation.linear.fitting import as_candidates, new_classifier

KERNEL_INITIALIZERS = ("glorot_uniform", "zeros")


def train_linear_classifier(
    encoder,
    train,
    *,
    make_optimizer,
    learning_rate,
    epochs,
    batch_size,
    augmentation=augmentations.crop_flip,
    image_size=None,
    label_smoothing=0.0,
    kernel_initializer="glorot_uniform",
    class_names=None,
    validation_fraction=0.1,
    eval_augmentation=None,
    seed=0,
    verbose=1,
):
    """Trains a dense layer on the frozen encoder's augmented images.

    Every epoch each image is augmented anew, encoded in inference mode (the
    moving averages are used and not updated) and taken by a softmax
    regression. The replicas of an encoder share the encoding; the dense layer
    is on one device.

    Of several learning rates the one is chosen that is right most often on a
    part of the training images that is held out, class by class; of equally
    good ones the first. All of them are tried at once, each with a dense layer
    of its own, on the same encoded batches: the encoder is the cost. Then a
    dense layer is trained with the chosen one on all training images, for as
    many steps: `epochs * (n // batch_size)`, n all training images, in both.
    Test images are no argument: use them once, afterwards, with
    `classification_accuracy`.

    Args:
      encoder: Keras model, float32 RGB images in [0, 1] -> `[B, R]`.
      train: as for `view_batches`; to choose a learning rate, `(images,
        labels)`, `LabelledImages` or `StreamedImages`.
      make_optimizer: function from a learning rate to a new Keras optimizer,
        with its schedule, momentum and weight decay (which is the kernel's
        alone in the optimizers of `supcon_tf.optimizers`).
      learning_rate: float > 0, or a tuple of them to choose from.
      epochs: int >= 1.
      batch_size: int >= 1, at most the number of images to train on.
      augmentation: as for `view_batches`.
      image_size: as for `image_size_of`; needed if the encoder takes any.
      label_smoothing: float s in [0, 1): the target is `1 - s` for the label,
        plus `s / classes` for each class.
      kernel_initializer: `"glorot_uniform"`, or `"zeros"`, as SimCLR's. The
        bias starts at 0.
      class_names: names of the classes; by default those of `train`, if it has
        any.
      validation_fraction: float in (0, 1), the part that is held out to choose
        the learning rate; a single one needs none.
      eval_augmentation: of the held-out images, as for `encode_all`.
      seed: integer, of the held-out part, the order of the images, their
        augmentation and the initial kernel.
      verbose: 0 prints nothing, 1 a line an epoch.

    Returns:
      A `LinearClassifier`, compiled with accuracy, whose encoder is `encoder`,
      unchanged; and a dict: `learning_rate`; `held_out_top_1_accuracies`, a
      list of pairs `[learning rate, accuracy]`, empty for a single one;
      `seconds`.

    Raises:
      ValueError: if an argument is out of its range, the images cannot be held
        out, or the training diverges.

    Example:
      >>> classifier, results = train_linear_classifier(encoder, train,
      ...     make_optimizer=lambda rate: SGD(rate, momentum=0.9),
      ...     learning_rate=(0.1, 1.0, 10.0), epochs=100, batch_size=512)
      >>> results["learning_rate"]
      1.0

    Reference:
      Khosla et al. 2020, Sec. 3 and 4, and the official code's second stage,
      which differs in one thing: there the batch's own statistics normalise
      the training images. SimCLR (Chen et al. 2020), Appendix B.6.
    """
    rates = as_candidates("learning_rate", learning_rate)
    _check(epochs, label_smoothing, kernel_initializer)
    start = time.perf_counter()
    size = _checked_size(encoder, image_size)
    one = batches_for(encoder, train, batch_size=1, image_size=size)
    labels = _labels_of(train)
    class_names = class_names or getattr(train, "class_names", None)
    classifier = new_classifier(
        encoder, next(iter(one))[0], labels, class_names
    )

    def trained(source, rates):
        """Dense layers, one for each learning rate, with their weights."""
        views = view_batches(
            source,
            augmentation,
            num_views=1,
            batch_size=batch_size,
            image_size=size,
            seed=seed,
        )
        heads = [
            _new_head(classifier.dense, kernel_initializer, seed) for _ in rates
        ]
        _train(
            _training_step(heads, map(make_optimizer, rates), label_smoothing),
            views,
            encode_function(encoder, batch_size=batch_size),
            epochs=epochs,
            steps=(len(train) if labels is None else len(labels)) // batch_size,
            title=f"learning rate {_listed(rates)}" if verbose else None,
        )
        return heads

    chosen, accuracies = rates[0], []
    if len(rates) > 1:
        rest, held_out = _hold_out(
            train, labels, classifier, validation_fraction, seed
        )
        heads = trained(rest, rates)
        features, held_out_labels = encode_all(
            encoder, held_out, augmentation=eval_augmentation, image_size=size
        )
        accuracies = [
            [rate, _accuracy(head(features), held_out_labels)]
            for rate, head in zip(rates, heads, strict=True)
        ]
        chosen, accuracy = max(accuracies, key=lambda pair: pair[1])
        if verbose:
            print(
                f"learning rate {chosen:g}: top-1 {accuracy:.4f} on "
                f"{len(held_out)} held-out training images"
            )
    (head,) = trained(train, [chosen])
    _check_converged(head, chosen)
    classifier.dense.set_weights(head.get_weights())
    return classifier, {
        "learning_rate": chosen,
        "held_out_top_1_accuracies": accuracies,
        "seconds": round(time.perf_counter() - start, 2),
    }


def _checked_size(encoder, image_size):
    """The size of the encoder's images, or the given one; one must be known."""
    size = image_size_of(encoder, image_size)
    if size is None:
        raise ValueError(
            "`image_size` must be given with an encoder that takes images of "
            f"any size. Received: image_size={image_size}"
        )
    return size


def _check_converged(head, learning_rate):
    if not all(np.isfinite(weight).all() for weight in head.get_weights()):
        raise ValueError(
            "`learning_rate` must be low enough for the training to converge. "
            f"Received: learning_rate={learning_rate:g}, with which the "
            "weights became infinite"
        )


def _check(epochs, label_smoothing, kernel_initializer):
    check_int("epochs", epochs, 1)
    if not 0 <= label_smoothing < 1:
        raise ValueError(
            "`label_smoothing` must be in [0, 1). "
            f"Received: label_smoothing={label_smoothing}"
        )
    if kernel_initializer not in KERNEL_INITIALIZERS:
        raise ValueError(
            f"`kernel_initializer` must be one of {list(KERNEL_INITIALIZERS)}. "
            f"Received: kernel_initializer={kernel_initializer!r}"
        )


def _labels_of(source):
    """`[n]` integers, None if the source has them not in memory."""
    if isinstance(source, tf.data.Dataset):
        labels = source.map(lambda image, label: label).batch(4096)
        return np.concatenate(list(labels.as_numpy_iterator()))
    if isinstance(source, (tuple, list)):
        _, labels = source
    else:
        labels = getattr(source, "labels", None)
    return None if labels is None else np.asarray(labels, int).reshape(-1)


def _hold_out(train, labels, classifier, fraction, seed):
    """Two sources: to train on, and held out."""
    if isinstance(train, (tuple, list)):
        images, _ = train
        names = classifier.class_names or range(classifier.num_classes)
        train = LabelledImages(np.asarray(images), labels, names)
    if not isinstance(train, (LabelledImages, StreamedImages)):
        raise ValueError(
            "`learning_rate` must be a single one unless `train` is (images, "
            "labels), LabelledImages or StreamedImages, of which a part can be "
            "held out. "
            f"Received: several, and a {type(train).__name__}"
        )
    return split(train, fraction, seed=seed)


def _new_head(dense, kernel_initializer, seed):
    """A dense layer like the classifier's, for logits."""
    features, num_classes = dense.kernel.shape
    initializer = "zeros"
    if kernel_initializer == "glorot_uniform":
        initializer = keras.initializers.GlorotUniform(seed)
    head = layers.Dense(
        num_classes, kernel_initializer=initializer, dtype="float32"
    )
    head.build((None, features))
    return head


def _training_step(heads, optimizers, label_smoothing):
    """A function: representations and labels -> the loss of each head."""
    optimizers = list(optimizers)
    for head, optimizer in zip(heads, optimizers, strict=True):
        optimizer.build(head.trainable_variables)
    cross_entropy = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=label_smoothing
    )

    @tf.function
    def step(representations, labels):
        targets = tf.one_hot(labels, heads[0].units)
        losses = []
        for head, optimizer in zip(heads, optimizers, strict=True):
            with tf.GradientTape() as tape:
                losses.append(cross_entropy(targets, head(representations)))
            gradients = tape.gradient(losses[-1], head.trainable_variables)
            optimizer.apply(gradients)
        return tf.stack(losses)

    return step


def _train(step, views, encode, *, epochs, steps, title):
    """So many steps an epoch, a line an epoch if there is a title."""
    batches = iter(views)
    for epoch in range(1, epochs + 1):
        losses = [
            step(encode(images[:, 0]), labels).numpy()
            for images, labels in itertools.islice(batches, steps)
        ]
        if title:
            losses = _listed(np.mean(losses, axis=0))
            print(f"{title}: epoch {epoch}/{epochs}, loss {losses}")


def _listed(values):
    return ", ".join(f"{value:.4g}" for value in values)


def _accuracy(scores, labels):
    """Top-1 accuracy; scores that have diverged are never right."""
    if not np.isfinite(scores).all():
        return 0.0
    return metrics.top_1_accuracy(labels, scores)
