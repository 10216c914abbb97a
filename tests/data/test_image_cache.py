import io
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from kill_points import kills_of, leave
from PIL import Image

from supcon_tf import augmentations
from supcon_tf.data.image_cache import are_large, with_small_copies
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.photograph_files import decode_photograph
from supcon_tf.files import NoSpaceError

ORIENTATION = 0x0112


def smooth(seed, height, width):
    """A photograph without noise, which a smaller one still shows."""
    corners = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    image = Image.fromarray(corners)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def write(path, seed=0, height=120, width=160, **options):
    path.parent.mkdir(exist_ok=True)
    smooth(seed, height, width).save(path, **options)
    return path


def source_of(*paths, read=tf.io.read_file):
    return LabelledImages(
        np.array([str(path) for path in paths]),
        np.arange(len(paths)),
        [f"class {number}" for number in range(len(paths))],
        read=read,
    )


def copied(source, folder, side=48, max_bytes=1e9):
    (small,), line = with_small_copies(
        [source], folder, side=side, max_bytes=max_bytes
    )
    return small, line


def files_in(folder):
    return {path: path.read_bytes() for path in folder.glob("??/*")}


def assert_shows(copy, path, side=48):
    """Compares a copy with the photograph as Pillow averages all its pixels."""
    whole = Image.fromarray(decode_photograph(str(path)))
    share = side / min(whole.size)
    size = tuple(round(share * length) for length in whole.size)
    expected = np.asarray(whole.resize(size, Image.Resampling.BOX), float)
    found = np.asarray(Image.open(copy), float)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 2


@pytest.mark.parametrize(
    "options", [{"format": "JPEG"}, {"format": "PNG"}, {"format": "WebP"}]
)
def test_a_copy_is_the_photograph_at_the_size_that_is_asked_for(
    tmp_path, options
):
    path = write(tmp_path / "photos" / "a", **options)
    small, _ = copied(source_of(path), tmp_path / "copies")
    assert_shows(small.images[0], path)
    assert small.read is tf.io.read_file


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_copy_is_upright_and_a_turn_alone_makes_another(
    tmp_path, orientation
):
    path = write(tmp_path / "photos" / "a.jpg")
    first, _ = copied(source_of(path), tmp_path / "copies")
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    write(path, exif=exif)
    turned, line = copied(source_of(path), tmp_path / "copies")
    assert "1 new" in line and first.images[0] != turned.images[0]
    height, width = decode_photograph(str(path)).shape[:2]
    assert (height > width) == (orientation >= 5)
    assert_shows(turned.images[0], path)
    assert not Image.open(turned.images[0]).getexif()


def test_copies_are_of_contents_and_sizes_not_of_names(tmp_path):
    path = write(tmp_path / "photos" / "a.jpg", seed=1)
    times = os.stat(path)
    copied(source_of(path), tmp_path / "copies")
    # Another photograph of the same name, length in time, and place.
    write(path, seed=2)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    second, line = copied(source_of(path), tmp_path / "copies")
    assert "1 copy at 48 pixels" in line and "1 new" in line
    assert_shows(second.images[0], path)
    larger, line = copied(source_of(path), tmp_path / "copies", side=64)
    assert "1 copy at 64 pixels" in line and "1 new" in line
    assert_shows(larger.images[0], path, side=64)
    moved = path.rename(tmp_path / "photos" / "b.jpg")
    again, line = copied(source_of(moved), tmp_path / "copies")
    assert "0 new" in line and again.images[0] == second.images[0]


def test_a_folder_is_extended_by_the_photographs_that_are_added(tmp_path):
    paths = [write(tmp_path / "photos" / f"{i}.jpg", i) for i in range(3)]
    _, line = copied(source_of(*paths[:2]), tmp_path / "copies")
    assert "2 copies" in line and "2 new" in line
    before = files_in(tmp_path / "copies")
    small, line = copied(source_of(*paths), tmp_path / "copies")
    assert "3 copies" in line and "1 new" in line
    assert before.items() < files_in(tmp_path / "copies").items()
    for copy, path in zip(small.images, paths, strict=True):
        assert_shows(copy, path)
    assert small.labels.tolist() == [0, 1, 2]


def test_damaged_and_renamed_copies_are_made_anew(tmp_path):
    paths = [write(tmp_path / "photos" / f"{i}.jpg", i) for i in range(3)]
    small, _ = copied(source_of(*paths), tmp_path / "copies")
    whole = files_in(tmp_path / "copies")
    half, other, renamed = small.images
    with open(half, "r+b") as file:
        file.truncate(400)
    # Of another photograph, and under the whole name of another one.
    shutil.copy(other, renamed)
    again, line = copied(source_of(*paths), tmp_path / "copies")
    assert "3 copies" in line and "2 new" in line
    assert files_in(tmp_path / "copies") == whole
    for copy, path in zip(again.images, paths, strict=True):
        assert_shows(copy, path)


