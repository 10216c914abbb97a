import messy_folder
import numpy as np
import pytest
from PIL import Image

from supcon_tf.data.image_folder import read_image_folder
from supcon_tf.photographs import images
from supcon_tf.photographs.contact_sheet import draw_contact_sheets


@pytest.mark.slow
def test_a_sheet_has_a_row_of_each_class(tmp_path, capsys):
    messy_folder.write(tmp_path / "photos")
    status = images.main(
        [str(tmp_path / "photos"), f"--figures={tmp_path / 'figures'}"]
    )
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert f"Wrote {tmp_path / 'figures' / 'images.png'}" in out
    (path,) = (tmp_path / "figures").glob("*.png")
    sheet = np.asarray(Image.open(path).convert("RGB")).astype(int)
    thirds = np.array_split(sheet, 3)
    for third, name in zip(thirds, ("dog", "vögel", "猫"), strict=True):
        colours = third[np.ptp(third, axis=-1) > 60]
        brightest = np.bincount(colours.argmax(-1), minlength=3).argmax()
        assert brightest == np.argmax(messy_folder.COLOURS[name])


@pytest.mark.slow
def test_many_classes_have_several_sheets(tmp_path):
    for number in range(13):
        folder = tmp_path / "photos" / f"{number:02}"
        folder.mkdir(parents=True)
        Image.new("RGB", (40, 30)).save(folder / "a.png")
    found = read_image_folder(tmp_path / "photos")
    names = draw_contact_sheets(found, tmp_path)
    assert names == ["images.png", "images_2.png"]
    assert all((tmp_path / name).exists() for name in names)
