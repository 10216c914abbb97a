"""Writes a card's sentences on where an encoder is from.

Nothing is guessed. If a run did not record something, the card says so or does
not mention it. `config` is the dict of config.json, or empty if there is none.
"""

import json
import pathlib

from supcon_tf.config.pretrain import MAY_CHANGE, start_of
from supcon_tf.training.objectives import OBJECTIVES, words_of
from supcon_tf.training.unused_settings import unused_settings

NOT_RECORDED = "not recorded"


def is_trained(config):
    """Whether the run trained the encoder: supcon-photos takes it as it is."""
    return config.get("is_trained", True)


def architecture(config):
    """Returns the name of the network, or None."""
    return None if config.get("initial_encoder") else config.get("encoder")


def dataset(config):
    """Returns the data set's name, or None, as for a folder of one's own."""
    name = config.get("dataset")
    return None if name == "folder" else name


def description(config, features):
    """Tells in one sentence what the encoder is, and how it was trained."""
    if not is_trained(config):
        start = initial_encoder(config)
        return f"Image encoder `{start}`: RGB images to {features} features"
    network = architecture(config) or ""
    if network and config.get("width", 1) != 1:
        network += f", width {config['width']:g}"
    network = f" ({network})" if network else ""
    where = {"folder": " on a folder of images", None: ""}.get(
        config.get("dataset"), f" on {config.get('dataset')}"
    )
    method = config.get("objective")
    if method in OBJECTIVES:
        method, _ = words_of(method, config.get("loss"))
    by = f" by {method}" if method else ""
    trained = f" trained{where}{by}" if where or by else ""
    return f"Image encoder{network}{trained}: RGB images to {features} features"


def initialization(config):
    """Tells what the training started from."""
    seed = f"Seed: {config.get('seed', NOT_RECORDED)}."
    where = initial_encoder(config)
    if not is_trained(config):
        return (
            f"The weights are those of `{where}`, an encoder already trained. "
            "Nothing of it was trained further."
        )
    if where is not None:
        return f"Trained from `{where}`, an encoder already trained. {seed}"
    if "initial_encoder" not in config:
        return f"What the training started from is {NOT_RECORDED}. {seed}"
    return f"Trained from random weights. {seed}"


def initial_encoder(config):
    """Returns the trained encoder that the training started from, or None."""
    return _public(start_of(config))


def objective(config, callables):
    """Tells the loss, the temperature and the projection head."""
    if not is_trained(config):
        return (
            "How it was trained is told by whoever it is from. No projection "
            "head is in this SavedModel."
        )
    name = config.get("objective")
    if name is None:
        sentences = [f"The objective is {NOT_RECORDED}."]
    else:
        loss = f"`{name}`"
        if name in OBJECTIVES:
            _, loss = words_of(name, config.get("loss"))
        sentences = [f"Objective: {loss}."]
    is_contrastive = name is None or (
        name in OBJECTIVES and OBJECTIVES[name].is_contrastive
    )
    has_temperature = "temperature" not in unused_settings(config)
    if is_contrastive and has_temperature and "temperature" in config:
        sentences.append(f"Temperature: {config['temperature']:g}.")
    if name in OBJECTIVES and "contrast_weight" in OBJECTIVES[name].settings:
        weight = config.get("contrast_weight", NOT_RECORDED)
        sentences.append(f"Weight of the contrastive loss: {weight}.")
    included = [
        f"`encoder.{name}({of})`"
        for name, of in (
            ("projection", "images"),
            ("projection_head", "features"),
        )
        if name in callables
    ]
    if is_contrastive:
        sentences.append(_head(config))
    else:
        sentences.append("There was no projection head.")
    if included:
        sentences.append(
            f"The projection head is in this SavedModel: {listed(included)}."
        )
    else:
        sentences.append("No projection head is in this SavedModel.")
    return " ".join(sentences)


def unit_length(config):
    """Tells whether the features have length 1."""
    return {
        True: "The features are scaled to unit length.",
        False: "The features are not scaled to unit length.",
    }.get(
        config.get("normalize_representation"),
        f"Whether the features are scaled to unit length is {NOT_RECORDED}.",
    )


def settings(config):
    """Lists the settings that had an effect on the training, as JSON."""
    if not is_trained(config):
        return "`supcon-photos` trains nothing of an encoder."
    if not config:
        return f"The settings of the training are {NOT_RECORDED}."
    unused = unused_settings(config)
    shown = {
        **config,
        "initial_encoder": _public(config.get("initial_encoder")),
    }
    lines = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(value)}"
        for name, value in shown.items()
        if value is not None and name not in (*MAY_CHANGE, *unused)
    )
    text = (
        "Settings of `supcon-pretrain`; each is a flag of that name. The "
        f"recipe that they started from is {NOT_RECORDED}. What had no part, "
        f"or is {NOT_RECORDED}, is left out."
    )
    rate = _peak_learning_rate(config)
    if rate is not None:
        text += f" The peak learning rate was {rate:g}."
    return f"{text}\n\n```json\n{{\n{lines}\n}}\n```"


def listed(words):
    """Joins words as `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _head(config):
    if "projection_units" not in config:
        return f"The layers of a projection head are {NOT_RECORDED}."
    units = listed(f"{units}" for units in config["projection_units"])
    norm = {
        True: ", with BatchNormalization",
        False: ", without BatchNormalization",
    }.get(config.get("projection_batch_norm"), "")
    return f"Projection head: dense layers of {units}{norm}."


def _public(where):
    """Returns a start of the training, or the last part of a private path."""
    if where is None or start_of({"encoder": where}) or "://" in where:
        return where
    return pathlib.PurePath(where).name


def _peak_learning_rate(config):
    if config.get("learning_rate") is not None:
        return config["learning_rate"]
    if {"base_learning_rate", "batch_size"} <= config.keys():
        return config["base_learning_rate"] * config["batch_size"] / 256
    return None