def test_a_copy_under_the_sum_of_another_photograph_is_not_read(tmp_path):
    paths = [write(tmp_path / "photos" / f"{i}.jpg", i) for i in range(2)]
    small, _ = copied(source_of(*paths), tmp_path / "copies")
    first, second = (tmp_path / "copies" / path for path in small.images)
    sums = [path.name.partition("-") for path in (first, second)]
    second.unlink()
    wrong = second.with_name(sums[1][0] + "-" + sums[0][2])
    shutil.copy(first, wrong)
    again, line = copied(source_of(*paths), tmp_path / "copies")
    assert "1 new" in line and not wrong.exists()
    assert_shows(again.images[1], paths[1])


def test_what_does_not_fit_is_read_as_it_is(tmp_path):
    paths = [write(tmp_path / "photos" / f"{i}.jpg", i) for i in range(4)]
    copied(source_of(*paths), tmp_path / "all")
    sizes = [len(file) for file in files_in(tmp_path / "all").values()]
    limit = 2.5 * max(sizes)
    for _ in range(2):
        small, line = copied(
            source_of(*paths), tmp_path / "copies", max_bytes=limit
        )
        found = files_in(tmp_path / "copies")
        assert len(found) == 2 and sum(map(len, found.values())) <= limit
        assert small.images[2:].tolist() == [str(path) for path in paths[2:]]
        assert "2 photographs read as they are (it may take" in line
        assert line.endswith("GB; --image_cache_gb)") and "\n" not in line


def test_a_smaller_photograph_is_read_as_it_is_by_the_same_function(tmp_path):
    small = write(tmp_path / "photos" / "a.png", height=48, width=50)
    large = write(tmp_path / "photos" / "b.png", height=49, width=50)

    def read(path):
        return tf.io.read_file(path)

    found, line = copied(source_of(small, large, read=read), tmp_path / "new")
    assert found.images[0] == str(small) and found.images[1] != str(large)
    assert found.read is read and "1 photograph read as they are" in line
    kept, _ = copied(source_of(small), tmp_path / "none")
    assert kept.images[0] == str(small) and not (tmp_path / "none").exists()


def test_a_photograph_that_has_gone_stops_no_run_before_it_is_read(tmp_path):
    paths = [write(tmp_path / "photos" / f"{i}.jpg", i) for i in range(2)]
    paths[0].unlink()
    small, line = copied(source_of(*paths), tmp_path / "copies")
    assert small.images[0] == str(paths[0]) and "1 copy at" in line


def test_copies_need_no_right_to_write_where_none_is_missing(tmp_path):
    path = write(tmp_path / "photos" / "a.jpg")
    copied(source_of(path), tmp_path / "copies")
    (tmp_path / "copies" / ".lock").unlink()
    _, line = copied(source_of(path), tmp_path / "copies")
    assert "0 new" in line and not (tmp_path / "copies" / ".lock").exists()


@pytest.mark.slow
def test_kill_minus_9_leaves_what_the_same_call_repairs(tmp_path):
    paths = [write(tmp_path / "photos" / f"{i}.jpg", i) for i in range(3)]
    folder = tmp_path / "disk" / "copies"
    folder.parent.mkdir()
    kills = kills_of(lambda: copied(source_of(*paths), folder), folder.parent)
    assert len(kills) > 9
    expected = files_in(folder)
    for kill in kills:
        leave(kill, folder.parent)
        small, line = copied(source_of(*paths), folder)
        assert "3 copies" in line, kill.before
        assert files_in(folder) == expected, kill.before
        for copy, path in zip(small.images, paths, strict=True):
            assert_shows(copy, path)


def test_a_full_disk_is_told_in_one_line(tmp_path, monkeypatch):
    path = write(tmp_path / "photos" / "a.jpg")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(NoSpaceError, match="must fit on its disk, which is"):
        copied(source_of(path), tmp_path / "copies")
    assert not files_in(tmp_path / "copies")


def test_views_of_copies_are_those_of_the_photographs(tmp_path):
    path = write(tmp_path / "photos" / "a.jpg", 1, 600, 800)
    small, _ = copied(source_of(path), tmp_path / "copies", side=96)
    seeds = [[0, 1], [0, 2], [0, 3]]
    views, of_copy = (
        augmentations.crop_flip(
            augmentations.EncodedImage(tf.io.read_file(str(file))), seeds, 32
        ).numpy()
        for file in (path, small.images[0])
    )
    difference = np.abs(views - of_copy)
    # A window may be moved by half of the 96 pixels of the copy.
    assert difference.mean() < 0.02 and difference.max() < 0.1
    # Other draws would show other parts.
    assert np.abs(views[:-1] - of_copy[1:]).mean() > 0.05


def test_photographs_are_large_by_pixels_and_by_what_copies_save(tmp_path):
    sizes = {"tall": (1200, 900), "small": (900, 1100), "tiny": (9, 9)}
    paths = {}
    for name, size in sizes.items():
        file = io.BytesIO()
        Image.new("L", size).save(file, "PNG")
        paths[name] = tmp_path / name
        paths[name].write_bytes(file.getvalue())
    tall, small, tiny = paths.values()
    assert are_large([tall], 450) and not are_large([tall], 451)
    assert not are_large([small], 64)  # less than a million
    assert are_large([tall, small], 64)  # more, on average
    assert not are_large([tall, small, tiny], 64) and not are_large([], 64)
