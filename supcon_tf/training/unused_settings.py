"""Which settings of a pretraining mean nothing, given the others.

They are refused where they were given, and dropped elsewhere.
"""

import dataclasses
import inspect
import types

from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.config.command_line import given_settings
from supcon_tf.encoders import OPTIONS
from supcon_tf.training.objectives import OBJECTIVES

ENCODER_OPTIONS = ("width", "stem", "zero_gamma", "patch_size")
# Setting: the augmentation's argument.
AUGMENTATION_OPTIONS = {
    "crop_area": "area",
    "strength": "strength",
    "magnitude": "magnitude",
    "policy": "policy",
    "blur_probability": "blur_probability",
    "additive_brightness": "additive_brightness",
}
_OF_CONTRAST = (
    "projection_units",
    "projection_batch_norm",
    "temperature",
    "summation",
    "denominator",
    "anchors",
    "scale_by_temperature",
    "positives_cap",
    "queue_size",
    "encoder_momentum",
)
_KERAS_CV = "keras_cv:"


def starts_from(config):
    """Where the trained weights are that a config starts from, or None."""
    if config.initial_encoder is None and config.encoder.startswith(_KERAS_CV):
        return config.encoder
    return config.initial_encoder


def unused_settings(config):
    """The settings that have no part in what a config describes.

    Args:
      config: `PretrainConfig`, or an object with its fields. Of an unknown
        encoder, augmentation or objective nothing is said: they are refused
        elsewhere.

    Returns:
      Dict of names of settings, to what makes them so, such as
      `"schedule='cosine'"`.
    """
    unused = {}

    def without(setting, *names):
        reason = f"{setting}={getattr(config, setting)!r}"
        unused.update(dict.fromkeys(names, reason))

    if config.initial_encoder is not None:
        without("initial_encoder", "encoder", "mean", "std", *ENCODER_OPTIONS)
    elif starts_from(config) is not None:
        without("encoder", "mean", "std", *ENCODER_OPTIONS)
    elif config.encoder in OPTIONS:
        own = OPTIONS[config.encoder]
        without("encoder", *(n for n in ENCODER_OPTIONS if n not in own))
    if config.augmentation in AUGMENTATIONS:
        augmentation = AUGMENTATIONS[config.augmentation]
        takes = inspect.signature(augmentation).parameters
        foreign = (n for n, a in AUGMENTATION_OPTIONS.items() if a not in takes)
        without("augmentation", *foreign)
    if config.objective in OBJECTIVES:
        if OBJECTIVES[config.objective].is_classifier:
            without("objective", *_OF_CONTRAST)
        else:
            without("objective", "cutmix_alpha")
        if not OBJECTIVES[config.objective].uses_labels:
            without("objective", "label_noise", "samples_per_class")
        if config.objective != "cross_entropy":
            without("objective", "label_smoothing")
        if config.objective != "max_margin":
            without("objective", "margin", "logit_scale")
    if config.optimizer in ("adam", "adamw"):
        without("optimizer", "momentum")
    elif config.optimizer != "rmsprop":
        without("optimizer", "epsilon")
    if config.schedule not in ("exponential", "steps"):
        without("schedule", "decay_rate")
    if config.schedule != "exponential":
        without("schedule", "epochs_per_decay")
    if config.schedule != "steps":
        without("schedule", "decay_epochs")
    if config.learning_rate is not None:
        without("learning_rate", "base_learning_rate")
    return unused


def with_flags(recipe, values):
    """A recipe with the settings that were given, and what follows from them.

    What the recipe sets for its encoder, objective and so on is left out where
    another one was given that has no such thing.

    Args:
      recipe: `PretrainConfig`.
      values: parsed `absl.flags.FlagValues`.

    Returns:
      A `PretrainConfig`.

    Raises:
      ValueError: if a value is not allowed, or a setting was given that has no
        part in what is asked for.
    """
    given = given_settings(recipe, values)
    if "base_learning_rate" in given:
        given.setdefault("learning_rate", None)
    settings = {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(recipe)
    }
    unused = unused_settings(types.SimpleNamespace(**{**settings, **given}))
    for name in unused.keys() & given.keys():
        if given[name] is not None:
            raise ValueError(
                f"`{name}` must be left out with {unused[name]}, which has no "
                f"such thing. Received: {name}={given[name]}"
            )
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(recipe)
        if field.name in unused
    }
    return dataclasses.replace(recipe, **{**given, **defaults})
