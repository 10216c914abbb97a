"""The settings of `pretrain`: a frozen dataclass, a flag a field."""

import dataclasses
import functools

from supcon_tf.config.contrast import ContrastConfig
from supcon_tf.config.settings import setting
from supcon_tf.config.training import (
    AT_LEAST_0,
    AT_LEAST_0_OR_NONE,
    AT_LEAST_1,
    AT_LEAST_1_OR_NONE,
    FRACTION,
    FRACTION_OR_NONE,
    PART_OR_NONE,
    POSITIVE,
    POSITIVE_OR_NONE,
    RGB,
    SEED,
    WIDTHS,
    TrainingConfig,
)

_data = functools.partial(setting, heading="The images")
_encoder = functools.partial(setting, heading="The encoder")
_heads = functools.partial(setting, heading="The heads")
_views = functools.partial(setting, heading="The views")
_objective = functools.partial(setting, heading="The objective")
_training = functools.partial(setting, heading="How it is trained")
_batches = functools.partial(setting, heading="Small batches")
_running = functools.partial(setting, heading="Where and how it runs")
# Where and with what leave a run is trained is not part of what it is.
MAY_CHANGE = (
    "data_dir",
    "download",
    "image_cache",
    "image_cache_gb",
    "strategy",
    "safe_mode",
)
_PRESETS = ("keras_hub:", "keras_cv:")
_AREA = (
    lambda value: (
        value is None or (len(value) == 2 and 0 < value[0] <= value[1] <= 1)
    ),
    "two floats, 0 < low <= high <= 1",
)


