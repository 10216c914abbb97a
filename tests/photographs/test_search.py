"""supcon-search, as a person starts it."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from supcon_tf.photographs import search as command
from supcon_tf.photographs.approximate import lists_path
from supcon_tf.photographs.search import INDEX_NAME

pytestmark = pytest.mark.slow


def run(encoder, images, *arguments):
    return command.main(
        [f"--encoder={encoder}", f"--images={images}", *map(str, arguments)]
    )


def test_a_query_finds_itself_its_copies_and_its_kind(
    photographs, encoder_file, tmp_path, capsys
):
    sea = photographs / "sea"
    shutil.copy(sea / "3.png", sea / "copy.png")
    pixels = np.array(Image.open(sea / "3.png"))
    pixels[0, 0] ^= 1  # the same picture, but for the last bits of a pixel
    Image.fromarray(pixels).save(sea / "almost.png")
    (sea / "torn.png").write_text("no image")
    output = tmp_path / "new" / "found.json"
    call = (sea / "3.png", "--top=8", f"--json={output}")
    assert run(encoder_file, photographs, *call) == 0
    out = capsys.readouterr().out
    assert "torn.png: damaged image (text)" in out
    assert "14 photographs, 14 newly encoded" in out
    results = json.loads(output.read_text())
    (query,) = results["queries"]
    found = {x["path"]: x for x in query["results"]}
    assert found["sea/3.png"]["note"] == "the query"
    assert found["sea/copy.png"]["note"] == "an equal file"
    assert found["sea/almost.png"]["note"] == "nearly equal"
    assert {x["label"] for x in found.values()} == {"sea"}
    assert found["sea/3.png"]["similarity"] == pytest.approx(1, abs=1e-6)
    scores = [x["similarity"] for x in query["results"]]
    assert scores == sorted(scores, reverse=True)
    assert " 1.0000  sea/copy.png  (an equal file)\n" in out

    assert (photographs / INDEX_NAME).is_file()
    grass = photographs / "grass" / "0.png"
    assert run(encoder_file, photographs, "--top=1", grass, grass) == 0
    out = capsys.readouterr().out
    assert "14 photographs, 0 newly encoded" in out
    assert out.count("1.0000  grass/0.png  (the query)") == 2


def test_approximately_the_same_is_found_beside_its_recall(
    photographs, encoder_file, tmp_path, capsys
):
    pytest.importorskip("faiss")
    query, output = photographs / "sea" / "3.png", tmp_path / "found.json"
    call = (query, "--top=4", f"--json={output}")
    assert run(encoder_file, photographs, *call) == 0
    exact = json.loads(output.read_text())
    assert exact["recall_at_10"] is None
    capsys.readouterr()
    assert run(encoder_file, photographs, *call, "--approximate") == 0
    out = capsys.readouterr().out
    assert "\nApproximate index, built in " in out
    assert ": recall@10 1.000 on 12 of 12 photographs, 1 of 1 lists" in out
    approximate = json.loads(output.read_text())
    assert approximate["recall_at_10"] == 1
    assert approximate["queries"] == exact["queries"]

    lists = lists_path(photographs / INDEX_NAME)
    lists.write_bytes(b"torn")
    assert run(encoder_file, photographs, *call, "--approximate") == 2
    err = capsys.readouterr().err
    assert "a whole approximate index" in err and err.count("\n") == 1
    assert lists.read_bytes() == b"torn"
    again = ("--approximate", "--rebuild")
    assert run(encoder_file, photographs, *call, *again) == 0
    lists.unlink()
    lists.mkdir()
    assert run(encoder_file, photographs, *call, *again) == 2
    assert "Is a directory" in capsys.readouterr().err


def test_a_page_shows_what_was_found(
    photographs, encoder_file, tmp_path, capsys
):
    query = photographs / "sea" / "0.png"
    page = tmp_path / "new" / "found.html"
    call = (query, "--top=3", f"--page={page}")
    assert run(encoder_file, photographs, *call) == 0
    assert f"\nWrote {page}\n" in capsys.readouterr().out
    assert page.read_text().count("<img ") == 1 + 3
    page.write_text("an older page")
    assert run(encoder_file, photographs, *call) == 0
    assert page.read_text().count("<img ") == 1 + 3


def test_no_photograph_is_replaced_by_results(
    photographs, encoder_file, capsys
):
    query = photographs / "sea" / "0.png"
    other = photographs / "sea" / "1.png"
    before = other.read_bytes()
    for flag, suffix in (("json", ".json"), ("page", ".html")):
        call = (f"--{flag}", other, query)
        assert run(encoder_file, photographs, *call) == 2
        err = capsys.readouterr().err
        assert f"`{flag}` must be a new file, or one that ends with" in err
        assert suffix in err and err.count("\n") == 1
    assert other.read_bytes() == before


def test_wrong_input_is_one_line(
    photographs, encoder_file, color_encoder, tmp_path, capsys
):
    query = photographs / "sea" / "0.png"
    assert run(encoder_file, photographs, query) == 0
    capsys.readouterr()
    other = tmp_path / "other.keras"
    color_encoder.save(other)
    weights = color_encoder.get_weights()
    color_encoder.set_weights([w + 0.1 for w in weights])
    color_encoder.save(other)
    color_encoder.set_weights(weights)
    text = tmp_path / "text.png"
    text.write_text("no image")
    for call, words in (
        ((encoder_file, photographs), "must be given photographs to search"),
        ((encoder_file, photographs, text), "must be a photograph in one of"),
        (
            (encoder_file, photographs, tmp_path / "no"),
            "must be a photograph in one of",
        ),
        ((encoder_file, tmp_path / "no", query), "`images` must be a folder"),
        ((encoder_file, photographs, query, "--top=0"), "`top` must be >= 1"),
        ((other, photographs, query), "must be of this encoder"),
        (
            (encoder_file, photographs, query, f"--index={text}"),
            "must be a whole index that supcon-search wrote",
        ),
        (
            (encoder_file, photographs, query, f"--index={text}/i.npy"),
            "`index` must be in a folder that can be written to: give --index",
        ),
        (
            (encoder_file, photographs, query, f"--json={tmp_path}"),
            "`json` must be a file",
        ),
    ):
        assert run(*call) == 2
        err = capsys.readouterr().err
        assert words in err and err.count("\n") == 1
    assert run(other, photographs, query, "--rebuild", "--noindex=x") == 2
    assert run(other, photographs, query, "--rebuild") == 0


def test_a_folder_of_broken_files_is_one_line(
    photographs, encoder_file, tmp_path, capsys
):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_text("no image")
    query = photographs / "sea" / "0.png"
    assert run(encoder_file, tmp_path / "broken", query) == 1
    err = capsys.readouterr().err
    assert "none of which can" in err and err.count("\n") == 1
    assert not (tmp_path / "broken" / INDEX_NAME).exists()
