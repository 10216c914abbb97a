"""The commands' settings: frozen dataclasses, also as JSON."""

import dataclasses
import json
import math
import types
import typing


def setting(default, help_text, allowed=None):
    """A dataclass field that is a flag.

    Args:
      default: the value where no recipe says otherwise.
      help_text: text of the flag.
      allowed: None, or a pair: a predicate and what it allows, in words.
    """
    return dataclasses.field(
        default=default, metadata={"help": help_text, "allowed": allowed}
    )


_POSITIVE = (lambda value: value > 0, "> 0")
_POSITIVE_OR_NONE = (lambda value: value is None or value > 0, "> 0")
_AT_LEAST_0 = (lambda value: value >= 0, ">= 0")
_AT_LEAST_1 = (lambda value: value >= 1, ">= 1")
_FRACTION = (lambda value: 0 <= value < 1, "in [0, 1)")
_FRACTION_OR_NONE = (lambda value: value is None or 0 <= value < 1, "in [0, 1)")
_PART_OR_NONE = (lambda value: value is None or 0 < value < 1, "in (0, 1)")
_SEED = (lambda value: 0 <= value < 2**32, "in [0, 2**32)")
_WIDTHS = (lambda value: value and min(value) >= 1, "one or more ints >= 1")
_RGB = (lambda value: len(value) == 3, "three floats, R, G and B")


