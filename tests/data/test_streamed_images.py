import dataclasses
import itertools

import keras
import numpy as np
import prepared_tfds
import pytest

from supcon_tf import augmentations, load_dataset, view_batches
from supcon_tf.data.image_batches import image_batches
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.evaluation.encode import encode_all

FILES = [10, 7, 12, 1, 20]  # 50 images


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    prepared_tfds.write(
        folder, "imagenet2012", {"train": FILES, "validation": [6, 3]}
    )
    return folder


@pytest.fixture
def loaded(folder, monkeypatch):
    """Arguments of load_dataset -> training and test images, streamed."""
    monkeypatch.setattr("supcon_tf.data.tfds_images.MAX_BYTES_IN_MEMORY", 1000)
    # Several windows an epoch, and more files than are open at a time.
    monkeypatch.setattr("supcon_tf.data.streamed_images._WINDOW", 16)
    monkeypatch.setattr("supcon_tf.data.streamed_images._OPEN_FILES", 3)

    def load(**kwargs):
        train, test = load_dataset("imagenet2012", data_dir=folder, **kwargs)
        assert isinstance(train, StreamedImages)
        assert isinstance(test, StreamedImages)
        return train, test

    return load


def batches(source, count, augmentation=augmentations.crop_flip, **kwargs):
    arguments = {
        "num_views": 2,
        "batch_size": 8,
        "image_size": 16,
        "seed": 3,
        **kwargs,
    }
    views = view_batches(source, augmentation, **arguments)
    return [
        (images.numpy(), labels.numpy())
        for images, labels in itertools.islice(views, count)
    ]


def order(source, epochs=1, **kwargs):
    """Which images pass by."""
    steps = len(source) // 8
    passed = batches(source, epochs * steps, **kwargs)
    numbers = prepared_tfds.numbers(np.concatenate([x for x, _ in passed]))
    np.testing.assert_array_equal(numbers[:, 0], numbers[:, 1])
    return numbers[:, 0].reshape(epochs, -1).tolist()


@pytest.mark.slow
def test_each_image_passes_once_an_epoch_and_epochs_differ(loaded):
    train, _ = loaded()
    first, second, third = order(train, 3)
    for epoch in (first, second, third):
        assert len(set(epoch)) == 48  # the remainder of 50 is dropped
        assert set(epoch) <= set(range(50))
    assert first != second != third
    assert first != sorted(first)
    assert order(train, seed=4) != [first]


@pytest.mark.slow
def test_views_have_the_labels_of_their_images(loaded):
    train, _ = loaded()
    for images, labels in batches(train, 6):
        assert images.shape == (8, 2, 16, 16, 3)
        assert labels.dtype == np.int64
        numbers = prepared_tfds.numbers(images)[:, 0]
        np.testing.assert_array_equal(numbers % 5, labels)


@pytest.mark.slow
def test_files_of_a_stream_are_mixed(loaded):
    train, _ = loaded()
    (epoch,) = order(train)
    starts = np.cumsum(FILES) - FILES
    of_first_batch = np.searchsorted(starts, epoch[:8], side="right")
    assert len(set(of_first_batch)) > 1


@pytest.mark.slow
def test_a_stream_that_starts_at_an_epoch_is_the_tail_of_the_whole(loaded):
    train, _ = loaded()
    whole = batches(train, 3 * 6)
    tail = batches(train, 6, first_epoch=2)
    for (a, a_labels), (b, b_labels) in zip(whole[12:], tail, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a_labels, b_labels)


@pytest.mark.slow
def test_shards_of_a_batch_are_its_rows_bit_for_bit(loaded):
    train, _ = loaded()
    whole = batches(train, 13)
    shards = [batches(train, 13, num_shards=4, shard=s) for s in range(4)]
    for (images, labels), *parts in zip(whole, *shards, strict=True):
        np.testing.assert_array_equal(
            images, np.concatenate([x for x, _ in parts])
        )
        np.testing.assert_array_equal(
            labels, np.concatenate([y for _, y in parts])
        )


