"""Maps an augmentation over a Dataset; tells what is none in one line."""

import inspect

import keras

from supcon_tf import augmentations


def checked_augmentation(augmentation):
    """The function of an augmentation, or of the name of one of ours."""
    if isinstance(augmentation, str) and (
        augmentation in augmentations.AUGMENTATIONS
    ):
        return augmentations.AUGMENTATIONS[augmentation]
    if isinstance(augmentation, keras.layers.Layer):
        raise augmentation_error(augmentation, "which is a Keras layer")
    try:
        inspect.signature(augmentation).bind(None, None, None)
    except (TypeError, ValueError):
        raise augmentation_error(augmentation, "which is none") from None
    return augmentation


def augmentation_error(augmentation, what):
    """What to raise for something that is no augmentation, and says why."""
    return ValueError(
        "`augmentation` must be a function (images [B, H, W, C], seeds [B, 2], "
        "image_size) -> [B, h, w, C], one of "
        f"{sorted(augmentations.AUGMENTATIONS)}, or what "
        "augmentations.from_keras makes of Keras layers. "
        f"Received: augmentation={augmentation!r}, {what}"
    )


def mapped(dataset, function, augmentation, **parallel):
    """Maps a Dataset; what fails is told in one line, without the graph's."""
    try:
        return dataset.map(function, **parallel)
    except Exception as error:  # TensorFlow has a class for each of Python's
        lines = [x.strip() for x in str(error).splitlines() if x.strip()]
        kind, _, text = (lines or [type(error).__name__])[-1].partition(": ")
        if isinstance(error, ValueError) and len(lines) == 1:
            raise
        if kind == "ValueError":
            raise ValueError(text) from error
        raise augmentation_error(
            augmentation, f"which raised {kind}: {text}"
        ) from error
