"""Exports a pretrained encoder as a SavedModel for TF-Hub.

    supcon-hub-export --workdir=W --output=DIR

Reads W/encoder.keras, which supcon-pretrain wrote. Writes the SavedModel to
DIR, a new folder, once it has been read back and equals the encoder.
"""

import contextlib
import os
import pathlib
import sys
import tempfile
import time

import tensorflow as tf
from absl import flags

from hub_export.saved_model import (
    check_encoder,
    compare,
    write_saved_model,
)
from supcon_tf.commands import run_command
from supcon_tf.encoders.saved import load_encoder
from supcon_tf.files import check_folder

# Relative to the largest feature, as `compare` measures. Float32 holds seven
# digits; the layers of an encoder cost one or two. In training mode the
# statistics of the four images that are compared can amplify that rounding a
# hundredfold; a wrong mode, weight or statistic differs by far more.
_TOLERANCES = {"inference": 1e-5, "training": 1e-3}


def export(workdir, output, *, safe_mode=True):
    """Export `workdir`/encoder.keras as a Reusable SavedModel, and check it.

    The SavedModel is written to a temporary folder beside `output`, read back
    and compared with the encoder in inference and in training mode. Only then
    is it renamed to `output`; a failed export leaves nothing behind.

    Args:
      workdir: folder with an encoder.keras, as `supcon_tf.pretrain` writes it.
      output: folder to write; it must not exist. Missing parents are made.
      safe_mode: whether an encoder that holds code is refused, such as one
        that started from a SavedModel.

    Returns:
      Facts about the export:
        path: absolute path of the SavedModel.
        images: shape of the input, None where any size is taken.
        features: R, the number of features.
        parameters: number of weights, batch statistics included.
        largest_difference: from the encoder in inference mode, relative to
          the largest feature.
        seconds: duration of the export.

    Raises:
      ValueError: if workdir, encoder or output are not as described.
      RuntimeError: if the SavedModel does not compute what the encoder does.

    Example:
      >>> export("runs/digits", "runs/digits/saved_model")["features"]
      512
    """
    return prepare(workdir, output, safe_mode=safe_mode)()


def prepare(workdir, output, *, safe_mode=True):
    """Checks everything, writes nothing; returns the export as a function."""
    encoder = load_encoder(workdir, safe_mode=safe_mode)
    check_encoder(encoder)
    output = _new_path(output)

    def run():
        started = time.monotonic()
        with _temporary_folder_beside(output) as folder:
            draft = os.path.join(folder, "saved_model")
            write_saved_model(encoder, draft)
            loaded = tf.saved_model.load(draft)
            differences = _checked_differences(encoder, loaded)
            os.rename(draft, output)
        serve = loaded.signatures["serving_default"]
        facts = {
            "path": str(output),
            "images": tuple(serve.inputs[0].shape),
            "features": serve.structured_outputs["features"].shape[-1],
            "parameters": encoder.count_params(),
            "largest_difference": differences["inference"],
            "seconds": time.monotonic() - started,
        }
        print(_summary(facts))
        return facts

    return run


def main(argv=None):
    """The command `supcon-hub-export`; returns its exit status."""
    values = flags.FlagValues()
    for name, meaning in (
        ("workdir", "Folder that supcon-pretrain wrote."),
        ("output", "Folder to write the SavedModel to; must not exist yet."),
    ):
        flags.DEFINE_string(name, None, meaning, flag_values=values)
    flags.DEFINE_bool(
        "safe_mode",
        True,
        "Refuse an encoder that holds code, as one does that started from a "
        "SavedModel; --nosafe_mode trusts whom it is from.",
        flag_values=values,
    )

    def prepared(values):
        return prepare(
            values["workdir"].value,
            values["output"].value,
            safe_mode=values["safe_mode"].value,
        )

    return run_command("supcon-hub-export", __doc__, values, prepared, argv)


def _checked_differences(encoder, loaded):
    differences = compare(encoder, loaded)
    for mode, tolerance in _TOLERANCES.items():
        if not differences[mode] <= tolerance:  # also catches NaN
            raise RuntimeError(
                f"The SavedModel must equal the encoder within {tolerance:g} "
                f"of the largest feature in {mode} mode. Received: a "
                f"difference of {differences[mode]:g}"
            )
    return differences


def _summary(facts):
    height, width = (size or "any" for size in facts["images"][1:3])
    difference = facts["largest_difference"]
    return f"""\
Exported to {facts["path"]} in {facts["seconds"]:.1f} s
  images       [any, {height}, {width}, 3] RGB, float32 in [0, 1] or uint8
  features     [any, {facts["features"]}] float32
  parameters   {facts["parameters"]:,}
  read back    differs by {difference:.1e} of the largest feature

Load it with
  import tensorflow_hub as hub
  encoder = hub.load("{facts["path"]}")
  features = encoder(images)"""


def _new_path(output):
    if not output or "://" in str(output):
        raise ValueError(
            "`output` must be a local folder that does not exist yet. "
            f"Received: output={output!r}"
        )
    path = pathlib.Path(output).expanduser().absolute()
    if os.path.lexists(path):
        raise ValueError(
            "`output` must be a folder that does not exist yet. "
            f"Received: output={str(output)!r}, which does"
        )
    check_folder(path, "output")
    return path


@contextlib.contextmanager
def _temporary_folder_beside(output):
    """A folder to work in. It goes afterwards, and so do parents made for it
    that stay empty because the work failed.
    """
    missing = [p for p in output.parents if not p.exists()]  # innermost first
    with contextlib.ExitStack() as stack:
        for parent in reversed(missing):
            parent.mkdir()
            stack.callback(_remove_if_empty, parent)
        # Its mode is 0700. The SavedModel is written inside it, so that it
        # gets the usual one.
        yield stack.enter_context(
            tempfile.TemporaryDirectory(
                dir=output.parent, prefix=f".{output.name}-"
            )
        )


def _remove_if_empty(folder):
    with contextlib.suppress(OSError):
        folder.rmdir()


if __name__ == "__main__":
    sys.exit(main())
