"""Defines the studies: what is varied in a sweep, and over which values.

To add a study, write a grid and name it in STUDIES.
"""

import dataclasses
import itertools
from collections.abc import Callable
from typing import NamedTuple

from supcon_tf.config.settings import named
from supcon_tf.recipes import RECIPES
from supcon_tf.training.objectives import OBJECTIVE_SETTINGS, OBJECTIVES
from supcon_tf.training.unused_settings import unused_settings

_BOTH = ("supcon", "cross_entropy")
# The paper scans temperatures from 0.02 to 0.2 (its Figure 4). SimCLR has 0.5.
_TEMPERATURES = (0.02, 0.05, 0.07, 0.1, 0.2, 0.5, 1.0)


class Study(NamedTuple):
    """A study: what it varies, and how its results are drawn.

    Attributes:
      varied: names of the settings that are varied.
      objectives: names of the objectives that are compared by default.
      grid: function that returns a list of tuples, the values of `varied`. Its
        first argument is the list of the settings of all objectives, beginning
        with the recipe's own. Its second is the settings of one objective.
      column: the column that the results are drawn against. If it is None,
        they are drawn as boxes.
      label: what the figure calls that column.
    """

    varied: tuple[str, ...]
    objectives: tuple[str, ...]
    grid: Callable
    column: str | None
    label: str | None


@dataclasses.dataclass(frozen=True)
class Run:
    """One training of a study.

    Attributes:
      objective: name in OBJECTIVES.
      settings: dict of the varied settings. It is empty if the objective does
        not have them.
      seed: int.

    Example:
      >>> Run("supcon", {"temperature": 0.1}, seed=0).name
      'supcon-temperature-0.1-seed-0'
    """

    objective: str
    settings: dict
    seed: int

    @property
    def name(self):
        """Name of the run's folder, such as `supcon-temperature-0.1-seed-0`."""
        parts = [self.objective]
        for setting, value in self.settings.items():
            parts += [setting, "all" if value is None else str(value)]
        return "-".join([*parts, "seed", str(self.seed)])

    @property
    def overrides(self):
        """Dict of all settings that set the run apart from its recipe."""
        return {
            "objective": self.objective,
            **self.settings,
            "seed": self.seed,
        }


def plan(
    study, recipe, *, seeds=(0,), objectives=None, values=None, overrides=()
):
    """Lists the runs of a study.

    An objective may lack the varied setting, as cross-entropy has no
    temperature. It then has one run for each seed, to compare the others with.

    Args:
      study: name in STUDIES.
      recipe: `PretrainConfig` around which the default values lie.
      seeds: ints. Every combination is trained with each of them; only with 0
        by default.
      objectives: names of the objectives to compare. None, the default, takes
        the study's own.
      values: values of the varied setting. None, the default, takes the
        study's own.
      overrides: dict of settings that replace those of the recipe in all runs.
        The default values lie around these. Empty by default.

    Returns:
      A list of `Run`, no two of which are the same.

    Raises:
      ValueError: if a name is unknown, if there is nothing to run, if values
        are given for a study that varies several settings, or if no objective
        has the settings that are varied.

    Example:
      >>> plan("temperature", RECIPES["digits"])[3].name
      'supcon-temperature-0.1-seed-0'
    """
    study_name, study = study, named(STUDIES, "study", study)
    if objectives is None:
        objectives = study.objectives
    for objective in objectives:
        named(OBJECTIVES, "objectives", objective)
    if values is not None and len(study.varied) > 1:
        raise ValueError(
            f"`values` must be left out with study={study_name!r}, which "
            f"varies {', '.join(study.varied)}. Received: values={values}"
        )
    for name, items in (
        ("seeds", seeds),
        ("objectives", objectives),
        ("values", values),
    ):
        if items is not None and not items:
            raise ValueError(
                f"`{name}` must be one or more. Received: {name}={items}"
            )
    runs = {}
    every = [
        vars(recipe_of(recipe, objective)) | dict(overrides)
        for objective in (recipe.objective, *objectives)
    ]
    for objective, own in zip(objectives, every[1:], strict=True):
        if values is None:
            points = study.grid(every, own)
        else:
            points = [(value,) for value in values]
        settings = [dict(zip(study.varied, p, strict=True)) for p in points]
        if set(study.varied) <= set(unused_settings(own)):
            settings = [{}]
        for chosen, seed in itertools.product(settings, seeds):
            run = Run(objective, chosen, seed)
            runs[run.name] = run
    if not any(run.settings for run in runs.values()):
        raise ValueError(
            f"`objectives` must have one with {', '.join(study.varied)}, "
            f"which study={study_name!r} varies. "
            f"Received: objectives={','.join(objectives)}"
        )
    return list(runs.values())


