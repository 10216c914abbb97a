"""PlainBatches give what image_batches gives on TensorFlow."""

import numpy as np
import pytest

from supcon_tf import LabelledImages, augmentations
from supcon_tf.data.image_batches import image_batches
from supcon_tf.data.plain_batches import (
    PlainBatches,
    brought_to_size,
    padding_of,
)


def pixels(*shape, dtype="uint8"):
    images = np.random.default_rng(0).integers(0, 256, shape)
    if dtype == "uint8":
        return images.astype("uint8")
    return (images / 255).astype(dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("shape", [(5, 20, 31, 3), (5, 9, 12, 1)])
@pytest.mark.parametrize("size", [None, 12, (15, 10)])
@pytest.mark.parametrize("padding", [0, 3])
def test_they_are_those_of_tensorflow(dtype, shape, size, padding):
    source = LabelledImages(pixels(*shape, dtype=dtype), np.arange(5), ())

    def augmentation(images, seeds, size):
        return augmentations.resize_then_crop(
            images, seeds, size, padding=padding
        )

    expected = image_batches(
        source, image_size=size, batch_size=3, augmentation=augmentation
    )
    found = PlainBatches(source, image_size=size, batch_size=3, padding=padding)
    assert found.cardinality() == len(found) == int(expected.cardinality())
    for (x, y), (x_expected, y_expected) in zip(found, expected, strict=True):
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, x_expected, rtol=0, atol=1e-5)
        assert y.tolist() == y_expected.numpy().tolist()


def test_what_is_decoded_may_differ_in_size():
    images = [pixels(9, 7, 3), pixels(20, 30, 3), pixels(8, 8, 3)]
    source = LabelledImages(np.arange(3), np.arange(3), (), images.__getitem__)
    (found, _), (last, _) = PlainBatches(
        source, image_size=8, batch_size=2, padding=0
    )
    assert found.shape == (2, 8, 8, 3)
    np.testing.assert_array_equal(last[0], images[2] / np.float32(255))
    np.testing.assert_allclose(
        found[1],
        augmentations.center_crop(images[1][None], None, 8)[0],
        rtol=0,
        atol=1e-5,
    )


def test_floats_out_of_their_range_are_refused():
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        brought_to_size(pixels(9, 9, 3).astype("float32"), (4, 4))


def test_the_padding_of_an_augmentation_is_known():
    import functools

    known = augmentations.AUGMENTATIONS
    assert padding_of(augmentations.center_crop, known) == 0
    assert padding_of(augmentations.resize_then_crop, known) is None
    assert padding_of(
        functools.partial(augmentations.resize_then_crop, padding=5), known
    ) == 5  # fmt: skip
    assert padding_of(augmentations.simclr, known) == -1