def start_of(settings):
    """Returns where the trained weights are that settings start from, or None.

    Args:
      settings: dict of names of settings to values.
    """
    where, encoder = settings.get("initial_encoder"), settings.get("encoder")
    if where is None and (encoder or "").startswith(_PRESETS):
        return encoder
    return where


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainConfig(ContrastConfig, TrainingConfig):
    """The settings of `pretrain`. A flag's text documents its field."""

    objective: str = _objective(
        "supcon",
        "What the encoder learns from, by its name in OBJECTIVES: {choices}.",
    )
    dataset: str = _data(
        "digits",
        "Data set, by its name in DATASETS, or tfds:NAME, any of "
        "tensorflow-datasets with image and label.",
        matters=True,
    )
    data_dir: str | None = _data(
        None,
        "Folder of the images, or the file of 'npz'; for tensorflow-datasets "
        "its data_dir (default: $TFDS_DATA_DIR).",
        matters=True,
    )
    download: bool = _data(
        False, "Let tensorflow-datasets download what is not in data_dir."
    )
    validation_fraction: float | None = _data(
        None,
        "Part of the training images, class by class, that is held out and "
        "takes the place of the test images. By default the data set's own "
        "test images are used, and a fifth of a folder that has none.",
        PART_OR_NONE,
    )
    max_samples: int | None = _data(
        None,
        "Train on so many of the training images, the first ones (of a folder, "
        "as many of each class).",
        AT_LEAST_1_OR_NONE,
    )
    max_pixels: int | None = _data(
        None,
        "Leave out photographs of a folder with more pixels; by default "
        "Pillow's limit, 89 million.",
        AT_LEAST_1_OR_NONE,
    )
    image_cache: str | None = _data(
        "auto",
        "Folder for small copies of the photographs of a folder, which are "
        "read in their place; none for no copies. auto is image_cache beside "
        "the workdir for photographs of more than a megapixel, else none.",
    )
    image_cache_gb: float = _data(
        10.0,
        "GB that image_cache may take; photographs for which there is no room "
        "are read as they are.",
        POSITIVE,
    )
    label_noise: float = _data(
        0.0,
        "Probability with which the label of a training image is replaced by "
        "a random class, once for all epochs.",
        FRACTION,
    )
    image_size: int = _encoder(
        32, "Height and width of the views, pixels.", AT_LEAST_1, matters=True
    )
    encoder: str = _encoder(
        "resnet18",
        "Encoder, by its name in ENCODERS, or keras_hub:PRESET, a pretrained "
        "one of KerasHub (keras_cv:PRESET of KerasCV, which is at its end).",
    )
    initial_encoder: str | None = _encoder(
        None,
        "Where to start from instead of random weights: PATH.keras, a folder "
        "that supcon-pretrain wrote, a SavedModel or its URL, keras:NAME (of "
        "keras.applications, with ImageNet's weights; keras:NAME:PATH with "
        "those of a file), keras_hub:PRESET or keras_cv:PRESET. It takes the "
        "place of encoder and its options.",
        matters=True,
    )
    width: float = _encoder(
        1.0,
        "ResNets and cnn: multiplies the numbers of filters.",
        (lambda value: 0 < value <= 16, "> 0 and <= 16"),
    )
    stem: str = _encoder(
        "small_image",
        "ResNets: the first layers, imagenet or small_image (about 32 px).",
    )
    patch_size: int = _encoder(
        16, "ViTs: height and width of a patch, pixels.", AT_LEAST_1
    )
    mean: tuple[float, ...] = _encoder(
        (0.485, 0.456, 0.406),
        "RGB mean of the images in [0, 1], which the encoder subtracts.",
        RGB,
    )
    std: tuple[float, ...] = _encoder(
        (0.229, 0.224, 0.225),
        "Standard deviation of the images, by which the encoder divides.",
        RGB,
    )
    zero_gamma: bool = _encoder(
        True, "ResNets: start each block as its shortcut (last gamma 0)."
    )
    normalize_representation: bool = _encoder(
        False,
        "Scale the representation to unit length, before the head and in the "
        "encoder that is written (the official ImageNet recipes).",
    )
    projection_units: tuple[int, ...] = _heads(
        (2048, 128), "Widths of the projection head's dense layers.", WIDTHS
    )
    projection_batch_norm: bool = _heads(
        False, "BatchNormalization after the head's hidden layers (SimCLR)."
    )
    augmentation: str = _views(
        "simclr", "Augmentation of the views, by its name in AUGMENTATIONS."
    )
    crop_area: tuple[float, ...] | None = _views(
        None,
        "Smallest and largest share of the image that a random crop covers, "
        "such as 0.2,1; by default the augmentation's own.",
        _AREA,
    )
    strength: float | None = _views(
        None,
        "Strength of SimCLR's colour jitter; by default the augmentation's "
        "own.",
        AT_LEAST_0_OR_NONE,
    )
    magnitude: float | None = _views(
        None,
        "Magnitude of RandAugment, 0 to 30; by default the augmentation's own.",
        AT_LEAST_0_OR_NONE,
    )
    policy: str | None = _views(
        None,
        "Policy of autoaugment: imagenet or cifar10, those of the paper, or "
        "v0, the official SupCon code's. By default image_size decides.",
    )
    blur_probability: float | None = _views(
        None,
        "Share of the views that are blurred; by default the augmentation's "
        "own.",
        (lambda value: value is None or 0 <= value <= 1, "in [0, 1]"),
    )
    additive_brightness: bool = _views(
        False,
        "SimCLR's colour jitter adds to the brightness (tf.image, the official "
        "ImageNet presets) rather than multiplies it (torchvision).",
    )
    views: str = _views(
        "host",
        "Where the views are made: host, by tf.data on the CPU, or device, in "
        "the training step, of images that are all in memory. They are the "
        "same views, up to 1/255.",
        (lambda value: value in ("host", "device"), "host or device"),
    )
    num_views: int = _views(2, "Views of each image, V.", AT_LEAST_1)
    small_views: int = _views(
        0,
        "Further views of each image, of small_view_size (multi-crop; SwAV has "
        "6). The encoder must take images of any size, as ResNets do.",
        AT_LEAST_0,
    )
    small_view_size: int | None = _views(
        None,
        "Height and width of the small views, pixels, such as 96 beside 224.",
        AT_LEAST_1_OR_NONE,
    )
    small_crop_area: tuple[float, ...] | None = _views(
        (0.05, 0.14),
        "As crop_area, of the small views; SwAV's by default, whose crop_area "
        "is 0.14,1.",
        _AREA,
    )
    samples_per_class: int | None = _views(
        None,
        "Class-balanced batches: so many images of each of batch_size / "
        "samples_per_class classes; by default whatever comes.",
        AT_LEAST_1_OR_NONE,
    )
    cutmix_alpha: float = _views(
        0.0,
        "With cross_entropy, max_margin and --loss=soft_supcon: CutMix, whose "
        "share of the other image is drawn from Beta(alpha, alpha); 0 is none.",
        (lambda value: value == 0 or value >= 0.05, "0 or >= 0.05"),
    )
    margin: float = _objective(
        0.35,
        "With max_margin: cosine by which the true class must win.",
        (lambda value: 0 <= value < 2, "in [0, 2)"),
    )
    logit_scale: float = _objective(
        30.0,
        "With max_margin: factor of the cosines in the softmax.",
        POSITIVE,
    )
    contrast_weight: float = _objective(
        0.3,
        "With supcon_cross_entropy: weight of the contrastive loss, beside 1 "
        "for cross-entropy.",
        POSITIVE,
    )
    base_learning_rate: float = _training(
        0.05,
        "Peak learning rate for 256 images a batch; scaled with the batch.",
        POSITIVE,
    )
    learning_rate: float | None = _training(
        None,
        "Peak learning rate as it is, in place of base_learning_rate.",
        POSITIVE_OR_NONE,
    )
    weight_decay: float = _training(
        1e-4,
        "L2 in the gradient of kernels; of adamw, decoupled from it.",
        AT_LEAST_0,
    )
    seed: int = _running(
        0,
        "Decides initial weights, order, augmentations, held-out part.",
        SEED,
    )
    strategy: str = _running(
        "auto",
        "Where to train: one_device; mirrored, all GPUs of this machine; "
        "multi_worker, the machines in $TF_CONFIG; tpu; or auto, what there "
        "is. It may change between a run and its resumption.",
    )
    sync_batch_norm: bool = _running(
        True,
        "BatchNormalization over the global batch, so that several replicas "
        "compute what one does; without, each uses its part of the batch, "
        "which saves the replicas a message for each such layer.",
    )
    precision: str = _running(
        "float32",
        "Precision of the layers: float32, mixed_bfloat16 or mixed_float16 "
        "(faster, half the memory, on GPUs and TPUs). Weights, representations "
        "and loss are float32.",
    )
    queue_size: int = _batches(
        0,
        "Projections of earlier batches that the batch is contrasted with.",
        AT_LEAST_0,
    )
    encoder_momentum: float | None = _batches(
        None,
        "With a queue: what goes into it is from a copy of the encoder that "
        "follows by this moving average, such as 0.999.",
        FRACTION_OR_NONE,
    )
    encoder_rate: float = _training(
        1.0,
        "Learning rate of the encoder, as a part of that of the heads on it; "
        "such as 0.1 for an encoder that was trained before.",
        (lambda value: 0 < value <= 1, "in (0, 1]"),
    )
    freeze_batch_norm: bool = _training(
        False,
        "Keep the encoder's BatchNormalization as it is, statistics, factors "
        "and offsets, for one that was trained before on many more images.",
    )
    few_images: bool = _training(
        False,
        "Adapt to few images: where there are fewer images or classes than "
        "they ask for, batch_size and samples_per_class are less, and "
        "stop_fraction is more, or none.",
    )
    stop_fraction: float | None = _training(
        None,
        "Part of the training images, class by class, that is not trained on: "
        "after each epoch it tells the accuracy, the best epoch is kept, and "
        "patience ends the run.",
        PART_OR_NONE,
    )
    patience: int = _training(
        5,
        "With stop_fraction: epochs without a better accuracy after which the "
        "run ends.",
        AT_LEAST_1,
    )
    num_microbatches: int = _batches(
        1,
        "Pieces in which a replica's part of the batch is computed, one after "
        "the other, to save memory; the contrasts stay those of the whole.",
        AT_LEAST_1,
    )

    def __post_init__(self):
        super().__post_init__()
        if self.positives_cap is not None and (
            self.positives_cap < 0 or self.positives_cap % self.all_views
        ):
            small = f" + {self.small_views}" if self.small_views else ""
            raise ValueError(
                "`positives_cap` must be >= 0 and a multiple of "
                f"num_views={self.num_views}{small}. "
                f"Received: positives_cap={self.positives_cap}"
            )
        if self.small_views and self.small_view_size is None:
            raise ValueError(
                "`small_view_size` must be an int >= 1 with "
                f"small_views={self.small_views}. "
                "Received: small_view_size=None"
            )
        if self.small_views and self.cutmix_alpha:
            raise ValueError(
                "`cutmix_alpha` must be 0 with views of two sizes, "
                f"small_views={self.small_views}. "
                f"Received: cutmix_alpha={self.cutmix_alpha}"
            )
        if self.views == "device" and self.cutmix_alpha:
            raise ValueError(
                "`cutmix_alpha` must be 0 with views=device: CutMix mixes "
                "views on the host. "
                f"Received: cutmix_alpha={self.cutmix_alpha}"
            )
        if self.samples_per_class and (
            self.batch_size % self.samples_per_class
            or self.samples_per_class == self.batch_size
        ):
            raise ValueError(
                "`samples_per_class` must divide "
                f"batch_size={self.batch_size}, for two classes or more. "
                f"Received: samples_per_class={self.samples_per_class}"
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
    def all_views(self):
        """The number of views of an image, small ones included."""
        return self.num_views + self.small_views

    @property
    def starts_from(self):
        """The place of the trained weights that it starts from, or None."""
        return start_of(vars(self))

    @property
    def peak_learning_rate(self):
        """The learning rate at the end of the warm-up."""
        if self.learning_rate is not None:
            return self.learning_rate
        return self.base_learning_rate * self.batch_size / 256
