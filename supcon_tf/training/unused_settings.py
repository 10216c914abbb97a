"""Finds the settings of a pretraining that have no effect, given the others.

This is the one place that decides it. A setting without effect is refused
where somebody gave it, and dropped where only a recipe did.
"""

import dataclasses

from supcon_tf.config.command_line import given_settings
from supcon_tf.config.pretrain import start_of
from supcon_tf.config.settings import named, refuse_unused
from supcon_tf.training.losses import LOSS_SETTINGS, LOSSES
from supcon_tf.training.objectives import OBJECTIVE_SETTINGS, OBJECTIVES
from supcon_tf.training.options import options_of, options_of_any


def unused_settings(settings):
    """The settings that have no part in what the others describe.

    Nothing is said of an unknown encoder, augmentation or objective, since
    these are refused elsewhere, nor of a setting that is not there.

    Args:
      settings: dict of names of settings to values.

    Returns:
      Dict of the names of those without effect to what makes them so, such as
      `"schedule='cosine'"`.

    Example:
      >>> unused_settings({"schedule": "cosine"})["decay_rate"]
      "schedule='cosine'"
    """
    return {**_unused_in_training(settings), **_unused_in_images(settings)}


def refuse_unused_settings(config):
    """Refuses a config that sets what has no effect.

    Args:
      config: `PretrainConfig`.

    Raises:
      ValueError: if the objective is unknown, or a setting is not its default
        although it has no effect.
    """
    objective = named(OBJECTIVES, "objective", config.objective)
    if config.all_views < objective.least_views:
        raise ValueError(
            f"`num_views` must be >= {objective.least_views} with objective="
            f"{config.objective!r}: an image's only positives are its other "
            f"views. Received: num_views={config.num_views}"
        )
    if objective.is_contrastive:
        _refuse_loss(config, objective)
    refuse_unused(config, unused_settings(vars(config)))


def with_flags(recipe, values):
    """A recipe with the settings that were given, and what follows from them.

    What the recipe sets for its encoder, objective and so on is dropped where
    another one was given that does not have it.

    Args:
      recipe: `PretrainConfig`.
      values: parsed `absl.flags.FlagValues`.

    Returns:
      A `PretrainConfig`.

    Raises:
      ValueError: if a value is not allowed, or a setting was given that has no
        effect.
    """
    given = given_settings(recipe, values)
    if "base_learning_rate" in given:
        given.setdefault("learning_rate", None)
    epochs = given.get("epochs", recipe.epochs)
    if recipe.warmup_epochs >= epochs:  # the same part of the run
        share = recipe.warmup_epochs / recipe.epochs
        given.setdefault("warmup_epochs", share * epochs)
    settings = {**vars(recipe), **given}
    unused = {}
    # What needs no TensorFlow comes first: a refusal should not take long.
    for find in (_unused_in_training, _unused_in_images):
        found = find(settings)
        refuse_unused(recipe, {n: found[n] for n in found if n in given}, given)
        unused |= found
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(recipe)
        if field.name in unused
    }
    return dataclasses.replace(recipe, **{**given, **defaults})


def _unused_in_training(settings):
    """Finds the settings that objective, schedule or data set do not have."""
    unused = _Unused(settings)
    unused.update(_unused_in_loss(settings))
    optimizer, schedule = settings.get("optimizer"), settings.get("schedule")
    if optimizer in ("adam", "adamw"):
        unused.because("optimizer", ["momentum"])
    elif optimizer not in ("rmsprop", None):
        unused.because("optimizer", ["epsilon"])
    if schedule not in ("exponential", "steps", None):
        unused.because("schedule", ["decay_rate"])
    if schedule not in ("exponential", None):
        unused.because("schedule", ["epochs_per_decay"])
    if schedule not in ("steps", None):
        unused.because("schedule", ["decay_epochs"])
    if settings.get("dataset") not in ("folder", None):
        unused.because("dataset", ["image_cache", "image_cache_gb"])
    elif settings.get("image_cache", "") is None:
        unused.because("image_cache", ["image_cache_gb"])
    if settings.get("small_views") == 0:
        unused.because("small_views", ["small_view_size", "small_crop_area"])
    if settings.get("stop_fraction", 0) is None:
        unused.because("stop_fraction", ["patience"])
    if settings.get("learning_rate") is not None:
        unused.because("learning_rate", ["base_learning_rate"])
    return unused


def _unused_in_loss(settings):
    """Finds the settings that the objective and its loss do not have."""
    unused = _Unused(settings)
    objective = OBJECTIVES.get(settings.get("objective"))
    loss = LOSSES.get(settings.get("loss"))
    if objective is None:
        return unused
    if objective.is_contrastive and loss is not None:
        unused.because("loss", LOSS_SETTINGS.difference(loss.settings))
        if objective.uses_labels:
            fixed = [f"loss_{name}" for name in loss.fixed_by_labels]
            unused.because("objective", fixed)
    foreign = OBJECTIVE_SETTINGS.difference(objective.settings)
    unused.because("objective", foreign)
    return unused


def _unused_in_images(settings):
    """Finds the settings that the encoder and the augmentation do not have."""
    from supcon_tf.augmentations import AUGMENTATIONS
    from supcon_tf.encoders import ENCODERS

    unused = _Unused(settings)
    encoder, augmentation = (
        settings.get("encoder"),
        settings.get("augmentation"),
    )
    of_encoders = options_of_any(ENCODERS)
    if settings.get("initial_encoder") is not None:
        unused.because("initial_encoder", ["encoder", *of_encoders])
    elif start_of(settings) is not None:
        unused.because("encoder", of_encoders)
    elif encoder in ENCODERS:
        own = options_of(ENCODERS[encoder])
        unused.because("encoder", of_encoders.difference(own))
    if augmentation in AUGMENTATIONS:
        own = options_of(AUGMENTATIONS[augmentation])
        foreign = options_of_any(AUGMENTATIONS).difference(own)
        if "crop_area" in foreign:
            foreign.add("small_crop_area")
        unused.because("augmentation", foreign)
    return unused


def _refuse_loss(config, objective):
    """Refuses a loss that the objective, or the number of views, is not for."""
    loss = named(LOSSES, "loss", config.loss)
    if not loss.serves(objective.uses_labels):
        able = [n for n, r in LOSSES.items() if r.serves(objective.uses_labels)]
        raise ValueError(
            f"`loss` must be one of {sorted(able)} with objective="
            f"{config.objective!r}. Received: loss={config.loss!r}"
        )
    if config.all_views < loss.least_views:
        raise ValueError(
            f"`num_views` must be >= {loss.least_views} with loss="
            f"{config.loss!r}, which compares the views of an image. "
            f"Received: num_views={config.num_views}"
        )


class _Unused(dict):
    """Names of settings -> what makes them have no effect."""

    def __init__(self, settings):
        super().__init__()
        self.settings = settings

    def because(self, setting, names):
        reason = f"{setting}={self.settings[setting]!r}"
        self.update(dict.fromkeys(sorted(names), reason))
