"""Reads what an export needs from the folder of a run."""

import dataclasses
import pathlib
import re

import numpy as np

from hub_export.tracing import own_shape
from supcon_tf.config import PretrainConfig
from supcon_tf.config.pretrain import start_of
from supcon_tf.config.settings import read_json
from supcon_tf.encoders.saved import load_encoder, load_keras_file
from supcon_tf.photographs.asked_classifier import asked_classifier
from supcon_tf.photographs.asked_encoder import (
    RESIZINGS,
    check_resizing,
    told_by_workdir,
)
from supcon_tf.photographs.prediction import KNOWN_FILE
from supcon_tf.training.linear_results import read_linear_results
from supcon_tf.training.objectives import PROJECTION_HEAD_FILES

# supcon-photos trains no encoder, so that these settings alone tell of it.
_OF_UNTRAINED = (
    "dataset",
    "initial_encoder",
    "image_size",
    "max_samples",
    "seed",
)


class ExportedRun:
    """The encoder of a run and what is exported with it.

    Args:
      workdir: folder that `pretrain` wrote, and perhaps `linear_eval`.
      include_projection: whether to read the projection head.
      include_classifier: whether to read the linear classifier.
      include_unknown: whether to read the known photographs.
      safe_mode: as in `load_encoder`.

    Attributes:
      encoder: the Keras model.
      parts: dict of `projection_head` and `classifier`. One that was not read
        is None.
      known: `KnownPhotographs`, or None if they were not read.
      config: the settings of config.json as a dict, or None without that file.
        It holds few of them for a folder of supcon-photos, which trains no
        encoder, and `is_trained`, which is then False.
      evaluation: the dict of linear_eval.json or, without that file, of
        first_answer.json; None without either.
      class_names: the names in that file, else those of the classifier that is
        exported, as a tuple, or None.
      preprocessing: dict of the (height, width) and the name of the resizing of
        the images in evaluation, `image_size` and `resizing`; or None if the
        size is not known.
      name: name of the model, made from its data set and encoder.

    Raises:
      ValueError: if a file that is needed is missing or damaged, or if the head
        or the classifier belongs to another encoder.
    """

    def __init__(
        self,
        workdir,
        *,
        include_projection,
        include_classifier,
        include_unknown,
        safe_mode,
    ):
        self.encoder = load_encoder(workdir, safe_mode=safe_mode)
        folder = pathlib.Path(workdir).expanduser()
        self.config = None
        if (folder / "config.json").exists():
            # An older config.json is completed by today's defaults.
            config = read_json(
                PretrainConfig,
                folder / "config.json",
                required=("dataset", "encoder", "image_size"),
            )
            self.config = dataclasses.asdict(config)
        self.evaluation = None
        if (folder / "linear_eval.json").exists():
            self.evaluation = read_linear_results(
                folder / "linear_eval.json", required=("num_test_images",)
            )
        first = folder / "first_answer.json"
        if self.config is not None and first.is_file():
            kept = {name: self.config[name] for name in _OF_UNTRAINED}
            self.config = {**kept, "is_trained": False}
            self.evaluation = self.evaluation or read_linear_results(
                first, required=("num_test_images",), program="supcon-photos"
            )
        self.parts = {"projection_head": None, "classifier": None}
        if include_projection:
            usual, *others = (folder / name for name in PROJECTION_HEAD_FILES)
            path = next(filter(pathlib.Path.is_file, others), usual)
            model = self._model(
                path,
                "include_projection",
                "which a run with a projection head writes",
                safe_mode,
            )
            head = getattr(model, "projection_head", None)
            if head is None:
                raise ValueError(
                    "`include_projection` needs a run with a projection head. "
                    f"Received: {path}, without one"
                )
            self.parts["projection_head"] = head
        if include_classifier:
            self.parts["classifier"] = self._model(
                folder / "classifier.keras",
                "include_classifier",
                "which supcon-photos and supcon-linear-eval write",
                safe_mode,
            )
        self.known = _known(folder, safe_mode) if include_unknown else None
        names = (self.evaluation or {}).get("class_names") or getattr(
            self.parts["classifier"], "class_names", None
        )
        self.class_names = tuple(names) if names else None
        self.preprocessing = _preprocessing(self.encoder, folder)
        self.name = self._name()

    def _model(self, path, option, source, safe_mode):
        """Loads the model in another file of the run."""
        if not path.is_file():
            raise ValueError(
                f"`{option}` needs {path.name}, {source}. "
                f"Received: {path}, which does not exist"
            )
        model = load_keras_file(path, safe_mode=safe_mode)
        pairs = list(
            zip(model.encoder.weights, self.encoder.weights, strict=False)
        )
        if len(model.encoder.weights) != len(self.encoder.weights) or not all(
            np.array_equal(left, right) for left, right in pairs
        ):
            raise ValueError(
                f"{path.name} must be that of encoder.keras. "
                f"Received: {path}, whose encoder has other weights"
            )
        return model

    def _name(self):
        config = self.config or {}
        network, start = config.get("encoder"), start_of(config)
        if start is not None:
            path = start.partition("://")[2] or pathlib.PurePath(start).stem
            network = path.rpartition(":")[2]
        parts = [config.get("dataset"), network]
        if None in parts:
            parts = [self.encoder.name]
        if config.get("width", 1.0) != 1.0:
            parts.append(f"w{config['width']:.2f}".replace(".", ""))
        return re.sub(r"[^A-Za-z0-9_-]+", "-", "_".join(parts)).strip("-_")


def _known(folder, safe_mode):
    """Reads the photographs that the encoder of a run was trained on."""
    path = folder / KNOWN_FILE
    known = None
    if path.is_file():
        asked = asked_classifier(folder, safe_mode=safe_mode)
        known = asked.known_in(path)
    if known is None:
        raise ValueError(
            f"`include_unknown` needs {KNOWN_FILE} of this encoder, which "
            "supcon-photos and supcon-predict write. "
            f"Received: {path}, which "
            + ("is of another one" if path.is_file() else "does not exist")
        )
    return known


def _preprocessing(encoder, folder):
    """The size that the folder, or else the encoder, tells; the resizing."""
    told_size, told_resizing = told_by_workdir(folder)
    size = own_shape(encoder)[1:3]
    if None in size:
        size = (told_size, told_size)
    if None in size:
        return None
    resizing = told_resizing or RESIZINGS[0]
    check_resizing(resizing)
    return {"image_size": size, "resizing": resizing}
