"""A small network on cached features that makes equal classes similar.

The encoder stays as it is and sees each photograph a few times, once and for
all. The head is then trained by contrast in seconds.
"""

import contextlib
import pathlib

import keras
import numpy as np
from keras import layers
from tqdm import tqdm

from supcon_tf import augmentations
from supcon_tf.augmentations.encoded_image import DecodedImage
from supcon_tf.config.waiting_line import waiting_line
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.pipelines import parallel_calls, prefetched
from supcon_tf.data.sources import (
    checked,
    image_reader,
    is_own_augmentation,
)
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.errors import check_int, check_number
from supcon_tf.evaluation.encode import encode_function, image_size_of
from supcon_tf.files import written_whole
from supcon_tf.frameworks.backends import check_tensorflow, tf
from supcon_tf.losses.supcon import SupConLoss
from supcon_tf.models.supcon_model import SupConModel
from supcon_tf.photographs.asked_encoder import HEAD_FILE, head_name
from supcon_tf.photographs.vectors import photographs_as_images

# Chosen on held-out training images of flowers: docs/pages/benchmarks.md.
UNITS = (1024, 256)
DROPOUT = 0.5
TEMPERATURE = 0.2
EPOCHS = 40
BATCH_SIZE = 128
LEARNING_RATE = 1e-3


def augmented_features(
    encoder,
    images_or_paths,
    augmentation=augmentations.crop_flip,
    num_views=5,
    seed=0,
    *,
    image_size=None,
    batch_size=32,
    eval_augmentation=augmentations.center_crop,
):
    """Computes the features of a few views of each photograph.

    The first view is the centre, as in evaluation. The others are augmented.
    View a of photograph i has the seed `(seed, i * num_views + a)`.

    Args:
      encoder: Keras model, float32 RGB images in [0, 1] -> `[B, R]`. It runs in
        inference mode.
      images_or_paths: `LabelledImages`, images `[N, H, W, 3]`, uint8 (0 to 255)
        or float (0 to 1), or N paths, which Pillow reads.
      augmentation: function `(images, seeds, image_size) -> views`, as in
        `view_batches`.
      num_views: int A >= 1, the centre included.
      seed: int.
      image_size: as in `image_size_of`; needed if the encoder takes any size.
      batch_size: int >= 1, photographs that are encoded at once, so that a
        batch has `A * batch_size` views.
      eval_augmentation: what makes the centre of an image.

    Returns:
      `[N, A, R]` float32.

    Raises:
      ValueError: if an argument is not as described, or a file cannot be read.

    Example:
      >>> augmented_features(encoder, images, num_views=3).shape
      (8, 3, 8)
    """
    check_int("num_views", num_views, 1)
    check_int("batch_size", batch_size, 1)
    size = image_size_of(encoder, image_size)
    if size is None:
        raise ValueError(
            "`image_size` must be given with an encoder that takes images of "
            "any size. Received: image_size=None"
        )
    check_tensorflow(
        "`augmented_features`", "train the head on TensorFlow", as_backend=True
    )
    source, left_out = _source(images_or_paths)
    views = _view_batches(
        source,
        (eval_augmentation, augmentation),
        num_views,
        seed,
        size,
        batch_size,
    )
    encode = encode_function(encoder, batch_size=num_views * batch_size)
    features = []
    with (
        tqdm(
            total=len(source), desc="views", unit="img", disable=None, delay=2
        ) as bar,
        contextlib.ExitStack() as until_the_first,
    ):
        until_the_first.enter_context(waiting_line("views"))
        for batch in views:
            count = len(batch)
            found = encode(tf.reshape(batch, [-1, *size, batch.shape[-1]]))
            features.append(found.reshape(count, num_views, -1))
            until_the_first.close()
            bar.update(count)
    if left_out:
        raise ValueError(
            "`images_or_paths` must be photographs that can be read. Received: "
            f"{len(source)}, {len(left_out)} of which cannot; the first: "
            f"{left_out[min(left_out)]}"
        )
    return np.concatenate(features)