def recipe_of(recipe, objective):
    """Finds the recipe for the same data and encoder with another objective.

    If `recipe` has that objective, it is returned itself. Otherwise its twin in
    RECIPES is returned, the first recipe that trains such an encoder for the
    objective on such images. A baseline then has its own optimizer and
    learning rate. If there is no twin, `recipe` is changed: it gets the
    objective, one view without contrast or at least as many views as the
    objective needs, and the defaults of settings that the objective lacks.

    Args:
      recipe: `PretrainConfig`.
      objective: name in OBJECTIVES.

    Returns:
      A `PretrainConfig`.

    Example:
      >>> recipe_of(RECIPES["digits"], "cross_entropy").num_views
      1
    """
    if recipe.objective == objective:
        return recipe
    same = ("dataset", "image_size", "encoder", "width", "initial_encoder")
    for other in RECIPES.values():
        if other.objective == objective and all(
            getattr(other, name) == getattr(recipe, name) for name in same
        ):
            return other
    row = OBJECTIVES[objective]
    views = max(recipe.num_views, row.least_views) if row.is_contrastive else 1
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(recipe)
        if field.name in OBJECTIVE_SETTINGS.difference(row.settings)
    }
    return dataclasses.replace(
        recipe, objective=objective, num_views=views, **defaults
    )


def _batch_sizes(every, _):
    factors = (0.25, 0.5, 1, 2, 4, 8)
    return [(max(2, int(f * every[0]["batch_size"])),) for f in factors]


def _epochs(every, _):
    numbers = [round(f * every[0]["epochs"]) for f in (0.125, 0.25, 0.5, 1, 2)]
    warmup = max(settings["warmup_epochs"] for settings in every)
    return [(n,) for n in numbers if n > warmup]


def _training_set_sizes(every, _):
    """The smallest set is the fewest images that fill everyone's batch."""
    batch_size = max(settings["batch_size"] for settings in every)
    sizes = [factor * batch_size for factor in (1, 2, 4, 8)]
    limit = every[0]["max_samples"]
    sizes = [size for size in sizes if limit is None or size < limit]
    return [(size,) for size in (*sizes, limit)]


def _hyperparameters(_, own):
    """Tries two augmentations, two optimizers, and three rates of each."""
    rate = own["base_learning_rate"]
    if own["learning_rate"] is not None:
        rate = own["learning_rate"] * 256 / own["batch_size"]
    other = ("sgd", 0.1)
    # The base rate is multiplied by the batch size / 256. That of Adam is
    # divided first, since Adam's rates do not grow with the batch.
    if "adam" not in own["optimizer"]:
        other = ("adam", 0.002 * 256 / own["batch_size"])
    mild, strong = own["augmentation"], "simclr"
    if mild == strong:
        strong = "randaugment"
    return [
        (augmentation, optimizer, factor * middle)
        for augmentation in (mild, strong)
        for optimizer, middle in ((own["optimizer"], rate), other)
        for factor in (0.25, 1, 4)
    ]


STUDIES = {
    "temperature": Study(
        ("temperature",),
        _BOTH,
        lambda *_: [(value,) for value in _TEMPERATURES],
        "temperature",
        "temperature of the loss",
    ),
    "batch_size": Study(
        ("batch_size",), _BOTH, _batch_sizes, "batch_size", "images in a batch"
    ),
    "epochs": Study(("epochs",), _BOTH, _epochs, "epochs", "epochs"),
    "training_set_size": Study(
        ("max_samples",),
        _BOTH,
        _training_set_sizes,
        "num_train_images",
        "training images",
    ),
    "hyperparameters": Study(
        ("augmentation", "optimizer", "base_learning_rate"),
        _BOTH,
        _hyperparameters,
        None,
        None,
    ),
}
