import functools

import numpy as np
import pytest
import tensorflow as tf

from supcon_tf import augmentations
from supcon_tf.augmentations import AUGMENTATIONS, EncodedImage
from supcon_tf.data.image_batches import image_batches
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.sources import checked, image_reader, with_ids
from supcon_tf.data.views import view_batches


def test_a_dataset_of_many_sizes_is_read_into_memory():
    images = [np.full((size, 2, 3), size, np.uint8) for size in (3, 1, 2)]
    dataset = tf.data.Dataset.from_generator(
        lambda: zip(images, [7, 8, 9], strict=True),
        output_signature=(
            tf.TensorSpec([None, 2, 3], tf.uint8),
            tf.TensorSpec([], tf.int64),
        ),
    )
    source = checked(dataset)
    assert source.labels.tolist() == [7, 8, 9]
    for string, image in zip(source.images, images, strict=True):
        np.testing.assert_array_equal(source.decode(string), image)


def test_labels_become_one_integer_an_image():
    images = np.zeros((2, 1, 1, 3), np.uint8)
    assert checked((images, [[4], [5]])).labels.tolist() == [4, 5]
    assert checked((images, [True, False])).labels.tolist() == [1, 0]
    assert checked((images, None)).labels is None


def test_strings_of_which_nobody_makes_images_are_refused():
    with pytest.raises(ValueError, match="need LabelledImages with `read` or"):
        checked((np.array(["a.jpg", "b.jpg"]), [0, 1]))


def files(tmp_path):
    image = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    path = tmp_path / "0.png"
    path.write_bytes(tf.io.encode_png(image).numpy())
    paths = np.array([str(path)])
    return LabelledImages(paths, [0], (), read=tf.io.read_file), image


@pytest.mark.slow
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_ours_take_files_also_with_arguments_set(tmp_path, name):
    source, image = files(tmp_path)
    for augmentation in (
        AUGMENTATIONS[name],
        functools.partial(functools.partial(AUGMENTATIONS[name])),
    ):
        file = image_reader(source, augmentation)(source.images[0])
        assert isinstance(file, EncodedImage)
        np.testing.assert_array_equal(file.decode(), image)
        views = augmentation(file, tf.constant([[0, 1]]), 4)
        assert views.shape[1:] == (4, 4, 3)


def test_other_augmentations_get_the_decoded_image(tmp_path):
    source, image = files(tmp_path)

    def other(images, seeds, image_size):
        return augmentations.simclr(images, seeds, image_size)

    read = image_reader(source, other)
    np.testing.assert_array_equal(read(source.images[0]), image[None])


def test_a_decode_function_of_one_s_own_comes_first():
    source = LabelledImages(
        np.array(["ab"]), [0], (), lambda s: tf.zeros([4, 6, 3])
    )
    read = image_reader(source, augmentations.simclr)
    assert read(source.images[0]).shape == (1, 4, 6, 3)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_one_hot_labels_are_taken_as_the_ids_that_they_stand_for(dtype):
    images = np.random.default_rng(0).random((6, 4, 4, 3), "float32")
    ids = np.array([2, 0, 1, 1, 2, 0])
    one_hot = np.eye(3)[ids].astype(dtype)
    dataset = tf.data.Dataset.from_tensor_slices((images, one_hot))
    for source in ((images, one_hot), dataset):
        assert checked(source).labels.tolist() == ids.tolist()
        found = [y for _, y in image_batches(source, image_size=4)]
        assert np.concatenate(found).tolist() == ids.tolist()
    binary = tf.data.Dataset.from_tensor_slices((images, ids[:, None] * 1.0))
    assert [int(y) for _, y in with_ids(binary)] == ids.tolist()
    wrong = np.ones((6, 2))
    for source in (
        (images, wrong),
        tf.data.Dataset.from_tensor_slices((images, wrong)),
    ):
        with pytest.raises(ValueError, match="must be one-hot"):
            image_batches(source, image_size=4)


@pytest.mark.slow
@pytest.mark.parametrize("of_many_sizes", [False, True])
def test_a_dataset_without_labels_yields_views_without(of_many_sizes):
    images = np.random.default_rng(0).random((6, 4, 4, 3), "float32")
    dataset = tf.data.Dataset.from_tensor_slices(images)
    if of_many_sizes:
        dataset = tf.data.Dataset.from_generator(
            lambda: iter(images),
            output_signature=tf.TensorSpec([None, None, 3], tf.float32),
        )
    for source in (dataset, dataset.map(lambda image: (image,))):
        assert checked(source).labels is None
        views = view_batches(
            source,
            augmentations.crop_flip,
            num_views=2,
            batch_size=3,
            image_size=4,
            seed=0,
        )
        assert views.element_spec.shape == (3, 2, 4, 4, 3)
    with pytest.raises(ValueError, match=r"pairs here"):
        image_batches(dataset, image_size=4)
