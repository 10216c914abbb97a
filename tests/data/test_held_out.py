"""What is held out of a folder stays so while photographs come and go."""

import os
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from supcon_tf import load_dataset
from supcon_tf.data.held_out import record_of
from supcon_tf.files import as_json


def add(folder, label, first, last):
    """Photographs with numbers, each of another grey."""
    (folder / label).mkdir(parents=True, exist_ok=True)
    for number in range(first, last):
        shade = (number, 100 * (label == "cat"), 0)
        Image.new("RGB", (4, 4), shade).save(folder / label / f"{number}.png")


def names(part):
    return {"/".join(path.split("/")[-2:]) for path in part.images}


@pytest.fixture
def folder(tmp_path):
    add(tmp_path, "cat", 0, 20)
    add(tmp_path, "dog", 0, 10)
    return tmp_path


def load(folder, **options):
    return load_dataset("folder", data_dir=str(folder), **options)


def test_a_fifth_of_each_class_is_held_out_by_its_name(folder):
    train, test = load(folder)
    assert (len(train), len(test)) == (24, 6)
    assert np.bincount(test.labels).tolist() == [4, 2]
    assert names(load(folder)[1]) == names(test)
    assert names(load(folder, seed=1)[1]) != names(test)


def test_added_photographs_do_not_move_those_that_were_trained_on(folder):
    train, test = load(folder)
    record = record_of(test)
    add(folder, "cat", 20, 60)
    now_train, now_test = load(folder, held_out=record)
    assert names(now_test) == names(test)
    assert names(now_train) > names(train)
    assert len(now_train) == 64


def test_a_photograph_that_is_renamed_stays_held_out(folder):
    _, test = load(folder)
    record = record_of(test)
    moved = next(name for name in record if name.startswith("cat"))
    (folder / moved).rename(folder / "cat" / "another name.png")
    now_train, now_test = load(folder, held_out=record)
    assert "cat/another name.png" in names(now_test)
    assert len(now_train) + len(now_test) == 30


def test_one_that_was_changed_or_deleted_is_in_no_part_and_named(
    folder, caplog
):
    _, test = load(folder)
    record = record_of(test)
    gone, changed = sorted(record)[:2]
    (folder / gone).unlink()
    Image.new("RGB", (4, 4), "white").save(folder / changed)
    now_train, now_test = load(folder, held_out=record)
    assert (len(now_train), len(now_test)) == (24, 4)
    assert not {gone, changed} & (names(now_train) | names(now_test))
    assert "2 of the 6 held-out photographs have gone or changed" in caplog.text
    assert gone in caplog.text


def test_test_images_of_the_folder_itself_need_no_record(folder, tmp_path):
    whole = tmp_path / "whole"
    for part in ("train", "test"):
        add(whole / part, "cat", 0, 4)
        add(whole / part, "dog", 0, 4)
    assert record_of(load(whole)[1]) is None


def test_a_folder_without_any_of_them_is_refused(folder):
    with pytest.raises(ValueError, match="must still be in") as error:
        load(folder, held_out={"cat/a.png": "0" * 64})
    assert "none of 1, such as cat/a.png" in str(error.value)


def test_names_that_are_not_utf_8_are_recorded_in_json(folder):
    odd = os.path.join(os.fsencode(folder), b"cat", b"caf\xe9.png")
    for number in range(3):
        Image.new("L", (5, 4), number).save(f"{folder}/cat/{number}.png")
        os.rename(f"{folder}/cat/{number}.png", odd[:-4] + b"%d.png" % number)
    _, test = load(folder, validation_fraction=0.9)
    record = record_of(test)
    assert any("caf\\xe9" in name for name in record)
    as_json(record).encode("utf-8")
    assert names(load(folder, held_out=record)[1]) == names(test)


def test_all_classes_of_one_photograph_are_named(folder):
    for label in ("ant", "bee"):
        add(folder, label, 0, 1)
    with pytest.raises(ValueError, match=r"one image of class 'ant', 'bee'$"):
        load(folder)


def test_copies_of_a_photograph_are_held_out_together(folder):
    for number in range(10):
        for copy in "abc":
            path = folder / "dog" / f"{number}.png"
            shutil.copy(path, folder / "dog" / f"{number}{copy}.png")
    for seed in range(3):
        train, test = load(folder, seed=seed)
        tested = {pathlib.Path(path).read_bytes() for path in test.images}
        assert not any(
            pathlib.Path(path).read_bytes() in tested for path in train.images
        )
        assert np.bincount(test.labels)[1] == 8  # of 40, in fours
    for number in range(1, 4):
        (folder / "ant").mkdir(exist_ok=True)
        shutil.copy(folder / "dog" / "0.png", folder / "ant" / f"{number}.png")
    train, test = load(folder)
    assert len(set(test.labels)) == len(set(train.labels)) == 3