class _Checked:
    """Checks every field against its type and what its metadata allow."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            _check_type(field, value)
            allowed = field.metadata["allowed"]
            if allowed is not None and not allowed[0](value):
                raise ValueError(
                    f"`{field.name}` must be {allowed[1]}. "
                    f"Received: {field.name}={value!r}"
                )


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainConfig(_Checked):
    """What `pretrain` is told. Each field is documented by its flag's text."""

    dataset: str = setting("digits", "Data set, by its name in DATASETS.")
    data_dir: str | None = setting(
        None,
        "Folder of the images; for tensorflow-datasets its data_dir (default: "
        "$TFDS_DATA_DIR).",
    )
    download: bool = setting(
        False, "Let tensorflow-datasets download what is not in data_dir."
    )
    validation_fraction: float | None = setting(
        None,
        "Part of the training images, class by class, that is held out and "
        "takes the place of the test images. By default the data set's own "
        "test images are used, and a fifth of a folder that has none.",
        _PART_OR_NONE,
    )
    image_size: int = setting(
        32, "Height and width of the views, pixels.", _AT_LEAST_1
    )
    encoder: str = setting("resnet18", "Encoder, by its name in ENCODERS.")
    width: float = setting(
        1.0, "Multiplies the encoder's numbers of filters.", _POSITIVE
    )
    stem: str = setting(
        "small_image",
        "First layers of the encoder: imagenet or small_image (about 32 px).",
    )
    mean: tuple[float, ...] = setting(
        (0.485, 0.456, 0.406),
        "RGB mean of the images in [0, 1], which the encoder subtracts.",
        _RGB,
    )
    std: tuple[float, ...] = setting(
        (0.229, 0.224, 0.225),
        "Standard deviation of the images, by which the encoder divides.",
        _RGB,
    )
    zero_gamma: bool = setting(
        True, "Start each block of the encoder as its shortcut (last gamma 0)."
    )
    normalize_representation: bool = setting(
        False,
        "Scale the representation to unit length, before the head and in the "
        "encoder that is written (the official ImageNet recipes).",
    )
    projection_units: tuple[int, ...] = setting(
        (2048, 128), "Widths of the projection head's dense layers.", _WIDTHS
    )
    projection_batch_norm: bool = setting(
        False, "BatchNormalization after the head's hidden layers (SimCLR)."
    )
    augmentation: str = setting(
        "simclr", "Augmentation of the views, by its name in AUGMENTATIONS."
    )
    crop_area: tuple[float, ...] | None = setting(
        None,
        "Smallest and largest share of the image that a random crop covers, "
        "such as 0.2,1; by default the augmentation's own.",
        (
            lambda value: (
                value is None
                or (len(value) == 2 and 0 < value[0] <= value[1] <= 1)
            ),
            "two floats, 0 < low <= high <= 1",
        ),
    )
    num_views: int = setting(2, "Views of each image, V.", _AT_LEAST_1)
    batch_size: int = setting(
        256, "Images in a global batch (each gives V views).", _AT_LEAST_1
    )
    epochs: int = setting(100, "Passes over the images.", _AT_LEAST_1)
    temperature: float = setting(0.1, "Temperature of the loss.", _POSITIVE)
    summation: str = setting(
        "outside",
        "Sum over positives outside (L_out) or inside (L_in) the log.",
    )
    denominator: str = setting(
        "all",
        "Contrasts in the loss's denominator: all, one_positive or "
        "only_negatives.",
    )
    anchors: str = setting(
        "all", "Which views of an image are anchors: all or first."
    )
    scale_by_temperature: bool = setting(
        False,
        "Multiply the loss by the temperature, as the official code does: its "
        "learning rates assume it.",
    )
    positives_cap: int | None = setting(
        None,
        "Projections of other images that an image keeps as positives, at "
        "most; a multiple of num_views.",
    )
    base_learning_rate: float = setting(
        0.05,
        "Peak learning rate for 256 images a batch; scaled with the batch.",
        _POSITIVE,
    )
    learning_rate: float | None = setting(
        None,
        "Peak learning rate as it is, in place of base_learning_rate.",
        _POSITIVE_OR_NONE,
    )
    schedule: str = setting(
        "cosine", "Learning rate after the warm-up: cosine or constant."
    )
    warmup_epochs: float = setting(
        0.0, "Linear warm-up of the learning rate, epochs.", _AT_LEAST_0
    )
    momentum: float = setting(0.9, "Momentum of SGD.", _FRACTION)
    weight_decay: float = setting(
        1e-4, "L2 in the gradient of kernels.", _AT_LEAST_0
    )
    seed: int = setting(
        0,
        "Decides initial weights, order, augmentations, held-out part.",
        _SEED,
    )
    strategy: str = setting(
        "auto",
        "Where to train: one_device; mirrored, all GPUs of this machine; "
        "multi_worker, the machines in $TF_CONFIG; tpu; or auto, what there "
        "is. It may change between a run and its resumption.",
    )
    sync_batch_norm: bool = setting(
        True,
        "BatchNormalization over the global batch, so that several replicas "
        "compute what one does; without, each uses its part of the batch, "
        "which saves the replicas a message for each such layer.",
    )
    precision: str = setting(
        "float32",
        "Of the layers' computations: float32, mixed_bfloat16 or "
        "mixed_float16 (faster, half the memory, on GPUs and TPUs). Weights, "
        "representations and loss are float32.",
    )
    queue_size: int = setting(
        0,
        "Projections of earlier batches that the batch is contrasted with.",
        _AT_LEAST_0,
    )
    encoder_momentum: float | None = setting(
        None,
        "With a queue: what goes into it is from a copy of the encoder that "
        "follows by this moving average, such as 0.999.",
        _FRACTION_OR_NONE,
    )
    num_microbatches: int = setting(
        1,
        "Pieces in which a replica's part of the batch is computed, one after "
        "the other, to save memory; the contrasts stay those of the whole.",
        _AT_LEAST_1,
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.warmup_epochs < self.epochs:
            raise ValueError(
                f"`warmup_epochs` must be < epochs={self.epochs}. "
                f"Received: warmup_epochs={self.warmup_epochs}"
            )
        if self.positives_cap is not None and (
            self.positives_cap < 0 or self.positives_cap % self.num_views
        ):
            raise ValueError(
                "`positives_cap` must be >= 0 and a multiple of "
                f"num_views={self.num_views}. "
                f"Received: positives_cap={self.positives_cap}"
            )
        if self.encoder_momentum is not None and not self.queue_size:
            raise ValueError(
                "`encoder_momentum` must be None without a queue, "
                "queue_size=0. "
                f"Received: encoder_momentum={self.encoder_momentum}"
            )
        if self.positives_cap is not None and self.queue_size:
            raise ValueError(
                "`positives_cap` must be None with a queue, "
                f"queue_size={self.queue_size}. "
                f"Received: positives_cap={self.positives_cap}"
            )

    @property
    def peak_learning_rate(self):
        """The learning rate at the end of the warm-up."""
        if self.learning_rate is not None:
            return self.learning_rate
        return self.base_learning_rate * self.batch_size / 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearEvalConfig(_Checked):
    """What `linear_eval` is told. Each field is documented by its flag."""

    data_dir: str | None = setting(
        None, "Folder of the images, if not where pretraining found them."
    )
    l2: float = setting(
        1.0,
        "Weight of |kernel|^2 / 2 against the summed cross-entropy of the "
        "training images.",
        _POSITIVE,
    )
    max_iterations: int = setting(
        1000, "Iterations of L-BFGS at most.", _AT_LEAST_1
    )
    strategy: str = setting(
        "auto",
        "Where to encode the images: one_device; mirrored, all GPUs of this "
        "machine; tpu; or auto, what there is.",
    )


def to_json(config):
    """A config as indented JSON text."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def read_json(config_class, path):
    """The config that `to_json` wrote to a file.

    Args:
      config_class: its dataclass.
      path: `pathlib.Path` of the file.

    Returns:
      A `config_class`.

    Raises:
      ValueError: if the file is missing or is not such JSON.
    """
    names = {field.name for field in dataclasses.fields(config_class)}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or set(values) != names:
            raise ValueError(f"not the fields {sorted(names)}")
        return config_class(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in values.items()
            }
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path} must hold the settings that supcon-pretrain writes. "
            f"Received: {error}"
        ) from error


def plain_type(field):
    """The type of a field without `| None`."""
    options = typing.get_args(field.type)
    if isinstance(field.type, types.UnionType):
        return next(t for t in options if t is not types.NoneType)
    return field.type


def _check_type(field, value):
    kind = plain_type(field)
    optional = kind is not field.type
    if value is None and optional:
        return
    items = value if isinstance(value, tuple) else (value,)
    if typing.get_origin(kind) is tuple:
        matches = isinstance(value, tuple)
        kind = typing.get_args(kind)[0]
    else:
        matches = not isinstance(value, tuple)
    for item in items:
        matches &= isinstance(item, (int, float) if kind is float else kind)
        matches &= kind is bool or not isinstance(item, bool)
        matches &= not isinstance(item, float) or math.isfinite(item)
    if not matches:
        words = {float: "a finite number", int: "an integer"}
        raise ValueError(
            f"`{field.name}` must be {words.get(kind, kind.__name__)}"
            f"{' or a tuple of them' if isinstance(value, tuple) else ''}. "
            f"Received: {field.name}={value!r}"
        )
