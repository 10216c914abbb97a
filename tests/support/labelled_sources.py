"""The same labelled images as arrays, Datasets and files."""

import numpy as np
import tensorflow as tf

from supcon_tf.data.labelled_images import LabelledImages

NUM_IMAGES = 23


def arrays(size=4):
    """Images that are told apart by their first pixel, i / 255."""
    images = np.zeros((NUM_IMAGES, size, size, 3), np.uint8)
    images[:] = np.arange(NUM_IMAGES)[:, None, None, None]
    return images, np.arange(NUM_IMAGES) % 5


def as_dataset(images, labels):
    return tf.data.Dataset.from_tensor_slices((images, labels))


def uneven_dataset(images, labels):
    """The same pairs with shapes that are unknown beforehand."""
    return tf.data.Dataset.from_generator(
        lambda: zip(images, labels, strict=True),
        output_signature=(
            tf.TensorSpec([None, None, 3], tf.uint8),
            tf.TensorSpec([], tf.int64),
        ),
    )


def as_files(images, labels):
    """The same pairs as strings that are still to be decoded."""
    strings = np.array([str(image[0, 0, 0]) for image in images])

    def decode(string):
        value = tf.cast(tf.strings.to_number(string, tf.int32), tf.uint8)
        return tf.fill([5, 3, 3], value)

    return LabelledImages(strings, labels, (), decode)


SOURCES = {
    "arrays": lambda images, labels: (images, labels),
    "dataset": as_dataset,
    "uneven_dataset": uneven_dataset,
    "files": as_files,
}


def as_jpeg(images, labels):
    """Contents of JPEG files, of images that are all of one colour."""
    contents = [tf.io.encode_jpeg(x, quality=100).numpy() for x in images]
    return LabelledImages(
        np.array(contents, object), labels, (), read=tf.identity
    )


def larger_arrays():
    images, labels = arrays(size=16)
    return images * 10, labels  # 10 apart, as JPEG is not exact


def identity(views):
    """Which image a view is of."""
    return np.round(views[..., 0, 0, 0] * 255).astype(int)
