"""The settings of `linear_eval`: a frozen dataclass, a flag a field."""

import dataclasses
import functools

from supcon_tf.config.settings import refuse_unused, setting
from supcon_tf.config.training import (
    ALL_POSITIVE,
    AT_LEAST_0,
    AT_LEAST_1,
    POSITIVE,
    SEED,
    TrainingConfig,
)

_fast = functools.partial(setting, heading="With --method=fast")
_augmented = functools.partial(setting, heading="With --method=augmented")
_common = functools.partial(setting, heading="The images and the rest")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearEvalConfig(TrainingConfig):
    """The settings of `linear_eval`. A flag's text documents its field."""

    data_dir: str | None = _common(
        None,
        "Folder of the images, if not where pretraining found them.",
        matters=True,
    )
    image_cache: str | None = _common(
        "auto",
        "Folder for small copies of the photographs of a folder; none for no "
        "copies. auto does as the pretraining did, and reads its copies.",
    )
    image_cache_gb: float = _common(
        10.0, "GB that image_cache may take.", POSITIVE
    )
    method: str = _common(
        "fast",
        "fast: the images are encoded once, and logistic regression is fitted "
        "to that. augmented: a dense layer is trained on images that are "
        "augmented anew in each epoch, the official second stage.",
        (lambda value: value in ("fast", "augmented"), "fast or augmented"),
        matters=True,
    )
    validation_fraction: float = _common(
        0.1,
        "Part of the training images, class by class, that is held out to "
        "choose l2 or learning rate, where there are several to choose from.",
        (lambda value: 0 < value < 1, "in (0, 1)"),
    )
    eval_augmentation: str = _common(
        "center_crop",
        "How images are cut that are not augmented: center_crop or "
        "resize_then_crop.",
        (
            lambda value: value in ("center_crop", "resize_then_crop"),
            "center_crop or resize_then_crop",
        ),
    )
    l2: tuple[float, ...] = _fast(
        (1.0,),
        "fast: weight of |kernel|^2 / 2 against the summed cross-entropy of "
        "the training images; one, or several to choose from.",
        ALL_POSITIVE,
        matters=True,
    )
    max_iterations: int = _fast(
        1000, "fast: iterations of L-BFGS at most.", AT_LEAST_1
    )
    augmentation: str | None = _augmented(
        None,
        "augmented: augmentation, by its name in AUGMENTATIONS; by default "
        "that of pretraining.",
    )
    base_learning_rates: tuple[float, ...] = _augmented(
        (0.01, 0.03, 0.1, 0.3, 1.0),
        "augmented: peak learning rates for 256 images a batch, one or several "
        "to choose from.",
        ALL_POSITIVE,
    )
    weight_decay: float = _augmented(
        0.0, "augmented: L2 in the gradient of the kernel.", AT_LEAST_0
    )
    kernel_initializer: str = _augmented(
        "glorot_uniform",
        "augmented: how the kernel starts, glorot_uniform or zeros.",
        (
            lambda value: value in ("glorot_uniform", "zeros"),
            "glorot_uniform or zeros",
        ),
    )
    seed: int = _common(
        0,
        "Decides held-out part, order, augmentations, initial weights.",
        SEED,
    )
    strategy: str = _common(
        "auto",
        "Where to encode the images: one_device; mirrored, all GPUs of this "
        "machine; tpu; or auto, what there is.",
    )

    def __post_init__(self):
        super().__post_init__()
        unused = {"l2", "max_iterations"}
        if self.method == "fast":
            unused = {f.name for f in dataclasses.fields(TrainingConfig)}
            unused |= {"augmentation", "base_learning_rates", "weight_decay"}
            unused |= {"kernel_initializer"}
            unused -= {"safe_mode"}
        refuse_unused(self, dict.fromkeys(unused, f"method={self.method!r}"))
        if self.image_cache is None:
            refuse_unused(self, {"image_cache_gb": "image_cache=None"})
