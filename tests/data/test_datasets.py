import numpy as np
import pytest
from PIL import Image

from supcon_tf import DATASETS, load_dataset


def test_the_digits_are_1797_rgb_images_in_a_fixed_split():
    train, test = load_dataset("digits")
    assert train.images.shape == (1437, 8, 8, 3)
    assert test.images.shape == (360, 8, 8, 3)
    assert train.images.dtype == np.uint8
    assert (train.images.min(), train.images.max()) == (0, 255)
    assert train.class_names == tuple("0123456789")
    again, _ = load_dataset("digits", seed=5)
    np.testing.assert_array_equal(again.labels, train.labels)


def test_the_held_out_part_takes_the_place_of_the_test_images():
    train, held_out = load_dataset("digits", validation_fraction=0.1)
    assert (len(train), len(held_out)) == (1293, 144)
    whole, _ = load_dataset("digits")
    known = {image.tobytes() for image in whole.images}
    assert {image.tobytes() for image in held_out.images} <= known


def test_max_samples_are_the_first_after_the_held_out_part():
    train, held_out = load_dataset("digits", validation_fraction=0.1)
    first, same = load_dataset(
        "digits", validation_fraction=0.1, max_samples=100
    )
    np.testing.assert_array_equal(first.images, train.images[:100])
    np.testing.assert_array_equal(first.labels, train.labels[:100])
    np.testing.assert_array_equal(same.images, held_out.images)


@pytest.mark.parametrize("size", [0, 1438])
def test_max_samples_are_one_or_more_of_those_there(size):
    with pytest.raises(ValueError, match=f"images, 1437. Rec.*={size}"):
        load_dataset("digits", max_samples=size)


@pytest.mark.parametrize("max_samples", [40, 13, 1])
def test_max_samples_of_a_folder_are_of_all_classes(tmp_path, max_samples):
    for name, count in (("a", 40), ("b", 20), ("c", 20)):
        (tmp_path / name).mkdir()
        for index in range(count):
            image = Image.fromarray(np.full((4, 4, 3), index, np.uint8))
            image.save(tmp_path / name / f"{index:02}.png")
    arguments = {"data_dir": tmp_path, "max_samples": max_samples}
    train, test = load_dataset("folder", **arguments)
    assert (len(train), len(test)) == (max_samples, 16)
    counts = np.bincount(train.labels, minlength=3)
    share = np.array([0.5, 0.25, 0.25]) * max_samples
    assert (np.abs(counts - share) <= 1).all()
    assert train.labels.tolist() == sorted(train.labels)
    again, _ = load_dataset("folder", **arguments)
    assert again.images.tolist() == train.images.tolist()
    other, _ = load_dataset("folder", seed=1, **arguments)
    assert other.images.tolist() != train.images.tolist()


def test_label_noise_spares_the_test_images_and_is_fixed():
    whole, test = load_dataset("digits")
    noisy, same_test = load_dataset("digits", label_noise=0.5)
    np.testing.assert_array_equal(same_test.labels, test.labels)
    np.testing.assert_array_equal(noisy.images, whole.images)
    assert noisy.labels.dtype == whole.labels.dtype
    # Binomial(1437, 0.45), standard deviation 19.
    assert abs((noisy.labels != whole.labels).sum() - 647) < 4 * 19
    again, _ = load_dataset("digits", label_noise=0.5)
    np.testing.assert_array_equal(again.labels, noisy.labels)
    other, _ = load_dataset("digits", label_noise=0.5, seed=1)
    assert other.labels.tolist() != noisy.labels.tolist()


def test_label_noise_spares_the_images_held_out():
    _, held_out = load_dataset("digits", validation_fraction=0.1)
    _, same = load_dataset("digits", validation_fraction=0.1, label_noise=1.0)
    np.testing.assert_array_equal(held_out.labels, same.labels)


@pytest.mark.parametrize("label_noise", [-0.1, 1.5])
def test_label_noise_is_a_probability(label_noise):
    with pytest.raises(ValueError, match=r"`label_noise` must be in \[0, 1\]"):
        load_dataset("digits", label_noise=label_noise)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError) as error:
        load_dataset("mnist")
    for name in DATASETS:
        assert repr(name) in str(error.value)
    assert "or tfds:NAME. Received: dataset='mnist'" in str(error.value)
    with pytest.raises(ValueError, match="nearest are 'cifar10', 'cifar100' a"):
        load_dataset("cifar_10")
