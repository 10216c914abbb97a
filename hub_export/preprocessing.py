"""Prepares a photograph inside a SavedModel before the encoder sees it."""

import tensorflow as tf

from hub_export.upright import exif_orientation, on_white, upright
from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.augmentations.encoded_image import DecodedImage, EncodedImage

_PNG = b"\x89PNG"
_SPECS = (
    tf.TensorSpec([], tf.string),
    tf.TensorSpec([None], tf.string),
    *(
        tf.TensorSpec([*batch, None, None, 3], dtype)
        for batch in ([], [None])
        for dtype in (tf.uint8, tf.float32)
    ),
)


def preprocess_function(image_size, resizing):
    """Makes the function that brings photographs to the size of the training.

    It does what evaluation and supcon-predict do: files are decoded upright and
    on white, and the centre is resized.

    Args:
      image_size: (height, width) in pixels.
      resizing: name in `AUGMENTATIONS`, `"center_crop"` or
        `"resize_then_crop"`.

    Returns:
      A `tf.function` of one tensor: the bytes of a JPEG, PNG, BMP or GIF file,
      a scalar string, or of several, `[B]`; or an image `[H, W, 3]` or images
      `[B, H, W, 3]` of any size, uint8 or floats in [0, 1]. It returns
      `[B, height, width, 3]` float32 in [0, 1], B = 1 for one file or image.

    Example:
      >>> preprocess = preprocess_function((32, 32), "center_crop")
      >>> file = tf.io.encode_png(np.zeros((40, 50, 3), "uint8"))
      >>> preprocess(file).shape, preprocess(np.zeros((9, 9, 3), "uint8")).shape
      (TensorShape([1, 32, 32, 3]), TensorShape([1, 32, 32, 3]))
    """
    augmentation = AUGMENTATIONS[resizing]

    def of_file(contents):
        orientation = exif_orientation(contents)
        is_jpeg = tf.image.is_jpeg(contents)
        images = tf.cond(
            is_jpeg & (orientation == 1),
            lambda: augmentation(EncodedImage(contents), None, image_size),
            lambda: augmentation(
                DecodedImage(_decoded(contents, orientation)), None, image_size
            ),
        )
        return tf.ensure_shape(images, [1, *image_size, 3])[0]

    @tf.function(autograph=False)
    def preprocess(inputs):
        if inputs.dtype == tf.string:
            files = inputs[None] if inputs.shape.rank == 0 else inputs
            signature = tf.TensorSpec([*image_size, 3], tf.float32)
            return tf.map_fn(of_file, files, fn_output_signature=signature)
        images = inputs[None] if inputs.shape.rank == 3 else inputs
        return augmentation(images, None, image_size)

    for spec in _SPECS:
        preprocess.get_concrete_function(spec)
    return preprocess


def _decoded(contents, orientation):
    """The file as `[H, W, 3]` uint8, upright and on white."""
    image = tf.cond(
        tf.strings.substr(contents, 0, len(_PNG)) == _PNG,
        lambda: on_white(tf.io.decode_png(contents, channels=4)),
        lambda: tf.io.decode_image(
            contents, channels=3, expand_animations=False
        ),
    )
    return upright(tf.ensure_shape(image, [None, None, 3]), orientation)
