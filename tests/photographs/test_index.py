"""The index: exact, whole or absent, of one encoder, and up to date."""

import os

import numpy as np
import pytest

from supcon_tf.photographs import index as index_file
from supcon_tf.photographs.index import (
    NoPhotographsError,
    PhotographIndex,
    read_index,
    unit_vectors,
    updated_index,
    write_index,
)
from supcon_tf.photographs.listing import list_photographs


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("block", [7 * 40, 2**25])
def test_a_search_is_that_of_a_loop(dtype, block, monkeypatch):
    # 7 rows of 8 + 4 * 8 numbers are a block.
    monkeypatch.setattr(index_file, "_BLOCK", block)
    random = np.random.default_rng(0)
    vectors = unit_vectors(random.normal(size=(50, 8))).astype(dtype)
    queries = random.normal(size=(8, 8)) * 3
    index = PhotographIndex(vectors, [""] * 50, [], "")
    rows, similarities = index.search(queries, 5)
    for query, row, found in zip(queries, rows, similarities, strict=True):
        query = query / np.linalg.norm(query)
        cosines = [float(query @ v.astype(np.float64)) for v in vectors]
        expected = sorted(range(50), key=lambda i: -cosines[i])[:5]
        assert row.tolist() == expected
        np.testing.assert_allclose(
            found, [cosines[i] for i in expected], rtol=1e-5, atol=1e-6
        )


def test_of_equal_ones_the_first_rows_are_found(monkeypatch):
    vectors = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    index = PhotographIndex(vectors, [""] * 12, [], "")
    for block in (5 * 7, 2**25):
        monkeypatch.setattr(index_file, "_BLOCK", block)
        rows, similarities = index.search([[0.0, 2, 1]], 6)
        assert rows.tolist() == [[4, 5, 6, 7, 8, 9]]
        np.testing.assert_allclose(
            similarities[0], [2 / 5**0.5] * 4 + [1 / 5**0.5] * 2, rtol=1e-6
        )
    rows, _ = index.search([[0.0, 2, 1]], 99)
    assert rows.shape == (1, 12)


def test_what_cannot_be_searched_is_refused():
    index = PhotographIndex(np.eye(3, dtype=np.float32), [""] * 3, [], "")
    for queries, k, words in (
        (np.ones((1, 2)), 1, r"of shape \[Q, 3\]"),
        (np.ones(3), 1, r"of shape \[n, D\]"),
        ([[np.nan] * 3], 1, "finite"),
        (np.ones((1, 3)), 0, "`k` must be an int >= 1"),
    ):
        with pytest.raises(ValueError, match=words):
            index.search(queries, k)


def test_the_file_is_a_mapped_array_with_names(tmp_path):
    path = tmp_path / "i.npy"
    names = ["a/é.png", "b/\udce9.png"]  # the second is no UTF-8
    index = PhotographIndex(
        np.eye(2, dtype=np.float16), names, [[1, 2], [3, 4]], "print"
    )
    write_index(path, index)
    read = read_index(path)
    assert isinstance(read.vectors, np.memmap)
    assert read.vectors.flags.aligned and read.vectors.dtype == np.float16
    np.testing.assert_array_equal(np.load(path), np.eye(2))
    assert (read.names, read.stamps) == (names, [[1, 2], [3, 4]])
    contents = path.read_bytes()
    for wrong in (contents[:-1], contents[200:], b"", b"no index" * 9):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="must be a whole index") as error:
            read_index(path)
        assert "\n" not in str(error.value)


class Encoder:
    """Encodes a file to its contents' first letter, and counts."""

    def __init__(self):
        self.asked = []

    def __call__(self, files):
        letters = [file.read_text()[:1] for file in files]
        self.asked += [file.name for file in files]
        kept = [i for i, letter in enumerate(letters) if letter != "?"]
        angles = np.array([ord(letters[i]) / 99 for i in kept])
        vectors = 5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        left_out = {i: "no image" for i, x in enumerate(letters) if x == "?"}
        return vectors, np.array(kept, int), left_out


def write(folder, **letters):
    folder.mkdir(exist_ok=True)
    for name, letter in letters.items():
        (folder / f"{name}.png").write_text(letter)


def check(index, **letters):
    """The index has these names, in order, each with its own vector."""
    assert index.names == [f"{name}.png" for name in letters]
    angles = np.array([ord(letter) / 99 for letter in letters.values()])
    expected = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_allclose(index.vectors, expected, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_only_what_is_new_or_changed_is_encoded(tmp_path, dtype, monkeypatch):
    folder, path, encode = tmp_path / "f", tmp_path / "i.npy", Encoder()
    monkeypatch.setattr(index_file, "_CHUNK", 2)

    def update():
        encode.asked.clear()
        return updated_index(
            path, list_photographs(folder), encode, "x", dtype=dtype
        )

    write(folder, b="b", d="d", e="e", f="?")
    index, left_out, count = update()
    check(index, b="b", d="d", e="e")
    assert left_out == {"f.png": "no image"} and count == 3
    assert index.vectors.dtype == dtype

    write(folder, a="a", c="c", d="x")
    os.utime(folder / "d.png", ns=(7, 7))
    (folder / "e.png").unlink()
    (folder / "f.png").unlink()
    index, left_out, count = update()
    check(index, a="a", b="b", c="c", d="x")
    assert encode.asked == ["a.png", "c.png", "d.png"]
    assert (left_out, count) == ({}, 3)

    written = path.stat().st_mtime_ns
    index, _, count = update()
    check(index, a="a", b="b", c="c", d="x")
    assert (count, encode.asked) == (0, [])
    assert path.stat().st_mtime_ns == written

    (folder / "a.png").unlink()
    check(update()[0], b="b", c="c", d="x")
    check(read_index(path), b="b", c="c", d="x")


def test_a_killed_run_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(index_file, "_CHUNK", 1)
    folder, path = tmp_path / "f", tmp_path / "i.npy"
    write(folder, a="a", b="b", c="c")
    listing, encode = list_photographs(folder), Encoder()

    def killed(files):
        if files[0].name == "c.png":
            raise KeyboardInterrupt
        return encode(files)

    with pytest.raises(KeyboardInterrupt):
        updated_index(path, listing, killed, "x", save_every=-1)
    check(read_index(path), a="a", b="b")
    encode.asked.clear()
    index, *_ = updated_index(path, listing, encode, "x")
    check(index, a="a", b="b", c="c")
    assert encode.asked == ["c.png"]
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["i.npy"]


def test_the_index_of_another_encoder_is_refused_or_replaced(tmp_path):
    folder, path, encode = tmp_path / "f", tmp_path / "i.npy", Encoder()
    write(folder, a="a")
    listing = list_photographs(folder)
    updated_index(path, listing, encode, "x")
    with pytest.raises(ValueError, match=r"must be of this encoder, y.*: x"):
        updated_index(path, listing, encode, "y")
    index, _, count = updated_index(path, listing, encode, "y", rebuild=True)
    assert (index.fingerprint, count) == ("y", 1)


def test_a_folder_in_which_nothing_can_be_read_is_one_line(tmp_path):
    write(tmp_path / "f", a="?")
    listing = list_photographs(tmp_path / "f")
    with pytest.raises(NoPhotographsError, match="1 files, none of which can"):
        updated_index(tmp_path / "i.npy", listing, Encoder(), "x")
    assert not (tmp_path / "i.npy").exists()