@pytest.mark.slow
def test_a_stream_has_the_view_seeds_of_its_positions(loaded):
    seen = []

    def record(images, seeds, image_size):
        assert images.shape[1:] == [None, None, 3]
        seen.append(seeds)
        values = seeds[:, 1][:, None, None, None] + 0 * image_size
        return values * np.ones([1, 2, 2, 3], "int64")

    train, _ = loaded()
    passed = batches(train, 7, record)
    values = np.concatenate([x for x, _ in passed])[..., 0, 0, 0]
    np.testing.assert_array_equal(
        values, np.arange(7 * 8 * 2).reshape(7 * 8, 2)
    )


@pytest.mark.slow
def test_image_batches_are_one_pass_in_file_order(loaded):
    train, test = loaded()
    passed = image_batches(train, image_size=16, batch_size=20)
    assert passed.cardinality() == 3
    passed = [(x.numpy(), y.numpy()) for x, y in passed]
    assert [len(x) for x, _ in passed] == [20, 20, 10]
    numbers = prepared_tfds.numbers(np.concatenate([x for x, _ in passed]))
    assert numbers.tolist() == list(range(50))
    mean_color = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    _, labels = encode_all(mean_color, test)
    assert labels.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3]


def test_image_files_need_an_image_size(loaded):
    train, _ = loaded()
    with pytest.raises(ValueError, match="`image_size` must be an int or"):
        image_batches(train, image_size=None)


@pytest.mark.slow
def test_the_end_is_held_out_and_the_first_of_the_rest_are_taken(loaded):
    train, held_out = loaded(validation_fraction=0.2, max_samples=33)
    assert (len(train), len(held_out)) == (33, 10)
    assert set(order(train)[0]) <= set(range(33))
    numbers = [
        int(prepared_tfds.numbers(x)[0])
        for x, _ in image_batches(held_out, image_size=8, batch_size=1)
    ]
    assert numbers == list(range(40, 50))


@pytest.mark.slow
def test_the_label_noise_is_fixed_and_spares_the_test_images(loaded):
    train, test = loaded(label_noise=0.5)
    numbers, labels = [], []
    for images, batch in batches(train, 3 * 6):
        numbers += prepared_tfds.numbers(images)[:, 0].tolist()
        labels += batch.tolist()
    pairs = set(zip(numbers, labels, strict=True))
    assert len(pairs) == len(set(numbers))
    wrong = sum(number % 5 != label for number, label in pairs)
    # Binomial(50, 0.4), standard deviation 3.5.
    assert abs(wrong - 20) < 4 * 3.5
    passed = image_batches(train, image_size=8, batch_size=50)
    in_order = next(iter(passed))[1].numpy()
    assert {(n, int(in_order[n])) for n in set(numbers)} == pairs
    for images, batch in image_batches(test, image_size=8):
        np.testing.assert_array_equal(prepared_tfds.numbers(images) % 5, batch)


@pytest.mark.slow
def test_a_stream_and_memory_hold_the_same_images_and_noise(
    loaded, folder, monkeypatch
):
    arguments = {"label_noise": 0.5, "max_samples": 30}
    stream, _ = loaded(**arguments)
    monkeypatch.undo()
    memory, _ = load_dataset("imagenet2012", data_dir=folder, **arguments)
    assert memory.images.dtype == object  # encoded
    for (a, a_labels), (b, b_labels) in zip(
        image_batches(stream, image_size=8),
        image_batches(memory, image_size=8),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a_labels, b_labels)


def test_balanced_batches_are_not_made_of_a_stream(loaded):
    train, _ = loaded()
    with pytest.raises(ValueError, match="must be None for images that are st"):
        batches(train, 1, samples_per_class=2)


def test_a_batch_is_not_larger_than_a_stream(loaded):
    train, _ = loaded(max_samples=7)
    with pytest.raises(ValueError, match="at most the number of images, 7"):
        batches(train, 1)


def test_a_part_of_a_part_counts_from_its_start(loaded):
    train, _ = loaded()
    part = train.part(5, 40).part(10, 20)
    assert (part.start, part.stop, len(part)) == (15, 25, 10)
    numbers = [int(number) for _, number in part.in_order()]
    assert numbers == list(range(15, 25))


def test_a_shorter_file_than_stated_is_an_error(loaded):
    train, _ = loaded()
    longer = dataclasses.replace(train, lengths=(10, 7, 13, 1, 20))
    with pytest.raises(Exception, match="51"):
        list(longer.in_order())
