"""FoldedViews: the forms that views come in, and how they become a batch."""

import keras
from keras import ops

from supcon_tf.augmentations.on_device.numbered_images import is_numbered
from supcon_tf.models.checked_inputs import is_one_of


class FoldedViews:
    """Checks the views that an `EncoderModel` is given, and folds them.

    Views are one array `[B, V, ...]`, or a list or tuple of V arrays
    `[B, ...]`, or a dict of `views` and `small_views`, each in one of these
    forms. A dict of `images` and `numbers` becomes views on the device.
    """

    views = None

    def _image_shape(self, shape):
        """The shape of one image in a batch of `shape`, without views."""
        own = self.input_shape
        if own is None:
            return shape[2:]
        return (*own[1:-1], own[-1] or shape[-1]) if len(own) > 1 else ()

    def _check_form(self, shapes):
        """Refuses shapes of images in another form than those of the class."""
        # A model that makes its views is told first that these have no numbers.
        own = self.input_shape if self.views is None else None
        for shape in self._by_size(shapes):
            has_views = self._has_views(len(shape))
            of_image = (None, *shape[2:]) if has_views else tuple(shape)
            if own is not None and not is_one_of(of_image, own):
                raise ValueError(
                    f"Images must have the encoder's shape {own}, or that with "
                    "a views axis after the first. "
                    f"Received: shape {tuple(shape)}"
                )

    def _with_views(self, images):
        """Makes the views of numbered images, or their shapes, on the device.

        What is given as views stays as it is.
        """
        if not is_numbered(images):
            return images
        if self.views is None:
            raise ValueError(
                "Images with numbers must be given to a model with views, such "
                f"as {type(self).__name__}(..., views=DeviceViews(...)). "
                "Received: views=None"
            )
        if _is_shape(images["images"]):
            return self.views.shape_of(images["images"])
        return self.views(**images)

    def _stacked(self, images):
        """Stacks views that are given one by one; or does so with shapes."""
        if isinstance(images, dict):
            return {name: self._stacked(x) for name, x in images.items()}
        if not isinstance(images, (list, tuple)) or _is_shape(images):
            return images
        are_shapes = all(_is_shape(x) for x in images)
        if not are_shapes and not all(hasattr(x, "shape") for x in images):
            raise ValueError(
                "A list of views must hold V arrays; batches (x, y) come from "
                "a tf.data.Dataset, a PyDataset or a generator. Received: a "
                f"{type(images).__name__} of {type(images[0]).__name__}"
            )
        shapes = [tuple(x if are_shapes else x.shape) for x in images]
        own = self.input_shape
        if len(set(shapes)) != 1 or (own and len(shapes[0]) != len(own)):
            raise ValueError(
                "A list of views must hold V arrays of one shape, "
                f"{own or '[B, ...]'}; views in one array are [B, V, ...]. "
                f"Received: {len(shapes)} of shapes {shapes[:3]}"
            )
        if are_shapes:
            return (shapes[0][0], len(shapes), *shapes[0][1:])
        return ops.stack(list(images), axis=1)

    def _by_size(self, images):
        """The views of each size, or their shapes; those of full size first."""
        images = self._stacked(self._with_views(images))
        if not isinstance(images, dict):
            return [images]
        if images.keys() != {"views", "small_views"}:
            raise ValueError(
                "Views of two sizes must be a dict of views and small_views; "
                "views of one size are one array [B, V, ...] or a list of "
                f"arrays [B, ...]. Received: a dict of {sorted(images)}"
            )
        by_size = [images["views"], images["small_views"]]
        own = getattr(self.encoder, "input_shape", None)
        for x in by_size:
            shape = tuple(getattr(x, "shape", x))
            if own is not None and (
                len(shape) != len(own) + 1
                or any(
                    None not in (a, b) and a != b
                    for a, b in zip(own[1:], shape[2:], strict=True)
                )
            ):
                raise ValueError(
                    "The encoder of small views must take images of any size, "
                    "input_shape=(None, None, None, 3). Received: an encoder "
                    f"of input_shape={own}, views of shape {shape}"
                )
        return by_size

    def _check_takes(self, shape):
        """Refuses small views `[B, V, ...]` that nothing would be left of."""
        try:
            self.encoder(keras.KerasTensor((None, *shape[2:])))
        except ValueError as error:
            raise ValueError(
                "Small views must be large enough for the encoder. "
                f"Received: views of shape {shape}"
            ) from error

    def _check_single(self, shape):
        """Refuses views, where single images are wanted."""
        own = self.input_shape
        if own is not None and len(shape) != len(own):
            raise ValueError(
                f"`encode` must be given single images, {own}, such as "
                f"views[:, 0]. Received: shape {tuple(shape)}"
            )

    def _folded(self, images):
        """Folds views: `[B, V, ...]` or `[B, ...]` -> `[B * V, ...]`, and V."""
        images = self._in_unit_range(images)
        if not self._has_views(len(images.shape)):
            return images, 1
        views = images.shape[1]
        if views is None:
            raise ValueError(
                "The number of views must be known. "
                f"Received: images of shape {tuple(images.shape)}"
            )
        return ops.reshape(images, (-1, *ops.shape(images)[2:])), views

    def _has_views(self, rank):
        shape = getattr(self.encoder, "input_shape", None)
        if shape is None:
            return True
        if rank not in (len(shape), len(shape) + 1):
            raise ValueError(
                "Images must have the encoder's shape "
                f"{tuple(shape)}, or that with a views axis after the first. "
                f"Received: rank {rank}"
            )
        return rank == len(shape) + 1


def _is_shape(shape):
    """Whether it is a shape, whose sides are ints or None."""
    return isinstance(shape, (list, tuple)) and all(
        side is None or isinstance(side, int) for side in shape
    )
