"""Writes the model card, Markdown for TF-Hub, Kaggle Models, Hugging Face.

What it says about the training comes from provenance.py, about the data and the
accuracy from results.py, and about the SavedModel from contents.py. Its code
comes from usage.py, and what Hugging Face reads from hugging_face.py.
"""

import re

from hub_export.card import (
    contents,
    hugging_face,
    provenance,
    results,
    usage,
)

_VARIATION = "default"


def model_card(
    facts,
    *,
    publisher=None,
    model_name,
    version=1,
    license=None,
    config=None,
    evaluation=None,
    for_hugging_face=False,
):
    """Writes what others need to know about an exported encoder, as Markdown.

    The first lines are those that TF-Hub reads. The headings of Kaggle's model
    card and of its variations follow. Nothing is guessed. The card says of what
    is not known that it is not known.

    Args:
      facts: dict of facts about the export:
        images: `(None, H, W, 3)`. A side is None if any size is taken.
        features: R, the number of features.
        parameters: number of parameters, batch statistics included.
        trainable_parameters: number of trainable parameters.
        variables_bytes: size of the weights.
        saved_model_bytes: size of all files.
        endpoints: dict of names to the output shapes of
          `return_endpoints=True`.
        callables: dict of those of `projection`, `projection_head` and
          `classifier` that exist, to their output shapes.
        class_names: tuple, or None.
        regularization_losses: number of regularization losses.
        synchronized: whether BatchNormalization was synchronized in training.
        precision: dtype policy of the training.
        largest_difference: dict of `inference` and `training`, as `compare`
          returns it.
        sizes: list of one or more `(H, W)` at which it was compared.
        archive: dict of `name`, `bytes` and `sha256`, and `url` if it is
          known; or None.
        versions: dict of `tensorflow`, `keras` and `supcon_tf`.
        date: `"YYYY-MM-DD"`.
        hugging_face: dict of `folder`, the name of the folder to upload, and
          `needs`, as in `hugging_face.upload`; or None.
      publisher: name of the publisher on Kaggle or TF-Hub, or None, the
        default.
      model_name: name of the model there.
      version: int >= 1, 1 by default.
      license: name of the license on Kaggle, such as `"Apache 2.0"`, or None,
        the default.
      config: dict of the training's config.json, or None, the default. A
        setting that is not in it counts as not recorded.
      evaluation: dict of the training's linear_eval.json, or None, the default.
      for_hugging_face: whether the text begins with the lines that Hugging Face
        reads, False by default. TF-Hub wants its own first.

    Returns:
      The text of the file.

    Raises:
      ValueError: if a name, the version or the license is not as described.

    Example:
      >>> text = model_card(facts, model_name="digits")  # doctest: +SKIP
      >>> text.splitlines()[0]  # doctest: +SKIP
      '# Module digits/1'

    Reference:
      https://www.tensorflow.org/hub/writing_documentation for TF-Hub, and
      https://github.com/Kaggle/kaggle-api/blob/main/docs/model_card.md for
      Kaggle.
    """
    check_card(
        publisher=publisher,
        model_name=model_name,
        version=version,
        license=license,
    )
    config, evaluation = config or {}, evaluation or {}
    class_names = facts["class_names"] or evaluation.get("class_names")
    front = ""
    if for_hugging_face:
        front = hugging_face.front_matter(
            model_name, license=license, config=config, evaluation=evaluation
        )
    name = "/".join(filter(None, [publisher, model_name, str(version)]))
    notes = f"Version {version}, {facts['date']}"
    sections = [
        f"{front}# Module {name}",
        f"{provenance.description(config, facts['features'])}.",
        _comments(facts, config, license),
        _overview(publisher, license),
        _summary(facts),
        _characteristics(facts, config),
        _data_overview(config, evaluation, class_names),
        _evaluation_results(config, evaluation),
        _format(facts),
        _inputs_and_outputs(facts, config),
        f"## Model Usage\n\n{usage.model_usage(facts)}",
        _kaggle(publisher, model_name, license, notes),
        _hugging_face(publisher, model_name, facts["hugging_face"]),
        _fine_tuning(facts),
        _changelog(version, facts["date"]),
    ]
    return "\n\n".join(sections) + "\n"


def check_card(*, publisher, model_name, version, license):
    """Refuses names, versions and licenses that cannot stand in a card.

    Args:
      publisher: as in `model_card`.
      model_name: as in `model_card`.
      version: as in `model_card`.
      license: as in `model_card`.

    Raises:
      ValueError: if an argument is not as described there.

    Example:
      >>> check_card(
      ...     publisher=None, model_name="digits", version=0, license=None
      ... )
      Traceback (most recent call last):
      ValueError: `version` must be an integer >= 1. Received: version=0
    """
    _check_name("model_name", model_name)
    if publisher is not None:
        _check_name("publisher", publisher)
    _check_version(version)
    _check_license(license)


