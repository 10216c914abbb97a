import logging

import numpy as np
import pytest
from PIL import Image

from supcon_tf import augmentations, load_dataset, view_batches
from supcon_tf.data.image_folder import decode_file, find_images
from supcon_tf.data.views import image_batches


def write_images(folder, count, *, size=(9, 7), mode="RGB", suffix=".png"):
    folder.mkdir(parents=True)
    random = np.random.default_rng(len(str(folder)))
    for index in range(count):
        pixels = random.integers(0, 256, (*size, 4), dtype=np.uint8)
        image = Image.fromarray(pixels, "RGBA").convert(mode)
        image.save(folder / f"{index:03}{suffix}")


def test_classes_are_folders_in_alphabetical_order(tmp_path):
    write_images(tmp_path / "dog", 2)
    write_images(tmp_path / "cat", 3, suffix=".JPG")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("not a class")
    names, (train, test) = find_images(tmp_path)
    assert names == ("cat", "dog")
    assert train.labels == [0, 0, 0, 1, 1]
    assert train.paths[0].endswith("cat/000.JPG")
    assert test is None


@pytest.mark.parametrize("name", ["test", "val"])
def test_train_and_test_folders_are_known(tmp_path, name):
    for part, count in (("train", 3), (name, 2)):
        for kind in ("cat", "dog"):
            write_images(tmp_path / part / kind, count)
    train, test = load_dataset("folder", data_dir=str(tmp_path))
    assert (len(train), len(test)) == (6, 4)
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert train.class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("L", ".png"),
        ("LA", ".png"),
        ("RGBA", ".png"),
        ("P", ".png"),
        ("RGB", ".jpeg"),
        ("L", ".jpg"),
    ],
)
def test_grey_and_transparent_images_become_rgb(tmp_path, mode, suffix):
    write_images(tmp_path / "a", 1, mode=mode, suffix=suffix)
    path = str(tmp_path / "a" / f"000{suffix}")
    image = decode_file(path).numpy()
    assert image.shape == (9, 7, 3)
    if suffix == ".png" and mode != "RGBA":
        expected = np.array(Image.open(path).convert("RGB"))
        np.testing.assert_array_equal(image, expected)


def test_the_test_part_is_held_out_class_by_class(tmp_path):
    write_images(tmp_path / "cat", 20)
    write_images(tmp_path / "dog", 10)
    train, test = load_dataset(
        "folder", data_dir=str(tmp_path), validation_fraction=0.2, seed=3
    )
    assert np.bincount(test.labels).tolist() == [4, 2]
    assert not set(train.images) & set(test.images)


def test_a_fifth_is_held_out_of_a_folder_without_test_images(tmp_path):
    write_images(tmp_path / "cat", 10)
    write_images(tmp_path / "dog", 10)
    train, test = load_dataset("folder", data_dir=str(tmp_path))
    assert (len(train), len(test)) == (16, 4)


def test_a_folder_for_test_images_without_any_is_refused(tmp_path):
    write_images(tmp_path / "train" / "cat", 2)
    write_images(tmp_path / "train" / "dog", 2)
    (tmp_path / "test" / "cat").mkdir(parents=True)
    with pytest.raises(ValueError, match="test must hold images"):
        find_images(tmp_path)


def test_an_unreadable_file_is_named_and_left_out(tmp_path, caplog):
    write_images(tmp_path / "cat", 100)
    write_images(tmp_path / "dog", 60)
    (tmp_path / "cat" / "050.png").write_bytes(b"no image")
    logging.getLogger("absl").propagate = True
    with caplog.at_level(logging.WARNING):
        _, (train, _) = find_images(tmp_path)
    assert len(train.paths) == 159
    assert not any(path.endswith("cat/050.png") for path in train.paths)
    assert "cat/050.png" in caplog.text
    assert "1 of 160 files" in caplog.text


def test_more_than_1_percent_of_unreadable_files_is_refused(tmp_path):
    write_images(tmp_path / "cat", 50)
    write_images(tmp_path / "dog", 50)
    for index in (3, 4):
        whole = tmp_path / "dog" / f"{index:03}.png"
        whole.write_bytes(whole.read_bytes()[:60])  # cut off
    with pytest.raises(
        ValueError, match=r"2 of 100 .* dog/003.png$".replace(" dog", ".*dog")
    ):
        find_images(tmp_path)


def test_what_is_no_image_folder_is_refused(tmp_path):
    for folder in (None, str(tmp_path / "missing")):
        with pytest.raises(ValueError, match="`data_dir` must be a folder of"):
            find_images(folder)
    write_images(tmp_path / "one", 2)
    with pytest.raises(ValueError, match="two or more classes"):
        find_images(tmp_path)


def test_a_class_without_training_images_is_named(tmp_path):
    for name in ("cat", "dog"):
        write_images(tmp_path / "train" / name, 2)
    write_images(tmp_path / "test" / "bird", 2)
    with pytest.raises(ValueError, match=r"training images.*\['bird'\]"):
        find_images(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_views_and_images_of_a_folder_are_those_of_its_files(tmp_path, suffix):
    for name in ("cat", "dog"):
        write_images(tmp_path / name, 10, size=(40, 30), suffix=suffix)
    train, test = load_dataset("folder", data_dir=str(tmp_path))
    assert train.decode is None
    views = view_batches(
        train,
        augmentations.simclr,
        num_views=2,
        batch_size=8,
        image_size=24,
        seed=0,
    )
    for images, _ in views.take(3):
        assert images.shape == (8, 2, 24, 24, 3)
    (images, labels) = next(iter(image_batches(test, image_size=24)))
    expected = [
        augmentations.center_crop(decode_file(path)[None], None, 24)[0]
        for path in test.images
    ]
    # (Of a JPEG file, colour at the edge of the window is a little different.)
    np.testing.assert_allclose(images, expected, atol=0.1)
    np.testing.assert_allclose(
        images[:, 2:-2], np.array(expected)[:, 2:-2], atol=1e-3
    )
    np.testing.assert_array_equal(labels, test.labels)
