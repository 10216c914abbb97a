"""The commands' settings: frozen dataclasses, and a flag for each field."""

import dataclasses
import json
import sys
import typing

from absl import flags


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
_RGB = (lambda value: len(value) == 3, "three floats, R, G and B")


class _Checked:
    """Checks every field against what its metadata allow."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.metadata["allowed"] is None:
                continue
            predicate, words = field.metadata["allowed"]
            if not predicate(value):
                raise ValueError(
                    f"`{field.name}` must be {words}. "
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
    validation_fraction: float = setting(
        0.0,
        "Part of the training images, class by class, that is held out and "
        "takes the place of the test images.",
        _FRACTION,
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
        (2048, 128), "Widths of the projection head's dense layers."
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
        0, "Decides initial weights, order, augmentations, held-out part."
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


def to_json(config):
    """A config as indented JSON text."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(config_class, text):
    """The config that `to_json` wrote.

    Args:
      config_class: its dataclass.
      text: the JSON text.

    Returns:
      A `config_class`.

    Raises:
      ValueError: if the text is not such JSON.
    """
    values = json.loads(text)
    known = {field.name for field in dataclasses.fields(config_class)}
    if not isinstance(values, dict) or set(values) - known:
        raise ValueError(
            f"The JSON must have the fields {sorted(known)}. "
            f"Received: {sorted(values)}"
        )
    return config_class(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
    )


def define_flags(config_class, values):
    """Defines a flag for each field; a flag not given is None.

    Args:
      config_class: dataclass whose fields are `setting`s.
      values: the `absl.flags.FlagValues` to define them in.
    """
    for field in dataclasses.fields(config_class):
        kind = _plain_type(field.type)
        define = {
            str: flags.DEFINE_string,
            int: flags.DEFINE_integer,
            float: flags.DEFINE_float,
            bool: flags.DEFINE_bool,
            tuple: flags.DEFINE_list,
        }[typing.get_origin(kind) or kind]
        define(field.name, None, field.metadata["help"], flag_values=values)


def overridden(config, values):
    """The config with the values of the flags that were given.

    Args:
      config: a dataclass of `setting`s.
      values: parsed `absl.flags.FlagValues` that `define_flags` filled.

    Returns:
      A new config.

    Raises:
      ValueError: if a value is not allowed.
    """
    given = {}
    for field in dataclasses.fields(config):
        value = values[field.name].value
        if value is None:
            continue
        kind = _plain_type(field.type)
        if typing.get_origin(kind) is tuple:
            number = typing.get_args(kind)[0]
            try:
                value = tuple(number(item) for item in value)
            except ValueError:
                raise ValueError(
                    f"`{field.name}` must be comma-separated numbers "
                    f"({number.__name__}). Received: {field.name}={value}"
                ) from None
        given[field.name] = value
    return dataclasses.replace(config, **given)


def run_command(program, usage, values, prepare, argv=None):
    """Runs a command: parses, prepares, runs.

    What is wrong with the input comes out while it prepares, as one line on
    stderr; a mistake of ours keeps its traceback.

    Args:
      program: name of the command.
      usage: text that --help prints before the flags.
      values: `absl.flags.FlagValues` with the command's flags, its own rather
        than absl's global ones, so that it can be called more than once.
      prepare: function of the parsed flags that checks everything, writes
        nothing, and returns the function that does the work.
      argv: the arguments after the program's name; `sys.argv[1:]` by default.

    Returns:
      The exit status.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    if {"--help", "-h", "--helpfull"} & set(argv):
        print(f"{usage.strip()}\n\nFlags of {program}:\n")
        print(values.get_help(include_special_flags=False))
        return 0
    try:
        positional = values([program, *argv])[1:]
        if positional:
            raise ValueError(
                f"{program} takes flags alone. Received: {positional}"
            )
        run = prepare(values)
    except (ValueError, OSError, flags.Error) as error:
        print(
            f"{program}: error: {' '.join(str(error).split())}", file=sys.stderr
        )
        return 2
    run()
    return 0


def _plain_type(annotation):
    """`T | None` -> `T`."""
    options = [t for t in typing.get_args(annotation) if t is not type(None)]
    if type(None) in typing.get_args(annotation):
        return options[0]
    return annotation
