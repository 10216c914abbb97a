"""Makes endless batches of augmented views for training."""

import operator
from collections.abc import Callable
from typing import Any

from supcon_tf import augmentations
from supcon_tf.augmentations.pixels import mark_as_checked
from supcon_tf.augmentations.small_views import (
    check_small_views,
    small_augmentation,
)
from supcon_tf.data.augmenting import (
    augmentation_error,
    checked_augmentation,
    mapped,
)
from supcon_tf.data.orders import balanced_order, shuffled_order
from supcon_tf.data.pipelines import parallel_calls, prefetched
from supcon_tf.data.sources import (
    checked,
    chunks,
    image_reader,
    is_own_augmentation,
)
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.frameworks.backends import check_tensorflow, tf


def view_batches(
    source: Any,
    augmentation: str | Callable[..., Any],
    *,
    num_views: int,
    batch_size: int,
    image_size: int | tuple[int, int],
    seed: int,
    first_epoch: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    samples_per_class: int | None = None,
    small_views: int = 0,
    small_view_size: int | tuple[int, int] | None = None,
    small_crop_area: tuple[float, float] | None = None,
) -> Any:
    """Endless batches of augmented views, shuffled anew each epoch.

    The batches are a pure function of `(source, seed)`. An epoch is
    `n // batch_size` batches of the n images, in an order that `(seed, epoch)`
    decide. No image comes twice in it, and the remainder is dropped. View v of
    the image at position k of the stream has the augmentation seed
    `(seed, k * num_views + v)`. A run that starts again with `first_epoch=e`
    goes on with exactly the batches of epoch e.

    Several workers share the work as shards. Each computes its rows of every
    batch, and the rows of all shards, one after the other, are the batch of the
    whole stream. With `StreamedImages`, every shard reads all records but
    decodes only its own.

    Args:
      source: `(images, labels)`, `LabelledImages`, `StreamedImages` or a finite
        `tf.data.Dataset` of single `(image, label)` pairs, which is read into
        memory. The images are `[H, W, C]`, uint8 (0 to 255) or float (0 to 1),
        all of one size or, in a Dataset, of many sizes. The labels are
        integers or one-hot. `(images, None)`, or a Dataset of images alone,
        yields views without labels.
      augmentation: function `(images [B, H, W, C], seeds [B, 2], image_size)
        -> [B, h, w, C]`, such as `augmentations.simclr`, or the name of one in
        `AUGMENTATIONS`, such as `"simclr"`. For image files, an
        augmentation in `AUGMENTATIONS`, also inside a `functools.partial`, gets
        an `EncodedImage` and decodes only its crop. Any other gets the decoded
        image.
      num_views: int V >= 1, the number of views of each image.
      batch_size: int B >= 1, the number of images in a batch, at most the
        number of images in the source.
      image_size: int or (height, width) of the views, in pixels.
      seed: integer that decides the order and the views.
      first_epoch: int >= 0, the epoch to start with.
      num_shards: int S >= 1 that divides B. Each shard yields B / S images of a
        batch.
      shard: int in [0, S), the shard to yield. It has the rows `shard * B / S`
        up to `(shard + 1) * B / S`.
      samples_per_class: int K >= 1 that divides B. A batch then holds K images
        of each of B / K classes, as `orders.balanced_order` deals them, and an
        image may come twice in an epoch. None gives batches of random images.
      small_views: int W >= 0, the number of further views of each image, of
        another size (multi-crop). They leave the V views as they are.
      small_view_size: as image_size, of the small views, such as 96 pixels
        beside 224.
      small_crop_area: (low, high) share of the image that the crop of a small
        view covers, for an augmentation with an argument `area`. None takes the
        augmentation's own. SwAV has (0.05, 0.14), and (0.14, 1) for the V
        views, `functools.partial(augmentations.simclr, area=(0.14, 1))`.

    Returns:
      An infinite `tf.data.Dataset` of `([B / S, V, h, w, C] float32 in [0, 1],
      [B / S] integers)`. With small views, the first is a dict of such `views`
      and of `small_views`, `[B / S, W, ...]`. Its attribute `steps_per_epoch`
      is the number of batches of an epoch, for `fit`.

    Raises:
      ValueError: if an argument is out of its range, labels are not integers,
        a Dataset is infinite or of batches, samples_per_class asks for more
        classes, or images of a class, than there are, or small_view_size or
        small_crop_area does not go with small_views and the augmentation.

    Example:
      >>> batches = view_batches(
      ...     (images, labels), augmentations.crop_flip, num_views=2,
      ...     batch_size=4, image_size=32, seed=0,
      ... )
      >>> batches.element_spec[0].shape
      TensorShape([4, 2, 32, 32, 3])
      >>> history = model.fit(batches, steps_per_epoch=2, verbose=0)
    """
    check_tensorflow(
        "`view_batches`", "fit a model of DeviceViews to their `batches`"
    )
    augmentation = checked_augmentation(augmentation)
    _check_numbers(num_views, batch_size, first_epoch, num_shards, shard)
    check_small_views(small_views, small_view_size, small_crop_area)
    _check_seed(seed)
    source = checked(source)
    is_stream = isinstance(source, StreamedImages)
    size = len(source) if is_stream else len(source.images)
    _check_batch_size(batch_size, size)
    seed = tf.constant(seed, tf.int64)
    views = _view_maker(augmentation, num_views, image_size, seed)
    if small_views:
        small = _view_maker(
            small_augmentation(augmentation, small_crop_area),
            small_views,
            small_view_size,
            seed,
            is_small=True,
        )
        views = _of_two_sizes(views, small)
    to_image = image_reader(source, augmentation)

    def views_of_chunk(images, labels, numbers):
        return views(images, numbers), labels

    def views_of_one(string, label, number):
        made = views(to_image(string), number[None])
        return tf.nest.map_structure(lambda x: x[0], made), label

    def views_of_record(record, record_number, number):
        return views_of_one(*source.load(record, record_number), number)

    rows = batch_size // num_shards
    own = {"rows": _rows(rows, shard), "first_epoch": first_epoch}
    parallel = {"num_parallel_calls": parallel_calls(), "deterministic": True}
    if is_stream:
        _refuse_balance(samples_per_class)
        dataset = source.epochs(batch_size=batch_size, seed=seed, **own)
        dataset = mapped(dataset, views_of_record, augmentation, **parallel)
        dataset = dataset.batch(rows, drop_remainder=True).repeat()
        return _finished(dataset, augmentation, size // batch_size)
    order = _order(source, batch_size, samples_per_class, seed)
    dataset = chunks(source, order, **own)
    if source.images.ndim > 1:
        dataset = mapped(dataset, views_of_chunk, augmentation, **parallel)
        # The dataset never ends, and `repeat` says so. It also protects the
        # rebatch: a strategy undoes one at the end of a pipeline, as if it were
        # its own.
        dataset = dataset.rebatch(rows, drop_remainder=True).repeat()
    else:
        dataset = dataset.unbatch()
        dataset = mapped(dataset, views_of_one, augmentation, **parallel)
        dataset = dataset.batch(rows, drop_remainder=True).repeat()
    if source.labels is None:
        dataset = dataset.map(lambda images, label: images)
    dataset = _finished(dataset, augmentation, size // batch_size)
    dataset.labels = source.labels  # `fit` warns of some
    return dataset


def numbered_batches(
    source: Any,
    *,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    samples_per_class: int | None = None,
) -> Any:
    """Endless batches of images for a model that makes their views itself.

    They are the images of which `view_batches` makes views, in the same order,
    with their places in the stream. A model with `DeviceViews` of the same seed
    makes the same views of them. `DeviceViews.batches` needs no TensorFlow.

    Args:
      source: as in `view_batches`, but in memory and of one size: no files and
        no `StreamedImages`.
      batch_size: as in `view_batches`, as are the following.
      seed: integer that decides the order.
      first_epoch: int >= 0.
      num_shards: int >= 1.
      shard: int in [0, S).
      samples_per_class: int >= 1, or None.

    Returns:
      An infinite `tf.data.Dataset` of `({"images": [B / S, H, W, C], "numbers":
      [B / S] int64}, [B / S] integers)`, with the attribute `steps_per_epoch`.

    Raises:
      ValueError: as `view_batches`, or if the images are not in memory.

    Example:
      >>> batches = numbered_batches((images, labels), batch_size=4, seed=0)
      >>> model = SupConModel(encoder, views=DeviceViews(
      ...     "crop_flip", num_views=2, image_size=32, seed=0))
      >>> model.compile(optimizer="sgd", loss=SupConLoss())
      >>> history = model.fit(batches, steps_per_epoch=2, verbose=0)
    """
    check_tensorflow("`numbered_batches`", "take DeviceViews.batches")
    _check_numbers(1, batch_size, first_epoch, num_shards, shard)
    _check_seed(seed)
    source = checked(source)
    if isinstance(source, StreamedImages) or source.images.ndim == 1:
        raise ValueError(
            "Views on the device must be of images in memory, all of one size. "
            f"Received: {type(source).__name__} of files, whose views "
            "view_batches makes on the host"
        )
    size = len(source.images)
    _check_batch_size(batch_size, size)
    seed = tf.constant(seed, tf.int64)
    order = _order(source, batch_size, samples_per_class, seed)
    rows = batch_size // num_shards
    dataset = chunks(
        source, order, rows=_rows(rows, shard), first_epoch=first_epoch
    )
    has_labels = source.labels is not None

    def numbered(images, labels, numbers):
        x = {"images": images, "numbers": numbers}
        return (x, labels) if has_labels else x

    dataset = dataset.map(numbered).rebatch(rows, drop_remainder=True).repeat()
    dataset = prefetched(dataset)
    dataset.steps_per_epoch = size // batch_size
    dataset.labels = source.labels
    mark_as_checked(dataset)
    return dataset


def _finished(dataset, augmentation, steps_per_epoch):
    """Prefetches, and sets the attributes that the models read."""
    dataset = prefetched(dataset, one_thread_each=True)
    dataset.steps_per_epoch = steps_per_epoch
    if is_own_augmentation(augmentation):
        mark_as_checked(dataset)
    return dataset


def _order(source, batch_size, samples_per_class, seed):
    """The function from an epoch to the images of its batches."""
    if samples_per_class is None:
        return shuffled_order(
            len(source.images), batch_size=batch_size, seed=seed
        )
    if source.labels is None:
        raise ValueError(
            "`samples_per_class` must be None for images without labels. "
            f"Received: samples_per_class={samples_per_class}"
        )
    return balanced_order(
        source.labels,
        batch_size=batch_size,
        samples_per_class=samples_per_class,
        seed=seed,
        class_names=source.class_names,
    )


def _check_numbers(num_views, batch_size, first_epoch, num_shards, shard):
    """Refuses numbers of `view_batches` that are out of their range."""
    for name, value, least in (
        ("num_views", num_views, 1),
        ("batch_size", batch_size, 1),
        ("first_epoch", first_epoch, 0),
        ("num_shards", num_shards, 1),
    ):
        is_int = hasattr(value, "__index__") and not isinstance(value, bool)
        if not is_int or value < least:
            raise ValueError(
                f"`{name}` must be >= {least}{'' if is_int else ', an int'}. "
                f"Received: {name}={value!r}"
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


def _check_seed(seed):
    """Refuses what is no integer of 64 bits; a tensor may be one."""
    is_int = hasattr(seed, "__index__") and not isinstance(seed, bool)
    if not is_int or not -(2**63) <= operator.index(seed) < 2**63:
        raise ValueError(
            f"`seed` must be an int of 64 bits. Received: seed={seed!r}"
        )


def _refuse_balance(samples_per_class):
    """Refuses balanced batches, for a stream."""
    if samples_per_class is not None:
        raise ValueError(
            "`samples_per_class` must be None for images that are streamed "
            "from their files, whose labels are not known beforehand. "
            f"Received: samples_per_class={samples_per_class}"
        )


def _check_batch_size(batch_size, size):
    """Refuses a batch of more than all images."""
    if size < batch_size:
        raise ValueError(
            f"`batch_size` must be at most the number of images, {size}. "
            f"Received: batch_size={batch_size}"
        )


def _rows(rows, shard):
    """The rows of a batch that are a shard's, where each has so many."""
    return range(shard * rows, (shard + 1) * rows)


def _view_maker(augmentation, num_views, image_size, seed, *, is_small=False):
    """The function from B images and their numbers `[B]` to their views.

    The views are `[B, V, h, w, C]`. Small ones have negative numbers in their
    seeds, and so share none with the others.
    """

    def views(images, numbers):
        numbers = numbers[:, None] * num_views + tf.range(
            num_views, dtype=tf.int64
        )  # [B, V]
        numbers = tf.reshape(numbers, [-1])
        if is_small:
            numbers = -1 - numbers
        seeds = tf.stack([tf.fill(tf.shape(numbers), seed), numbers], axis=1)
        if not isinstance(images, augmentations.EncodedImage):
            images = tf.repeat(images, num_views, axis=0)  # [B * V, H, W, C]
        augmented = augmentation(images, seeds, image_size)
        if getattr(getattr(augmented, "shape", None), "rank", 0) != 4:
            raise augmentation_error(
                augmentation,
                f"which returned {getattr(augmented, 'shape', augmented)}",
            )
        return tf.reshape(
            augmented, [-1, num_views, *augmented.shape[1:].as_list()]
        )

    return views


def _of_two_sizes(full, small):
    """The function that makes a dict of the views of two `_view_maker`s."""

    def views(images, numbers):
        return {
            "views": full(images, numbers),
            "small_views": small(images, numbers),
        }

    return views
