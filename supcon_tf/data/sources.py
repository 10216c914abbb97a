"""What a source of labelled images may be, and how its images are reached."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from supcon_tf.augmentations import AUGMENTATIONS, EncodedImage
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.labels import refuse_names

# Images that are augmented in one call: enough to spread the cost of an op,
# few enough to stay in a core's cache.
_CHUNK = 64


def checked(source):
    """Labelled images of any form, checked.

    Args:
      source: `(images, labels)`, `LabelledImages`, `StreamedImages` or a finite
        `tf.data.Dataset` of single `(image, label)` pairs, which is read.

    Returns:
      `LabelledImages`, or the `StreamedImages`.

    Raises:
      ValueError: if labels are not integers, float images leave [0, 1], or a
        Dataset is infinite or of batches.
    """
    if isinstance(source, StreamedImages):
        return source
    if isinstance(source, tf.data.Dataset):
        source = _in_memory(source)
    return _checked_images(source)


def image_reader(source, augmentation):
    """A function from a string of a source to the images of an augmentation.

    Args:
      source: `LabelledImages` of strings, or `StreamedImages`.
      augmentation: the augmentation that takes them.

    Returns:
      A function of TensorFlow, from a string (of a stream: the contents of a
      file) to an `EncodedImage` where the augmentation is one of ours and takes
      it, else to the decoded image `[1, H, W, C]`.
    """
    if getattr(source, "decode", None) is not None:
        return lambda string: source.decode(string)[None]
    while isinstance(augmentation, functools.partial):
        augmentation = augmentation.func
    takes_files = augmentation in AUGMENTATIONS.values()
    # (A stream has contents already.)
    read = getattr(source, "read", tf.identity)

    def image(string):
        file = EncodedImage(read(string))
        return file if takes_files else file.decode()[None]

    return image


def chunks(source, order, *, rows, first_epoch):
    """Endless chunks of images in memory, epoch after epoch.

    Args:
      source: `LabelledImages`.
      order: function as `orders.shuffled_order` makes it.
      rows: range, the rows of each batch to yield.
      first_epoch: int >= 0.

    Returns:
      A `tf.data.Dataset` of `(images, labels, numbers)`, of up to 64 images
      that divide the rows of a batch; the numbers `[b]` int64 are the positions
      in the whole stream, of all rows and epochs.
    """
    chunk = _largest_divisor(len(rows), _CHUNK)
    labels = source.labels
    if labels is None:
        labels = np.zeros(len(source.images), int)
    with tf.device("CPU"):
        images = tf.convert_to_tensor(source.images)
        labels = tf.convert_to_tensor(labels)

    def of_epoch(epoch):
        batches = order(epoch)  # [steps, B]
        numbers = epoch * tf.size(batches, tf.int64) + tf.reshape(
            tf.range(tf.size(batches, tf.int64)), tf.shape(batches)
        )
        return tf.data.Dataset.from_tensor_slices(
            tuple(
                tf.reshape(x[:, rows.start : rows.stop], [-1, chunk])
                for x in (batches, numbers)
            )
        )

    def gather(index, numbers):
        return tf.gather(images, index), tf.gather(labels, index), numbers

    epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
    return epochs.flat_map(of_epoch).map(gather)


def check_dataset(dataset):
    """Raises a ValueError unless a Dataset is of single labelled images."""
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


def _in_memory(dataset):
    """A Dataset of pairs as `LabelledImages`, which can be shuffled whole."""
    check_dataset(dataset)
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


def _checked_images(source):
    """`(images, labels)` or `LabelledImages` -> checked `LabelledImages`."""
    if not isinstance(source, LabelledImages):
        images, labels = source
        source = LabelledImages(images, labels, ())
    images, labels = np.asarray(source.images), source.labels
    if images.ndim == 1 and source.decode is None and source.read is None:
        raise ValueError(
            "Images that are strings need LabelledImages with `read` or "
            f"`decode`. Received: {images.dtype} of shape {images.shape}"
        )
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
