import numpy as np
import pytest

from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.splits import split


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
        np.zeros((7, 1, 1, 1)), np.array([0, 0, 1, 0, 0, 0, 0]), ("a", "b")
    )
    with pytest.raises(ValueError, match="one image of class 'b'"):
        split(source, 0.5, seed=0)
    # Not the class of none.
    source = LabelledImages(
        np.zeros((7, 1, 1, 1)), np.array([1, 1, 1, 1, 1, 1, 2]), tuple("abc")
    )
    with pytest.raises(ValueError, match=r"one image of class 'c'$"):
        split(source, 0.5, seed=0)


def test_all_classes_of_one_image_are_named():
    source = LabelledImages(
        np.zeros((6, 1, 1, 1)), np.array([0, 1, 1, 2, 3, 3]), tuple("abcd")
    )
    with pytest.raises(ValueError, match=r"one image of class 'a', 'c'$"):
        split(source, 0.2, seed=0)


@pytest.mark.parametrize(
    ("each", "held_out"), [(2, 10), (3, 10), (7, 10), (20, 20), (30, 30)]
)
def test_by_default_each_class_has_an_image_in_the_part_of_a_tenth(
    each, held_out
):
    labels = np.repeat(np.arange(10), each)
    source = LabelledImages(
        np.zeros((len(labels), 1)), labels, list("0123456789")
    )
    first, second = split(source, None, seed=0)
    assert len(second) == held_out
    assert len(first) + len(second) == len(labels)
    assert set(second.labels) == set(first.labels) == set(range(10))


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_each_part_must_have_an_image_a_class(fraction):
    source = LabelledImages(
        np.zeros((20, 1)), np.arange(20) % 10, list("0123456789")
    )
    with pytest.raises(ValueError, match="`validation_fraction` must leave 10"):
        split(source, fraction, seed=0)
