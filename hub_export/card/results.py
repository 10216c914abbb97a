"""Writes a card's sentences on the images and the accuracy of an encoder.

As in provenance.py, the card says what was not recorded. `config` is the dict
of config.json, and `evaluation` that of linear_eval.json. Each is empty if
there is no such file.
"""

import re

from hub_export.card.provenance import (
    NOT_RECORDED,
    initial_encoder,
    is_trained,
)
from supcon_tf.training.objectives import OBJECTIVES

_MOST_NAMES = 100  # classes that are listed, since more would hide the rest
_METHODS = {
    "fast": "logistic regression on the features",
    "augmented": "a dense layer on the features of augmented images",
}


def training_data(config, evaluation, class_names):
    """Tells which images the encoder was trained on, and how, as Markdown."""
    count = evaluation.get("num_train_images")
    images = "images" if count is None else f"{count:,} training images"
    name = config.get("dataset")
    if name is None:
        sentences = [f"The training images are {NOT_RECORDED}."]
    elif name == "folder":
        sentences = [f"{images.capitalize()} of a folder of the maker's own."]
    else:
        sentences = [f"`{name}`: {images}, without those it is evaluated on."]
        if count is None:
            sentences = [f"Images of `{name}`; their number is {NOT_RECORDED}."]
    sentences.append(_classes(class_names))
    if not is_trained(config):
        sentences.insert(0, "Those of the classifier, not of the encoder:")
        count = evaluation.get("config", {}).get("num_views", NOT_RECORDED)
        sentences.append(f"Views of each image that were encoded: {count}.")
        return " ".join(sentences)
    row = OBJECTIVES.get(config.get("objective"))
    if row and not row.uses_labels:
        sentences.append("The labels were not used in pretraining.")
    if config.get("validation_fraction"):
        part = config["validation_fraction"]
        sentences.append(f"A share of {part:g} was held out for evaluation.")
    if config.get("max_samples"):
        sentences.append(
            f"Only {config['max_samples']:,} images were used (max_samples)."
        )
    if config.get("label_noise"):
        sentences.append(
            "Label noise: each training label was replaced by a random class "
            f"with probability {config['label_noise']:g}, once for all epochs."
        )
    return " ".join([*sentences, _views(config)])


def evaluation_data(config, evaluation):
    """Tells which images the encoder was evaluated on."""
    if not evaluation:
        return "No evaluation is recorded."
    name = config.get("dataset")
    of = {None: "", "folder": " of the folder"}.get(name, f" of `{name}`")
    text = (
        f"{evaluation['num_test_images']:,} {_kind(config)} images{of}, not "
        "among the training images."
    )
    if initial_encoder(config) is not None:
        text += (
            " Whether the encoder that the training started from had seen them "
            "is not known."
        )
    return text


def summary(config, evaluation):
    """Lists the accuracies and those to compare with, and tells the method."""
    if not evaluation:
        return "The accuracy is not known: no evaluation is recorded."
    rows = [
        ("top-1, linear classifier on the features", "top_1_accuracy"),
        ("top-5, the same", "top_5_accuracy"),
        (
            "top-1, linear classifier on the untrained encoder",
            "untrained_top_1_accuracy",
        ),
        (
            "top-1, nearest training image by raw pixels",
            "raw_pixel_1nn_accuracy",
        ),
    ]
    if evaluation.get("classifier_top_1_accuracy") is not None:
        text = "top-1, the classifier that was trained with the encoder"
        rows.insert(2, (text, "classifier_top_1_accuracy"))
    if _is_first_answer(evaluation):
        rows = rows[:1]
    lines = [f"| {text} | {_accuracy(evaluation, key)} |" for text, key in rows]
    count = f"{evaluation['num_test_images']:,} {_kind(config)} images"
    table = "\n".join([f"| accuracy on {count} | |", "|---|---|", *lines])
    return f"{table}\n\n{_method(evaluation)}"


def limitations(config):
    """Tells what the encoder was not tried on."""
    size = config.get("image_size")
    if size is None:
        seen = f"The size of the images it was trained on is {NOT_RECORDED}."
    else:
        what = "It" if is_trained(config) else "The classifier"
        seen = f"{what} was trained on {size} x {size} pixels."
    return (
        f"{seen} How good the features are at other sizes, and for other kinds "
        "of images and classes than those it was trained on, was not tested."
    )


def _kind(config):
    return "held-out" if config.get("validation_fraction") else "test"


def _accuracy(evaluation, key):
    if key not in evaluation:
        return NOT_RECORDED
    value = evaluation[key]
    return "not measured" if value is None else f"{value:.4f}"


def _is_first_answer(evaluation):
    """Whether supcon-photos has measured it, and not supcon-linear-eval."""
    return "num_views" in evaluation.get("config", {})


def _method(evaluation):
    """Tells how the linear classifier was made."""
    config = evaluation.get("config", {})
    if _is_first_answer(evaluation):
        return (
            "The classifier is that of `supcon-photos`, with the encoder "
            "frozen: logistic regression on the features of "
            f"{config['num_views']} views of each training image."
        )
    method = config.get("method")
    if method is None:
        return (
            "The classifier is that of `supcon-linear-eval`, with the encoder "
            f"frozen; its settings are {NOT_RECORDED}."
        )
    text = (
        "The classifier is that of `supcon-linear-eval`, with the encoder "
        f"frozen, method {method}: {_METHODS.get(method, method)}"
    )
    if method == "augmented":
        text += (
            f", {config['epochs']} epochs in batches of {config['batch_size']}"
            f", {config['optimizer']}, schedule {config['schedule']}"
        )
    chosen = evaluation.get("chosen", {})
    for key, words in (("l2", "l2"), ("learning_rate", "learning rate")):
        if key in chosen:
            text += f", {words} {chosen[key]:g}"
            tried = len(chosen.get("held_out_top_1_accuracies", []))
            if tried > 1:
                text += f" (of {tried}, chosen on held-out training images)"
    if "eval_augmentation" in config:
        text += f"; images cut by {config['eval_augmentation']}"
    return f"{text}."


def _classes(class_names):
    if not class_names:
        return f"The classes are {NOT_RECORDED}."
    shown = ", ".join(_escaped(name) for name in class_names[:_MOST_NAMES])
    more = len(class_names) - _MOST_NAMES
    rest = f", and {more} more" if more > 0 else ""
    return f"{len(class_names)} classes: {shown}{rest}."


def _views(config):
    if not {"augmentation", "num_views", "image_size"} <= config.keys():
        return f"How they were augmented is {NOT_RECORDED}, or not all of it."
    count, size = config["num_views"], config["image_size"]
    views = "one view" if count == 1 else f"{count} views"
    small = ""
    if config.get("small_views"):
        count, side = config["small_views"], config["small_view_size"]
        small = f" and {count} small ones of {side} x {side} pixels"
    return (
        f"Each image was seen in {views} at a time of {size} x {size} pixels"
        f"{small}, augmented by `{config['augmentation']}`."
    )


def _escaped(text):
    """Escapes others' text, so that one line of Markdown shows it as it is."""
    return re.sub(r"([\\`*_<>\[\]|])", r"\\\1", " ".join(str(text).split()))
