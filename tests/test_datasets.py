import numpy as np
import pytest
import tensorflow_datasets as tfds

from supcon_tf import DATASETS, load_dataset
from supcon_tf.datasets import LabelledImages, split


def test_the_digits_are_1797_rgb_images_in_a_fixed_split():
    train, test = load_dataset("digits")
    assert train.images.shape == (1437, 8, 8, 3)
    assert test.images.shape == (360, 8, 8, 3)
    assert train.images.dtype == np.uint8
    assert (train.images.min(), train.images.max()) == (0, 255)
    assert train.class_names == tuple("0123456789")
    again, _ = load_dataset("digits", seed=5)
    np.testing.assert_array_equal(again.labels, train.labels)


def test_a_split_is_stratified_seeded_and_loses_no_image():
    labels = np.repeat(np.arange(4), [10, 20, 30, 40])
    images = np.arange(100).reshape(100, 1, 1, 1)
    source = LabelledImages(images, labels, tuple("abcd"))
    first, second = split(source, 0.2, seed=1)
    assert np.bincount(second.labels).tolist() == [2, 4, 6, 8]
    both = np.concatenate([first.images, second.images]).ravel()
    assert sorted(both) == list(range(100))
    again, _ = split(source, 0.2, seed=1)
    np.testing.assert_array_equal(again.images, first.images)
    other, _ = split(source, 0.2, seed=2)
    assert other.images.tolist() != first.images.tolist()


def test_a_class_of_one_image_cannot_be_split():
    source = LabelledImages(
        np.zeros((7, 1, 1, 1)), np.array([0, 0, 1, 0, 0, 0, 0]), "ab"
    )
    with pytest.raises(ValueError, match="one image of class 'b'"):
        split(source, 0.5, seed=0)


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_each_part_must_have_an_image_a_class(fraction):
    source = LabelledImages(np.zeros((20, 1)), np.arange(20) % 10, "0123456789")
    with pytest.raises(ValueError, match="`validation_fraction` must leave 10"):
        split(source, fraction, seed=0)


def test_the_held_out_part_takes_the_place_of_the_test_images():
    train, held_out = load_dataset("digits", validation_fraction=0.1)
    assert (len(train), len(held_out)) == (1293, 144)
    whole, _ = load_dataset("digits")
    known = {image.tobytes() for image in whole.images}
    assert {image.tobytes() for image in held_out.images} <= known


def test_a_data_set_of_tfds_is_loaded_whole(tmp_path, monkeypatch):
    builder = _prepared_cifar10(tmp_path)
    train, test = load_dataset("cifar10", data_dir=str(tmp_path))
    assert train.images.shape == (20, 32, 32, 3)
    assert len(test) == 20
    assert train.images.dtype == np.uint8
    assert train.class_names[:2] == ("airplane", "automobile")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    again, _ = load_dataset("cifar10")
    np.testing.assert_array_equal(again.labels, train.labels)
    assert builder.info.splits["train"].num_examples == 20


def _prepared_cifar10(data_dir):
    """CIFAR-10 in TFDS' own form, of 20 invented images a split."""
    from tensorflow_datasets.image_classification import cifar

    def examples(self, dl_manager):
        random = np.random.default_rng(0)

        def part():
            for index in range(20):
                yield (
                    str(index),
                    {
                        "id": str(index),
                        "image": random.integers(
                            0, 256, (32, 32, 3), dtype=np.uint8
                        ),
                        "label": index % 10,
                    },
                )

        return {"train": part(), "test": part()}

    original = cifar.Cifar10._split_generators
    cifar.Cifar10._split_generators = examples
    info = cifar.Cifar10._info

    def without_label_file(self):
        made = info(self)
        made.features["label"].names = [
            "airplane", "automobile", "bird", "cat", "deer",
            "dog", "frog", "horse", "ship", "truck",
        ]  # fmt: skip
        return made

    cifar.Cifar10._info = without_label_file
    try:
        builder = tfds.builder("cifar10", data_dir=data_dir)
        builder.download_and_prepare()
    finally:
        cifar.Cifar10._split_generators = original
        cifar.Cifar10._info = info
    return builder


def test_a_folder_without_the_data_set_is_named_and_nothing_is_made(tmp_path):
    missing = tmp_path / "nowhere"
    with pytest.raises(ValueError, match=r"has prepared 'cifar10'; --download"):
        load_dataset("cifar10", data_dir=str(missing))
    assert not missing.exists()
    (tmp_path / "cifar10").mkdir()
    with pytest.raises(ValueError, match=r"must hold cifar10 3"):
        load_dataset("cifar10", data_dir=str(tmp_path))


def test_damaged_data_of_tfds_is_named(tmp_path):
    _prepared_cifar10(tmp_path)
    for record in (tmp_path / "cifar10").rglob("*test.tfrecord*"):
        record.write_bytes(record.read_bytes()[:-10])
    with pytest.raises(ValueError, match="`data_dir` must hold cifar10 whole"):
        load_dataset("cifar10", data_dir=str(tmp_path))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError) as error:
        load_dataset("mnist")
    for name in DATASETS:
        assert repr(name) in str(error.value)
