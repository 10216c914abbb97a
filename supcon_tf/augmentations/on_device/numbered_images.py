"""NumberedImages: batches of images in memory, with their places in the stream.

The views of an image on the device are a function of its place, so that no two
epochs have the same ones, and a run that goes on has those that it would have
had.
"""

import copy
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from supcon_tf.augmentations.pixels import check_pixels
from supcon_tf.errors import check_int


def is_numbered(batch):
    """Whether a batch is a dict of `images` and `numbers`, not of views.

    Args:
      batch: what a model is given.

    Example:
      >>> is_numbered({"images": images, "numbers": np.arange(8)})
      True
    """
    return isinstance(batch, dict) and batch.keys() == {"images", "numbers"}


class NumberedImages(keras.utils.PyDataset):
    """Endless batches of images, shuffled anew each epoch, with their places.

    An epoch is n // B batches of the n images, in an order that seed and epoch
    decide. No image comes twice in it, and the remainder is dropped. The number
    of an image is its place in the stream of all epochs. `fit` of the models
    here takes one such epoch for each of its own, from `initial_epoch` on, and
    `evaluate` and `predict` take the first.

    Args:
      images: `[n, H, W, C]` uint8 in 0..255 or floats in [0, 1].
      labels: `[n, ...]`, or a dict of such arrays, or None.
      batch_size: int B >= 1, at most n.
      seed: int that decides the order.
      first_epoch: int >= 0, the epoch to start with.

    Attributes:
      steps_per_epoch: n // B, the number of batches of an epoch.

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> batches = NumberedImages(images, labels, batch_size=4, seed=0)
      >>> x, y = batches[1]
      >>> x["images"].shape, x["numbers"].tolist(), y.shape
      ((4, 32, 32, 3), [4, 5, 6, 7], (4,))
    """

    def __init__(
        self,
        images: ArrayLike,
        labels: Any = None,
        *,
        batch_size: int,
        seed: int,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        check_int("batch_size", batch_size, 1)
        check_int("first_epoch", first_epoch, 0)
        images = np.asarray(images)
        if images.ndim != 4 or not (
            images.dtype == np.uint8 or np.issubdtype(images.dtype, np.floating)
        ):
            raise ValueError(
                "`images` must be uint8 or floats of shape [n, H, W, C]. "
                f"Received: {images.dtype} of shape {images.shape}"
            )
        check_pixels(images)
        if batch_size > len(images):
            raise ValueError(
                "`batch_size` must be at most the number of images, "
                f"{len(images)}. Received: batch_size={batch_size}"
            )
        if labels is not None:
            labels = keras.tree.map_structure(np.asarray, labels)
        for y in [] if labels is None else keras.tree.flatten(labels):
            if len(y) != len(images):
                raise ValueError(
                    f"`labels` must be as many as the images, {len(images)}. "
                    f"Received: {len(y)}"
                )
        self.images = images
        self.labels = labels
        self.batch_size = batch_size
        self.seed = seed
        self.first_epoch = first_epoch
        self.steps_per_epoch = len(images) // batch_size
        self._known = None, None  # an epoch and its order

    @property
    def num_batches(self):
        """None, since there is always another batch.

        With a number Keras would begin anew with the first one in each epoch.
        """
        return None

    def __getitem__(self, index):
        """The batch at a place: images and numbers, and labels."""
        epoch, step = divmod(index, self.steps_per_epoch)
        epoch += self.first_epoch
        start = step * self.batch_size
        rows = self._order(epoch)[start : start + self.batch_size]
        first = (epoch * self.steps_per_epoch + step) * self.batch_size
        x = {
            "images": self.images[rows],
            "numbers": np.arange(first, first + len(rows)),
        }
        if self.labels is None:
            return (x,)
        return x, keras.tree.map_structure(lambda y: y[rows], self.labels)

    def from_epoch(self, epoch: int) -> "NumberedImages":
        """The same stream from a later epoch on, an int >= 0."""
        later = copy.copy(self)
        later.first_epoch = self.first_epoch + epoch
        return later

    def _order(self, epoch):
        """The images of an epoch, `[n]`; a thread may read ahead of another."""
        known, order = self._known
        if known != epoch:
            numbers = np.random.default_rng([self.seed % 2**64, epoch])
            order = numbers.permutation(len(self.images))
            self._known = epoch, order
        return order
