"""The data set `npz`: arrays of images and labels in a file."""

import numpy as np
import pytest

from supcon_tf import load_dataset
from supcon_tf.data.array_file import load_arrays

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), "uint8")
LABELS = np.array([0, 2, 1, 0, 2, 1], "uint8")


def test_images_labels_names_and_test_images_are_read(tmp_path):
    path = tmp_path / "pets.npz"
    np.savez(
        path,
        images=IMAGES,
        labels=LABELS,
        test_images=IMAGES[:2] / np.float32(255),
        test_labels=LABELS[:2],
        class_names=["cat", "dog", "cow"],
    )
    train, test = load_dataset("npz", data_dir=path)
    assert train.class_names == test.class_names == ("cat", "dog", "cow")
    np.testing.assert_array_equal(train.images, IMAGES)
    assert train.labels.dtype == np.int64
    assert train.labels.tolist() == LABELS.tolist()
    np.testing.assert_allclose(test.images, IMAGES[:2] / 255, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 4, 5), (6, 4, 5, 1)])
def test_grey_images_become_rgb_and_labels_name_the_classes(tmp_path, shape):
    np.savez(
        tmp_path / "a.npz", images=IMAGES[..., 0].reshape(shape), labels=LABELS
    )
    train, test = load_arrays(data_dir=tmp_path / "a.npz")
    assert test is None
    assert train.class_names == ("0", "1", "2")
    for channel in range(3):
        np.testing.assert_array_equal(
            train.images[..., channel], IMAGES[..., 0]
        )


def test_test_images_are_held_out_where_the_file_has_none(tmp_path):
    images, labels = np.repeat(IMAGES, 5, axis=0), np.repeat(LABELS, 5)
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    train, test = load_dataset("npz", data_dir=tmp_path / "a.npz")
    assert (len(train), len(test)) == (24, 6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": None}, "must hold images. Received: no images"),
        ({"labels": None}, "must hold labels. Received: no labels"),
        ({"labels": LABELS[:5]}, "as many labels as images, 6. Received: 5"),
        ({"labels": LABELS / 2}, "labels as integers [n]. Received: float64"),
        ({"labels": np.eye(6, dtype=int)}, "labels as integers [n]. Received"),
        ({"labels": LABELS.astype(int) - 1}, "labels from 0 on. Received: -1"),
        ({"images": IMAGES[0]}, "as many labels as images, 4. Received: 6"),
        ({"images": IMAGES[..., :2]}, "Received: shape (6, 4, 5, 2)"),
        ({"images": IMAGES * 1.0}, "Float images must lie in [0, 1]"),
        ({"test_images": IMAGES}, "test_labels. Received: one of the two"),
        ({"class_names": ["a", "b"]}, "class_names of shape [3], one a label"),
        ({"labels": np.array(["a"] * 6, object)}, "of plain arrays"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_in_one_line(tmp_path, changes, words):
    arrays = {"images": IMAGES, "labels": LABELS} | changes
    path = tmp_path / "a.npz"
    np.savez(path, **{k: x for k, x in arrays.items() if x is not None})
    with pytest.raises(ValueError) as caught:
        load_arrays(data_dir=path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_such_file_is_refused(tmp_path):
    for path in (None, tmp_path, tmp_path / "none.npz"):
        with pytest.raises(ValueError, match=r"path of a \.npz file"):
            load_arrays(data_dir=path)
    for name, content in (("cut.npz", b"PK\x03\x04"), ("text.npz", b"hello")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="must be a whole"):
            load_arrays(data_dir=tmp_path / name)
    np.save(tmp_path / "one.npy", IMAGES)
    with pytest.raises(ValueError, match="must be a whole"):
        load_arrays(data_dir=tmp_path / "one.npy")
