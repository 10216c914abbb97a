"""The forms that a source of labelled images may have, and how it is read."""

import dataclasses
import functools
import re

import numpy as np

from supcon_tf.augmentations import AUGMENTATIONS, EncodedImage
from supcon_tf.augmentations.pixels import (
    ROUNDING,
    check_pixel_dtype,
    check_pixel_range,
    check_pixels,
)
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.frameworks.backends import is_dataset, is_tensorflow, tf
from supcon_tf.labels import as_ids, refuse_names

# The number of images that are augmented in one call. It is large enough to
# spread the cost of an op and small enough for a core's cache.
_CHUNK = 64
# The number of images whose pixels are checked, at least, where it takes time
# to read them all.
_CHECKED = 32


def checked(source):
    """Checks a source of labelled images and brings it into one form.

    Args:
      source: `(images, labels)`, `LabelledImages`, `StreamedImages` or a finite
        `tf.data.Dataset` of single `(image, label)` pairs, which is read into
        memory.

    Returns:
      `LabelledImages`, or the `StreamedImages` as they are.

    Raises:
      ValueError: if labels are not integers, float images leave [0, 1], images
        are strings without `read` or `decode`, or a Dataset is empty, infinite
        or of batches.

    Example:
      >>> checked((images, labels[:, None])).labels.shape
      (8,)
    """
    if isinstance(source, StreamedImages):
        return source
    if is_dataset(source):
        source = _in_memory(source)
    return _checked_images(source)


def image_reader(source, augmentation):
    """Makes the function that turns a source's string into an image.

    Args:
      source: `LabelledImages` of strings, or `StreamedImages`.
      augmentation: the augmentation that takes the image.

    Returns:
      A TensorFlow function from a string, which for a stream is the contents of
      a file. It returns an `EncodedImage` if the source has no `decode` and the
      augmentation is in `AUGMENTATIONS`, also inside a `functools.partial`.
      Otherwise it returns the decoded image `[1, H, W, C]`.

    Example:
      >>> string = tf.io.encode_png(np.zeros((5, 4, 3), np.uint8)).numpy()
      >>> source = LabelledImages(np.array([string]), np.array([0]), ("cat",),
      ...     read=tf.identity)
      >>> image_reader(source, lambda images, seeds, size: images)(string).shape
      TensorShape([1, 5, 4, 3])
    """
    if getattr(source, "decode", None) is not None:
        return lambda string: source.decode(string)[None]
    are_taken = is_own_augmentation(augmentation)
    # A stream has no `read`, since it yields contents already.
    read = getattr(source, "read", tf.identity)

    def image(string):
        file = EncodedImage(read(string))
        return file if are_taken else file.decode()[None]

    return image


def is_own_augmentation(augmentation):
    """Tells whether an augmentation is this package's own.

    Such a one takes an `EncodedImage`, too.

    Args:
      augmentation: function, maybe inside a `functools.partial`.

    Returns:
      Whether it is in `AUGMENTATIONS`.

    Example:
      >>> is_own_augmentation(supcon_tf.augmentations.simclr)
      True
    """
    while isinstance(augmentation, functools.partial):
        augmentation = augmentation.func
    return augmentation in AUGMENTATIONS.values()


