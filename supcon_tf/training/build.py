"""Builds what a PretrainConfig describes: model, optimizer, augmentation."""

import contextlib
import functools

import keras

from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.augmentations.on_device.device_views import DeviceViews
from supcon_tf.config.settings import named
from supcon_tf.distribution.strategies import make_strategy
from supcon_tf.encoders import ENCODERS
from supcon_tf.encoders.initial import initial_encoder
from supcon_tf.frameworks.backends import tf
from supcon_tf.frameworks.keras_internals import all_layers
from supcon_tf.models.supcon_model import SupConModel
from supcon_tf.optimizers import make_optimizer
from supcon_tf.optimizers.schedules import learning_rate_schedule
from supcon_tf.training.objectives import OBJECTIVES
from supcon_tf.training.options import options_of
from supcon_tf.training.unused_settings import (
    refuse_unused_settings,
    unused_settings,
)

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def build_model(config, num_classes, strategy=None):
    """The model that a config describes, with the weights of its seed.

    Args:
      config: `PretrainConfig`.
      num_classes: int, of the data set's labels.
      strategy: `tf.distribute.Strategy` to make it for; None for one device.

    Returns:
      A built `EncoderModel`, such as a `SupConModel`, as the objective makes
      it.

    Raises:
      ValueError: if the objective or the encoder is unknown or an argument out
        of its range.
    """
    objective = named(OBJECTIVES, "objective", config.objective)
    refuse_unused_settings(config)
    strategy = strategy or make_strategy("one_device")
    with strategy.scope(), _dtype_policy(config.precision):
        model = objective.make_model(
            _build_encoder(config),
            config,
            num_classes,
            normalize_representation=config.normalize_representation,
            num_microbatches=config.num_microbatches,
            views=_device_views(config),
        )
        model.build(_shape_of_views(config))
    if config.freeze_batch_norm:
        for layer in all_layers(model.encoder):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    # (On one replica Keras computes the same statistics in another way, with
    # other rounding.)
    if config.sync_batch_norm and strategy.num_replicas_in_sync > 1:
        synchronize_batch_norm(model, True)
    return model


def build_encoder(config, strategy=None):
    """The encoder of `build_model` alone: images -> representations.

    Args:
      config: `PretrainConfig`.
      strategy: as for `build_model`.

    Returns:
      A Keras model with the weights of the config's seed.

    Raises:
      ValueError: if the encoder is unknown or an argument out of its range.
    """
    strategy = strategy or make_strategy("one_device")
    with strategy.scope(), _dtype_policy(config.precision):
        model = SupConModel(
            _build_encoder(config),
            normalize_representation=config.normalize_representation,
        )
        return model.representation_model()


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
    strategy = strategy or make_strategy("one_device")
    with strategy.scope():
        model.compile(
            optimizer=build_optimizer(
                config,
                config.peak_learning_rate,
                steps_per_epoch,
                # The encoder's variables are a model's first ones.
                lower_variables=len(model.encoder.trainable_variables),
                lower_rate=config.encoder_rate,
            ),
            loss=OBJECTIVES[config.objective].make_loss(config),
        )
        # Its variables are the strategy's, too.
        model.optimizer.build(model.trainable_variables)


def build_optimizer(config, learning_rate, steps_per_epoch, **lower):
    """The optimizer, with its schedule, that a config describes.

    Args:
      config: `TrainingConfig`.
      learning_rate: float, its peak.
      steps_per_epoch: int >= 1.
      **lower: `lower_variables` and `lower_rate`, as of `make_optimizer`.

    Returns:
      A `keras.optimizers.Optimizer`.

    Raises:
      ValueError: if an argument is out of its range.
    """
    schedule = learning_rate_schedule(
        config.schedule,
        learning_rate,
        total_steps=config.epochs * steps_per_epoch,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
        steps_per_epoch=steps_per_epoch,
        decay_rate=config.decay_rate,
        epochs_per_decay=config.epochs_per_decay,
        decay_epochs=config.decay_epochs,
    )
    return make_optimizer(
        config.optimizer,
        schedule,
        l2=config.weight_decay,
        momentum=config.momentum,
        epsilon=config.epsilon,
        **lower,
    )


def synchronize_batch_norm(model, synchronized):
    """Lets BatchNormalization use the global batch, or each replica's part.

    Args:
      model: `keras.Model`, whose encoder and head, and copies of them, need
        not have an argument for it.
      synchronized: bool.
    """
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = synchronized


def make_augmentation(config):
    """The augmentation that a config describes.

    Args:
      config: `PretrainConfig`.

    Returns:
      A function `(images, seeds, image_size) -> images`.

    Raises:
      ValueError: if it is unknown, or has not got what the config sets.
    """
    augmentation = named(AUGMENTATIONS, "augmentation", config.augmentation)
    given = _augmentation_options(config)
    if not given:
        return augmentation
    augmentation = functools.partial(augmentation, **given)
    # Refuses what is out of range here, not within a tf.data pipeline.
    augmentation(tf.zeros([1, 8, 8, 3]), tf.zeros([1, 2], tf.int64), 8)
    return augmentation


def small_crop_area_of(config):
    """The area of the crops of small views, or None where there is no use.

    Args:
      config: `PretrainConfig`.
    """
    if "small_crop_area" in unused_settings(vars(config)):
        return None
    return config.small_crop_area


def _augmentation_options(config):
    """The arguments that a config gives to its augmentation, by name."""
    augmentation = AUGMENTATIONS[config.augmentation]
    return {
        argument: getattr(config, name)
        for name, argument in options_of(augmentation).items()
        if not (getattr(config, name) is None or getattr(config, name) is False)
    }


def _device_views(config):
    """The views that the model makes itself, or None."""
    if config.views == "host":
        return None
    named(AUGMENTATIONS, "augmentation", config.augmentation)
    return DeviceViews(
        config.augmentation,
        num_views=config.num_views,
        image_size=config.image_size,
        seed=config.seed,
        small_views=config.small_views,
        small_view_size=config.small_view_size,
        small_crop_area=small_crop_area_of(config),
        **_augmentation_options(config),
    )


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


def _shape_of_views(config):
    """The shape of a batch of views, or a dict of those of two sizes."""

    def shape(views, size):
        return (None, views, size, size, 3)

    views = shape(config.num_views, config.image_size)
    if not config.small_views:
        return views
    small = shape(config.small_views, config.small_view_size)
    return {"views": views, "small_views": small}


def _build_encoder(config):
    image_shape = (config.image_size, config.image_size, 3)
    if not config.small_views:
        return _encoder_of(config, image_shape)
    try:
        return _encoder_of(config, (None, None, 3))
    except ValueError as error:
        _encoder_of(config, image_shape)  # raises what else is wrong
        raise ValueError(
            "`small_views` must be 0 with an encoder that takes images of one "
            f"size alone, {config.starts_from or config.encoder}. "
            f"Received: small_views={config.small_views}"
        ) from error


def _encoder_of(config, image_shape):
    """The encoder of images `(height, width, 3)`, None where it takes any."""
    keras.utils.set_random_seed(config.seed)
    if config.starts_from is not None:
        return initial_encoder(
            config.starts_from,
            image_shape,
            safe_mode=config.safe_mode,
            is_image_size=True,
        )
    make_encoder = named(ENCODERS, "encoder", config.encoder)
    options = {
        argument: getattr(config, name)
        for name, argument in options_of(make_encoder).items()
    }
    return make_encoder(image_shape, **options)
