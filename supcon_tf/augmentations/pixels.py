"""Checks pixels: uint8 from 0 to 255, or floats in [0, 1]."""

import keras
import numpy as np
from keras import ops

from supcon_tf.labels import known_values

# Rounding may bring a resized image this far out of [0, 1].
ROUNDING = 1e-5


def check_pixels(images, advice=""):
    """Refuses images that are neither uint8 nor floats in [0, 1].

    Args:
      images: array or tensor whose values are known, of any shape.
      advice: a sentence for the end of the error.

    Raises:
      ValueError: if it is so.

    Example:
      >>> check_pixels(np.array([0.0, 127.0]))
      Traceback (most recent call last):
        ...
      ValueError: Float images must lie in [0, 1]; uint8 ones in 0 to 255. ...
    """
    check_pixel_dtype(images.dtype)
    if keras.backend.standardize_dtype(images.dtype) == "uint8":
        return
    images = ops.convert_to_numpy(images)
    if images.size:
        check_pixel_range(images.min(), images.max(), advice)


def check_known_pixels(images):
    """As `check_pixels`, where the values are known: not inside of a graph.

    Args:
      images: array or tensor, of any shape.

    Raises:
      ValueError: if they are known, and neither uint8 nor floats in [0, 1].

    Example:
      >>> check_known_pixels(tf.constant([-1.0, 1.0]))
      Traceback (most recent call last):
        ...
      ValueError: Float images must lie in [0, 1]; uint8 ones in 0 to 255. ...
    """
    values = known_values(images)
    if values is not None:
        check_pixels(values)


def check_pixel_dtype(dtype):
    """Refuses a dtype of images that is neither uint8 nor floating.

    Args:
      dtype: dtype of NumPy, TensorFlow or Keras.

    Raises:
      ValueError: if it is so.

    Example:
      >>> check_pixel_dtype("int64")
      Traceback (most recent call last):
        ...
      ValueError: Images must be uint8, 0 to 255, or floats in [0, 1]: ...
    """
    name = getattr(dtype, "name", str(dtype))
    if name != "uint8" and "float" not in name:
        raise ValueError(
            "Images must be uint8, 0 to 255, or floats in [0, 1]: integers of "
            "another dtype go through `.astype('uint8')` if they are 0 to 255. "
            f"Received: dtype={name}"
        )


def check_pixel_range(low, high, advice=""):
    """Refuses float images whose values leave [0, 1].

    Args:
      low: the smallest value of a pixel.
      high: the largest one. Either is NaN if a pixel is.
      advice: a sentence for the end of the error.

    Raises:
      ValueError: if it is so.
    """
    low, high = float(low), float(high)
    if -ROUNDING <= low and high <= 1 + ROUNDING:
        return
    if not (np.isfinite(low) and np.isfinite(high)):
        what = "Leave out or repair images with NaN or infinite pixels"
    elif low < 0:
        what = "Take back their normalisation, such as (x + 1) / 2 of -1..1"
    else:
        what = "Divide floats in 0 to 255 by 255"
    raise ValueError(
        "Float images must lie in [0, 1]; uint8 ones in 0 to 255. "
        f"Received: floats from {low:g} to {high:g}. {what}.{advice and ' '}"
        f"{advice}"
    )


def in_unit_range(images):
    """Divides uint8 images by 255, and leaves floats as they are.

    Args:
      images: array or tensor, also of a graph.

    Returns:
      uint8 images as floats in [0, 1], float32 or, if that is floatx, float64;
      others as they are.

    Example:
      >>> np.array(in_unit_range(np.array([0, 51], "uint8")))
      array([0. , 0.2], dtype=float32)
    """
    if keras.backend.standardize_dtype(images.dtype) != "uint8":
        return images
    is_double = keras.backend.floatx() == "float64"
    return ops.cast(images, "float64" if is_double else "float32") / 255


def mark_as_checked(dataset):
    """Marks a Dataset whose images are known to be in their range.

    Args:
      dataset: `tf.data.Dataset`. What is made of it is not marked.

    Returns:
      The same Dataset.
    """
    dataset.has_checked_pixels = True
    return dataset


def is_marked_as_checked(dataset):
    """Whether `mark_as_checked` was given this very Dataset."""
    return getattr(dataset, "has_checked_pixels", False)
