"""Batches of views for pretraining, batches of images for evaluation."""

import dataclasses

import numpy as np
import tensorflow as tf

from supcon_tf import augmentations
from supcon_tf.datasets import LabelledImages
from supcon_tf.labels import refuse_names

# Images that are augmented in one call: enough to spread the cost of an op,
# few enough to stay in a core's cache.
_CHUNK = 64


def view_batches(
    source,
    augmentation,
    *,
    num_views,
    batch_size,
    image_size,
    seed,
    first_epoch=0,
    num_shards=1,
    shard=0,
):
    """Augmented views of labelled images, shuffled anew each epoch, endless.

    The batches are a pure function of `(source, seed)`: an epoch is
    `n // batch_size` batches of a permutation that `(seed, epoch)` decide, the
    remainder is dropped, and view v of the image at position k of the stream
    has the augmentation seed `(seed, k * num_views + v)`. A run that starts
    again with `first_epoch=e` goes on with the very batches of epoch e.

    Several workers share the work as shards: each computes its rows of every
    batch, and one after the other they are the batch of the whole stream.

    Args:
      source: `(images, labels)`, `LabelledImages` or a finite `tf.data.Dataset`
        of single `(image, label)` pairs, which is read into memory. Images:
        `[H, W, C]`, uint8 (0 to 255) or float (0 to 1), all of one size or, in
        a Dataset, of many. Labels: integers; None, in `(images, None)`, yields
        views without labels.
      augmentation: function `(images [B, H, W, C], seeds [B, 2], image_size)
        -> [B, h, w, C]` such as `augmentations.simclr`.
      num_views: int V >= 1, views of each image.
      batch_size: int B >= 1, images in a batch, at most those of the source.
      image_size: int, or (height, width), of the views.
      seed: integer.
      first_epoch: int >= 0, the epoch to start with.
      num_shards: int S >= 1 that divides B: each shard yields B / S images of
        a batch.
      shard: int >= 0 and < S, which of them to yield: rows `shard * B / S` up
        to `(shard + 1) * B / S`.

    Returns:
      An infinite `tf.data.Dataset` of `([B / S, V, h, w, C] float32 in [0, 1],
      [B / S] integers)`.

    Raises:
      ValueError: if an argument is out of its range, labels are not integers,
        or a Dataset is infinite or of batches.

    Example:
      >>> views = view_batches((images, labels), augmentations.simclr,
      ...     num_views=2, batch_size=256, image_size=32, seed=0)
      >>> model.fit(views, epochs=10, steps_per_epoch=len(images) // 256)
    """
    for name, value, least in (
        ("num_views", num_views, 1),
        ("batch_size", batch_size, 1),
        ("first_epoch", first_epoch, 0),
        ("num_shards", num_shards, 1),
    ):
        if value < least:
            raise ValueError(
                f"`{name}` must be >= {least}. Received: {name}={value}"
            )
    if not 0 <= shard < num_shards:
        raise ValueError(
            "`shard` must be >= 0 and < num_shards. "
            f"Received: shard={shard}, num_shards={num_shards}"
        )
    if batch_size % num_shards:
        raise ValueError(
            "`batch_size` must be divisible by num_shards. "
            f"Received: batch_size={batch_size}, num_shards={num_shards}"
        )
    if isinstance(source, tf.data.Dataset):
        source = _in_memory(source)
    source = _checked(source)
    size = len(source.images)
    if size < batch_size:
        raise ValueError(
            f"`batch_size` must be at most the number of images, {size}. "
            f"Received: batch_size={batch_size}"
        )

    def views(images, numbers):
        """Images `[b, H, W, C]` -> views `[b, V, h, w, C]`."""
        numbers = numbers[:, None] * num_views + tf.range(
            num_views, dtype=tf.int64
        )  # [b, V]
        numbers = tf.reshape(numbers, [-1])
        seeds = tf.stack([tf.fill(tf.shape(numbers), seed64), numbers], axis=1)
        images = tf.repeat(images, num_views, axis=0)  # [b * V, H, W, C]
        augmented = augmentation(images, seeds, image_size)
        return tf.reshape(
            augmented, [-1, num_views, *augmented.shape[1:].as_list()]
        )

    def views_of_chunk(images, labels, numbers):
        return views(images, numbers), labels

    def views_of_one(string, label, number):
        image = source.decode(string)
        return views(image[None], number[None])[0], label

    seed64 = tf.constant(seed, tf.int64)
    rows = batch_size // num_shards
    chunks = _shuffled(
        source,
        batch_size=batch_size,
        rows=range(shard * rows, (shard + 1) * rows),
        seed=seed64,
        first_epoch=first_epoch,
    )
    parallel = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}
    if source.decode is None:
        dataset = chunks.map(views_of_chunk, **parallel)
        # (A strategy undoes a rebatch at the end of a pipeline, as if it were
        # its own; it has no end anyway.)
        dataset = dataset.rebatch(rows, drop_remainder=True).repeat()
    else:
        dataset = chunks.unbatch().map(views_of_one, **parallel)
        dataset = dataset.batch(rows, drop_remainder=True)
    if source.labels is None:
        dataset = dataset.map(lambda images, label: images)
    return dataset.prefetch(tf.data.AUTOTUNE)


