"""The batches of views that a run trains on, on one process and on several."""

import functools

from supcon_tf.data.datasets import load_dataset
from supcon_tf.data.views import view_batches
from supcon_tf.distribution.workers import num_workers
from supcon_tf.training.build import make_augmentation
from supcon_tf.training.unused_settings import unused_settings


def views_of(config):
    """What makes the batches of views that a config describes.

    Args:
      config: `PretrainConfig`.

    Returns:
      A function of `first_epoch`, `num_shards` and `shard` to a
      `tf.data.Dataset`, as `view_batches`; the number of training images; and
      the number of classes.

    Raises:
      ValueError: if the data set or the augmentation is not as described.
    """
    augmentation = make_augmentation(config)
    train, _ = load_dataset(
        config.dataset,
        data_dir=config.data_dir,
        download=config.download,
        validation_fraction=config.validation_fraction,
        max_samples=config.max_samples,
        label_noise=config.label_noise,
        seed=config.seed,
    )
    small_crop_area = config.small_crop_area
    if "small_crop_area" in unused_settings(vars(config)):
        small_crop_area = None
    views = functools.partial(
        view_batches,
        train,
        augmentation,
        num_views=config.num_views,
        batch_size=config.batch_size,
        image_size=config.image_size,
        samples_per_class=config.samples_per_class,
        small_views=config.small_views,
        small_view_size=config.small_view_size,
        small_crop_area=small_crop_area,
        seed=config.seed,
    )
    return views, len(train), len(train.class_names)


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
    if num_workers(strategy) == 1:
        return finished(of_one_process, first_step).repeat()

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
