"""Images that are in two sets: a test on them finds what was trained on."""

import warnings

import numpy as np

# The share of test images that are passed over: CIFAR-100, as published, has 10
# of 10,000 in both of its parts.
_PASSED_OVER = 0.002


def warn_of_shared_images(train, test, *, name, stacklevel):
    """Warns of test images that are training images, too.

    What cannot be known without reading a whole Dataset or stream is not told:
    of these only that both are the same object. Up to 2 in 1,000 are passed
    over.

    Args:
      train: training images, as in `view_batches`.
      test: test images, likewise.
      name: of the argument that has the test images, such as `"test"`.
      stacklevel: int, as for `warnings.warn` in the caller.

    Example:
      >>> import warnings
      >>> with warnings.catch_warnings(record=True) as caught:
      ...     pets = (images, labels)
      ...     warn_of_shared_images(pets, pets, name="test", stacklevel=1)
      >>> str(caught[0].message)[:40]
      '8 of 8 images of `test` are in the train'
    """
    known, asked = map(_contents, (train, test))
    if known is None or asked is None:
        if train is test:
            _warn(f"The images of `{name}` are", stacklevel)
        return
    known = set(known)
    shared = sum(image in known for image in asked)
    if shared > _PASSED_OVER * len(asked):
        verb = "is" if shared == 1 else "are"
        _warn(f"{shared} of {len(asked)} images of `{name}` {verb}", stacklevel)


def _warn(what, stacklevel):
    warnings.warn(
        f"{what} in the training images, too, whose labels were given: "
        "the accuracy is higher than on new images. Hold images out",
        stacklevel=stacklevel + 2,
    )


def _contents(data):
    """A hash of each image that is in memory; None if they are not."""
    images = getattr(data, "images", None)
    if isinstance(data, (tuple, list)):
        images = data[0]
    if images is None:
        return None
    return [hash(_bytes_of(image)) for image in np.asarray(images)]


def _bytes_of(image):
    """The same bytes for an image of uint8 and for the floats made of it."""
    pixels = np.asarray(image)
    if np.issubdtype(pixels.dtype, np.floating):
        pixels = np.round(255 * pixels.astype(np.float32)).astype(np.uint8)
    return pixels.tobytes()
