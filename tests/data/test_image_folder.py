import logging
import shutil

import messy_folder
import numpy as np
import pytest
from PIL import Image

from supcon_tf import augmentations, load_dataset, view_batches
from supcon_tf.data.equal_files import COPY, LEAK, WRONG_LABEL
from supcon_tf.data.image_batches import image_batches
from supcon_tf.data.image_folder import find_images, read_image_folder
from supcon_tf.data.photograph_files import decode_photograph


def write_images(folder, count, *, size=(9, 7), mode="RGB", suffix=".png"):
    folder.mkdir(parents=True)
    random = np.random.default_rng(len(str(folder)))
    for index in range(count):
        pixels = random.integers(0, 256, (*size, 4), dtype=np.uint8)
        image = Image.fromarray(pixels, "RGBA").convert(mode)
        image.save(folder / f"{index:03}{suffix}")


@pytest.fixture
def logged(caplog):
    """What absl logs."""
    logging.getLogger("absl").propagate = True
    with caplog.at_level(logging.WARNING):
        yield caplog


def test_classes_are_folders_in_alphabetical_order(tmp_path):
    write_images(tmp_path / "dog", 2)
    write_images(tmp_path / "cat", 3, suffix=".JPG")
    found = read_image_folder(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert [file.label for file in found.train] == [0, 0, 0, 1, 1]
    assert found.train[0].path == str(tmp_path / "cat" / "000.JPG")
    assert found.train[0].header[:3] == ("JPEG", 9, 7)
    assert found.test is None and found.left_out == ()


def test_a_messy_folder_is_read_and_nothing_is_left_out_silently(tmp_path):
    left_out = messy_folder.write(tmp_path / "photos")
    found = read_image_folder(tmp_path / "photos")
    assert {file.path: file.reason for file in found.left_out} == left_out
    assert found.class_names == ("dog", "vögel", "猫")
    counts = np.bincount([file.label for file in found.train])
    assert counts.tolist() == [45, 30, 30]
    formats = {file.header.format for file in found.train}
    assert formats == {"JPEG", "PNG", "GIF", "BMP", "TIFF", "WebP"}


@pytest.mark.slow
def test_every_photograph_of_a_messy_folder_reaches_the_views(tmp_path, logged):
    messy_folder.write(tmp_path / "photos")
    whole, _ = load_dataset(
        "folder", data_dir=tmp_path / "photos", validation_fraction=0.1
    )
    assert "Left out 24 of 129 files" in logged.text
    assert "3  video: dog/clip.MOV, dog/clip.avi, dog/cl" in logged.text
    (some,) = np.nonzero(whole.labels == 0)  # with all kinds of files
    ((images, _),) = image_batches(whole.take(some), image_size=48)
    for image, path in zip(images, whole.images[some], strict=True):
        pixels = decode_photograph(path)
        height, width = (np.array(pixels.shape[:2]) - 48) // 2
        pixels = pixels[height:, width:][:48, :48] / 255
        # TensorFlow's fast transform of JPEG blocks rounds otherwise.
        np.testing.assert_allclose(image, pixels, atol=0.03, err_msg=path)
    views = view_batches(
        whole,
        augmentations.crop_flip,
        num_views=2,
        batch_size=len(whole),
        image_size=24,
        seed=0,
    )
    (batch, labels) = next(iter(views))
    assert batch.shape == (len(whole), 2, 24, 24, 3)
    # The colours of the classes: blue, green and orange.
    brightest = np.argmax(np.mean(batch, axis=(1, 2, 3)), axis=-1)
    is_grey = np.ptp(np.mean(batch, axis=(1, 2, 3)), axis=-1) < 0.1
    assert 1 <= is_grey.sum() <= 3
    assert (brightest == np.array([2, 1, 0])[labels])[~is_grey].all()


@pytest.mark.parametrize("name", ["test", "val"])
def test_train_and_test_folders_are_known(tmp_path, name):
    for part, count in (("train", 3), (name, 2)):
        for kind in ("cat", "dog"):
            write_images(tmp_path / part / kind, count)
    train, test = load_dataset("folder", data_dir=str(tmp_path))
    assert (len(train), len(test)) == (6, 4)
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert train.class_names == ("cat", "dog")


def test_the_test_part_is_held_out_class_by_class(tmp_path):
    write_images(tmp_path / "cat", 20)
    write_images(tmp_path / "dog", 10)
    train, test = load_dataset(
        "folder", data_dir=str(tmp_path), validation_fraction=0.2, seed=3
    )
    assert np.bincount(test.labels).tolist() == [4, 2]
    assert not set(train.images) & set(test.images)


@pytest.mark.parametrize(
    ("counts", "held_out"), [((10, 10), 4), ((3, 3, 3, 3), 4), ((2, 2, 2), 3)]
)
def test_a_fifth_or_one_a_class_is_held_out_of_a_folder_without_test_images(
    tmp_path, counts, held_out
):
    for name, count in zip("abcd", counts, strict=False):
        write_images(tmp_path / name, count)
    train, test = load_dataset("folder", data_dir=str(tmp_path))
    assert (len(train), len(test)) == (sum(counts) - held_out, held_out)
    assert len(set(test.labels)) == len(set(train.labels)) == len(counts)


def test_an_unreadable_file_is_named_and_left_out(tmp_path, logged):
    write_images(tmp_path / "cat", 100)
    write_images(tmp_path / "dog", 60)
    (tmp_path / "cat" / "050.png").write_bytes(b"no image")
    found = find_images(tmp_path)
    assert len(found.train) == 159
    assert not any(file.path.endswith("cat/050.png") for file in found.train)
    assert "Left out 1 of 160 files of" in logged.text
    assert "1  damaged image: cat/050.png (text)" in logged.text


def test_all_of_more_than_1_percent_of_damaged_files_are_named(tmp_path):
    write_images(tmp_path / "cat", 50)
    write_images(tmp_path / "dog", 50)
    for index in (3, 4):
        whole = tmp_path / "dog" / f"{index:03}.png"
        whole.write_bytes(whole.read_bytes()[:60])  # cut off
    with pytest.raises(
        ValueError, match=r"2 of 100 in .*: dog/003.png \(.*, dog/004.png \("
    ):
        load_dataset("folder", data_dir=tmp_path)


def test_equal_files_are_named(tmp_path, logged):
    for part in ("train", "test"):
        for name in ("cat", "heron"):
            write_images(tmp_path / part / name, 3)
    train = tmp_path / "train"
    shutil.copy(train / "cat" / "000.png", tmp_path / "test" / "cat" / "b.png")
    shutil.copy(train / "cat" / "001.png", train / "heron" / "c.png")
    shutil.copy(train / "heron" / "001.png", train / "heron" / "d.png")
    found = find_images(tmp_path)
    assert found.equal_files() == [
        (("train/cat/000.png", "test/cat/b.png"), LEAK),
        (("train/cat/001.png", "train/heron/c.png"), WRONG_LABEL),
        (("train/heron/001.png", "train/heron/d.png"), COPY),
    ]
    assert f"1  {LEAK}: train/cat/000.png = test/cat/b.png" in logged.text
    assert f"1  {WRONG_LABEL}: train/cat/001.png = train/her" in logged.text
    assert f"1  {COPY}: train/heron/001.png = train/heron" in logged.text


def test_classes_without_a_test_and_names_nearly_equal_are_told(
    tmp_path, logged
):
    """A test of one class alone gave an accuracy without a word."""
    for name in ("train/cat", "train/heron", "train/Cat ", "test/cat"):
        write_images(tmp_path / name, 2)
    find_images(tmp_path)
    assert "No image to test on: Cat , heron." in logged.text
    assert "differ by case or spaces alone: 'Cat ' and 'cat'." in logged.text


def test_max_pixels_leaves_larger_images_out(tmp_path):
    write_images(tmp_path / "cat", 3, size=(9, 7))
    write_images(tmp_path / "dog", 3, size=(9, 7))
    write_images(tmp_path / "dog" / "large", 1, size=(9, 8))
    found = read_image_folder(tmp_path, max_pixels=63)
    assert len(found.train) == 6
    ((path, reason, detail, _),) = found.left_out
    assert (path, reason) == ("dog/large/000.png", "more than 63 pixels")
    assert detail == "8 x 9"
    train, test = load_dataset("folder", data_dir=tmp_path, max_pixels=63)
    assert len(train) + len(test) == 6
    with pytest.raises(ValueError, match="`max_pixels` must be None with anot"):
        load_dataset("digits", max_pixels=63)
    with pytest.raises(ValueError, match="`max_pixels` must be an int >= 1"):
        read_image_folder(tmp_path, max_pixels=0)


def test_what_is_no_image_folder_is_refused_with_what_was_found(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "photos.zip").touch()
    write_images(tmp_path / "one" / "cat", 2)
    write_images(tmp_path / "deep" / "set" / "cat", 2)
    write_images(tmp_path / "deep" / "set" / "dog", 2)
    (tmp_path / "deep" / "docs").mkdir()
    (tmp_path / "phone" / "cat").mkdir(parents=True)
    for number in range(3):
        heic = tmp_path / "phone" / "cat" / f"{number}.HEIC"
        heic.write_bytes(messy_folder.box(b"heic"))
    write_images(tmp_path / "flat", 3)
    for folder, found in (
        (None, "data_dir=None"),
        ("none", "no such folder"),
        ("empty", "an empty folder"),
        ("file", "a file: give the folder in which the classes are"),
        ("photos.zip", "an archive: unpack it and give the folder"),
        ("one", "1 class, 'cat': two or more classes are needed"),
        ("flat", "3 images directly in it and none in folders: put the images"),
        (
            "phone",
            "1 folder, no images in them; left out: HEIC photograph, to be "
            "converted to JPEG (3)",
        ),
        (
            "deep",
            "2 folders, no images in them; images stand one level deeper, in "
            f"set/: give --data_dir={tmp_path / 'deep' / 'set'}",
        ),
    ):
        with pytest.raises(ValueError) as error:
            read_image_folder(folder and tmp_path / folder)
        message = str(error.value)
        assert message.startswith("`data_dir` must be a folder with a folder")
        assert f"{found}" in message.partition("Received: ")[2]
        assert "\n" not in message


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
        augmentations.center_crop(decode_photograph(path)[None], None, 24)[0]
        for path in test.images
    ]
    # (Of a JPEG file, colour at the edge of the window is a little different.)
    np.testing.assert_allclose(images, expected, atol=0.1)
    np.testing.assert_allclose(
        images[:, 2:-2], np.array(expected)[:, 2:-2], atol=0.02
    )
    np.testing.assert_array_equal(labels, test.labels)
