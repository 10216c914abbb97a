"""The batches of views that a run trains on, on one process and on several."""

import dataclasses
import functools

import numpy as np

from supcon_tf.augmentations.on_device.numbered_images import NumberedImages
from supcon_tf.augmentations.pixels import mark_as_checked
from supcon_tf.data.datasets import load_dataset
from supcon_tf.data.held_out import record_of
from supcon_tf.data.plain_batches import brought_to_size
from supcon_tf.data.splits import split
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.data.views import numbered_batches, view_batches
from supcon_tf.distribution.workers import num_workers
from supcon_tf.frameworks.backends import check_tensorflow, is_tensorflow
from supcon_tf.training.build import make_augmentation, small_crop_area_of
from supcon_tf.training.losses import LOSSES
from supcon_tf.training.objectives import OBJECTIVES, is_contrastive


def training_images(config, held_out=None):
    """The images that a run trains on, and those that tell when it ends.

    Args:
      config: `PretrainConfig`.
      held_out: None, or what the run recorded of the files that it held out.

    Returns:
      `(images, watched, held_out)`: two `LabelledImages` or `StreamedImages`,
      and what is to be recorded. `watched` is None without `stop_fraction`, and
      `held_out` if the data set has test images of its own.

    Raises:
      ValueError: if the data set is not as described, or too small.
    """
    train, test = load_dataset(
        config.dataset,
        data_dir=config.data_dir,
        download=config.download,
        validation_fraction=config.validation_fraction,
        max_samples=config.max_samples,
        max_pixels=config.max_pixels,
        label_noise=config.label_noise,
        seed=config.seed,
        held_out=held_out,
    )
    held_out = record_of(test)
    fraction = config.stop_fraction
    if config.few_images and fraction is not None:
        fraction = max(fraction, len(train.class_names) / len(train))
        if fraction > 0.5:  # a part without one image a class
            fraction = None
    if fraction is None:
        return train, None, held_out
    return *split(train, fraction, seed=config.seed), held_out


def with_fitting_batch(config, images):
    """The config with a batch that few images can fill, if it allows that.

    Args:
      config: `PretrainConfig`.
      images: what it trains on.

    Returns:
      A `PretrainConfig`, the same without `few_images`.
    """
    if not config.few_images or isinstance(images, StreamedImages):
        return config
    size, each = config.batch_size, config.samples_per_class
    if each is None:
        size = min(size, len(images))
    else:
        _, counts = np.unique(images.labels, return_counts=True)
        each = min(each, int(counts.min()))
        size = each * min(config.batch_size // each, len(counts))
        if size == each:  # a batch of one class has no negatives
            size, each = min(config.batch_size, len(images)), None
    return dataclasses.replace(config, batch_size=size, samples_per_class=each)


def views_of(config, images):
    """Makes the function that makes the batches of views of a config.

    Args:
      config: `PretrainConfig`.
      images: what it trains on, the first that `training_images` returns.

    Returns:
      A function of `first_epoch`, `num_shards` and `shard` to a
      `tf.data.Dataset`, as `view_batches`, or as `numbered_batches` where the
      model makes the views itself. Off TensorFlow it is `NumberedImages`, which
      `fit` begins at its first epoch.

    Raises:
      ValueError: if the augmentation is not as described.
      NeedsTensorFlowError: off TensorFlow, if the views are made on the host.
    """
    order = {
        "batch_size": config.batch_size,
        "samples_per_class": config.samples_per_class,
        "seed": config.seed,
    }
    if not is_tensorflow():
        return _without_tensorflow(config, images)
    if config.views == "device":
        return functools.partial(numbered_batches, images, **order)
    return functools.partial(
        view_batches,
        images,
        make_augmentation(config),
        num_views=config.num_views,
        image_size=config.image_size,
        small_views=config.small_views,
        small_view_size=config.small_view_size,
        small_crop_area=small_crop_area_of(config),
        **order,
    )


def _without_tensorflow(config, images):
    """A function of `first_epoch`, to the `NumberedImages` of a config."""
    for is_asked, what, instead in (
        (config.views == "host", "views='host'", "take views='device'"),
        (config.samples_per_class, "`samples_per_class`", "leave it out"),
    ):
        if is_asked:
            check_tensorflow(what, instead, as_backend=True)
    labels = None
    if OBJECTIVES[config.objective].uses_labels:
        labels = images.labels
        if is_contrastive(config) and LOSSES[config.loss].takes_mixed_labels:
            labels = np.eye(len(images.class_names), dtype=np.float32)[labels]
    pixels = _in_memory(images, config.image_size)

    def batches(first_epoch=0):
        del first_epoch  # `fit` asks for it
        return NumberedImages(
            pixels, labels, batch_size=config.batch_size, seed=config.seed
        )

    return batches


def _in_memory(images, image_size):
    """The pixels `[n, H, W, C]`; photographs as uint8 squares.

    Their centre is brought to 8/7 of the size of the views, as for an
    evaluation on ImageNet, and the views are cut out of that.
    """
    if images.decode is None:
        return images.images
    size = (-(-image_size * 8 // 7),) * 2
    return np.stack(
        [
            np.round(brought_to_size(images.decode(x), size) * 255)
            for x in images.images
        ],
        dtype=np.uint8,
        casting="unsafe",
    )


def distributed(
    of_one_process, views, finished, batch_size, first_step, strategy
):
    """The views as `fit` takes them, each replica's part of each batch.

    Keras distributes the views of one process. With several processes each
    makes the views of its own rows alone, the rows that its replicas have in a
    batch that is distributed.

    Both end with `repeat`, which says that there is always another batch.
    Where TensorFlow does not know that, workers ask each other at each step,
    and the size of a batch is not static. And where a strategy has one
    replica, it takes a rebatch at the end for one of its own, and undoes it.

    Args:
      of_one_process: `tf.data.Dataset` of the views, for one process.
      views: function of `num_shards` and `shard` to such a data set, for
        several.
      finished: what `for_objective` returns.
      batch_size: int, images in a global batch.
      first_step: int, the number of the first batch since the run began.
      strategy: `tf.distribute.Strategy`.

    Returns:
      What `fit` takes.
    """
    if not is_tensorflow():
        return of_one_process
    if num_workers(strategy) == 1:
        return mark_as_checked(finished(of_one_process, first_step).repeat())

    def of_worker(context):
        own = views(
            num_shards=context.num_input_pipelines,
            shard=context.input_pipeline_id,
        )
        rows = context.get_per_replica_batch_size(batch_size)
        own = own.rebatch(rows, drop_remainder=True)
        own_replicas = batch_size // rows // context.num_input_pipelines
        own = finished(
            own, first_step * own_replicas, context.input_pipeline_id
        )
        return own.repeat()

    return strategy.distribute_datasets_from_function(of_worker)