def chunks(source, order, *, rows, first_epoch):
    """Endless chunks of images in memory, in the `order` of each epoch.

    A chunk is `(images, labels, numbers)` of b <= 64 images, where b divides
    the number of `rows` to yield of each batch. `numbers` `[b]` int64 are the
    images' positions in the whole stream of all rows and epochs.
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
    """Refuses a Dataset that is infinite or not of single images.

    Args:
      dataset: `tf.data.Dataset` of images `[H, W, C]`, alone or in pairs with
        labels, which are integers, or one-hot `[C]`.

    Returns:
      The specs of image and label, the latter None without labels.

    Raises:
      ValueError: if it is so.
    """
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "A tf.data.Dataset must be finite: leave out .repeat(). "
            "Received: an infinite one"
        )
    spec = dataset.element_spec
    if not isinstance(spec, tuple):
        spec = (spec,)
    if len(spec) > 2 or not all(isinstance(x, tf.TensorSpec) for x in spec):
        raise ValueError(
            "A tf.data.Dataset must yield (image, label) pairs. "
            f"Received: element_spec={dataset.element_spec}"
        )
    image, label = (*spec, None)[:2]
    rank = 0 if label is None else label.shape.rank
    if rank not in (0, 1) or image.shape.rank != 3:
        shapes = " and ".join(str(x.shape) for x in spec)
        raise ValueError(
            "A tf.data.Dataset must yield single images [H, W, C] with labels, "
            "scalars or one-hot: leave out .batch(). "
            f"Received: shapes {shapes}"
        )
    check_pixel_dtype(image.dtype)
    if label is not None:
        refuse_names(label)
        if rank == 0:
            _check_integers(label.dtype.as_numpy_dtype)
    return image, label


def with_ids(dataset):
    """A Dataset of labelled images whose labels are integers.

    Args:
      dataset: `tf.data.Dataset` of pairs, as for `check_dataset`.

    Returns:
      The same Dataset, or one that makes scalars of one-hot labels.

    Raises:
      ValueError: if it has no labels, or the first ones are not one-hot.

    Example:
      >>> one_hot = tf.data.Dataset.from_tensor_slices((images, np.eye(8)))
      >>> [int(label) for _, label in with_ids(one_hot)]
      [0, 1, 2, 3, 4, 5, 6, 7]
    """
    _, label = check_dataset(dataset)
    if label is None:
        raise ValueError(
            "A tf.data.Dataset must yield (image, label) pairs here. "
            f"Received: element_spec={dataset.element_spec}"
        )
    if label.shape.rank == 0:
        return dataset
    first = list(dataset.map(lambda image, label: label).take(_CHECKED))
    if first:
        as_ids(np.stack(first), len(first))
    return dataset.map(lambda image, label: (image, as_ids(label[None], 1)[0]))


def check_first_images(images, count):
    """Refuses single images that leave their range.

    Args:
      images: `tf.data.Dataset` of images `[H, W, C]`.
      count: int, how many of them are looked at; 32 at least. None are if they
        are uint8.

    Raises:
      ValueError: if one is neither uint8 nor of floats in [0, 1].
    """
    dtype = images.element_spec.dtype
    check_pixel_dtype(dtype)
    if dtype.is_floating:
        for image in images.take(max(count, _CHECKED)):
            check_pixels(image)


def with_checked_range(images):
    """Images of a graph; if they leave their range, they raise as they come.

    Args:
      images: tensor of uint8 or floats, of any shape.

    Returns:
      The images. Where they are read, floats out of [0, 1] raise TensorFlow's
      InvalidArgumentError, see `raising_range_errors`.

    Example:
      >>> pixels = tf.data.Dataset.from_tensors([0.0, 127.0])
      >>> next(iter(pixels.map(with_checked_range)))
      Traceback (most recent call last):
        ...
      tensorflow...InvalidArgumentError: ...
    """
    if not images.dtype.is_floating:
        return images
    low, high = tf.unstack(_range_of(images))
    is_right = (low >= -ROUNDING) & (high <= 1 + ROUNDING)  # False of NaN
    words = tf.strings.format(_OUT_OF_RANGE + "from {} to {};", (low, high))
    with tf.control_dependencies([tf.debugging.Assert(is_right, [words])]):
        return tf.identity(images)


def raising_range_errors(batches):
    """Yields from a Dataset, and tells of its images as `check_pixels` does.

    Args:
      batches: iterable, such as a Dataset whose images went through
        `with_checked_range`.

    Yields:
      Each of the batches.

    Raises:
      ValueError: if an image leaves its range.
    """
    if not is_tensorflow():
        yield from batches
        return
    try:
        yield from batches
    except tf.errors.InvalidArgumentError as error:
        found = re.search(f"{_OUT_OF_RANGE}from (\\S+) to ([^;]+);", str(error))
        if found is None:
            raise
        check_pixel_range(*found.groups())
        raise


_OUT_OF_RANGE = "Float images out of their range, "


def _in_memory(dataset):
    """Reads a Dataset of images into `LabelledImages`, to shuffle it whole."""
    spec, label_spec = check_dataset(dataset)
    decode = None
    if not spec.shape.is_fully_defined():
        dataset = dataset.map(
            lambda image, *label: (
                tf.io.serialize_tensor(image),
                *label,
                _range_of(image),
            )
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
    if not isinstance(batches[0], tuple):
        batches = [(batch,) for batch in batches]
    images, *rest = (
        np.concatenate(part) for part in zip(*batches, strict=True)
    )
    labels = None if label_spec is None else rest.pop(0)
    if rest:
        lows, highs = rest[0].T
        check_pixel_range(lows.min(), highs.max())
    return LabelledImages(images, labels, (), decode)


def _range_of(image):
    """The lowest and the highest pixel, `[2]`; of uint8 as floats in [0, 1]."""
    if not image.dtype.is_floating:
        return tf.constant([0.0, 1.0])
    values = tf.cast(image, tf.float32)
    is_known = tf.reduce_all(tf.math.is_finite(values))
    found = tf.stack([tf.reduce_min(values), tf.reduce_max(values)])
    return tf.where(is_known, found, np.nan)


def _checked_images(source):
    """Checks `(images, labels)` or `LabelledImages`; returns the latter."""
    if not isinstance(source, LabelledImages):
        if not isinstance(source, (tuple, list)) or len(source) != 2:
            raise ValueError(
                "Labelled images must be (images, labels), LabelledImages, "
                "StreamedImages or a tf.data.Dataset of single pairs. "
                f"Received: {type(source).__name__} of another form"
            )
        images, labels = source
        source = LabelledImages(images, labels, ())
    images, labels = _as_array(source.images), source.labels
    if images.dtype.kind == "U":
        # Names of files need not be UTF-8, which TensorFlow would ask for.
        images = np.char.encode(images, "utf-8", "surrogateescape")
    if images.ndim == 1 and source.decode is None and source.read is None:
        raise ValueError(
            "Images that are strings need LabelledImages with `read` or "
            f"`decode`. Received: {images.dtype} of shape {images.shape}"
        )
    if images.ndim not in (1, 4):
        raise ValueError(
            "Images must have the shape [n, H, W, C]; images[..., None] makes "
            f"it of grey ones [n, H, W]. Received: shape {images.shape}"
        )
    if images.ndim > 1:
        check_pixels(images)
    elif source.decode is not None and len(images) and is_tensorflow():
        strings = tf.data.Dataset.from_tensor_slices(images[:_CHECKED])
        check_first_images(strings.map(source.decode), _CHECKED)
    if labels is None:
        return dataclasses.replace(source, images=images)
    refuse_names(labels)
    labels = np.asarray(labels)
    if labels.ndim == 2 and len(labels) == len(images):  # [n, 1] or one-hot
        labels = np.asarray(as_ids(labels, len(labels)))
    if labels.dtype == bool:
        labels = labels.astype(np.int64)
    _check_integers(labels.dtype)
    if labels.shape != (len(images),):
        raise ValueError(
            "`labels` must have shape [n] for n images. Received: "
            f"{len(images)} images, labels of shape {labels.shape}"
        )
    return dataclasses.replace(source, images=images, labels=labels)


def _as_array(images):
    """Images as an array; refuses a list of images of several sizes."""
    try:
        return np.asarray(images)
    except ValueError as error:
        raise ValueError(
            "Images in memory must be of one size, [n, H, W, C]; a "
            "tf.data.Dataset may have several. "
            f"Received: a {type(images).__name__} of several shapes"
        ) from error


def _check_integers(dtype):
    if not np.issubdtype(dtype, np.integer):
        raise ValueError(f"`labels` must be integers. Received: dtype={dtype}")


def _largest_divisor(number, limit):
    return max(d for d in range(1, limit + 1) if number % d == 0)
