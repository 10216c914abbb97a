"""supcon-embed and `embed`: vectors, paths, classes, in three kinds of file."""

import csv
import json

import numpy as np
import pytest
from pyarrow import parquet

from supcon_tf.photographs import embed as command
from supcon_tf.photographs.embed import embed

pytestmark = pytest.mark.slow


def run(encoder, images, output, *flags):
    return command.main(
        [
            *(f"--encoder={encoder}", f"--images={images}"),
            *(f"--output={output}", *flags),
        ]
    )


def test_the_three_kinds_of_file_hold_the_same(
    photographs, encoder_file, color_encoder, tmp_path, capsys
):
    (photographs / "sea" / "torn.jpg").write_text("no image")
    for kind in ("npz", "csv", "parquet"):
        assert run(encoder_file, photographs, tmp_path / f"new/v.{kind}") == 0
    out = capsys.readouterr().out
    assert "torn.jpg: damaged image (text)" in out
    assert "12 photographs, 5 numbers each" in out
    names = [f"{c}/{i}.png" for c in ("grass", "sea") for i in range(6)]
    expected = embed(color_encoder, [photographs / name for name in names])
    with np.load(tmp_path / "new/v.npz") as file:
        assert file["vectors"].dtype == np.float32
        np.testing.assert_allclose(file["vectors"], expected, rtol=1e-5)
        assert file["paths"].tolist() == names
        assert file["labels"].tolist() == ["grass"] * 6 + ["sea"] * 6
        fingerprint = str(file["fingerprint"])
    with (tmp_path / "new/v.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "label", "fingerprint"] + [
        f"v{i}" for i in range(5)
    ]
    assert [row[0] for row in rows[1:]] == names
    assert {row[2] for row in rows[1:]} == {fingerprint}
    values = np.array([row[3:] for row in rows[1:]], float)
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    table = parquet.read_table(tmp_path / "new/v.parquet")
    assert table["path"].to_pylist() == names
    np.testing.assert_allclose(table["vector"].to_pylist(), expected, rtol=1e-5)
    facts = json.loads(table.schema.metadata[b"supcon_tf"])
    assert facts["fingerprint"] == fingerprint
    assert facts["image_size"] == [8, 8]


def test_wrong_input_is_one_line_and_an_old_file_stays(
    photographs, encoder_file, tmp_path, capsys
):
    output = tmp_path / "v.npz"
    output.write_text("old")
    for call, words in (
        ((encoder_file, photographs, output), "`output` must not exist"),
        ((encoder_file, photographs, "v.txt"), "a file that ends in .npz or"),
        ((encoder_file, tmp_path / "no", "v.csv"), "`images` must be a folder"),
        ((tmp_path / "no", photographs, "v.csv"), "`encoder` must be a .keras"),
        ((encoder_file, photographs, output, "x"), "takes flags alone"),
        (
            (encoder_file, photographs, "v.csv", "--batch_size=0"),
            "`batch_size` must be >= 1",
        ),
    ):
        assert run(*call) == 2
        err = capsys.readouterr().err
        assert words in err and err.count("\n") == 1
    assert output.read_text() == "old"
    assert run(encoder_file, photographs, output, "--overwrite") == 0
    assert np.load(output)["vectors"].shape == (12, 5)


def test_a_folder_of_damaged_photographs_gives_no_file(
    encoder_file, tmp_path, capsys
):
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.png"):
        (tmp_path / "photos" / name).write_bytes(b"\xff\xd8\xff damaged")
    output = tmp_path / "new" / "vectors.npz"
    assert run(encoder_file, tmp_path / "photos", output) == 1
    err = capsys.readouterr().err
    assert "2 files, none of which can" in err and err.count("\n") == 1
    assert not output.parent.exists()


def test_python_refuses_what_it_cannot_embed(
    photographs, color_encoder, any_size_encoder
):
    good = photographs / "sea" / "0.png"
    with pytest.raises(ValueError, match=r"Received: 2, 1 of which cannot"):
        embed(color_encoder, [good, photographs / "none.png"])
    with pytest.raises(ValueError, match="`image_size` must be given"):
        embed(any_size_encoder, [good])
    with pytest.raises(ValueError, match="`paths` must be a list"):
        embed(color_encoder, str(good))
    with pytest.raises(ValueError, match="`batch_size` must be an int >= 1"):
        embed(color_encoder, [good], batch_size=0)
    assert embed(any_size_encoder, [good], image_size=9).shape == (1, 3)
