import numpy as np
import tensorflow as tf
from PIL import Image

from supcon_tf.data.image_folder import ImageFile
from supcon_tf.data.photograph_files import (
    check_photograph,
    decode_photograph,
)
from supcon_tf.data.photograph_reader import photograph_reader


def file(path):
    return ImageFile(str(path), 0, check_photograph(path), 0)


def decoded(read, path):
    return tf.io.decode_image(
        read(tf.constant(str(path))), channels=3, expand_animations=False
    ).numpy()


def test_plain_files_are_read_by_tensorflow_alone(tmp_path):
    paths = [tmp_path / "a.jpg", tmp_path / "b.png", tmp_path / "c.webp"]
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    for path in paths:
        Image.fromarray(pixels).save(path)
    plain = [file(path) for path in paths[:2]]
    assert photograph_reader(plain) is tf.io.read_file
    read = photograph_reader([*plain, file(paths[2])])
    assert read(str(paths[0])) == paths[0].read_bytes()
    np.testing.assert_array_equal(
        decoded(read, paths[2]), decode_photograph(paths[2])
    )


def test_a_file_that_tensorflow_refuses_is_decoded_by_pillow(
    tmp_path, monkeypatch
):
    def refuse(*args, **kwargs):  # as it does after one damage in 700
        raise tf.errors.InvalidArgumentError(None, None, "Invalid JPEG data")

    path = tmp_path / "a.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    monkeypatch.setattr(tf.io, "decode_jpeg", refuse)
    read = photograph_reader([file(path)])
    assert read is not tf.io.read_file
    np.testing.assert_array_equal(decoded(read, path), decode_photograph(path))
