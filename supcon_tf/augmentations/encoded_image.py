"""One image file as the input of a pipeline: only its window is decoded."""

import tensorflow as tf

from supcon_tf.augmentations.resizing import resize


class EncodedImage:
    """The bytes of an image file, in place of a batch of images.

    Every pipeline takes it and returns as many views as it gets seeds. Of a
    JPEG file, it decodes nothing but the window of each view: with random
    crops, a fraction of the file. Other files are decoded once, whole.

    A view equals the one of the decoded image, up to the colour in the last
    column of a window that ends between two blocks of the file: most files
    store colour at half the resolution, and what is interpolated there lacks
    its neighbour in the next block.

    Args:
      contents: scalar string tensor, the bytes of a JPEG, PNG, GIF (its first
        frame) or BMP file. Grey and CMYK become RGB, transparency is dropped.

    Raises:
      ValueError: if contents is no scalar string.

    Example:
      >>> def views(path):
      ...     file = EncodedImage(tf.io.read_file(path))
      ...     return simclr(file, [[0, 1], [0, 2]], 224)  # [2, 224, 224, 3]
      >>> dataset = tf.data.Dataset.list_files("*.jpg").map(views)
    """

    def __init__(self, contents):
        contents = tf.convert_to_tensor(contents)
        if contents.dtype != tf.string or contents.shape.rank not in (0, None):
            raise ValueError(
                "`contents` must be a scalar string, the bytes of one file. "
                f"Received: {contents.dtype.name} of shape {contents.shape}"
            )
        self.contents = contents

    def decode(self):
        """The whole image, for augmentations that take no files.

        Returns:
          `[H, W, 3]` uint8.
        """
        image = tf.io.decode_image(
            self.contents, channels=3, expand_animations=False
        )
        return tf.ensure_shape(image, [None, None, 3])

    def crop_and_resize(self, draw_windows, flips=None, *, size):
        """As `spatial.crop_and_resize`, of one image and V windows.

        Args:
          draw_windows: function (height, width) -> `[V, 4]` int32: top, left,
            height, width.
          flips: `[V]` booleans, mirror left to right; None mirrors none.
          size: (height, width) of the output, positive ints.

        Returns:
          `[V, 3, height, width]` float32 in [0, 1].
        """
        is_jpeg = tf.image.is_jpeg(self.contents)
        whole = tf.cond(
            is_jpeg, lambda: tf.zeros([0, 0, 3], tf.uint8), self.decode
        )
        shape = tf.cond(
            is_jpeg,
            lambda: tf.image.extract_jpeg_shape(self.contents),
            lambda: tf.shape(whole),
        )
        windows = draw_windows(shape[0], shape[1])
        if flips is None:
            flips = tf.zeros(tf.shape(windows)[:1], tf.bool)

        def view(window_and_flip):
            window, flip = window_and_flip
            pixels = tf.cond(
                is_jpeg,
                lambda: tf.image.decode_and_crop_jpeg(
                    self.contents, window, channels=3
                ),
                lambda: tf.slice(
                    whole,
                    tf.concat([window[:2], [0]], 0),
                    tf.concat([window[2:], [3]], 0),
                ),
            )
            return resize(pixels, flip, size=size)

        signature = tf.TensorSpec([3, *size], tf.float32)
        return tf.map_fn(view, (windows, flips), fn_output_signature=signature)
