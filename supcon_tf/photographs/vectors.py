"""Computes the vectors of photographs: read, brought to one size, encoded."""

import contextlib
import os

import numpy as np
from tqdm import tqdm

from supcon_tf.augmentations.encoded_image import DecodedImage
from supcon_tf.config.waiting_line import waiting_line
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.photograph_files import decode_photograph
from supcon_tf.evaluation.encode import (
    NotFiniteError,
    batches_for,
    encode_function,
)
from supcon_tf.frameworks.backends import is_tensorflow, tf
from supcon_tf.photographs.listing import printable

BATCH_SIZE = 32  # photographs that are encoded at once


def vectors_of(
    asked, files, *, batch_size=BATCH_SIZE, max_pixels=None, title="encode"
):
    """Computes a vector for each photograph that can be read.

    Args:
      asked: `AskedEncoder`.
      files: paths.
      batch_size: int >= 1, how many are encoded at once.
      max_pixels: as in `decode_photograph`.
      title: string before the progress bar, which a terminal shows after two
        seconds.

    Returns:
      `[n, R]` float32 vectors, not of unit length, of those that can be read;
      `[n]` integers, their positions in `files`; and a dict of the other
      positions to the reason why.

    Raises:
      NotFiniteError: if the encoder returns infinity or NaN.

    Example:
      >>> from supcon_tf.photographs.asked_encoder import AskedEncoder
      >>> keras.utils.save_img("a.png", images[0])
      >>> asked = AskedEncoder(encoder, (32, 32))
      >>> vectors, kept, left_out = vectors_of(asked, ["a.png", "none.png"])
      >>> vectors.shape, kept, list(left_out)
      ((1, 8), array([0]), [1])
    """
    source, left_out = photographs_as_images(files, max_pixels=max_pixels)
    batches = batches_for(
        asked.encoder,
        source,
        batch_size=batch_size,
        augmentation=of_single_images(asked.augmentation),
        image_size=asked.image_size,
    )
    encode = encode_function(asked.encoder, batch_size=batch_size)
    vectors, kept = [np.zeros((0, asked.num_features), np.float32)], []
    with (
        tqdm(
            total=len(files), desc=title, unit="img", disable=None, delay=2
        ) as bar,
        contextlib.ExitStack() as until_the_first,
    ):
        until_the_first.enter_context(waiting_line(title))
        for images, positions in batches:
            features = encode(images)
            if asked.head is not None:
                features = asked.head.predict_on_batch(features)
            is_read = [int(p) not in left_out for p in positions]
            vectors.append(np.asarray(features, np.float32)[is_read])
            kept.extend(np.asarray(positions)[is_read])
            if not np.isfinite(vectors[-1]).all():
                raise NotFiniteError(
                    "The encoder must return finite representations. "
                    f"Received: {asked.encoder.name!r}, which does not"
                )
            until_the_first.close()
            bar.update(len(positions))
    return np.concatenate(vectors), np.array(kept, int), left_out


def photographs_as_images(files, *, max_pixels=None):
    """Makes a source of images of files that Pillow reads.

    Args:
      files: paths.
      max_pixels: as in `decode_photograph`.

    Returns:
      `LabelledImages` whose labels are the positions of the files, and a dict.
      A file that cannot be read gives a black pixel, and puts its position and
      the reason in the dict.

    Example:
      >>> source, left_out = photographs_as_images(["none.png"])
      >>> source.decode(source.images[0]).shape, list(left_out)
      (TensorShape([1, 1, 3]), [0])
    """
    files, left_out = list(files), {}

    def read(position):
        try:
            return decode_photograph(files[position], max_pixels=max_pixels)
        except ValueError as error:
            left_out[int(position)] = str(error)
            return np.zeros((1, 1, 3), np.uint8)

    if not is_tensorflow():
        positions = np.arange(len(files))
        return LabelledImages(positions, positions, (), read), left_out

    def decode(position):
        image = tf.numpy_function(read, [position], tf.uint8)
        return tf.ensure_shape(image, [None, None, 3])

    positions = np.arange(len(files))
    return LabelledImages(positions, positions, (), decode), left_out


def of_single_images(augmentation):
    """Makes an augmentation quick for large photographs, one at a time.

    Args:
      augmentation: function (images, seeds, image_size) -> views, of this
        package.

    Returns:
      A function (image `[1, H, W, 3]` uint8, seeds, image_size) -> views.

    Example:
      >>> image = np.zeros((1, 100, 60, 3), np.uint8)
      >>> crop = of_single_images(supcon_tf.augmentations.center_crop)
      >>> crop(image, None, 32).shape
      TensorShape([1, 32, 32, 3])
    """
    if not is_tensorflow():
        return augmentation
    return lambda image, seeds, image_size: augmentation(
        DecodedImage(image[0]), seeds, image_size
    )


def print_left_out(files, left_out):
    """Prints which files were left out, and why; nothing if none was.

    Args:
      files: paths.
      left_out: dict of positions to reasons, as from `vectors_of`.
    """
    for position in sorted(left_out):
        name = printable(os.fspath(files[position]))
        reason = left_out[position].partition("Received: ")[2]
        print(f"Left out: {name}: {printable(reason)}")
    if left_out:
        print(f"{len(left_out)} of {len(files)} files left out")
