"""DeviceViews: what a model makes of images within its training step."""

import functools
import inspect
from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.augmentations.on_device.numbered_images import NumberedImages
from supcon_tf.augmentations.on_device.pipelines import PIPELINES, check_options
from supcon_tf.augmentations.on_device.random_numbers import seeds_of_views
from supcon_tf.augmentations.pixels import check_known_pixels
from supcon_tf.augmentations.presets import checked_size
from supcon_tf.augmentations.small_views import (
    check_small_views,
    small_augmentation,
)
from supcon_tf.errors import check_int


@keras.saving.register_keras_serializable("supcon_tf")
class DeviceViews:
    """Makes the views of a batch of images on the device, in the step.

    It is the `views` of a `SupConModel`, which is then fitted to images of
    uint8 that lie in memory, not to views. It works on every backend of Keras
    and needs no TensorFlow. XLA compiles it into the step.

    The views are those that `view_batches` makes of the same image at the same
    place of the stream, to less than 1/255. On JAX, which computes in float32,
    three windows in 10^5 are a pixel larger or smaller in images of 500 x 375
    pixels, and none in 10^6 of 32 x 32.

    Args:
      augmentation: name of a pipeline, "simclr", "crop_flip", "crop",
        "center_crop" or "resize_then_crop". The others of `AUGMENTATIONS` are
        made on the host alone.
      num_views: int V >= 1, the number of views of each image.
      image_size: int or (height, width) of the views, in pixels.
      seed: int that decides the views, and the order of `batches`.
      small_views: int W >= 0, the number of further views of each image, of
        another size (multi-crop), as in `view_batches`.
      small_view_size: as image_size, of the small views.
      small_crop_area: as in `view_batches`.
      **options: keyword arguments of the pipeline, such as `strength=0.5`, as
        those of the function of that name in `augmentations`.

    Call arguments:
      images: `[B, H, W, C]` uint8 in 0..255 or floats in [0, 1], H and W known,
        C = 1 or 3.
      numbers: `[B]` integers >= 0, the places of the images in the stream. View
        v of image k has the augmentation seed (seed, k * V + v), and depends on
        nothing else. On JAX without 64 bits they must be below 2^31.

    Returns:
      `[B, V, h, w, C]` float32 in [0, 1], without a gradient. With small views
      it is a dict of such `views` and of `small_views`, `[B, W, ...]`.

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> views = DeviceViews("simclr", num_views=2, image_size=32, seed=0)
      >>> views(images, np.arange(8)).shape
      TensorShape([8, 2, 32, 32, 3])
      >>> model = SupConModel(encoder, ProjectionHead(), views=views)
      >>> model.compile(optimizer="sgd", loss=SupConLoss())
      >>> batches = views.batches(images, labels, batch_size=4)
      >>> history = model.fit(batches, epochs=2, verbose=0)
    """

    def __init__(
        self,
        augmentation: str,
        *,
        num_views: int,
        image_size: int | tuple[int, int],
        seed: int,
        small_views: int = 0,
        small_view_size: int | tuple[int, int] | None = None,
        small_crop_area: tuple[float, float] | None = None,
        **options: Any,
    ) -> None:
        check_int("num_views", num_views, 1)
        check_small_views(small_views, small_view_size, small_crop_area)
        if not hasattr(seed, "__index__") or isinstance(seed, bool):
            raise ValueError(f"`seed` must be an int. Received: seed={seed!r}")
        self.augmentation = augmentation
        self.num_views = num_views
        self.image_size = checked_size(image_size)
        self.seed = int(seed)
        self.small_views = small_views
        self.small_view_size = None
        if small_views:
            self.small_view_size = checked_size(
                small_view_size, "small_view_size"
            )
        self.small_crop_area = _as_tuple(small_crop_area)
        self.options = {k: _as_tuple(value) for k, value in options.items()}
        self._pipeline = _checked_pipeline(augmentation, options)
        self._small_pipeline = small_augmentation(
            self._pipeline, small_crop_area
        )
        # Refuses what is out of range here, not in the graph of a step.
        check_options(self.image_size, **options)
        if small_views:
            small = {} if small_crop_area is None else {"area": small_crop_area}
            check_options(self.small_view_size, **{**options, **small})

    def __call__(self, images, numbers):
        """Makes the views of a batch of images."""
        images = ops.convert_to_tensor(images)
        _check_images(images)
        views = self._of_one_size(
            images, numbers, self._pipeline, self.num_views, self.image_size
        )
        if not self.small_views:
            return views
        small = self._of_one_size(
            images,
            numbers,
            self._small_pipeline,
            self.small_views,
            self.small_view_size,
            is_small=True,
        )
        return {"views": views, "small_views": small}

    def shape_of(self, shape: tuple[int | None, ...]) -> Any:
        """The shape of the views of images of a shape.

        Args:
          shape: `(B, H, W, C)`; B may be None.

        Returns:
          `(B, V, h, w, C)`, or with small views a dict of such shapes.

        Example:
          >>> DeviceViews(
          ...     "crop", num_views=2, image_size=16, seed=0
          ... ).shape_of((None, 32, 32, 3))
          (None, 2, 16, 16, 3)
        """
        batch, _, _, channels = shape
        views = (batch, self.num_views, *self.image_size, channels)
        if not self.small_views:
            return views
        small = (batch, self.small_views, *self.small_view_size, channels)
        return {"views": views, "small_views": small}

    def batches(
        self, images: ArrayLike, labels: Any = None, *, batch_size: int
    ) -> NumberedImages:
        """The batches to fit a model with these views to, without TensorFlow.

        A run that goes on with `fit(batches, initial_epoch=e)` has the batches
        and views that it would have had.

        Args:
          images: `[n, H, W, C]` uint8 in 0..255 or floats in [0, 1].
          labels: `[n, ...]`, or a dict of such arrays, or None.
          batch_size: int B >= 1, at most n.

        Returns:
          `NumberedImages`, in an order that this seed decides.

        Raises:
          ValueError: if an argument is not as described.
        """
        return NumberedImages(
            images, labels, batch_size=batch_size, seed=self.seed
        )

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            "augmentation": self.augmentation,
            "num_views": self.num_views,
            "image_size": self.image_size,
            "seed": self.seed,
            "small_views": self.small_views,
            "small_view_size": self.small_view_size,
            "small_crop_area": self.small_crop_area,
            **self.options,
        }

    @classmethod
    def from_config(cls, config):
        """The inverse of `get_config`."""
        return cls(**config)

    def _of_one_size(
        self, images, numbers, pipeline, views, size, *, is_small=False
    ):
        """Views `[B, V, *size, C]` of images `[B, H, W, C]`."""
        seeds = seeds_of_views(self.seed, numbers, views, is_small=is_small)
        made = pipeline(images, seeds, size, views=views)
        made = ops.reshape(made, (-1, views, *size, images.shape[-1]))
        return ops.stop_gradient(made)


