"""Reads the settings of an encoder or augmentation from its signature."""

import dataclasses
import inspect

from supcon_tf.config.pretrain import PretrainConfig

# (BatchNormalization of encoder and head is synchronised by `build_model`.)
_FIELDS = {field.name for field in dataclasses.fields(PretrainConfig)}
_FIELDS -= {"sync_batch_norm"}
# Settings that are called otherwise than the argument.
_ARGUMENTS = {"crop_area": "area"}
_SETTINGS = {argument: setting for setting, argument in _ARGUMENTS.items()}


def options_of(builder):
    """The settings that a builder has an argument for.

    Args:
      builder: function with keyword arguments.

    Returns:
      Dict of names of settings to names of arguments.

    Example:
      >>> from supcon_tf.encoders import ENCODERS
      >>> sorted(options_of(ENCODERS["vit_b16"]))
      ['mean', 'patch_size', 'std']
    """
    parameters = inspect.signature(builder).parameters.values()
    arguments = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    options = {_SETTINGS.get(name, name): name for name in arguments}
    return {s: argument for s, argument in options.items() if s in _FIELDS}


def options_of_any(builders):
    """The settings that at least one of a table of builders has.

    Args:
      builders: dict of names to functions.

    Returns:
      A set of names.
    """
    return {name for b in builders.values() for name in options_of(b)}