def _source(images_or_paths):
    """`LabelledImages` of what was given, and the dict of unreadable files."""
    if isinstance(images_or_paths, StreamedImages):
        raise ValueError(
            "`images_or_paths` must be LabelledImages, images or paths, whose "
            "features fit into memory. Received: StreamedImages"
        )
    if isinstance(images_or_paths, LabelledImages):
        return checked(images_or_paths), {}
    if getattr(images_or_paths, "ndim", 0) == 4:
        labels = np.zeros(len(images_or_paths), int)
        return checked((images_or_paths, labels)), {}
    return photographs_as_images(images_or_paths)


def _view_batches(source, pair, num_views, seed, size, batch_size):
    """A Dataset of views `[b, A, h, w, 3]` in the order of the source."""
    eval_augmentation, augmentation = pair
    images = np.asarray(source.images)
    read = (lambda image: image[None]) if images.ndim > 1 else None
    read = read or image_reader(source, augmentation)

    def views(image, number):
        numbers = number * num_views + tf.range(1, num_views, dtype=tf.int64)
        seeds = tf.stack(
            [tf.fill(tf.shape(numbers), tf.constant(seed, tf.int64)), numbers],
            axis=1,
        )
        whole = read(image)
        is_uint8 = getattr(whole, "dtype", 0) == tf.uint8
        if is_own_augmentation(augmentation) and is_uint8:
            whole = DecodedImage(whole[0])  # quicker where it is large
        made = [eval_augmentation(whole, None, size)]
        if num_views > 1:
            if not isinstance(whole, augmentations.EncodedImage):
                whole = tf.repeat(whole, num_views - 1, axis=0)
            made.append(augmentation(whole, seeds, size))
        return tf.concat(made, axis=0)

    with tf.device("CPU"):
        numbers = tf.range(len(images), dtype=tf.int64)
        dataset = tf.data.Dataset.from_tensor_slices((images, numbers))
    dataset = dataset.map(views, num_parallel_calls=parallel_calls())
    return prefetched(dataset.batch(batch_size))


def train_similarity_head(
    features,
    labels,
    *,
    units=UNITS,
    dropout=DROPOUT,
    temperature=TEMPERATURE,
    epochs=EPOCHS,
    batch_size=BATCH_SIZE,
    learning_rate=LEARNING_RATE,
    encoder=None,
    seed=0,
    verbose=0,
):
    """Trains a similarity head by SupCon on cached features.

    The head is Dense, ReLU, dropout, Dense, unit length. Photographs of one
    class, and the views of one photograph, are its positives.

    Args:
      features: `[N, A, R]` float32, as from `augmented_features`.
      labels: `[N]` integers, of two or more classes.
      units: (hidden, output), two ints >= 1.
      dropout: float in [0, 1), between the two.
      temperature: float > 0, of `SupConLoss`.
      epochs: int >= 1.
      batch_size: int >= 1, photographs in a batch.
      learning_rate: float > 0, of Adam.
      encoder: the Keras model whose features they are. The head's name then
        tells so, and `save_similarity_head` and the commands insist on it.
      seed: int, of weights, dropout and order.
      verbose: as in `keras.Model.fit`. With 0, the default, a terminal shows
        a progress bar after two seconds.

    Returns:
      A Keras model of plain layers, `[B, R]` -> `[B, units[1]]` of unit length.

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> features = np.random.default_rng(0).random((8, 5, 16))
      >>> head = train_similarity_head(features, labels, epochs=2)
      >>> head(features[:, 0]).shape
      TensorShape([8, 256])

    Reference:
      Khosla et al. 2020. The idea of a head on frozen features for few labels:
      Tunstall et al., "Efficient Few-Shot Learning Without Prompts" (SetFit),
      2022.
    """
    features, labels = checked_features(features, labels)
    check_int("epochs", epochs, 1)
    check_int("batch_size", batch_size, 1)
    check_number("learning_rate", learning_rate, above=0)
    keras.utils.set_random_seed(seed)
    head = new_similarity_head(
        features.shape[2], units=units, dropout=dropout, encoder=encoder
    )
    model = SupConModel(head, None)
    model.compile(keras.optimizers.Adam(learning_rate), SupConLoss(temperature))
    with tqdm(
        total=epochs,
        desc="similarity head",
        unit="epoch",
        disable=True if verbose else None,
        delay=2,
    ) as bar:
        model.fit(
            features,
            labels,
            epochs=epochs,
            batch_size=min(batch_size, len(labels)),
            verbose=verbose,
            callbacks=[
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: bar.update()
                )
            ],
        )
    if not all(np.isfinite(weight).all() for weight in head.get_weights()):
        raise ValueError(
            "`learning_rate` must be low enough for the training to converge. "
            f"Received: learning_rate={learning_rate:g}"
        )
    return head


