"""Exports a pretrained encoder as a SavedModel for TF-Hub.

    supcon-hub-export --workdir=W --output=DIR

Reads W/encoder.keras, which supcon-pretrain wrote. Writes the SavedModel to
DIR, its model card to DIR.md and, with --archive, what a web server needs to
DIR.tar.gz, once another process has read the SavedModel back and it equals the
encoder.
"""

import datetime
import importlib.metadata
import sys
import time

import keras
import tensorflow as tf
from absl import flags

from hub_export.archive import write_archive
from hub_export.card import check_card, model_card
from hub_export.comparison import compare_in_new_process, example_pixels
from hub_export.exported_run import ExportedRun
from hub_export.outputs import (
    check_output,
    files_beside,
    move_into_place,
    temporary_folder_beside,
)
from hub_export.saved_model import write_saved_model
from hub_export.tracing import check_encoder, training_of
from supcon_tf.config.command_line import run_command

# Relative to the largest feature, as `compare` measures. Float32 holds seven
# digits; the layers of an encoder cost one or two. In training mode the
# statistics of the four images that are compared can amplify that rounding a
# hundredfold; a wrong mode, weight or statistic differs by far more.
_TOLERANCES = {"inference": 1e-5, "training": 1e-3}


def export(workdir, output, **options):
    """Export `workdir`/encoder.keras as a Reusable SavedModel, and check it.

    Everything is written to a temporary folder beside `output`. Another
    process, which has TensorFlow and nothing of this package, loads the
    SavedModel; what it computes is compared with the encoder, in inference and
    in training mode. Only then is it renamed to `output`; a failed export
    leaves nothing behind and what was there before as it was.

    Beside the SavedModel there is its model card, `output`.md, with the
    headings of TF-Hub and Kaggle.

    Args:
      workdir: folder with an encoder.keras, as `supcon_tf.pretrain` writes it.
      output: folder to write; missing parents are made.
      **options:
        include_projection: whether the SavedModel has the callables
          `projection` and `projection_head`, from supcon_model.keras. False by
          default, as the others.
        include_classifier: whether it has the callable `classifier`, from the
          classifier.keras of linear evaluation.
        archive: whether to write `output`.tar.gz, which `hub.load(url)`
          accepts, and `output`.tar.gz.sha256.
        overwrite: whether an earlier export is replaced.
        publisher: who publishes it, a name of letters, digits, - and _. None,
          the default, leaves it open.
        model_name: the same for the model; None makes one of data set and
          encoder.
        version: int >= 1, 1 by default. Published archives do not change: who
          has loaded one never looks again.
        license: of the weights, such as "Apache 2.0"; None leaves it open.
        safe_mode: whether an encoder that holds code is refused, such as one
          that started from a SavedModel. True by default.

    Returns:
      Facts about the export:
        path: absolute path of the SavedModel.
        card: absolute path of the model card.
        archive: None, or dict of `name`, `bytes` and `sha256`.
        images: shape of the input, None where any size is taken.
        features: R, the number of features.
        parameters: number of weights, batch statistics included.
        endpoints, callables: dicts of further outputs to their shapes.
        largest_difference: from the encoder, relative to the largest feature,
          as `{"inference": float, "training": float}`.
        seconds: duration of the export, reading back included.
        and what else the card tells.

    Raises:
      ValueError: if workdir, encoder or output are not as described.
      RuntimeError: if the SavedModel does not compute what the encoder does.

    Example:
      >>> export("runs/digits", "runs/digits/saved_model")["features"]
      512
    """
    return prepare(workdir, output, **options)()


def prepare(
    workdir,
    output,
    *,
    include_projection=False,
    include_classifier=False,
    archive=False,
    overwrite=False,
    publisher=None,
    model_name=None,
    version=1,
    license=None,
    safe_mode=True,
):
    """Checks everything, writes nothing; returns the export as a function."""
    exported = ExportedRun(
        workdir,
        include_projection=include_projection,
        include_classifier=include_classifier,
        safe_mode=safe_mode,
    )
    encoder = exported.encoder
    check_encoder(encoder)
    described = {
        "publisher": publisher,
        "model_name": model_name or exported.name,
        "version": version,
        "license": license,
    }
    check_card(**described)
    output = check_output(output, archive=archive, overwrite=overwrite)

    def run():
        started = time.monotonic()
        with temporary_folder_beside(output) as folder:
            draft = folder / "saved_model"
            facts = write_saved_model(encoder, draft, **exported.parts)
            differences = _checked_differences(exported, folder, facts)
            facts |= {
                **_sizes(draft),
                **training_of(encoder),
                "features": facts["endpoints"]["features"][-1],
                "class_names": exported.class_names,
                "largest_difference": differences,
                "archive": None,
                "versions": _versions(),
                "date": datetime.date.today().isoformat(),
            }
            places = files_beside(output, archive=archive)
            card, *archives = (folder / place.name for place in places)
            if archive:
                facts["archive"] = {
                    "sha256": write_archive(draft, archives[0]),
                    "name": archives[0].name,
                    "bytes": archives[0].stat().st_size,
                }
            card.write_text(
                model_card(
                    facts,
                    config=exported.config,
                    evaluation=exported.evaluation,
                    **described,
                ),
                encoding="utf-8",
            )
            moves = dict(
                zip((draft, card, *archives), (output, *places), strict=True)
            )
            move_into_place(moves, folder / "replaced")
        facts |= {
            "path": str(output),
            "card": str(places[0]),
            "seconds": time.monotonic() - started,
        }
        print(_summary(facts))
        return facts

    return run


