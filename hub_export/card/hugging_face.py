"""Writes what Hugging Face reads: the lines before a card, and how to upload.

The lines are YAML. What was not recorded is left out of them.
"""

import json
import re

from hub_export.card import provenance

# Names of our data sets on Hugging Face.
_DATASETS = {
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "imagenet2012": "ILSVRC/imagenet-1k",
    "imagenette": "frgfm/imagenette",
}
# Licences that Hugging Face knows by the same name, if spaces are dashes.
_LICENSES = {
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "lgpl-3.0",
    "mpl-2.0", "unlicense", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0",
    "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0",
}  # fmt: skip


def license_slug(license):
    """A licence in small letters, with dashes: "Apache 2.0" -> "apache-2.0".

    None stays None.
    """
    return license and re.sub(r"[^a-z0-9.]+", "-", license.lower()).strip("-")


def front_matter(model_name, *, license, config, evaluation):
    """Writes the lines between two `---` that Hugging Face's pages are made of.

    Args:
      model_name: as in `model_card`, like the other arguments.
      license: name of the licence, or None.
      config: dict, which may be empty.
      evaluation: dict, which may be empty.

    Returns:
      The lines, as YAML, each with its end.
    """
    tags = ["image-feature-extraction", "contrastive-learning", "saved-model"]
    if not provenance.is_trained(config):
        tags.remove("contrastive-learning")
    tags += [
        value
        for value in (
            config.get("objective"),
            provenance.architecture(config),
            provenance.dataset(config),
        )
        if value is not None
    ]
    slug = license_slug(license)
    known = slug in _LICENSES
    on_the_hub = _DATASETS.get(config.get("dataset"))
    values = {
        "library_name": "keras",
        "pipeline_tag": "image-feature-extraction",
        "license": slug if known or slug is None else "other",
        "license_name": None if known else slug,
        "tags": tags,
        "datasets": [on_the_hub] if on_the_hub else None,
        "metrics": ["accuracy"] if evaluation else None,
        "model-index": _model_index(model_name, config, evaluation),
    }
    # JSON is YAML, too, and needs no library to be quoted rightly.
    lines = [
        f"{name}: {json.dumps(value)}"
        for name, value in values.items()
        if value is not None
    ]
    return "\n".join(["---", *lines, "---", ""])


def upload(publisher, model_name, folder, *, needs):
    """Writes the commands that upload a folder and load it, as Markdown.

    Args:
      publisher: name of the publisher there, or None.
      model_name: name of the model there.
      folder: name of the folder that is uploaded.
      needs: what has to be imported before Keras reads the encoder, such as
        `("supcon_tf",)`.

    Returns:
      The text below the heading.
    """
    if publisher is None:
        return "No publisher is stated, and so no place on Hugging Face."
    where = f"{publisher}/{model_name}"
    imports = "".join(
        f"import {name}  # has layers of the encoder\n" for name in needs
    )
    return f"""\
The folder `{folder}`, which `supcon-hub-export --hugging_face` writes, is \
uploaded as it is: it has this card, the encoder as Keras saves it, and the \
SavedModel in `saved_model`.

```bash
pip install "supcon_tf[publish]"
hf auth login
hf upload {where} {folder} .
```

Keras loads it from there:

```python
import keras
{imports}
encoder = keras.saving.load_model("hf://{where}")
```"""


def _model_index(model_name, config, evaluation):
    """The accuracy of the linear classifier; None if it is not recorded."""
    name = config.get("dataset")
    if name is None or "top_1_accuracy" not in evaluation:
        return None
    dataset = {"name": name, "type": _DATASETS.get(name, name)}
    if not config.get("validation_fraction") and name in _DATASETS:
        dataset["split"] = "test" if name.startswith("cifar") else "validation"
    metric = {
        "type": "accuracy",
        "name": "top-1, linear classifier on the frozen features",
        "value": round(evaluation["top_1_accuracy"], 4),
    }
    task = {"type": "image-classification"}
    result = {"task": task, "dataset": dataset, "metrics": [metric]}
    return [{"name": model_name, "results": [result]}]
