import numpy as np
import pytest

from supcon_tf import augmentations, view_batches
from supcon_tf.data.augmenting import checked_augmentation


def test_an_augmentation_is_known_by_its_name():
    assert checked_augmentation("crop_flip") is augmentations.crop_flip


def failing(images, seeds, image_size):
    raise KeyError("size")


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        ("simclrr", "'simclr'"),
        (None, "which is none"),
        (lambda image: image, "which is none"),
        (lambda images, seeds, size: images[:, 0], "which returned"),
        (lambda images, seeds, size: [images], "which returned"),
        (failing, "which raised KeyError"),
    ],
    ids=range(6),
)
def test_what_is_no_augmentation_is_refused_in_one_line(augmentation, message):
    with pytest.raises(ValueError) as error:
        view_batches(
            (np.zeros([4, 4, 4, 3], "uint8"), np.arange(4)),
            augmentation,
            num_views=2,
            batch_size=2,
            image_size=4,
            seed=0,
        )
    assert message in str(error.value) and "\n" not in str(error.value)
