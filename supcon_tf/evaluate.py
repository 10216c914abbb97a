"""Evaluates a trained encoder, of any training, on a data set.

    supcon-evaluate --encoder=WHERE --dataset=NAME --output=DIR [...]

The encoder is frozen: a linear probe and nearest neighbours of the training
images on its representations, how these lie (alignment, uniformity, effective
rank); if asked for, the same on another data set and the errors on corrupted
images. With --baseline another encoder is measured the same way, and the mean
corruption error is relative to it.

Prints a table and writes it to DIR/evaluation.json, with --figures PNG files
beside it.
"""

import dataclasses
import json
import pathlib
import sys
import time

from absl import flags

from supcon_tf.config import EvaluateConfig, PretrainConfig
from supcon_tf.config.command_line import define_flags, overridden, run_command
from supcon_tf.config.settings import read_json
from supcon_tf.corruptions import CORRUPTIONS, LEFT_OUT
from supcon_tf.data.splits import TEST_FRACTION
from supcon_tf.drawing import check_matplotlib
from supcon_tf.encoders.frozen import frozen_encoder
from supcon_tf.encoders.initial import renamed
from supcon_tf.evaluation.encode import NotFiniteError
from supcon_tf.evaluation.measured_images import parts_of
from supcon_tf.evaluation.measures import measure
from supcon_tf.evaluation.report import figures
from supcon_tf.evaluation.report.files import FILES, draw_evaluation, titles_of
from supcon_tf.evaluation.report.table import evaluation_table
from supcon_tf.evaluation.robustness.published import (
    PUBLISHED,
    published_corruptions,
)
from supcon_tf.evaluation.robustness.results import (
    corruption_results,
    relative_results,
)
from supcon_tf.files import (
    FolderInUseError,
    NoSpaceError,
    check_folder,
    only_writer,
    written_whole,
)

_RESULTS = "evaluation.json"


def evaluate(config):
    """Evaluates an encoder, as the command does.

    Args:
      config: `EvaluateConfig`.

    Returns:
      The results, as in evaluation.json: a dict with `encoder` and `baseline`
      (None without one), each a dict of

        linear_probe: `top_1_accuracy`, `top_5_accuracy` (None for up to five
          classes), `l2`, `held_out_top_1_accuracies`.
        knn: `top_1_accuracy`, `neighbors`, `held_out_top_1_accuracies`.
        alignment, uniformity, effective_rank, num_features: of the test
          representations.
        transfer: None, or a dict of `dataset`, `linear_probe` and `knn`.
        corruption: None, or a dict of `clean_error`, `errors` (kind -> list by
          severity) and `mean_error`.

        where, image_size: what it is, and the [height, width] of the images.

      Besides, `mean_corruption_error` and
      `relative_mean_corruption_error`, percent of the baseline's, None without
      a baseline or corruptions; `notes`, a list of strings; `left_out`, the
      kinds of CIFAR-10-C that are not made, with reasons; `figures`, names of
      files; `config`, `num_train_images`, `num_test_images`, `class_names`,
      `seconds`.

    Raises:
      ValueError: if an encoder, a data set or the output is not as described.
      NotFiniteError: if an encoder returns infinity or NaN.
      FolderInUseError: if another process writes to the output.

    Example:
      >>> results = evaluate(EvaluateConfig(
      ...     encoder="runs/digits", output="runs/digits/evaluation"))
      >>> results["encoder"]["knn"]["top_1_accuracy"]
      0.9833
    """
    return prepare(config)()


def prepare(config):
    """Checks everything and writes nothing; returns the run as a function."""
    _refuse_unused(config)
    output = _checked_output(config)
    kinds = _checked_kinds(config)
    is_published = config.corrupted == "tfds"
    encoders = {
        name: frozen_encoder(
            getattr(config, name),
            image_size=config.image_size,
            safe_mode=config.safe_mode,
            name=name,
        )
        for name in ("encoder", "baseline")
        if name == "encoder" or config.baseline is not None
    }
    train, test = _parts_of(
        config,
        config.dataset,
        data_dir=config.data_dir,
        max_samples=config.max_samples,
    )
    transfer = _transfer_parts(config)

    def measured():
        start = time.perf_counter()
        results = {"encoder": None, "baseline": None}
        representations = {}
        for name, (encoder, size) in encoders.items():
            classifier, x, labels, results[name] = _measured(
                name, encoder, size, train, test, config
            )
            representations[name] = x
            results[name] |= {
                "where": getattr(config, name),
                "image_size": list(size),
                "transfer": None,
                "corruption": None,
            }
            if transfer is not None:
                *_, on_other = _measured(
                    f"{name}, transfer", encoder, size, *transfer, config
                )
                results[name]["transfer"] = {
                    "dataset": config.transfer_dataset,
                    "linear_probe": on_other["linear_probe"],
                    "knn": on_other["knn"],
                }
            if kinds:
                results[name]["corruption"] = corruption_results(
                    classifier,
                    test,
                    image_size=size,
                    kinds=kinds,
                    severities=config.severities,
                    seed=config.seed,
                    published=config.dataset if is_published else None,
                    data_dir=config.data_dir,
                )
        corruption = {name: results[name]["corruption"] for name in encoders}
        results |= {
            **relative_results(
                corruption["encoder"], corruption.get("baseline")
            ),
            "left_out": LEFT_OUT if kinds and not is_published else {},
            "num_train_images": len(train),
            "num_test_images": len(test),
            "class_names": list(train.class_names),
            "figures": [],
            "config": dataclasses.asdict(config),
            "seconds": round(time.perf_counter() - start, 2),
        }
        return results, representations, labels

    def run():
        with only_writer(output):
            results, representations, labels = measured()
            if (output / _RESULTS).exists():  # whose figures these are
                for name in FILES:
                    (output / name).unlink(missing_ok=True)
            # Before the figures: what was measured is not lost with them.
            _write(results, output)
            print(evaluation_table(results))
            if config.figures:
                titles = titles_of(config)
                results["figures"] = draw_evaluation(
                    output,
                    {titles[name]: x for name, x in representations.items()},
                    labels,
                    train.class_names,
                    errors={
                        titles[name]: results[name]["corruption"]["errors"]
                        for name in (encoders if kinds else ())
                    },
                    history=_history(config),
                )
                _write(results, output)
            for name in [*results["figures"], _RESULTS]:
                print(f"Wrote {output / name}")
        return json.loads(_text(results))

    return run


