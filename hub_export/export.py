"""Exports a pretrained encoder as a SavedModel for TF-Hub.

    supcon-hub-export --workdir=W --output=DIR

Reads W/encoder.keras, which supcon-pretrain or supcon-photos wrote. Writes the
SavedModel to DIR, its model card to DIR.md and, with --archive, the file that a
web server needs to DIR.tar.gz. Before that, another process reads the
SavedModel back and must find that it equals the encoder.
"""

import sys

from absl import flags

from supcon_tf.config.command_line import run_command
from supcon_tf.config.help_text import under_heading
from supcon_tf.config.training import SAFE_MODE


def export(workdir, output, **options):
    """Exports `workdir`/encoder.keras as a Reusable SavedModel, and checks it.

    Everything is written to a temporary folder beside `output`. Another
    process, which has TensorFlow and nothing of this package, loads the
    SavedModel. Its outputs are compared with those of the encoder, in inference
    mode and in training mode. Only then is the SavedModel renamed to `output`.
    A failed export leaves nothing behind, and leaves an earlier one as it was.

    The model card `output`.md is written beside the SavedModel. It has the
    headings of TF-Hub and Kaggle.

    Args:
      workdir: folder with an encoder.keras, as `supcon_tf.pretrain` writes it.
      output: folder to write. Missing parents are made.
      **options:
        include_projection: whether the SavedModel has the callables
          `projection` and `projection_head`, from supcon_model.keras or
          joint_model.keras. False by default, like the next five.
        include_classifier: whether the SavedModel has the callable
          `classifier`, from the classifier.keras of linear evaluation.
        include_unknown: whether the SavedModel has the callables `distance` and
          `threshold`, from the known_photographs.npz of supcon-predict. The
          features of the training photographs are then published, too.
        archive: whether to write `output`.tar.gz, which `hub.load(url)`
          accepts, and `output`.tar.gz.sha256.
        hugging_face: whether to write `output`-hugging_face, a folder that
          huggingface_hub uploads as it is: a card with the lines that Hugging
          Face reads, the encoder as Keras saves it, and the SavedModel.
        overwrite: whether an earlier export is replaced.
        publisher: name of the publisher, of letters, digits, - and _. None, the
          default, leaves it open.
        model_name: name of the model, of the same characters. None, the
          default, makes one from the data set and the encoder.
        version: int >= 1, 1 by default. A published archive must not change,
          since whoever has loaded it never looks again.
        license: license of the weights, such as "Apache 2.0". None, the
          default, leaves it open.
        safe_mode: whether to refuse an encoder that holds code, such as one
          that started from a SavedModel. True by default.

    Returns:
      A dict of facts about the export, all that the card tells and
        path: absolute path of the SavedModel.
        card: absolute path of the model card.
        archive: dict of `name`, `bytes` and `sha256`, or None.
        upload: absolute path of the folder for Hugging Face, or None.
        images: shape of the input. A side is None if any size is taken.
        features: R, the number of features.
        parameters: number of weights, batch statistics included.
        endpoints, callables: dicts of further outputs to their shapes.
        largest_difference: difference from the encoder, relative to the largest
          feature, as `{"inference": float, "training": float}`.
        seconds: duration of the export, reading back included.

    Raises:
      ValueError: if workdir, encoder or output are not as described.
      RuntimeError: if the SavedModel does not compute what the encoder does.

    Example:
      >>> encoder.save("encoder.keras")  # a run of supcon-pretrain has one
      >>> facts = export(".", "saved_model")  # doctest: +SKIP
      Exported to ...
    """
    return prepare(workdir, output, **options)()


def prepare(workdir, output, **options):
    """Checks everything, writes nothing, and returns the export as a function.

    The options are those of `export`.
    """
    from supcon_tf.frameworks.backends import check_tensorflow  # it loads Keras

    check_tensorflow(
        "The export of a SavedModel", "share encoder.keras", as_backend=True
    )
    from hub_export import exporting  # it loads TensorFlow

    return exporting.prepare(workdir, output, **options)


def _prepare_command(values):
    options = {name: values[name].value for name in values}
    return prepare(options.pop("workdir"), options.pop("output"), **options)


def main(argv=None):
    """Runs the command `supcon-hub-export` and returns its exit status."""
    values = flags.FlagValues()
    for name, default, meaning in (
        (
            "workdir",
            None,
            "Folder that supcon-pretrain or supcon-photos wrote.",
        ),
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
            "include_unknown",
            False,
            "Add the callables `distance` and `threshold`, which tell images "
            "of none of the classes, and the features of the training "
            "photographs, which these need.",
        ),
        (
            "archive",
            False,
            "Also write OUTPUT.tar.gz, which `hub.load(url)` accepts, and its "
            "sha256.",
        ),
        (
            "hugging_face",
            False,
            "Also write OUTPUT-hugging_face, which `hf upload` takes as it is.",
        ),
        ("overwrite", False, "Replace an earlier export."),
    ):
        flags.DEFINE_bool(name, default, meaning, flag_values=values)
    flags.DEFINE_bool(
        "safe_mode",
        True,
        SAFE_MODE,
        flag_values=values,
        module_name=under_heading("Where and how it runs"),
    )

    return run_command(
        "supcon-hub-export", __doc__, values, _prepare_command, argv
    )


if __name__ == "__main__":
    sys.exit(main())
