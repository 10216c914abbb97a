import shutil

from PIL import Image

from supcon_tf.data.image_folder import read_image_folder
from supcon_tf.photographs.folder_report import report_of, table_of


def make(folder, count, *, size=(8, 6)):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", size, (number, len(str(folder)), 0)).save(
            folder / f"{number}.png"
        )


def table(folder):
    found = read_image_folder(folder)
    return table_of(report_of(found), found)


def test_sides_are_the_least_the_median_and_the_largest(tmp_path):
    for number, size in enumerate([(8, 6), (10, 20), (9, 40)]):
        make(tmp_path / "train" / "a" / str(number), 1, size=size)
    make(tmp_path / "train" / "b", 2, size=(5, 5))
    make(tmp_path / "test" / "b", 1, size=(50, 3))
    report = report_of(read_image_folder(tmp_path))
    assert report["classes"] == [
        {
            **{"name": "a", "train": 3, "test": 0},
            **{"least_side": 6, "median_side": 9, "largest_side": 40},
        },
        {
            **{"name": "b", "train": 2, "test": 1},
            **{"least_side": 3, "median_side": 5, "largest_side": 50},
        },
    ]
    assert (report["num_train_images"], report["num_test_images"]) == (5, 1)
    assert report["test_folder"] == "test"
    assert "No image to test on: a." in table(tmp_path)


def test_equal_files_are_in_the_table(tmp_path):
    make(tmp_path / "cat", 3)
    make(tmp_path / "heron", 3)
    assert "No two images are equal." in table(tmp_path)
    shutil.copy(tmp_path / "cat" / "0.png", tmp_path / "heron" / "x.png")
    shutil.copy(tmp_path / "cat" / "1.png", tmp_path / "cat" / "y.png")
    text = table(tmp_path)
    assert "1  in two classes, of which one must be wrong: cat/0.png = her" in (
        text
    )
    assert "1  twice in a class: cat/1.png = cat/y.png" in text


def test_what_a_training_will_refuse_or_suffer_from_is_noted(tmp_path):
    make(tmp_path / "cat", 12)
    make(tmp_path / "dog", 1)
    (tmp_path / "cat" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    text = table(tmp_path)
    assert "More than 1% of the images are damaged: repair or remove" in text
    assert "A single image: dog. Add images or remove the class" in text
    assert "The largest class has 11 times the images of the smallest." in text