def _text(results):
    return json.dumps(results, indent=2) + "\n"


def _write(results, output):
    with written_whole(output / _RESULTS) as path:
        path.write_text(_text(results), encoding="utf-8")


def _refuse_unused(config):
    """Refuses settings of what is not measured."""
    default = EvaluateConfig()
    for setting, names in (
        ("corruptions", ("severities", "corrupted")),
        ("transfer_dataset", ("transfer_data_dir", "transfer_max_samples")),
    ):
        for name in names if getattr(config, setting) is None else ():
            value = getattr(config, name)
            if value != getattr(default, name):
                raise ValueError(
                    f"`{name}` must be left out without {setting}. "
                    f"Received: {name}={value!r}"
                )


def _checked_output(config):
    if not config.output:
        raise ValueError(
            "`output` must be a folder to write to. "
            f"Received: output={config.output!r}"
        )
    output = pathlib.Path(config.output).expanduser()
    check_folder(output, "output")
    if (output / _RESULTS).exists() and not config.overwrite:
        raise ValueError(
            "`output` must not hold an evaluation.json, which --overwrite "
            f"would replace. Received: output={config.output!r}"
        )
    if config.figures:
        check_matplotlib("figures")
        if (history := _history(config)) is not None:
            figures.read_history(history)
    return output


def _history(config):
    """The history.csv of an encoder that is a workdir; None if it is not."""
    path = pathlib.Path(config.encoder or "").expanduser() / "history.csv"
    return path if path.is_file() else None


def _checked_kinds(config):
    """The kinds of corruption, with `all` spelt out."""
    if config.corruptions is None:
        return ()
    kinds = tuple(dict.fromkeys(config.corruptions))
    if kinds == ("all",):
        kinds = tuple(CORRUPTIONS)
        if config.corrupted == "tfds" and config.dataset in PUBLISHED:
            kinds = PUBLISHED[config.dataset].kinds
    if config.corrupted == "tfds":
        if config.max_test_images is not None:
            raise ValueError(
                "`max_test_images` must be none with corrupted=tfds, whose "
                "images are all the test images. "
                f"Received: max_test_images={config.max_test_images}"
            )
        published_corruptions(
            config.dataset,
            kinds=kinds,
            severities=config.severities,
            data_dir=config.data_dir,
        )
        return kinds
    for kind in kinds:
        if kind not in CORRUPTIONS:
            why = LEFT_OUT.get(kind)
            raise ValueError(
                f"`corruptions` must be all, none or of {sorted(CORRUPTIONS)}. "
                f"Received: {kind!r}"
                + (f", which is left out: it {why}" if why else "")
            )
    return kinds


def _parts_of(config, name, *, data_dir, max_samples):
    """Training and test images of a data set; see `parts_of`."""
    held_out = []
    for where in (config.encoder, config.baseline):
        path = pathlib.Path(where or "").expanduser() / "config.json"
        if where and path.is_file():
            run = read_json(PretrainConfig, path, required=("dataset",))
            if run.dataset == name:
                fraction = run.validation_fraction or TEST_FRACTION
                held_out.append((run.seed, fraction))
    return parts_of(
        name,
        data_dir=data_dir,
        download=config.download,
        max_samples=max_samples,
        max_test_images=config.max_test_images,
        held_out=held_out,
        validation_fraction=config.validation_fraction,
        neighbors=config.neighbors,
        seed=config.seed,
    )


def _transfer_parts(config):
    """Those of the second data set; None without one."""
    if config.transfer_dataset is None:
        return None
    try:
        return _parts_of(
            config,
            config.transfer_dataset,
            data_dir=config.transfer_data_dir or config.data_dir,
            max_samples=config.transfer_max_samples,
        )
    except ValueError as error:
        names = {
            before + name + after: f"{before}transfer_{name}{after}"
            for name in ("dataset", "max_samples", "data_dir")
            for before, after in (("`", "`"), ("", "="))
        }
        raise ValueError(renamed(str(error), names)) from error


def _measured(title, encoder, size, train, test, config):
    return measure(
        encoder,
        train,
        test,
        image_size=size,
        l2=config.l2,
        neighbors=config.neighbors,
        validation_fraction=config.validation_fraction,
        seed=config.seed,
        title=title,
    )


def main(argv=None):
    """The command `supcon-evaluate`; returns its exit status."""
    values = flags.FlagValues()
    define_flags(EvaluateConfig, values)
    return run_command(
        "supcon-evaluate",
        __doc__,
        values,
        lambda values: prepare(overridden(EvaluateConfig(), values)),
        argv,
        failures=(FolderInUseError, NotFiniteError, NoSpaceError),
    )


if __name__ == "__main__":
    sys.exit(main())
