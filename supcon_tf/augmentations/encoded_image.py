"""One image as the input of a pipeline, which takes only its windows."""

from typing import Any

from supcon_tf.augmentations.resizing import resize
from supcon_tf.frameworks.backends import tf

# A JPEG file of more pixels is decoded by windows, also for several views: the
# whole would be 25 MB, of each file that is worked on.
_LARGEST_WHOLE = 2**23


class EncodedImage:
    """The bytes of an image file, in place of a batch of images.

    Every pipeline takes it and returns as many views as it gets seeds. The file
    is decoded once. A JPEG file of which a single view is made, or of more than
    8 megapixels, is decoded only within the window of each view: it takes three
    quarters of the time of the whole on average, with random crops.

    A view equals the view of the decoded image, except for the colour in the
    last column of a window that is decoded alone and ends between two blocks of
    the file. Most files store colour at half the resolution, and the value that
    is interpolated there lacks its neighbour in the next block.

    Args:
      contents: scalar string tensor, the bytes of a JPEG, PNG, GIF (its first
        frame) or BMP file, as `tf.io.read_file` returns them. Grey and CMYK
        become RGB, and transparency is dropped.

    Raises:
      ValueError: if contents is not a scalar string.

    Example:
      >>> file = tf.io.encode_jpeg(tf.zeros([100, 60, 3], tf.uint8))
      >>> seeds = [[0, 1], [0, 2]]  # two views
      >>> augmentations.simclr(EncodedImage(file), seeds, 32).shape
      TensorShape([2, 32, 32, 3])
    """

    def __init__(self, contents: Any):
        contents = tf.convert_to_tensor(contents)
        if contents.dtype != tf.string or contents.shape.rank not in (0, None):
            raise ValueError(
                "`contents` must be a scalar string, the bytes of one file. "
                f"Received: {contents.dtype.name} of shape {contents.shape}"
            )
        self.contents = contents

    def decode(self) -> Any:
        """Decodes the whole image, for augmentations that take no files.

        Returns:
          `[H, W, 3]` uint8.

        Example:
          >>> file = tf.io.encode_png(tf.zeros([100, 60, 1], tf.uint8))
          >>> EncodedImage(file).decode().shape
          TensorShape([100, 60, 3])
        """
        image = tf.io.decode_image(
            self.contents, channels=3, expand_animations=False
        )
        return tf.ensure_shape(image, [None, None, 3])

    def crop_and_resize(
        self,
        draw_windows: Any,
        flips: Any = None,
        *,
        size: int | tuple[int, int],
    ) -> Any:
        """Makes V views of the image, as `spatial.crop_and_resize` would.

        Args:
          draw_windows: function (height, width) -> `[V, 4]` int32: top, left,
            height, width.
          flips: `[V]` booleans, whether to mirror left to right; None mirrors
            none.
          size: (height, width) of the output, positive ints.

        Returns:
          `[V, height, width, 3]` float32 in [0, 1].

        Example:
          >>> file = tf.io.encode_jpeg(tf.zeros([100, 60, 3], tf.uint8))
          >>> EncodedImage(file).crop_and_resize(
          ...     lambda height, width: tf.constant([[0, 10, 40, 40]]),
          ...     size=(32, 32),
          ... ).shape
          TensorShape([1, 32, 32, 3])
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
        is_single = tf.equal(tf.shape(windows)[0], 1)
        is_large = shape[0] * shape[1] > _LARGEST_WHOLE
        by_window = is_jpeg & (is_single | is_large)
        whole = tf.cond(is_jpeg & ~by_window, self.decode, lambda: whole)

        def cut(window):
            return tf.cond(
                by_window,
                lambda: tf.image.decode_and_crop_jpeg(
                    self.contents, window, channels=3
                ),
                lambda: _cut(whole, window),
            )

        return _views(cut, windows, flips, size=size, channels=3)


class DecodedImage(EncodedImage):
    """One decoded image, in place of a batch of images.

    A view equals the view of the image in a batch, up to float32 rounding. A
    photograph of 12 megapixels takes a fraction of the time.

    Args:
      image: `[H, W, C]` uint8. H and W may be unknown.

    Raises:
      ValueError: if it is not as described.

    Example:
      >>> image = tf.zeros([100, 60, 3], tf.uint8)
      >>> augmentations.center_crop(DecodedImage(image), None, 32).shape
      TensorShape([1, 32, 32, 3])
    """

    def __init__(self, image):
        image = tf.convert_to_tensor(image)
        if image.dtype != tf.uint8 or image.shape.rank != 3:
            raise ValueError(
                "`image` must be uint8 of shape [H, W, C]. "
                f"Received: {image.dtype.name} of shape {image.shape}"
            )
        self.image = image

    def decode(self):
        """Returns the image, `[H, W, C]` uint8."""
        return self.image

    def crop_and_resize(self, draw_windows, flips=None, *, size):
        """Makes V views of the image, as that of `EncodedImage` does."""
        shape, channels = tf.shape(self.image), self.image.shape[2]
        return _views(
            lambda window: _cut(self.image, window),
            draw_windows(shape[0], shape[1]),
            flips,
            size=size,
            channels=channels,
        )


def _views(cut, windows, flips, *, size, channels):
    """Cuts windows `[V, 4]`, resizes them, and mirrors those told to."""
    if flips is None:
        flips = tf.zeros(tf.shape(windows)[:1], tf.bool)

    def view(window_and_flip):
        window, flip = window_and_flip
        resized = resize(cut(window), size=size)
        return tf.cond(flip, lambda: tf.reverse(resized, [1]), lambda: resized)

    signature = tf.TensorSpec([*size, channels], tf.float32)
    return tf.map_fn(view, (windows, flips), fn_output_signature=signature)


def _cut(image, window):
    """The window (top, left, height, width) of an image `[H, W, C]`."""
    begin = tf.concat([window[:2], [0]], 0)
    extent = tf.concat([window[2:], [image.shape[2]]], 0)
    return tf.slice(image, begin, extent)
