"""The approximate index: nearly the exact one, whole or absent, up to date."""

import dataclasses
import itertools
import os

import numpy as np
import pytest
from kill_points import kills_of, leave
from often import often

from supcon_tf.photographs.approximate import (
    approximate_index,
    lists_path,
    read_lists,
)
from supcon_tf.photographs.index import (
    PhotographIndex,
    read_index,
    unit_vectors,
    write_index,
)

faiss = pytest.importorskip("faiss")


def photographs(size, *, width=16, seed=0):
    """Vectors in 20 clusters, and names and stamps of photographs."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(20, width))
    vectors = centres[random.integers(0, 20, size)]
    vectors = vectors + 0.5 * random.normal(size=(size, width))
    names = [f"{seed}/{number}.png" for number in range(size)]
    stamps = [[number, seed] for number in range(size)]
    return unit_vectors(vectors).astype(np.float32), names, stamps


@pytest.fixture
def path(tmp_path):
    faiss.omp_set_num_threads(1)  # two would wait for other tests' threads
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk" / "i.npy"


def written(path, vectors, names, stamps, fingerprint="x"):
    """An exact index that was written and read."""
    write_index(path, PhotographIndex(vectors, names, stamps, fingerprint))
    return read_index(path)


def joined(*parts):
    vectors, names, stamps = zip(*parts, strict=True)
    chain = itertools.chain.from_iterable
    return np.concatenate(vectors), list(chain(names)), list(chain(stamps))


def loop_recall(index, exact, queries, k=10):
    """The part of the k rows of an exhaustive search that is found."""
    found, _ = index.search(queries, k)
    cosines = unit_vectors(queries) @ np.asarray(exact.vectors, np.float32).T
    expected = [sorted(range(len(c)), key=lambda i: -c[i])[:k] for c in cosines]
    hits = [
        len(set(a.tolist()) & set(b))
        for a, b in zip(found, expected, strict=True)
    ]
    return np.mean(hits) / k


def check(index, exact):
    """The lists hold the photographs of the exact index, and no others."""
    assert index.lists.ntotal == len(exact.names)
    assert len(np.unique(index.keys)) == len(exact.names)
    everything = dataclasses.replace(
        index, facts=index.facts | {"num_probed": index.lists.nlist}
    )
    queries = np.asarray(exact.vectors, np.float32)
    for found, expected in zip(
        everything.search(queries, 5), exact.search(queries, 5), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", often(["float32", "float16"], "float32"))
def test_its_recall_is_what_it_says_and_nearly_that_of_all(path, dtype):
    vectors, names, stamps = photographs(3000)
    exact = written(path, vectors.astype(dtype), names, stamps)
    index, line = approximate_index(path, exact)
    probed, count = index.facts["num_probed"], index.lists.nlist
    assert count == 55 and probed < count / 2  # it compares a part
    assert 0.99 <= index.facts["recall_at_10"] <= 1
    queries, _, _ = photographs(100, seed=1)
    assert loop_recall(index, exact, 3 * queries) > 0.97
    assert line.startswith("Approximate index, built in ")
    assert f"on 200 of 3000 photographs, {probed} of 55 lists" in line
    # A search that compared nothing but its first list would find less.
    few = dataclasses.replace(index, facts=index.facts | {"num_probed": 1})
    assert loop_recall(few, exact, queries) < 0.97


def test_what_it_finds_is_as_similar_as_the_exact_index_says(path):
    vectors, names, stamps = photographs(500)
    vectors[100:130] = vectors[100]  # equal photographs
    exact = written(path, vectors, names, stamps)
    index, _ = approximate_index(path, exact)
    queries = photographs(8, seed=1)[0]
    rows, similarities = index.search(queries, 7)
    for query, row, found in zip(queries, rows, similarities, strict=True):
        expected = [float(query @ vectors[place]) for place in row]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert found.tolist() == sorted(found, reverse=True)
    (row,), _ = index.search(vectors[100:101], 3)
    assert len(set(row)) == 3 and set(row) <= set(range(100, 130))
    assert (index.search(vectors[7:8], 1)[0] == 7).all()


def test_new_photographs_are_added_and_others_are_taken_out(path):
    first, second = photographs(300), photographs(40, seed=1)
    approximate_index(path, written(path, *first))
    # 100 are gone, one is another picture under its name, 40 are new.
    vectors, names, stamps = (part[100:] for part in first)
    vectors[50], stamps[50] = second[0][0], [9, 9]
    exact = written(path, *joined(second, (vectors, names, stamps)))
    index, line = approximate_index(path, exact)
    assert line.startswith("Approximate index, extended in ")
    assert index.facts["num_trained"] == 300
    check(index, exact)

    before = lists_path(path).stat().st_mtime_ns
    index, line = approximate_index(path, read_index(path))
    assert line.startswith("Approximate index: recall@10 ")
    assert lists_path(path).stat().st_mtime_ns == before
    check(index, exact)
    # As a file that was written again, with the same photographs.
    os.utime(path, ns=(7, 7))
    index, line = approximate_index(path, read_index(path))
    assert "extended" in line and index.facts["index"][1] == 7
    check(index, exact)


@pytest.mark.parametrize("why", ["encoder", "growth", "asked for"])
def test_lists_of_other_vectors_are_made_anew(path, why):
    first, second = photographs(300), photographs(301, seed=1)
    index, _ = approximate_index(path, written(path, *first))
    assert index.facts["num_trained"] == 300
    photos = joined(first, second) if why == "growth" else second
    fingerprint = "y" if why == "encoder" else "x"
    exact = written(path, *photos, fingerprint=fingerprint)
    index, line = approximate_index(path, exact, rebuild=why == "asked for")
    assert line.startswith("Approximate index, built in ")
    assert index.facts["num_trained"] == len(photos[1])
    check(index, exact)


@pytest.mark.parametrize("size", [1, 2, 12, 78])
def test_few_photographs_are_all_compared(path, size, capfd):
    exact = written(path, *photographs(size))
    index, _ = approximate_index(path, exact)
    assert index.facts["recall_at_10"] == 1
    rows, _ = index.search(photographs(3, seed=1)[0], 99)
    assert rows.shape == (3, size)
    assert all(set(row) == set(range(size)) for row in rows.tolist())
    check(index, exact)
    assert capfd.readouterr() == ("", "")  # Faiss does not warn


def test_a_query_in_whose_lists_are_too_few_is_compared_with_all(path):
    exact = written(path, *photographs(400))
    index, _ = approximate_index(path, exact)
    assert index.facts["num_probed"] < index.lists.nlist == 10
    queries = photographs(5, seed=1)[0]
    for found, expected in zip(
        index.search(queries, 399), exact.search(queries, 399), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_cannot_be_searched_is_refused(path):
    index, _ = approximate_index(path, written(path, *photographs(30)))
    for queries, k, words in (
        (np.ones((1, 2)), 1, r"of shape \[Q, 16\]"),
        (np.full((1, 16), np.nan), 1, "finite"),
        (np.ones((1, 16)), 0, "`k` must be an int >= 1"),
    ):
        with pytest.raises(ValueError, match=words):
            index.search(queries, k)


def test_what_is_no_whole_file_is_one_line(path):
    exact = written(path, *photographs(50))
    approximate_index(path, exact)
    file = lists_path(path)
    whole = file.read_bytes()
    for wrong in (whole[:-1], whole[200:], b"", b"no lists" * 9, None):
        file.unlink()
        if wrong is None:
            file.mkdir()
        else:
            file.write_bytes(wrong)
        with pytest.raises(ValueError, match="must be a whole approx") as error:
            approximate_index(path, exact)
        assert "--rebuild" in str(error.value) and "\n" not in str(error.value)
    file.rmdir()
    file.write_bytes(b"torn")
    index, _ = approximate_index(path, exact, rebuild=True)
    check(index, exact)


def test_a_name_that_is_no_utf_8_is_a_name(path):
    path = path.with_name("caf\udce9.npy")
    exact = written(path, *photographs(50))
    approximate_index(path, exact)
    check(approximate_index(path, exact)[0], exact)


@pytest.mark.slow
def test_a_kill_leaves_whole_lists_or_none(path):
    first, second = photographs(300), photographs(9, seed=1)
    for photos in (first, joined(first, second)):
        exact = written(path, *photos)
        kills = kills_of(
            lambda e=exact: approximate_index(path, e), path.parent
        )
        assert len(kills) >= 3
        for kill in kills:
            leave(kill, path.parent)
            os.utime(path, ns=(len(photos[1]),) * 2)
            check(approximate_index(path, exact)[0], exact)
            assert sorted(p.name for p in path.parent.iterdir()) == [
                path.name,
                lists_path(path).name,
            ]
            read_lists(lists_path(path))
