import json
import pathlib
import time

import messy_folder
import pytest
from PIL import Image

from supcon_tf.data import image_folder
from supcon_tf.photographs import images


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "photos"
    messy_folder.write(folder)
    return folder


def test_the_table_says_what_is_there_and_what_is_left_out(photos, capsys):
    assert images.main([str(photos)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for line in (
        "105 images of 3 classes (96 JPEG, 4 PNG, 2 TIFF, 1 GIF, 1 BMP, 1 WebP",
        "class  train  test  least side  median side  largest side",
        "dog       45     -          48           48            64",
        "猫        30     -          48           48            64",
        "Left out 24 of 129:",
        "     3  video: dog/clip.MOV, dog/clip.avi, dog/clip.mp4",
        "     1  more than 89,478,485 pixels: dog/huge.png (23000 x 23000)",
        "     1  pipe: 猫/pipe.jpg",
        "has no test/: a fifth of each class is held out.",
    ):
        assert line in out
    given = f"--data_dir={photos} --workdir=W"
    assert out.count("Next:") == 1 and out.endswith(
        f"\nNext: supcon-photos {given}, or supcon-pretrain --recipe=photos "
        f"{given}\n"
    )


def test_the_json_file_has_the_same(photos, tmp_path, capsys):
    path = tmp_path / "reports" / "report.json"
    for _ in range(2):  # it replaces an earlier one of its own
        assert images.main([str(photos), f"--json={path}"]) == 0
    assert f"Wrote {path}" in capsys.readouterr().out
    text = path.read_text("utf-8")
    assert '"猫"' in text
    report = json.loads(text)
    assert report["num_train_images"] == 105
    assert [row["name"] for row in report["classes"]] == ["dog", "vögel", "猫"]
    assert len(report["left_out"]) == 24
    assert list(tmp_path.rglob("*")) == [path.parent, path]


def test_all_names_are_printed_if_asked_for(tmp_path, capsys):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("L", (5, 5)).save(tmp_path / name / "a.png")
        for number in range(5):
            (tmp_path / name / f"{number}.txt").write_text("x")
    images.main([str(tmp_path)])
    assert "cat/1.txt, cat/2.txt and 7 more" in capsys.readouterr().out
    images.main(["--all", str(tmp_path)])
    assert "dog/3.txt, dog/4.txt\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "supcon-images must be given one folder of images"),
        (["A", "B"], "supcon-images must be given one folder of images"),
        (["none"], "PATH/test/CLASS/*. Received: 'none', no such folder"),
        (["PHOTOS", "--max_pixels=0"], "`max_pixels` must be >= 1"),
        (["PHOTOS", "--max_pixels=9"], "no images in them; left out: "),
        (["PHOTOS", "--json=PHOTOS/a.json"], "`json` must lie outside of the"),
        (["PHOTOS", "--figures=PHOTOS/a"], "`figures` must lie outside of t"),
        (["PHOTOS", "--json=mine.json"], "`json` must be a new file, or an ea"),
    ],
)
def test_a_wrong_input_is_one_line_and_writes_nothing(
    photos, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("mine.json").write_text("[1, 2]")
    arguments = [text.replace("PHOTOS", str(photos)) for text in arguments]
    assert images.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("supcon-images: error: ") and err.count("\n") == 1
    assert message in err
    assert [p.read_text() for p in tmp_path.iterdir()] == ["[1, 2]"]


def test_the_folder_that_is_meant_is_named_without_a_flag(photos, capsys):
    assert images.main([str(photos.parent)]) == 2
    err = capsys.readouterr().err
    assert f": give {photos}" in err and "data_dir" not in err


@pytest.mark.slow
def test_a_thousand_images_take_seconds(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.effect_noise((256, 200), 60).convert("RGB").save(
            tmp_path / name / "0.jpg"
        )
        contents = (tmp_path / name / "0.jpg").read_bytes()
        for number in range(1, 500):
            copy = tmp_path / name / f"{number}.jpg"
            copy.write_bytes(contents + number.to_bytes(2, "big"))
    start = time.perf_counter()
    found = image_folder.read_image_folder(tmp_path)
    assert len(found.train) == 1000 and found.equal_files() == []
    # One second on two cores, unless they are busy.
    assert time.perf_counter() - start < 10
