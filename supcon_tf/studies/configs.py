"""Makes the config of each run of a study: recipe, flags, varied settings."""

import copy
import dataclasses
import pathlib

from supcon_tf.config.command_line import given_settings
from supcon_tf.config.settings import named
from supcon_tf.files import lasting_path
from supcon_tf.studies.grids import recipe_of
from supcon_tf.training.unused_settings import unused_settings, with_flags


def configs_of(recipe, runs, values):
    """Makes the `PretrainConfig` of each `studies.Run` from recipe and flags.

    A flag that has no effect in some runs, such as --temperature with
    cross-entropy, is left out there. One without effect in all is refused.
    """
    from supcon_tf.augmentations import AUGMENTATIONS  # it loads TensorFlow

    given = set(given_settings(recipe, values))
    told = []  # for each run: its recipe, flags, and flags without effect
    for run in runs:
        own, flagged = recipe_of(recipe, run.objective), copy.deepcopy(values)
        for name, value in run.overrides.items():
            flagged[name].value = "none" if value is None else value
        settings = vars(own) | given_settings(own, flagged)
        told.append((own, flagged, given & set(_unused(settings, flagged))))
    nowhere = set.intersection(*(unused for *_, unused in told))
    configs = []
    for own, flagged, unused in told:
        for name in unused - nowhere:
            flagged[name].value = None
        config = with_flags(own, flagged)
        named(AUGMENTATIONS, "augmentation", config.augmentation)
        if config.strategy == "multi_worker":
            raise ValueError(
                "`strategy` must be one of one machine: runs of a study are "
                f"evaluated on it. Received: strategy={config.strategy!r}"
            )
        # The config.json of a run has an absolute path, too.
        if config.initial_encoder is not None:
            path = pathlib.Path(config.initial_encoder).expanduser()
            if path.exists():
                config = dataclasses.replace(
                    config, initial_encoder=str(lasting_path(path))
                )
        configs.append(config)
    return configs


def _unused(settings, flagged):
    """Returns the settings that have no effect, as `with_flags` sees it."""
    if flagged["base_learning_rate"].value is not None:
        if flagged["learning_rate"].value is None:
            settings = settings | {"learning_rate": None}
    return unused_settings(settings)