def _as_tuple(value):
    """A list, which a file makes of a tuple, as a tuple again."""
    return tuple(value) if isinstance(value, list) else value


def _checked_pipeline(name, options):
    """The pipeline of a name, with its keyword arguments."""
    if not isinstance(name, str) or name not in PIPELINES:
        raise ValueError(
            "`augmentation` must be one of those that the device has, "
            f"{', '.join(sorted(PIPELINES))}. "
            f"Received: augmentation={name!r}"
        )
    parameters = inspect.signature(PIPELINES[name]).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    known.remove("views")
    unknown = sorted(set(options).difference(known))
    if unknown:
        raise ValueError(
            f"The options of {name} must be among {sorted(known)}. "
            f"Received: {', '.join(unknown)}"
        )
    return functools.partial(PIPELINES[name], **options)


def _check_images(images):
    """Refuses what is no batch of grey or colour images of a known size."""
    dtype = keras.backend.standardize_dtype(images.dtype)
    shape = tuple(images.shape)
    if len(shape) != 4 or None in shape[1:] or shape[-1] not in (1, 3):
        raise ValueError(
            "`images` must have the shape [B, H, W, C] with a known size and "
            f"1 or 3 channels. Received: shape={shape}"
        )
    if dtype != "uint8" and not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            "`images` must be uint8 in 0..255 or floats in [0, 1]. "
            f"Received: dtype={dtype}"
        )
    check_known_pixels(images)
