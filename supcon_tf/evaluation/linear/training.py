"""Trains a linear classifier on augmented images: the paper's second stage."""

import itertools
import time

import keras
import numpy as np
from keras import layers

from supcon_tf import augmentations, metrics
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.sources import with_ids
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
from supcon_tf.evaluation.linear.fitting import (
    as_candidates,
    names_of,
    new_classifier,
)
from supcon_tf.frameworks.backends import check_tensorflow, is_dataset, tf
from supcon_tf.labels import as_ids
from supcon_tf.metrics.accuracy import ABSENT

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

    In every epoch each image is augmented anew and encoded in inference mode,
    so that the moving averages are used and not updated. A softmax regression
    is trained on the representations. The replicas of an encoder share the
    encoding, and the dense layer is on one device.

    If `learning_rate` is a tuple, each rate is tried on a part of the training
    images that is held out, class by class. The rate with the highest accuracy
    there is chosen, the first one if several are equally good. All rates are
    tried at once on the same encoded batches, each with a dense layer of its
    own, since encoding takes most of the time. Then a new dense layer is
    trained with the chosen rate on all n training images. Both trainings take
    `epochs * (n // batch_size)` steps.

    Test images are no argument. Use them once, afterwards, with
    `classification_accuracy`.

    Args:
      encoder: Keras model, float32 RGB images in [0, 1] -> representations
        `[B, R]`.
      train: as in `view_batches`. To choose from several learning rates it
        must be `(images, labels)`, `LabelledImages` or `StreamedImages`.
      make_optimizer: function from a learning rate to a new Keras optimizer,
        with its schedule, momentum and weight decay. The optimizers of
        `supcon_tf.optimizers` apply weight decay only to the kernel.
      learning_rate: float > 0, or a tuple of them to choose from.
      epochs: int >= 1.
      batch_size: int >= 1, at most the number of images to train on.
      augmentation: as in `view_batches`, `augmentations.crop_flip` by default.
      image_size: as in `image_size_of`. It is required if the encoder takes
        images of any size.
      label_smoothing: float s in [0, 1), 0 by default. The target of a class is
        `s / classes`, plus `1 - s` if it is the label.
      kernel_initializer: `"glorot_uniform"`, the default, or `"zeros"`, as in
        SimCLR. The bias starts at 0.
      class_names: names of the classes. None, the default, takes those of
        `train`, if it has any.
      validation_fraction: float in (0, 1), the part that is held out to choose
        the learning rate, 0.1 by default. It has no effect with a single rate.
      eval_augmentation: augmentation of the held-out images, as in
        `encode_all`.
      seed: integer that decides the held-out part, the order of the images,
        their augmentation and the initial kernel; 0 by default.
      verbose: 0 prints nothing. 1, the default, prints a line for each epoch
        and the chosen learning rate.

    Returns:
      A `LinearClassifier`, compiled with accuracy, whose encoder is `encoder`,
      unchanged. And a dict of `learning_rate`, the chosen one;
      `held_out_top_1_accuracies`, a list of pairs `[learning rate, accuracy]`
      that is empty for a single rate; and `seconds`.

    Raises:
      ValueError: if an argument is out of its range, no images can be held
        out, or the training diverges.

    Example:
      >>> classifier, chosen = train_linear_classifier(
      ...     encoder, train, make_optimizer=keras.optimizers.SGD,
      ...     learning_rate=0.1, epochs=2, batch_size=50
      ... )
      learning rate 0.1: epoch 1/2, loss 2...
      learning rate 0.1: epoch 2/2, loss 2...
      >>> classifier.predict(images, verbose=0).shape
      (8, 10)

    Reference:
      Khosla et al. 2020, Sec. 3 and 4, and the second stage of the official
      code. The official code differs in one thing: it normalises the training
      images with the statistics of their own batch. Also SimCLR (Chen et al.
      2020), Appendix B.6.
    """
    check_tensorflow(
        "Training a linear classifier on augmented views",
        "use linear_probe",
        as_backend=True,
    )
    rates = as_candidates("learning_rate", learning_rate)
    _check(epochs, label_smoothing, kernel_initializer)
    start = time.perf_counter()
    size = _checked_size(encoder, image_size)
    one = batches_for(encoder, train, batch_size=1, image_size=size)
    labels = _labels_of(train)
    class_names = names_of(class_names, train)
    classifier = new_classifier(
        encoder, next(iter(one))[0], labels, class_names
    )

    def trained(source, rates):
        """Returns a trained dense layer for each learning rate."""
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
        chosen, accuracies = _best_rate(
            rates, heads, features, held_out_labels, verbose
        )
    (head,) = trained(train, [chosen])
    _check_converged(head, chosen)
    classifier.dense.set_weights(_without_absent(head.get_weights(), labels))
    return classifier, {
        "learning_rate": chosen,
        "held_out_top_1_accuracies": accuracies,
        "seconds": round(time.perf_counter() - start, 2),
    }


def _checked_size(encoder, image_size):
    """Returns the (height, width) of the images, one of which must be known."""
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
    """Returns the labels `[n]`, or None if they are not in memory."""
    if is_dataset(source):
        labels = with_ids(source).map(lambda image, label: label).batch(4096)
        return np.concatenate(list(labels.as_numpy_iterator()))
    if isinstance(source, (tuple, list)):
        _, labels = source
    else:
        labels = getattr(source, "labels", None)
    if labels is None:
        return None
    return np.asarray(as_ids(labels, len(labels)), int)


def _without_absent(weights, labels):
    """Kernel and bias, so that a class without images is never the answer."""
    kernel, bias = weights
    if labels is not None:
        is_absent = ~np.isin(np.arange(len(bias)), labels)
        bias = np.where(is_absent, ABSENT, bias)
    return kernel, bias


def _hold_out(train, labels, classifier, fraction, seed):
    """Returns two sources: images to train on, and held-out images."""
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
    """Makes a dense layer like the classifier's, but for logits."""
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
    """Makes a function `[B, R]`, labels `[B]` -> the loss of each head."""
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
    """Trains `steps` batches an epoch. Prints each epoch if it has a title."""
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


def _best_rate(rates, heads, features, labels, verbose):
    """Returns the rate that is best on held-out images, and all accuracies."""
    accuracies = [
        [rate, _accuracy(head(features), labels)]
        for rate, head in zip(rates, heads, strict=True)
    ]
    best, accuracy = max(accuracies, key=lambda pair: pair[1])
    if verbose:
        print(
            f"learning rate {best:g}: top-1 {accuracy:.4f} on "
            f"{len(labels)} held-out training images"
        )
    return best, accuracies


def _accuracy(scores, labels):
    """Returns the top-1 accuracy, or 0 if the scores have diverged."""
    if not np.isfinite(scores).all():
        return 0.0
    return metrics.top_1_accuracy(labels, scores)
