"""What a PretrainConfig describes: model, optimizer, loss, augmentation."""

import contextlib
import functools
import inspect

import keras
import tensorflow as tf

from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.encoders import ENCODERS
from supcon_tf.losses import SupConLoss
from supcon_tf.models import SupConModel
from supcon_tf.optimizers import SGD, learning_rate_schedule
from supcon_tf.projection_head import ProjectionHead

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def build_model(config, strategy=None):
    """The model that a config describes, with the weights of its seed.

    Args:
      config: `PretrainConfig`.
      strategy: `tf.distribute.Strategy` to make it for; None for one device.

    Returns:
      A built `SupConModel`.

    Raises:
      ValueError: if the encoder is unknown or an argument out of its range.
    """
    make_encoder = named(ENCODERS, "encoder", config.encoder)
    strategy = strategy or tf.distribute.get_strategy()
    keras.utils.set_random_seed(config.seed)
    image_shape = (config.image_size, config.image_size, 3)
    with strategy.scope(), _dtype_policy(config.precision):
        model = SupConModel(
            make_encoder(
                image_shape,
                width=config.width,
                stem=config.stem,
                mean=config.mean,
                std=config.std,
                zero_gamma=config.zero_gamma,
            ),
            ProjectionHead(
                config.projection_units, batch_norm=config.projection_batch_norm
            ),
            normalize_representation=config.normalize_representation,
            queue_size=config.queue_size,
            encoder_momentum=config.encoder_momentum,
            num_microbatches=config.num_microbatches,
        )
        model.build((None, config.num_views, *image_shape))
    # (On one replica Keras computes the same statistics in another way, with
    # other rounding.)
    if config.sync_batch_norm and strategy.num_replicas_in_sync > 1:
        synchronize_batch_norm(model, True)
    return model


def compile_model(model, config, steps_per_epoch, strategy=None):
    """Compiles a model with the optimizer and the loss of a config.

    Args:
      model: what `build_model` made for the strategy.
      config: `PretrainConfig`.
      steps_per_epoch: int >= 1.
      strategy: as for `build_model`.

    Raises:
      ValueError: if an argument is out of its range.
    """
    schedule = learning_rate_schedule(
        config.schedule,
        config.peak_learning_rate,
        total_steps=config.epochs * steps_per_epoch,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
    )
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        model.compile(
            optimizer=SGD(
                schedule, l2=config.weight_decay, momentum=config.momentum
            ),
            loss=SupConLoss(
                config.temperature,
                summation=config.summation,
                denominator=config.denominator,
                anchors=config.anchors,
                scale_by_temperature=config.scale_by_temperature,
                positives_cap=config.positives_cap,
            ),
        )
        # Its variables are the strategy's, too.
        model.optimizer.build(model.trainable_variables)


def synchronize_batch_norm(model, synchronized):
    """Lets BatchNormalization use the global batch, or each replica's part.

    Args:
      model: `keras.Model`, whose encoder and head, and copies of them, need
        not have an argument for it.
      synchronized: bool.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = synchronized


def make_augmentation(config):
    """The augmentation that a config describes.

    Args:
      config: `PretrainConfig`.

    Returns:
      A function `(images, seeds, image_size) -> images`.

    Raises:
      ValueError: if it is unknown, or has no crop whose area could be set.
    """
    augmentation = named(AUGMENTATIONS, "augmentation", config.augmentation)
    if config.crop_area is None:
        return augmentation
    if "area" not in inspect.signature(augmentation).parameters:
        raise ValueError(
            f"`crop_area` must be left out with {config.augmentation}, which "
            f"has no random crop. Received: crop_area={config.crop_area}"
        )
    return functools.partial(augmentation, area=config.crop_area)


def named(table, name, key):
    """An entry of a table; raises a ValueError that lists them all."""
    if key not in table:
        raise ValueError(
            f"`{name}` must be one of {sorted(table)}. Received: {name}={key!r}"
        )
    return table[key]


@contextlib.contextmanager
def _dtype_policy(name):
    """The dtype policy of the layers that are made in the block, no others'."""
    if name not in PRECISIONS:
        raise ValueError(
            f"`precision` must be one of {list(PRECISIONS)}. "
            f"Received: precision={name!r}"
        )
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
