"""Runs a study: the same training with a setting varied; a table, a figure.

    supcon-sweep --study=temperature --recipe=digits --output=DIR
    supcon-sweep --study=epochs --recipe=digits --values=5,10,20 --list

Studies: temperature, batch_size, epochs, training_set_size, hyperparameters
(augmentation x optimizer x learning rate). They compare SupCon with
cross-entropy, which has the settings of its own recipe for the same data and
encoder, and no temperature: one run, a line across the figure. Other settings
are flags, as of supcon-pretrain: --epochs=5.

Each run is a folder of its own, DIR/RUN, as of supcon-pretrain and
supcon-linear-eval, with what they printed in output.txt. The same command goes
on after a kill: a finished run is not run again, so that seeds, values and
objectives can be added later. Writes DIR/results.csv after each run and, at the
end, DIR/STUDY.png. A run that fails is in the CSV with the reason, and the
others go on; the status is then 1.

With --recipe=digits a run takes half a minute of CPU time, the eight of the
temperature study three minutes on two cores with --jobs=2, and hyperparameters,
with 24, has the most that a study has by default; --epochs=10 is faster.
"""

import copy
import json
import pathlib
import sys

from absl import flags

from supcon_tf.config import PretrainConfig
from supcon_tf.config.command_line import (
    define_flags,
    given_settings,
    run_command,
)
from supcon_tf.config.pretrain import MAY_CHANGE
from supcon_tf.config.settings import named
from supcon_tf.errors import check_int
from supcon_tf.files import check_folder, read_text
from supcon_tf.frameworks.extras import check_extra
from supcon_tf.recipes import RECIPES
from supcon_tf.studies import STUDIES, plan
from supcon_tf.studies.configs import configs_of
from supcon_tf.studies.results import read_rows
from supcon_tf.studies.runs import (
    is_finished,
    run_study,
    study_text,
)
from supcon_tf.training.losses import LOSSES
from supcon_tf.training.objectives import summaries


def _prepare_command(values):
    name = values["study"].value
    study = named(STUDIES, "study", name)
    recipe = named(RECIPES, "recipe", values["recipe"].value)
    _refuse_varied(name, values)
    runs = plan(
        name,
        recipe,
        seeds=_seeds(values["seeds"].value),
        objectives=values["objectives"].value,
        values=_varied_values(study, recipe, values),
        overrides=given_settings(recipe, values),
    )
    configs = list(zip(runs, configs_of(recipe, runs, values), strict=True))
    jobs, figure = values["jobs"].value, values["figure"].value
    check_int("jobs", jobs, 1)
    if values["list"].value:
        return lambda: print("\n".join(run.name for run in runs))
    given = given_settings(recipe, values)
    about = {
        "study": name,
        "recipe": values["recipe"].value,
        "overrides": {k: v for k, v in given.items() if k not in MAY_CHANGE},
    }
    output = _checked_output(values["output"].value, about)
    for run, config in configs:
        is_finished(config, output / run.name)  # refuses what is another's
    if figure:
        check_extra("matplotlib", "`figure`")
    return lambda: run_study(
        configs, output, about=about, jobs=jobs, figure=figure
    )


def _refuse_varied(name, values):
    """Refuses the flags in whose place the study has something else."""
    varied = STUDIES[name].varied
    instead = dict.fromkeys(
        varied, "--values" if len(varied) == 1 else "the study"
    )
    instead |= {"objective": "--objectives", "seed": "--seeds"}
    for setting, decider in instead.items():
        value = values[setting].value
        if value is not None:
            raise ValueError(
                f"`{setting}` must be left out with study={name!r}, where "
                f"{decider} decides it. Received: {setting}={value}"
            )


def _seeds(texts):
    try:
        return [int(text) for text in texts]
    except ValueError:
        raise ValueError(
            "`seeds` must be comma-separated integers. "
            f"Received: seeds={','.join(texts)}"
        ) from None


def _varied_values(study, recipe, values):
    """Parses --values as the varied setting would; None if it is not given."""
    texts = values["values"].value
    if texts is None or len(study.varied) > 1:
        return texts  # which `plan` refuses
    (setting,) = study.varied
    flagged = copy.deepcopy(values)
    parsed = []
    for text in texts:
        flagged[setting].parse(text)
        parsed.append(given_settings(recipe, flagged)[setting])
    return parsed


def _checked_output(output, about):
    if not output:
        raise ValueError(
            "`output` must be the folder to write to. "
            f"Received: output={output!r}"
        )
    output = pathlib.Path(output).expanduser()
    check_folder(output, "output")
    path = output / "study.json"
    if path.exists():
        try:
            before = read_text(path)
        except (OSError, ValueError) as error:
            before = str(error)
        if before != study_text(about):
            raise ValueError(
                f"`output` must be a folder of its own for each study; {path} "
                f"says {' '.join(before.split())}. "
                f"Received: {json.dumps(about)}"
            )
    read_rows(output / "results.csv", STUDIES[about["study"]].varied)
    return output


def main(argv=None):
    """The command `supcon-sweep`; returns its exit status."""
    values = flags.FlagValues()
    flags.DEFINE_string(
        "study",
        None,
        f"What is varied: {', '.join(sorted(STUDIES))}.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "recipe",
        None,
        f"Where the settings come from: {', '.join(sorted(RECIPES))}.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "output", None, "Folder to write to.", flag_values=values
    )
    flags.DEFINE_list(
        "seeds", ["0"], "Each run is done with each of them.", values
    )
    flags.DEFINE_list(
        "values",
        None,
        "Values of the varied setting. By default they are the study's own, "
        "laid around the recipe's.",
        values,
    )
    flags.DEFINE_list(
        "objectives",
        None,
        "What is compared; by default supcon and cross_entropy.",
        values,
    )
    flags.DEFINE_integer(
        "jobs", 1, "Runs at a time, which share the cores.", flag_values=values
    )
    flags.DEFINE_bool(
        "figure", True, "Draw the figure, by matplotlib.", flag_values=values
    )
    flags.DEFINE_bool(
        "list", False, "Print the names of the runs alone.", flag_values=values
    )
    define_flags(
        PretrainConfig,
        values,
        {"objective": summaries(), "loss": ", ".join(LOSSES)},
        come_first=False,
    )
    return run_command(
        "supcon-sweep",
        __doc__,
        values,
        _prepare_command,
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
