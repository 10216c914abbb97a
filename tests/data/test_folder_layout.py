import pytest

from supcon_tf.data.folder_layout import LayoutError, lay_out


def images(*folders, count=2):
    """`count` images in each of some folders."""
    return [f"{folder}/{i}.jpg" for folder in folders for i in range(count)]


def folders_of(paths):
    found = set()
    for path in paths:
        parts = path.split("/")[:-1]
        found |= {"/".join(parts[: n + 1]) for n in range(len(parts))}
    return sorted(found)


def laid_out(*folders, empty=(), stray=()):
    paths = [*images(*folders), *stray]
    return lay_out(paths, sorted([*folders_of(paths), *empty]))


def counts(part):
    return {name: len(paths) for name, paths in part.items()}


def test_the_images_below_a_folder_are_of_its_class():
    layout = laid_out("dog", "dog/old/1999", "cat/new")
    assert counts(layout.train) == {"cat": 2, "dog": 4}
    assert layout.test is None and layout.left_out == []


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("Train", "Val"),
        ("train", "valid"),
        ("train", "validation"),
        ("Training", "Testing"),
    ],
)
def test_two_parts_are_known_by_their_names(train, test):
    layout = laid_out(f"{train}/cat", f"{train}/dog/a", f"{test}/dog")
    assert counts(layout.train) == {"cat": 2, "dog": 2}
    assert layout.test == {"dog": [f"{test}/dog/0.jpg", f"{test}/dog/1.jpg"]}
    assert (layout.train_folder, layout.test_folder) == (train, test)


def test_train_alone_has_no_test_part():
    layout = laid_out("train/cat", "train/dog")
    assert counts(layout.train) == {"cat": 2, "dog": 2}
    assert layout.test is None


def test_one_of_three_classes_may_be_called_train():
    layout = laid_out("train", "train/steam", "bus", "car", stray=["train/a"])
    assert counts(layout.train) == {"bus": 2, "car": 2, "train": 5}
    layout = laid_out("test", "bus", "train")
    assert list(layout.train) == ["bus", "test", "train"]


def test_what_is_beside_the_two_parts_is_named():
    layout = laid_out(
        *("train/cat", "train/dog", "test/cat", "valid/dog", "more"),
        stray=["train/a.jpg", "b.jpg"],
    )
    assert layout.test_folder == "test"
    reasons = {file.path: file.reason for file in layout.left_out}
    beside = "which is beside train/ and test/"
    assert reasons == {
        "b.jpg": "image outside of the folders of the classes",
        "train/a.jpg": "image outside of the folders of the classes",
        "valid/dog/0.jpg": f"image in valid/, {beside}",
        "valid/dog/1.jpg": f"image in valid/, {beside}",
        "more/0.jpg": f"image in more/, {beside}",
        "more/1.jpg": f"image in more/, {beside}",
    }


def test_images_to_test_on_without_classes_give_way_to_those_with():
    layout = laid_out("train/cat", "train/dog", "valid/dog", "test")
    assert layout.test_folder == "valid"
    assert [file.path for file in layout.left_out] == [
        "test/0.jpg",
        "test/1.jpg",
    ]


def test_a_letter_with_an_accent_may_be_two_characters():
    layout = laid_out("train/cafe\u0301", "train/tea", "test/caf\xe9")
    assert list(layout.train) == ["caf\xe9", "tea"]
    assert list(layout.test) == ["caf\xe9"]


def test_a_class_name_that_is_not_utf_8_can_be_printed():
    layout = laid_out("caf\udce9", "tea")
    assert list(layout.train) == ["caf\\xe9", "tea"]
    assert layout.train["caf\\xe9"][0] == "caf\udce9/0.jpg"


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (["cat"], "1 class, 'cat': two or more classes are needed"),
        (["train/cat"], "1 class, 'cat' in train/: two or more classes"),
        (["train"], "2 images directly in train/: put the images of each"),
        (
            ["train", "test"],
            "2 images directly in train/ and 2 images directly in test/: put",
        ),
        (
            ["test/cat", "test/dog"],
            "2 folders in test/: there must be train/ with a folder for each",
        ),
        (
            ["train/cat", "train/dog", "test"],
            "train/ with classes, and 2 images in test/, which must hold imag",
        ),
        (
            ["train/cat", "train/dog", "bus"],
            "folders in train/ and, beside it, images in 'bus': if train/ ho",
        ),
        (
            ["train/cat", "train/dog", "test/Dog", "test/owl"],
            "classes in test/ without training images in train/: ['Dog', 'owl'"
            "], where 'Dog' is called 'dog' there",
        ),
        (
            ["cat/train", "cat/test", "dog/train", "dog/test"],
            "train/ and test/ within each of 2 folders, 'cat', 'dog': let the",
        ),
    ],
)
def test_what_is_no_layout_is_said(folders, found):
    with pytest.raises(LayoutError) as error:
        laid_out(*folders)
    assert str(error.value).startswith(found)
    assert error.value.meant is None


def test_images_without_folders_are_counted():
    with pytest.raises(LayoutError, match="3 images directly in it and none"):
        lay_out(["a.jpg", "b.jpg", "c.jpg"], [])
    with pytest.raises(LayoutError, match="no images in it"):
        lay_out([], ["cat"])


def test_a_part_without_images_is_refused():
    with pytest.raises(LayoutError, match="no images in test/, which must"):
        laid_out("train/cat", "train/dog", empty=["test"])


@pytest.mark.parametrize(
    ("folders", "meant", "levels"),
    [
        (["set/cat", "set/dog"], "set", "one level"),
        (["set/train/cat", "set/train/dog"], "set", "one level"),
        (["a/b/cat", "a/b/dog"], "a/b", "2 levels"),
        (["a/b/train/cat", "a/b/train/dog", "a/b/test/cat"], "a/b", "2 levels"),
    ],
)
def test_a_folder_with_a_layout_further_down_is_named(folders, meant, levels):
    with pytest.raises(LayoutError) as error:
        laid_out(*folders, empty=["docs", "code"])
    assert str(error.value) == (
        f"3 folders, no images in them; images stand {levels} deeper, in "
        f"{meant}/"
    )
    assert error.value.meant == meant