def image_batches(source, *, image_size, batch_size=256):
    """One pass over labelled images, in order, centre-cropped to one size.

    Args:
      source: as for `view_batches`, with labels; a Dataset is streamed.
      image_size: int, or (height, width); None keeps the images' size.
      batch_size: int >= 1; the last batch may be smaller.

    Returns:
      A finite `tf.data.Dataset` of `([b, h, w, C] float32 in [0, 1],
      [b] integers)`.

    Raises:
      ValueError: if labels are not integers, or a Dataset is infinite or of
        batches.
    """
    decode = None
    if isinstance(source, tf.data.Dataset):
        _check_dataset(source)
        dataset = source
    else:
        source = _checked(source)
        if source.labels is None:
            raise ValueError(
                "`labels` must be integers here. Received: labels=None"
            )
        decode = source.decode
        with tf.device("CPU"):
            dataset = tf.data.Dataset.from_tensor_slices(
                (source.images, source.labels)
            )

    def centre(images, labels):
        size = image_size or images.shape[1:3]
        return augmentations.center_crop(images, None, size), labels

    def centre_one(image, label):
        image = image if decode is None else decode(image)
        return centre(image[None], label)[0][0], label

    if decode is None and dataset.element_spec[0].shape.is_fully_defined():
        dataset = dataset.batch(batch_size).map(
            centre, num_parallel_calls=tf.data.AUTOTUNE
        )
    else:
        dataset = dataset.map(centre_one, num_parallel_calls=tf.data.AUTOTUNE)
        dataset = dataset.batch(batch_size)
    return dataset.prefetch(tf.data.AUTOTUNE)


def _shuffled(source, *, batch_size, rows, seed, first_epoch):
    """Endless chunks of images, labels and their numbers in the stream.

    Of each batch they hold the rows in `rows` (a range) alone.
    """
    size = len(source.images)
    epoch_batches = size // batch_size
    epoch_size = epoch_batches * batch_size
    chunk = _largest_divisor(len(rows), _CHUNK)
    labels = np.zeros(size, int) if source.labels is None else source.labels
    with tf.device("CPU"):
        images = tf.convert_to_tensor(source.images)
        labels = tf.convert_to_tensor(labels)

    def gather(position):
        batch, row = position // len(rows), position % len(rows)
        first = batch * batch_size + rows.start + row
        numbers = first + tf.range(chunk, dtype=tf.int64)
        epoch = first // epoch_size  # a chunk lies within one epoch
        index = tf.random.experimental.index_shuffle(
            numbers % epoch_size,
            seed=tf.stack([seed, epoch]),
            max_index=size - 1,
        )
        index = tf.ensure_shape(index, [chunk])
        return tf.gather(images, index), tf.gather(labels, index), numbers

    return tf.data.Dataset.range(
        first_epoch * epoch_batches * len(rows), np.iinfo(np.int64).max, chunk
    ).map(gather)


def _in_memory(dataset):
    """A Dataset of pairs as `LabelledImages`, which can be shuffled whole."""
    _check_dataset(dataset)
    spec, _ = dataset.element_spec
    decode = None
    if not spec.shape.is_fully_defined():
        dataset = dataset.map(
            lambda image, label: (tf.io.serialize_tensor(image), label)
        )

        def decode(string):
            image = tf.io.parse_tensor(string, spec.dtype)
            return tf.ensure_shape(image, spec.shape)

    batches = list(dataset.batch(1024).as_numpy_iterator())
    if not batches:
        raise ValueError(
            "A tf.data.Dataset must yield (image, label) pairs. "
            "Received: an empty one"
        )
    images, labels = (
        np.concatenate(part) for part in zip(*batches, strict=True)
    )
    return LabelledImages(images, labels, (), decode)


def _check_dataset(dataset):
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "A tf.data.Dataset must be finite: leave out .repeat(). "
            "Received: an infinite one"
        )
    spec = dataset.element_spec
    if not (isinstance(spec, tuple) and len(spec) == 2):
        raise ValueError(
            "A tf.data.Dataset must yield (image, label) pairs. "
            f"Received: element_spec={spec}"
        )
    image, label = spec
    if label.shape.rank != 0 or image.shape.rank != 3:
        raise ValueError(
            "A tf.data.Dataset must yield single images [H, W, C] with scalar "
            "labels: leave out .batch(). Received: shapes "
            f"{image.shape} and {label.shape}"
        )
    refuse_names(label)
    _check_integers(label.dtype.as_numpy_dtype)


def _checked(source):
    """`(images, labels)` or `LabelledImages` -> checked `LabelledImages`."""
    if not isinstance(source, LabelledImages):
        images, labels = source
        source = LabelledImages(images, labels, ())
    images, labels = np.asarray(source.images), source.labels
    if images.dtype.kind == "f" and not (
        images.min() >= 0 and images.max() <= 1
    ):
        raise ValueError(
            "Float images must lie in [0, 1]; uint8 ones in 0 to 255. "
            f"Received: floats from {images.min():g} to {images.max():g}"
        )
    if labels is None:
        return dataclasses.replace(source, images=images)
    refuse_names(labels)
    labels = np.asarray(labels)
    if labels.dtype == bool:
        labels = labels.astype(np.int64)
    _check_integers(labels.dtype)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (len(images),):
        raise ValueError(
            "`labels` must have shape [n] for n images. Received: "
            f"{len(images)} images, labels of shape {labels.shape}"
        )
    return dataclasses.replace(source, images=images, labels=labels)


def _check_integers(dtype):
    if not np.issubdtype(dtype, np.integer):
        raise ValueError(f"`labels` must be integers. Received: dtype={dtype}")


def _largest_divisor(number, limit):
    return max(d for d in range(1, limit + 1) if number % d == 0)
