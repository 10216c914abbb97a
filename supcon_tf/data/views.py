"""Makes batches of views for pretraining and of images for evaluation."""

import inspect
import operator
from collections.abc import Callable
from typing import Any

import keras

from supcon_tf import augmentations
from supcon_tf.augmentations.pixels import mark_as_checked
from supcon_tf.augmentations.small_views import (
    check_small_views,
    small_augmentation,
)
from supcon_tf.data.orders import balanced_order, shuffled_order
from supcon_tf.data.pipelines import parallel_calls, prefetched
from supcon_tf.data.plain_batches import PlainBatches, padding_of
from supcon_tf.data.sources import (
    check_first_images,
    checked,
    chunks,
    image_reader,
    is_own_augmentation,
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
    augmentation = _checked_augmentation(augmentation)
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
        dataset = _mapped(dataset, views_of_record, augmentation, **parallel)
        dataset = dataset.batch(rows, drop_remainder=True).repeat()
        return _finished(dataset, augmentation, size // batch_size)
    order = _order(source, batch_size, samples_per_class, seed)
    dataset = chunks(source, order, **own)
    if source.images.ndim > 1:
        dataset = _mapped(dataset, views_of_chunk, augmentation, **parallel)
        # The dataset never ends, and `repeat` says so. It also protects the
        # rebatch: a strategy undoes one at the end of a pipeline, as if it were
        # its own.
        dataset = dataset.rebatch(rows, drop_remainder=True).repeat()
    else:
        dataset = dataset.unbatch()
        dataset = _mapped(dataset, views_of_one, augmentation, **parallel)
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
    augmentation = _checked_augmentation(
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
            raise _augmentation_error(
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
        dataset = _mapped(dataset, of_batch, augmentation, **parallel)
    else:
        dataset = _mapped(dataset, of_one, augmentation, **parallel)
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


def _checked_augmentation(augmentation):
    """The function of an augmentation, or of the name of one of ours."""
    if isinstance(augmentation, str) and (
        augmentation in augmentations.AUGMENTATIONS
    ):
        return augmentations.AUGMENTATIONS[augmentation]
    if isinstance(augmentation, keras.layers.Layer):
        raise _augmentation_error(augmentation, "which is a Keras layer")
    try:
        inspect.signature(augmentation).bind(None, None, None)
    except (TypeError, ValueError):
        raise _augmentation_error(augmentation, "which is none") from None
    return augmentation


def _augmentation_error(augmentation, what):
    return ValueError(
        "`augmentation` must be a function (images [B, H, W, C], seeds [B, 2], "
        "image_size) -> [B, h, w, C], one of "
        f"{sorted(augmentations.AUGMENTATIONS)}, or what "
        "augmentations.from_keras makes of Keras layers. "
        f"Received: augmentation={augmentation!r}, {what}"
    )


def _mapped(dataset, function, augmentation, **parallel):
    """Maps a Dataset; what fails is told in one line, without the graph's."""
    try:
        return dataset.map(function, **parallel)
    except Exception as error:  # TensorFlow has a class for each of Python's
        lines = [x.strip() for x in str(error).splitlines() if x.strip()]
        kind, _, text = (lines or [type(error).__name__])[-1].partition(": ")
        if isinstance(error, ValueError) and len(lines) == 1:
            raise
        if kind == "ValueError":
            raise ValueError(text) from error
        raise _augmentation_error(
            augmentation, f"which raised {kind}: {text}"
        ) from error


def _finished(dataset, augmentation, steps_per_epoch):
    """Prefetches, and sets the attributes that the models read."""
    dataset = prefetched(dataset, one_thread_each=True)
    dataset.steps_per_epoch = steps_per_epoch
    if is_own_augmentation(augmentation):
        mark_as_checked(dataset)
    return dataset


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
            raise _augmentation_error(
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
