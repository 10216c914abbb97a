"""The small views of an image (multi-crop), on the host and on the device."""

import functools
import inspect

from supcon_tf.errors import check_int


def check_small_views(small_views, small_view_size, small_crop_area):
    """Refuses small views without a size, and what they have without them.

    Args:
      small_views: what was given for the number of small views.
      small_view_size: what was given for their size, or None.
      small_crop_area: what was given for the area of their crops, or None.

    Raises:
      ValueError: if it is so.
    """
    check_int("small_views", small_views, 0)
    if small_views and small_view_size is None:
        raise ValueError(
            "`small_view_size` must be an int or (height, width) with "
            f"small_views={small_views}. Received: small_view_size=None"
        )
    for name, value in (
        ("small_view_size", small_view_size),
        ("small_crop_area", small_crop_area),
    ):
        if not small_views and value is not None:
            raise ValueError(
                f"`{name}` must be None with small_views=0. "
                f"Received: {name}={value}"
            )


def small_augmentation(augmentation, area):
    """The augmentation with the crops of small views.

    Args:
      augmentation: a pipeline.
      area: (low, high) of its crops, or None for its own.

    Returns:
      A pipeline.

    Raises:
      ValueError: if it has no argument `area`, and one is given.
    """
    if area is None:
        return augmentation
    if "area" not in inspect.signature(augmentation).parameters:
        raise ValueError(
            "`small_crop_area` must be None for an augmentation without an "
            f"argument `area`. Received: small_crop_area={area}"
        )
    return functools.partial(augmentation, area=area)
