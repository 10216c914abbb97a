import itertools

import numpy as np
import pytest
from seeded_images import random_images

from supcon_tf.augmentations.on_device.numbered_images import (
    NumberedImages,
    is_numbered,
)

IMAGES = random_images(11, 2, 2)
LABELS = np.arange(11)


def batches_of(epochs, **more):
    batches = NumberedImages(IMAGES, LABELS, batch_size=4, seed=1, **more)
    return list(itertools.islice(batches, epochs * batches.steps_per_epoch))


def test_an_epoch_has_no_image_twice_and_drops_the_remainder():
    found = batches_of(3)
    assert len(found) == 6
    for first in (0, 2, 4):
        labels = np.concatenate([y for _, y in found[first : first + 2]])
        assert len(set(labels)) == 8
        for x, y in found[first : first + 2]:
            np.testing.assert_array_equal(x["images"], IMAGES[y])


def test_numbers_are_places_in_the_stream_and_orders_differ():
    found = batches_of(3)
    numbers = np.concatenate([x["numbers"] for x, _ in found])
    np.testing.assert_array_equal(numbers, np.arange(24))
    orders = {tuple(y) for _, y in found}
    assert len(orders) == 6


def test_a_later_start_goes_on_with_the_same_batches():
    for (x, y), (same_x, same_y) in zip(
        batches_of(3)[4:], batches_of(1, first_epoch=2), strict=True
    ):
        np.testing.assert_array_equal(same_y, y)
        np.testing.assert_array_equal(same_x["numbers"], x["numbers"])


def test_labels_may_be_missing_or_several():
    (x,) = NumberedImages(IMAGES, batch_size=11, seed=-1)[0]
    assert is_numbered(x)
    several = {"a": LABELS, "b": 2 * LABELS}
    _, y = NumberedImages(IMAGES, several, batch_size=3, seed=0)[2]
    np.testing.assert_array_equal(y["b"], 2 * y["a"])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"images": IMAGES[0]}, "images"),
        ({"images": IMAGES.astype(int)}, "uint8 or floats"),
        ({"labels": LABELS[1:]}, "as many as the images, 11"),
        ({"batch_size": 12}, "at most the number of images, 11"),
        ({"first_epoch": -1}, "first_epoch"),
    ],
)
def test_what_is_wrong_is_refused(arguments, message):
    right = {"images": IMAGES, "labels": LABELS, "batch_size": 4, "seed": 0}
    with pytest.raises(ValueError, match=message):
        NumberedImages(**{**right, **arguments})
