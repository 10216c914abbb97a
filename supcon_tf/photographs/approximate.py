"""An approximate index beside the exact one, by Faiss, for many photographs.

The vectors lie in lists, each around a centre of k-means, and a search looks
into the lists alone whose centres are nearest. Faiss (Johnson et al. 2019,
arXiv:1702.08734, `IndexIVFScalarQuantizer`) keeps them as float16. The
similarities of what it finds are those of the exact index.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import struct
import time

import numpy as np
from tqdm import tqdm

from supcon_tf.errors import check_int
from supcon_tf.files import opened, written_whole
from supcon_tf.photographs.index import (
    PhotographIndex,
    read_facts,
    write_facts,
)

SUFFIX = ".faiss"  # after the name of the exact index
RECALL = 0.99  # as many lists are looked into as this takes
_MAGIC = b"supcon_tf lists 1"
_SAMPLE = 200  # photographs on which the recall is measured
_NEAREST = 10
_LEAST = 39  # photographs a list, below which Faiss warns of its centres
_CANDIDATES = 2  # times k are compared exactly, as float16 may swap neighbours
_BLOCK = 2**16  # photographs that are added at a time
_ROUNDING = 1e-6  # of a similarity


@dataclasses.dataclass(frozen=True)
class ApproximateIndex:
    """An exact index, and the lists that tell what to compare.

    Attributes:
      exact: `PhotographIndex`.
      keys: `[N]` int64, tells each photograph of it from all others.
      lists: `faiss.IndexIVF` of the same photographs, with their keys.
      facts: dict with `fingerprint`, `num_trained` (photographs that the
        centres were found with), `num_probed` (lists that a search looks into)
        and `recall_at_10`.
    """

    exact: PhotographIndex
    keys: np.ndarray
    lists: object
    facts: dict

    def search(self, queries, k):
        """Finds most of the k most similar photographs of each query.

        A query in whose lists there are fewer is compared with all.

        Args:
          queries: as in `PhotographIndex.search`.
          k: int >= 1.

        Returns:
          As in `PhotographIndex.search`.

        Raises:
          ValueError: if an argument is not as described.
        """
        import faiss

        check_int("k", k, 1)
        queries = self.exact.unit_queries(queries)
        k = min(k, len(self.keys))
        _, found = self.lists.search(
            queries,
            min(_CANDIDATES * k, len(self.keys)),
            params=faiss.SearchParametersIVF(nprobe=self.facts["num_probed"]),
        )
        rows = np.empty((len(queries), k), np.int64)
        best = np.empty((len(queries), k), np.float32)
        for number, (query, keys) in enumerate(
            zip(queries, found, strict=True)
        ):
            keys = keys[keys >= 0]  # -1 where there is no further one
            if len(keys) < k:
                (rows[number],), (best[number],) = self.exact.search([query], k)
                continue
            places = np.searchsorted(self.keys, keys, sorter=self._order)
            places = self._order[places]
            vectors = np.asarray(self.exact.vectors[places], np.float32)
            scores = vectors @ query
            kept = np.lexsort((places, -scores))[:k]
            rows[number], best[number] = places[kept], scores[kept]
        return rows, np.clip(best, -1, 1)

    @functools.cached_property
    def _order(self):
        """`[N]` rows of the keys from the least to the greatest."""
        return np.argsort(self.keys)


def lists_path(index_path):
    """Where the lists of an exact index are.

    Args:
      index_path: path of the exact index.

    Returns:
      `pathlib.Path`.

    Example:
      >>> lists_path("photographs.npy").name
      'photographs.npy.faiss'
    """
    path = pathlib.Path(index_path)
    return path.with_name(path.name + SUFFIX)


def read_lists(path, *, is_mapped=True):
    """Reads the lists of an exact index.

    Args:
      path: path of the file.
      is_mapped: whether they stay on the disk, and cannot be changed.

    Returns:
      A `faiss.IndexIVF`, the keys `[N]` of the exact index, and a dict of
      facts.

    Raises:
      ValueError: if it is no whole file of lists.
    """
    import faiss

    path = pathlib.Path(path)
    try:
        with opened(path) as file:
            facts = read_facts(file, _MAGIC)
            file.seek(facts["num_bytes"])
            keys = np.lib.format.read_array(file, allow_pickle=False)
            # Not by its name, which Faiss takes in UTF-8 alone.
            lists = faiss.read_index(
                f"/dev/fd/{file.fileno()}",
                faiss.IO_FLAG_MMAP if is_mapped else 0,
            )
        if not lists.ntotal == len(keys):
            raise ValueError("it has other keys than vectors")
        return lists, keys, facts
    except (
        *(OSError, ValueError, KeyError, TypeError, RuntimeError),
        struct.error,
    ) as error:
        raise ValueError(
            f"{path} must be a whole approximate index that supcon-search "
            "wrote; --rebuild makes it anew. "
            f"Received: {' '.join(str(error).split())}"
        ) from error


def approximate_index(index_path, exact, *, rebuild=False):
    """Brings the lists up to date with an exact index.

    They are written if they changed, whole or not at all. New photographs are
    added and those that are gone or changed are taken out, unless there are
    twice as many as the centres were found with: then the lists are made anew,
    as for another encoder.

    Args:
      index_path: path of the exact index.
      exact: `PhotographIndex` that was read from there.
      rebuild: whether earlier lists are passed over, and replaced.

    Returns:
      The `ApproximateIndex`, and a line that says how good it is.

    Raises:
      ValueError: if the file of earlier lists is damaged.
    """
    path, start = lists_path(index_path), time.perf_counter()
    found = pathlib.Path(index_path).stat()
    stamp = [found.st_size, found.st_mtime_ns]
    index = None
    if path.exists() and not rebuild:
        lists, keys, facts = read_lists(path)
        if facts["index"] == stamp and facts["fingerprint"] == (
            exact.fingerprint
        ):
            index = ApproximateIndex(exact, keys, lists, facts)
            return index, f"Approximate index: {_words(index)}"
        index = _extended(path, exact, keys, facts)
    done = "extended"
    if index is None:
        index, done = _built(exact), "built"
    index = _measured(index)
    index.facts["index"] = stamp
    _write(path, index)
    return index, (
        f"Approximate index, {done} in {time.perf_counter() - start:.0f} s: "
        f"{_words(index)}"
    )


def _words(index):
    return (
        f"recall@{_NEAREST} {index.facts['recall_at_10']:.3f} on "
        f"{min(_SAMPLE, len(index.keys))} of {len(index.keys)} photographs, "
        f"{index.facts['num_probed']} of {index.lists.nlist} lists a query"
    )


def _built(exact):
    """Lists of all photographs, around new centres."""
    import faiss

    size, width = exact.vectors.shape
    num_lists = max(1, min(round(size**0.5), size // _LEAST))
    lists = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(width),
        *(width, num_lists, faiss.ScalarQuantizer.QT_fp16),
        *(faiss.METRIC_INNER_PRODUCT, False),
    )
    lists.cp.min_points_per_centroid = 1
    num_trained = min(size, _LEAST * num_lists)
    rows = np.random.default_rng(0).choice(size, num_trained, replace=False)
    lists.train(np.asarray(exact.vectors[np.sort(rows)], np.float32))
    keys = _keys(exact)
    _add(lists, exact, keys, np.arange(size))
    facts = {"fingerprint": exact.fingerprint, "num_trained": size}
    return ApproximateIndex(exact, keys, lists, facts)


def _extended(path, exact, old_keys, facts):
    """The lists of a file, brought up to date; None if they must be new."""
    import faiss

    keys = _keys(exact)
    if facts["fingerprint"] != exact.fingerprint or (
        len(keys) > 2 * facts["num_trained"]
    ):
        return None
    lists, _, _ = read_lists(path, is_mapped=False)
    gone = np.setdiff1d(old_keys, keys)
    if len(gone):
        lists.remove_ids(faiss.IDSelectorBatch(gone))
    _add(lists, exact, keys, np.flatnonzero(~np.isin(keys, old_keys)))
    return ApproximateIndex(exact, keys, lists, facts)


def _add(lists, exact, keys, rows):
    with tqdm(
        total=len(rows), desc="approximate", unit="img", disable=None, delay=2
    ) as bar:
        for first in range(0, len(rows), _BLOCK):
            part = rows[first : first + _BLOCK]
            vectors = np.asarray(exact.vectors[part], np.float32)
            lists.add_with_ids(vectors, keys[part])
            bar.update(len(part))


def _measured(index):
    """Looks into as many lists as `RECALL` takes, and says what it gives.

    Each photograph of a sample is a query, and is not counted itself.
    """
    size, num_lists = len(index.keys), index.lists.nlist
    rows = np.random.default_rng(1).permutation(size)[:_SAMPLE]
    queries = np.asarray(index.exact.vectors[rows], np.float32)
    nearest = min(_NEAREST, size - 1)
    expected = _of_others(index.exact, queries, rows, nearest)
    for num_probed in 2 ** np.arange(num_lists.bit_length() + 1):
        num_probed = int(min(num_probed, num_lists))
        facts = index.facts | {"num_probed": num_probed}
        index = dataclasses.replace(index, facts=facts)
        found = _of_others(index, queries, rows, nearest)
        is_found = found >= expected[:, -1:] - _ROUNDING
        recall = float(is_found.mean()) if nearest else 1.0
        if recall >= RECALL or num_probed == num_lists:
            break
    index.facts["recall_at_10"] = round(recall, 4)
    return index


def _of_others(index, queries, rows, count):
    """Similarities `[Q, count]` of the nearest ones but the queries' rows."""
    found, similarities = index.search(queries, count + 1)
    is_other = found != rows[:, None]
    is_other[is_other.all(axis=1), -1] = False  # it is not among its copies
    return similarities[is_other].reshape(len(rows), count)


def _keys(exact):
    """`[N]` int64 >= 0 that tells name, size and time of change from others."""
    digests = b"".join(
        hashlib.blake2b(json.dumps(facts).encode(), digest_size=8).digest()
        for facts in zip(exact.names, exact.stamps, strict=True)
    )
    return np.frombuffer(digests, np.int64) & np.iinfo(np.int64).max


def _write(path, index):
    import faiss

    with written_whole(path) as aside, aside.open("wb") as file:
        faiss.write_index(index.lists, faiss.PyCallbackIOWriter(file.write))
        facts = index.facts | {"num_bytes": file.tell()}
        np.lib.format.write_array(file, index.keys, allow_pickle=False)
        write_facts(file, _MAGIC, facts)
