"""Which files of a folder are photographs, and of which class."""

import logging
import os

import messy_folder
import pytest
from PIL import Image

from supcon_tf.photographs.listing import list_photographs


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_the_first_folder_on_the_way_is_the_class(tmp_path):
    touch(tmp_path, "b/2.JPG", "a/x/1.jpeg", "Valid/c/3.jfif", "0.png")
    listing = list_photographs(tmp_path)
    assert dict(zip(listing.names, listing.labels, strict=True)) == {
        "0.png": "",
        "a/x/1.jpeg": "a",
        "b/2.JPG": "b",
        "Valid/c/3.jfif": "c",
    }
    assert listing.files[0] == tmp_path / "0.png"


def test_a_class_may_be_called_train_and_have_an_accent(tmp_path):
    """Its photographs had no class, and one class was two."""
    touch(tmp_path, "train/1.jpg", "boat/2.jpg", "e\u0301/3.jpg", "\xe9/4.jpg")
    listing = list_photographs(tmp_path)
    assert sorted(listing.labels) == ["boat", "train", "\xe9", "\xe9"]
    touch(tmp_path, "test/boat/1.jpg")  # then these are parts
    assert list_photographs(tmp_path).labels.count("boat") == 2


def test_what_is_no_photograph_of_the_folder_is_passed_over(tmp_path):
    root = tmp_path / "photos"
    touch(
        root, "a.png", ".hidden/b.png", ".c.png", "__MACOSX/d.png", "Thumbs.db"
    )
    touch(tmp_path, "outside.png")
    os.mkfifo(root / "pipe.png")
    (root / "out.png").symlink_to(tmp_path / "outside.png")
    (root / "inside.png").symlink_to(root / "a.png")
    (root / "nowhere.png").symlink_to(root / "none.png")
    (root / "circle").symlink_to(root)
    assert list_photographs(root).names == ["a.png", "inside.png"]


def test_no_folder_and_no_photograph_are_one_line(tmp_path):
    (tmp_path / "notes.txt").touch()
    for folder, words in (
        (None, "`images` must be a folder of photographs. Received: images=''"),
        (tmp_path / "none", "must be a folder of photographs"),
        (tmp_path / "notes.txt", "must be a folder of photographs"),
        (tmp_path, "which holds none, and 1 other files"),
    ):
        with pytest.raises(ValueError, match=words):
            list_photographs(folder)


def test_what_is_no_photograph_is_named_whatever_it_is_called(tmp_path, caplog):
    touch(tmp_path, "a.png")
    Image.new("L", (3, 3)).save(tmp_path / "no suffix", "JPEG")
    (tmp_path / "b.HEIC").write_bytes(messy_folder.box(b"heic"))
    (tmp_path / "notes.txt").write_text("x")
    os.mkfifo(tmp_path / "pipe.jpg")
    logging.getLogger("absl").propagate = True
    with caplog.at_level(logging.WARNING):
        names = list_photographs(tmp_path).names
    assert names == ["a.png", "no suffix"]
    for line in (
        "Left out 3 of 5 files of",
        "     1  HEIC photograph, to be converted to JPEG: b.HEIC",
        "     1  pipe: pipe.jpg",
        "     1  text: notes.txt",
    ):
        assert line in caplog.text
