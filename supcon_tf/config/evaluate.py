"""The settings of `evaluate`: a frozen dataclass, a flag a field."""

import dataclasses
import functools

from supcon_tf.config.settings import Checked, refuse_unused, setting
from supcon_tf.config.training import (
    AT_LEAST_1_OR_NONE,
    POSITIVE,
    SAFE_MODE,
)
from supcon_tf.corruptions import CORRUPTIONS

_images = functools.partial(setting, heading="The images")
_measures = functools.partial(setting, heading="What is measured")
_running = functools.partial(setting, heading="Where and how it runs")
_output = functools.partial(setting, heading="What is written")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Checked):
    """The settings of `evaluate`. A flag's text documents its field."""

    encoder: str | None = _running(
        None,
        "What is evaluated: PATH.keras, a folder that supcon-pretrain wrote, "
        "the folder, .tar.gz archive or URL of a SavedModel, supcon_tf:NAME, "
        "keras_hub:PRESET or keras_cv:PRESET.",
        matters=True,
    )
    baseline: str | None = _running(
        None,
        "Another encoder, of the same forms, to compare with: one trained by "
        "cross-entropy, say.",
        matters=True,
    )
    dataset: str | None = _images(
        None,
        "Data set, by its name in DATASETS, or tfds:NAME, any of "
        "tensorflow-datasets with image and label; by default the one that "
        "the encoder's folder was trained on, else digits.",
        matters=True,
    )
    transfer_dataset: str | None = _images(
        None,
        "A second data set: linear probe, k-NN and retrieval on it, too.",
        matters=True,
    )
    unknown_dataset: str | None = _images(
        None,
        "A data set of other classes: how well its test images are told from "
        "the known ones by the distance to the nearest training images (AUROC, "
        "FPR at 95 % TPR).",
        matters=True,
    )
    data_dir: str | None = _images(
        None,
        "Folder of the images, by default that of the training; for "
        "tensorflow-datasets its data_dir (default: $TFDS_DATA_DIR).",
        matters=True,
    )
    transfer_data_dir: str | None = _images(
        None, "Folder of the second data set; by default data_dir."
    )
    unknown_data_dir: str | None = _images(
        None, "Folder of the data set of other classes; by default data_dir."
    )
    download: bool = _images(
        False, "Let tensorflow-datasets download what is not in data_dir."
    )
    output: str | None = _output(
        None,
        "Folder to write evaluation.json, figures and page to.",
        matters=True,
    )
    overwrite: bool = _output(
        False, "Replace an earlier evaluation.json.", matters=True
    )
    figures: bool = _output(
        False,
        "Draw, too: embedding_map.png, similarities.png and corruptions.png, "
        "with the baseline beside the encoder, and training.png of a folder "
        "that supcon-pretrain wrote. Needs matplotlib.",
        matters=True,
    )
    page: bool = _output(
        False,
        "Write page.html, too, one file to look at what the encoder has "
        "learnt: numbers, a map of the test images, confusions, the worst "
        "errors. Needs Bokeh.",
        matters=True,
    )
    projector: bool = _output(
        False,
        "Write the folder projector, too, which tensorboard "
        "--logdir=OUTPUT/projector shows.",
    )
    image_cache: str | None = _images(
        "auto",
        "Folder for small copies of the photographs of a folder; none for no "
        "copies. auto does as the encoder's pretraining did, and reads its "
        "copies, but with corruptions, which are of images of their own size.",
    )
    image_cache_gb: float = _images(
        10.0, "GB that image_cache may take.", POSITIVE
    )
    image_size: int | None = _images(
        None,
        "Height and width of the images, pixels; by default the encoder's "
        "own, and 32 for one that takes any.",
        AT_LEAST_1_OR_NONE,
    )
    max_samples: int | None = _images(
        None,
        "Train the probe on so many of the training images, the first ones "
        "(of a folder, as many of each class).",
        AT_LEAST_1_OR_NONE,
    )
    transfer_max_samples: int | None = _images(
        None,
        "Train the probe of the second data set on so many images; by default "
        "on all.",
        AT_LEAST_1_OR_NONE,
    )
    max_test_images: int | None = _images(
        None,
        "Test on so many of the test images at most, drawn by the seed; the "
        "first ones of a data set too large for memory.",
        AT_LEAST_1_OR_NONE,
    )
    l2: tuple[float, ...] = _measures(
        (1.0,),
        "Linear probe: weight of |kernel|^2 / 2 against the summed "
        "cross-entropy; one, or several to choose from.",
        (lambda value: value and min(value) > 0, "one or more > 0"),
    )
    neighbors: tuple[int, ...] = _measures(
        (1, 5, 10, 20, 50, 200),
        "k-NN: k, one or several to choose from, as far as there are images.",
        (lambda value: value and min(value) >= 1, "one or more ints >= 1"),
    )
    validation_fraction: float | None = _measures(
        None,
        "Part of the training images, class by class, that is held out to "
        "choose k and l2; by default 0.1, or an image a class where that is "
        "more.",
        (lambda value: value is None or 0 < value < 1, "in (0, 1) or none"),
    )
    corruptions: tuple[str, ...] | None = _measures(
        None,
        f"Corruptions of the test images: all, none or of "
        f"{', '.join(CORRUPTIONS)}; with --corrupted=tfds all are the fifteen "
        f"of the authors' benchmark.",
        (lambda value: value is None or value, "all, none or names of them"),
        matters=True,
    )
    severities: tuple[int, ...] = _measures(
        (1, 2, 3, 4, 5),
        "Severities of the corruptions, from 1 to 5.",
        (
            lambda value: (
                0 < len(value) == len({1, 2, 3, 4, 5}.intersection(value))
            ),
            "one or more ints from 1 to 5, each once",
        ),
    )
    corrupted: str = _measures(
        "generated",
        "Where corrupted images are from: generated, made here of the test "
        "images; or tfds, those published, as tensorflow-datasets has them.",
        (lambda value: value in ("generated", "tfds"), "generated or tfds"),
    )
    seed: int = _running(
        0,
        "Decides held-out part, corruptions and what is drawn.",
        (lambda value: 0 <= value < 2**32, "in [0, 2**32)"),
    )
    safe_mode: bool = _running(True, SAFE_MODE)

    def __post_init__(self):
        super().__post_init__()
        for setting_name, names in (
            ("corruptions", ("severities", "corrupted")),
            ("transfer_dataset", ("transfer_data_dir", "transfer_max_samples")),
            ("unknown_dataset", ("unknown_data_dir",)),
            ("image_cache", ("image_cache_gb",)),
        ):
            if getattr(self, setting_name) is None:
                reason = f"{setting_name}=None"
                refuse_unused(self, dict.fromkeys(names, reason))