def _comments(facts, config, license):
    """Writes the lines that TF-Hub reads, `<!-- name: value -->`."""
    values = {
        "asset-path": (facts["archive"] or {}).get("url"),
        "task": "image-feature-vector",
        "fine-tunable": "true",
        "format": "saved_model_2",
        "dataset": provenance.dataset(config),
        "network-architecture": provenance.architecture(config),
        "license": hugging_face.license_slug(license),
    }
    return "\n".join(
        f"<!-- {name}: {value} -->"
        for name, value in values.items()
        if value is not None
    )


def _overview(publisher, license):
    return f"""\
## Overview

A network that turns an image into a vector of features: for a linear \
classifier, for nearest neighbours, or as a start for training on other \
images. {_stated("publisher", publisher)} {_stated("license", license)}"""


def _stated(what, value):
    return f"The {what} is {value or 'not stated'}."


def _summary(facts):
    return f"""\
## Model Summary

### Usage

In: RGB images. Out: features. How it is called stands under \
[Model Usage](#model-usage).

### System

It stands alone, and needs nothing but images.

### Implementation requirements

TensorFlow 2 loads and runs it, on a CPU, too; Keras and supcon_tf are not \
needed. It was written by {contents.versions(facts)}. On what hardware it was \
trained, and for how long, is {provenance.NOT_RECORDED}."""


def _characteristics(facts, config):
    return f"""\
## Model Characteristics

### Model initialization

{provenance.initialization(config)}

### Model stats

{contents.stats(facts)}

### Other details

{provenance.objective(config, facts["callables"])}

{provenance.settings(config)}

{contents.precision(facts)}"""


def _data_overview(config, evaluation, class_names):
    return f"""\
## Data Overview

### Training data

{results.training_data(config, evaluation, class_names)}

### Demographic groups

Nothing is known of persons or groups in the images.

### Evaluation data

{results.evaluation_data(config, evaluation)}"""


def _evaluation_results(config, evaluation):
    return f"""\
## Evaluation Results

### Summary

{results.summary(config, evaluation)}

### Subgroup evaluation results

Results by class or by other groups of the images are not known.

### Fairness

It was not studied.

### Usage limitations

{results.limitations(config)}

### Ethics

No ethical review is known. What is one-sided in the training images and \
their labels may be so in the features."""


def _format(facts):
    return f"""\
## Model Format

TensorFlow 2 SavedModel, of the kind that TF-Hub calls reusable: with \
inference and training mode, and variables to train.{contents.archive(facts)}

## Training Data

As in [Data Overview](#data-overview)."""


def _inputs_and_outputs(facts, config):
    return f"""\
## Model Inputs

{contents.inputs(facts)}

## Model Outputs

{contents.outputs(facts, provenance.unit_length(config))}"""


def _kaggle(publisher, model_name, license, notes):
    code = "No publisher is stated, and so no place on Kaggle."
    if publisher is not None:
        handle = f"{publisher}/{model_name}/tensorFlow2/{_VARIATION}"
        code = usage.kaggle(handle, license=license, notes=notes)
    return f"### Kaggle Models\n\n{code}"


def _hugging_face(publisher, model_name, folder):
    code = (
        "`supcon-hub-export --hugging_face` writes a folder that can be "
        "uploaded there as it is."
    )
    if folder is not None:
        code = hugging_face.upload(publisher, model_name, **folder)
    return f"### Hugging Face\n\n{code}"


def _fine_tuning(facts):
    return f"""\
## Fine-tuning

{contents.fine_tuning(facts)}

{usage.fine_tuning_code(facts)}"""


def _changelog(version, date):
    unrecorded = ". What is different from the one before is not recorded."
    changed = ": the first." if version == 1 else unrecorded
    return f"## Changelog\n\n- Version {version}, exported on {date}{changed}"


def _check_name(argument, name):
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(
            f"`{argument}` must be letters, digits, - and _. "
            f"Received: {argument}={name!r}"
        )


def _check_version(version):
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(
            f"`version` must be an integer >= 1. Received: version={version!r}"
        )


def _check_license(license):
    # The license stands in a comment, in a line of text and in a code string.
    allowed = r"[A-Za-z0-9][A-Za-z0-9 .,()/+-]*"
    if license is None:
        return
    if not isinstance(license, str) or not re.fullmatch(allowed, license):
        raise ValueError(
            "`license` must be one line of letters, digits, spaces and "
            f".,()/+-. Received: license={license!r}"
        )
