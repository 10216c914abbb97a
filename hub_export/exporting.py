"""Makes one export, from a workdir to a SavedModel, its card and archive."""

import datetime
import importlib.metadata
import pathlib
import time

import keras
import tensorflow as tf

from hub_export.archive import write_archive
from hub_export.card import check_card, model_card
from hub_export.comparison import compare_in_new_process, example_pixels
from hub_export.exported_run import ExportedRun
from hub_export.outputs import (
    check_output,
    files_beside,
    move_into_place,
    temporary_folder_beside,
    upload_folder,
)
from hub_export.saved_model import write_saved_model
from hub_export.tracing import check_encoder, training_of
from hub_export.upload import write_upload
from supcon_tf.config.last_lines import print_last_lines
from supcon_tf.config.waiting_line import waiting_line

# The tolerances are relative to the largest feature, as `compare` measures.
# Float32 holds seven digits, and the layers of an encoder cost one or two. In
# training mode the statistics of the four images that are compared can amplify
# that rounding a hundredfold. A wrong mode, weight or statistic makes a far
# larger difference.
_TOLERANCES = {"inference": 1e-5, "training": 1e-3}


def prepare(
    workdir,
    output,
    *,
    include_projection=False,
    include_classifier=False,
    include_unknown=False,
    archive=False,
    hugging_face=False,
    overwrite=False,
    publisher=None,
    model_name=None,
    version=1,
    license=None,
    safe_mode=True,
):
    """Checks everything, writes nothing, and returns the export as a function.

    The function takes no arguments and returns the facts of `export.export`.
    """
    exported = ExportedRun(
        workdir,
        include_projection=include_projection,
        include_classifier=include_classifier,
        include_unknown=include_unknown,
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
    output = check_output(
        output,
        archive=archive,
        hugging_face=hugging_face,
        overwrite=overwrite,
    )

    def run():
        started = time.monotonic()
        with temporary_folder_beside(output) as folder:
            draft = folder / "saved_model"
            facts = _written_and_compared(exported, draft)
            places = files_beside(output, archive=archive)
            card, *archives = (folder / place.name for place in places)
            if archive:
                facts["archive"] = _archived(draft, archives[0])
            recorded = {
                "config": exported.config,
                "evaluation": exported.evaluation,
                **described,
            }
            moves = dict(zip((card, *archives), places, strict=True))
            if hugging_face:
                place = upload_folder(output)
                upload = folder / place.name
                write_upload(exported.encoder, draft, upload, facts, recorded)
                moves[upload] = place
            card.write_text(model_card(facts, **recorded), encoding="utf-8")
            # Last the folder: where it is, the export is finished.
            moves[draft] = output
            move_into_place(moves, folder)
        facts |= {
            "path": str(output),
            "card": str(places[0]),
            "upload": str(upload_folder(output)) if hugging_face else None,
            "seconds": time.monotonic() - started,
        }
        _print_last_lines(facts)
        return facts

    return run


def _written_and_compared(exported, draft):
    """Writes the SavedModel, reads it back, and returns facts for its card."""
    with waiting_line("writing the SavedModel"):
        facts = write_saved_model(
            exported.encoder,
            draft,
            **exported.parts,
            preprocessing=exported.preprocessing,
            known=exported.known,
        )
    with waiting_line("reading it back in another process"):
        differences = _checked_differences(exported, draft.parent, facts)
    return {
        **facts,
        **_sizes(draft),
        **training_of(exported.encoder),
        "features": facts["endpoints"]["features"][-1],
        "class_names": exported.class_names,
        "largest_difference": differences,
        "archive": None,
        "hugging_face": None,
        "versions": _versions(),
        "date": datetime.date.today().isoformat(),
    }


def _archived(draft, path):
    """Writes the archive, and returns facts for the card."""
    return {
        "sha256": write_archive(draft, path),
        "name": path.name,
        "bytes": path.stat().st_size,
    }


def _checked_differences(exported, folder, facts):
    pixels = example_pixels(exported.encoder, facts["images"])
    facts["sizes"] = [images.shape[1:3] for images in pixels]
    differences = compare_in_new_process(
        exported.encoder,
        folder,
        pixels,
        **exported.parts,
        preprocessing=exported.preprocessing,
        known=exported.known,
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


def _print_last_lines(facts):
    """Prints what it takes and gives, how equal it is, and how it is loaded."""
    sides = ", ".join(str(side or "any") for side in facts["images"][1:3])
    path = pathlib.Path(facts["path"])
    parts = {"features": facts["features"]}
    parts |= {name: shape[-1] for name, shape in facts["callables"].items()}
    given = ", ".join(f"{name} [B, {size}]" for name, size in parts.items())
    written = [path.name, f"{path.name}.md"]
    if archive := facts["archive"]:
        written.append(f"{archive['name']} ({archive['bytes']:,} bytes)")
    if facts["upload"]:
        written.append(pathlib.Path(facts["upload"]).name)
    print_last_lines(
        f"images [B, {sides}, 3], RGB, float32 in [0, 1] or uint8 -> {given}; "
        f"{facts['parameters']:,} parameters",
        more="read back by a new process: it differs by "
        f"{facts['largest_difference']['inference']:.1e} of the largest "
        f"feature; {facts['seconds']:.0f} s",
        folder=path.parent,
        written=written,
        following=["in Python:"],
    )
    lines = [
        "import tensorflow_hub as hub",
        f"encoder = hub.load({str(path)!r})",
        "features = encoder(images)",
    ]
    if facts["preprocessing"] is not None and "classifier" in parts:
        lines[:1] = ["import tensorflow as tf", lines[0]]
        lines[-1:] = [
            'images = encoder.preprocess(tf.io.read_file("photo.jpg"))',
            "scores = encoder.classifier(images)",
        ]
        if facts["known"] is not None:
            lines += ["none = encoder.distance(images) > encoder.threshold()"]
    print("\n" + "\n".join(f"  {line}" for line in lines))
