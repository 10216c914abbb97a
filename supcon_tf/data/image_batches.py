"""Makes batches of images in their order, for evaluation."""

import operator

from supcon_tf import augmentations
from supcon_tf.data.augmenting import (
    augmentation_error,
    checked_augmentation,
    mapped,
)
from supcon_tf.data.pipelines import parallel_calls, prefetched
from supcon_tf.data.plain_batches import PlainBatches, padding_of
from supcon_tf.data.sources import (
    check_first_images,
    checked,
    image_reader,
    with_checked_range,
    with_ids,
)
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.frameworks.backends import (
    check_tensorflow,
    is_dataset,
    is_tensorflow,
    tf,
)


def image_batches(source, *, image_size, batch_size=256, augmentation=None):
    """One pass over labelled images in their order, all brought to one size.

    Args:
      source: as in `view_batches`, but with labels. A Dataset is streamed
        rather than read into memory.
      image_size: int or (height, width), in pixels. None keeps the size of the
        images.
      batch_size: int >= 1. The last batch may be smaller.
      augmentation: function `(images [B, H, W, C], None, image_size) ->
        [B, h, w, C]` without randomness, such as
        `augmentations.resize_then_crop`. None stands for
        `augmentations.center_crop`.

    Returns:
      A finite `tf.data.Dataset` of `([b, h, w, C] float32 in [0, 1],
      [b] integers)`, or on other backends `PlainBatches` of such arrays.

    Raises:
      ValueError: if labels are not integers, a Dataset is infinite or of
        batches, or image files have no image_size. Floats out of [0, 1] in a
        Dataset are refused if they are among its first images; later ones raise
        where they are read, see `raising_range_errors`.
      NeedsTensorFlowError: on another backend, for files, a Dataset, or another
        augmentation than `center_crop` and `resize_then_crop`.

    Example:
      >>> batches = image_batches(
      ...     (images, labels), image_size=16, batch_size=5
      ... )
      >>> [batch.shape[0] for batch, _ in batches]
      [5, 3]
    """
    augmentation = checked_augmentation(
        augmentation or augmentations.center_crop
    )
    if not is_tensorflow():
        return _plain_batches(source, augmentation, image_size, batch_size)
    if is_dataset(source):
        source = with_ids(source)
        check_first_images(source.map(lambda image, label: image), batch_size)
        dataset = source.map(lambda x, label: (with_checked_range(x), label))
        to_image = operator.itemgetter(None)
        is_batched = source.element_spec[0].shape.is_fully_defined()
    else:
        source = checked(source)
        dataset, is_batched = _in_order(source)
        to_image = image_reader(source, augmentation)
        if (
            image_size is None
            and not is_batched
            and getattr(source, "decode", None) is None
        ):
            raise ValueError(
                "`image_size` must be an int or (height, width) for image "
                "files, which may differ in size. Received: image_size=None"
            )

    def of_batch(images, labels):
        size = images.shape[1:3] if image_size is None else image_size
        made = augmentation(images, None, size)
        if getattr(getattr(made, "shape", None), "rank", 0) != 4:
            raise augmentation_error(
                augmentation,
                f"which returned {getattr(made, 'shape', made)}",
            )
        return made, labels

    def of_one(image, label):
        images, _ = of_batch(to_image(image), label)
        return images[0], label

    parallel = {"num_parallel_calls": parallel_calls()}
    if is_batched:
        dataset = dataset.batch(batch_size)
        dataset = mapped(dataset, of_batch, augmentation, **parallel)
    else:
        dataset = mapped(dataset, of_one, augmentation, **parallel)
        dataset = dataset.batch(batch_size)
    return prefetched(dataset)


def _plain_batches(source, augmentation, image_size, batch_size):
    """Makes the batches of `image_batches` without TensorFlow."""
    padding = padding_of(augmentation, augmentations.AUGMENTATIONS)
    if padding == -1:
        check_tensorflow(
            "An `augmentation` of one's own in an evaluation",
            "leave it out or give 'resize_then_crop'",
            as_backend=True,
        )
    if (
        is_dataset(source)
        or isinstance(source, StreamedImages)
        or getattr(source, "read", None) is not None
    ):
        check_tensorflow(
            "A source of files or a tf.data.Dataset",
            "give arrays, (images, labels)",
            as_backend=True,
        )
    source = checked(source)
    if source.labels is None:
        raise ValueError(
            "`labels` must be integers, [n]. Received: images without labels"
        )
    return PlainBatches(
        source,
        image_size=image_size,
        batch_size=batch_size,
        padding=padding,
    )


def _in_order(source):
    """A Dataset of labelled images or strings, and whether it has images."""
    if isinstance(source, StreamedImages):
        return source.in_order().map(source.load), False
    if source.labels is None:
        raise ValueError(
            "`labels` must be integers here. Received: labels=None"
        )
    with tf.device("CPU"):
        dataset = tf.data.Dataset.from_tensor_slices(
            (source.images, source.labels)
        )
    return dataset, source.images.ndim > 1