def main(argv=None):
    """The command `supcon-hub-export`; returns its exit status."""
    values = flags.FlagValues()
    for name, default, meaning in (
        ("workdir", None, "Folder that supcon-pretrain wrote."),
        ("output", None, "Folder to write the SavedModel to."),
        ("publisher", None, "Who publishes it, for the card."),
        ("model_name", None, "Name of the model; by default of its data set."),
        ("license", None, "Licence of the weights, for the card."),
    ):
        flags.DEFINE_string(name, default, meaning, flag_values=values)
    flags.DEFINE_integer("version", 1, "Version, from 1.", flag_values=values)
    for name, default, meaning in (
        (
            "include_projection",
            False,
            "Add the projection head, as the callables `projection` and "
            "`projection_head`.",
        ),
        (
            "include_classifier",
            False,
            "Add the classifier that supcon-linear-eval wrote, as the callable "
            "`classifier`.",
        ),
        (
            "archive",
            False,
            "Also write OUTPUT.tar.gz, which `hub.load(url)` accepts, and its "
            "sha256.",
        ),
        ("overwrite", False, "Replace an earlier export."),
        (
            "safe_mode",
            True,
            "Refuse an encoder that holds code, as one does that started from "
            "a SavedModel; --nosafe_mode trusts whom it is from.",
        ),
    ):
        flags.DEFINE_bool(name, default, meaning, flag_values=values)

    def prepared(values):
        options = {name: values[name].value for name in values}
        return prepare(options.pop("workdir"), options.pop("output"), **options)

    return run_command("supcon-hub-export", __doc__, values, prepared, argv)


def _checked_differences(exported, folder, facts):
    pixels = example_pixels(exported.encoder, facts["images"])
    facts["sizes"] = [images.shape[1:3] for images in pixels]
    differences = compare_in_new_process(
        exported.encoder, folder, pixels, **exported.parts
    )
    for mode, tolerance in _TOLERANCES.items():
        if not differences[mode] <= tolerance:  # also catches NaN
            raise RuntimeError(
                f"The SavedModel must equal the encoder within {tolerance:g} "
                f"of the largest feature in {mode} mode. Received: a "
                f"difference of {differences[mode]:g}"
            )
    return differences


def _sizes(saved_model):
    files = [path for path in saved_model.rglob("*") if path.is_file()]
    weights = [path for path in files if ".data-" in path.name]
    return {
        "saved_model_bytes": sum(path.stat().st_size for path in files),
        "variables_bytes": sum(path.stat().st_size for path in weights),
    }


def _versions():
    try:
        own = importlib.metadata.version("supcon_tf")
    except importlib.metadata.PackageNotFoundError:
        own = "not installed"
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "supcon_tf": own,
    }


def _summary(facts):
    height, width = (size or "any" for size in facts["images"][1:3])
    rows = [
        (
            "images",
            f"[any, {height}, {width}, 3] RGB, float32 in [0, 1] or uint8",
        ),
        ("features", f"[any, {facts['features']}] float32"),
        *(
            (name, f"[any, {width}] float32")
            for name, (_, width) in facts["callables"].items()
        ),
        ("parameters", f"{facts['parameters']:,}"),
        (
            "read back",
            "by a new process; differs by "
            f"{facts['largest_difference']['inference']:.1e} of the largest "
            "feature",
        ),
        ("card", facts["card"]),
    ]
    if facts["archive"]:
        name, size = facts["archive"]["name"], facts["archive"]["bytes"]
        rows.append(("archive", f"{name}, {size / 1e6:.1f} MB"))
    table = "\n".join(f"  {name:<16}{value}" for name, value in rows)
    return f"""\
Exported to {facts["path"]} in {facts["seconds"]:.1f} s
{table}

Load it with
  import tensorflow_hub as hub
  encoder = hub.load("{facts["path"]}")
  features = encoder(images)"""


if __name__ == "__main__":
    sys.exit(main())