def new_similarity_head(num_features, *, units, dropout, encoder=None):
    """Makes a similarity head that is still to be trained.

    Args:
      num_features: int R.
      units: as in `train_similarity_head`, like the other arguments.
      dropout: float in [0, 1).
      encoder: Keras model or None.

    Returns:
      A Keras model, `[B, R]` -> `[B, units[1]]` of unit length.

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> new_similarity_head(8, units=(16, 4), dropout=0.5).output_shape
      (None, 4)
    """
    check_number("dropout", dropout, at_least=0, below=1)
    if len(units) != 2:
        raise ValueError(
            "`units` must be (hidden, output), two ints >= 1. "
            f"Received: units={units}"
        )
    for width in units:
        check_int("units", width, 1)
    name = "similarity_head" if encoder is None else head_name(encoder)
    features = keras.Input((num_features,), name="features")
    x = layers.Dense(units[0], activation="relu", name="hidden")(features)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(units[1], name="output")(x)
    x = layers.UnitNormalization(name="unit_length")(x)
    return keras.Model(features, x, name=name)


def checked_features(features, labels):
    """Features and labels as arrays; refuses what is neither.

    Args:
      features: `[N, A, R]` finite floats.
      labels: `[N]` integers of two or more classes.

    Returns:
      `[N, A, R]` float32 and `[N]` integers.

    Raises:
      ValueError: if they are not as described.

    Example:
      >>> x, y = checked_features(np.ones((2, 3, 4)), [0, 1])
      >>> x.dtype, y.dtype
      (dtype('float32'), dtype('int64'))
    """
    features, labels = np.asarray(features, np.float32), np.asarray(labels)
    if (
        features.ndim != 3
        or not features.size
        or not (np.isfinite(features).all())
    ):
        raise ValueError(
            "`features` must be finite floats of shape [N, A, R], A views a "
            f"photograph. Received: shape {features.shape}"
        )
    if labels.shape != (len(features),) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`labels` must be integers of shape [{len(features)}]. "
            f"Received: shape {labels.shape}, {labels.dtype}"
        )
    if len(np.unique(labels)) < 2:
        raise ValueError(
            "`labels` must be of two or more classes. Received: one"
        )
    return features, labels


def save_similarity_head(head, workdir, encoder):
    """Writes a head to workdir/similarity_head.keras, whole or absent.

    Args:
      head: as from `train_similarity_head`, with the same `encoder`.
      workdir: folder of the encoder, which exists.
      encoder: the Keras model whose features the head takes.

    Returns:
      `pathlib.Path` of the file.

    Raises:
      ValueError: if the head is of another encoder.

    Example:
      >>> head = new_similarity_head(  # as trained by `train_similarity_head`
      ...     8, units=(16, 4), dropout=0.5, encoder=encoder
      ... )
      >>> save_similarity_head(head, ".", encoder).name
      'similarity_head.keras'
    """
    if head.name != head_name(encoder):
        raise ValueError(
            "`head` must be trained with this `encoder`. Received: "
            f"{head.name}, and the encoder's would be {head_name(encoder)}"
        )
    path = pathlib.Path(workdir).expanduser() / HEAD_FILE
    with written_whole(path) as aside:
        head.save(aside)
    return path
