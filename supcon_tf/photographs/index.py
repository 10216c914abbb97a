"""An index of photographs on disk: their vectors, searched exactly.

The file is a NumPy array, which `numpy.load` reads and maps into memory, with
the names and facts as JSON after its end.
"""

import dataclasses
import json
import pathlib
import struct
import time

import numpy as np

from supcon_tf.errors import RunStoppedError, check_int
from supcon_tf.evaluation.representations import of_unit_length
from supcon_tf.files import opened, written_whole

DTYPES = ("float32", "float16")
_MAGIC = b"supcon_tf index 1"
_TAIL = struct.Struct(f"<Q{len(_MAGIC)}s")  # length of the JSON, magic
_BLOCK = 2**25  # numbers that are compared at a time, 128 MB as float32
_CHUNK = 512  # photographs between two looks at the clock


class NoPhotographsError(RunStoppedError, ValueError):
    """No file of a folder can be read as a photograph.

    Args:
      num_files: int, how many files there are.
    """

    def __init__(self, num_files):
        super().__init__(
            "`images` must hold photographs that can be read. "
            f"Received: {num_files} files, none of which can"
        )


@dataclasses.dataclass(frozen=True)
class PhotographIndex:
    """Vectors of unit length and the names of their photographs.

    Attributes:
      vectors: `[N, D]` float16 or float32, maybe mapped into memory.
      names: N strings, paths below the folder.
      stamps: N pairs of ints, size in bytes and time of change in nanoseconds.
      fingerprint: tells whose vectors they are, as in `AskedEncoder`.

    Example:
      >>> index = PhotographIndex(np.eye(3), ["a", "b", "c"], [], "")
      >>> rows, similarities = index.search([[3.0, 4.0, 0.0]], 2)
      >>> rows, similarities
      (array([[1, 0]]), array([[0.8, 0.6]], dtype=float32))
    """

    vectors: np.ndarray
    names: list[str]
    stamps: list
    fingerprint: str

    def search(self, queries, k):
        """Finds the k most similar photographs of each query.

        All are compared, a block at a time. The cosine similarity is computed
        in float32; if several are equal, the first row comes first.

        Args:
          queries: `[Q, D]` finite floats, of any length.
          k: int >= 1. No more than there are photographs are returned.

        Returns:
          `[Q, k]` integers, the rows in the index, and `[Q, k]` float32, their
          similarities in [-1, 1], the highest first.

        Raises:
          ValueError: if an argument is not as described.
        """
        check_int("k", k, 1)
        size, width = self.vectors.shape
        queries = self.unit_queries(queries)
        rows = np.zeros((len(queries), 0), np.int64)
        best = np.zeros((len(queries), 0), np.float32)
        step = max(1, _BLOCK // (width + 4 * len(queries)))
        for first in range(0, size, step):
            # A float32 block is not copied out of the file.
            block = np.asarray(self.vectors[first : first + step], np.float32)
            scores = np.concatenate([best, queries @ block.T], axis=1)
            places = np.broadcast_to(
                np.arange(first, first + len(block)), (len(queries), len(block))
            )
            rows = np.concatenate([rows, places], axis=1)
            kept = _highest(scores, k)
            rows = np.take_along_axis(rows, kept, axis=1)
            best = np.take_along_axis(scores, kept, axis=1)
        return rows, np.clip(best, -1, 1)

    def unit_queries(self, queries):
        """Checks queries, and scales them to the length 1.

        Args:
          queries: `[Q, D]` finite floats, of any length.

        Returns:
          `[Q, D]` float32.

        Raises:
          ValueError: if they are not as described.
        """
        queries = unit_vectors(queries)
        if queries.shape[1] != self.vectors.shape[1]:
            raise ValueError(
                f"`queries` must be of shape [Q, {self.vectors.shape[1]}]. "
                f"Received: shape {queries.shape}"
            )
        return queries


def unit_vectors(vectors):
    """Scales vectors to the length 1 in float32.

    Args:
      vectors: `[n, D]` finite floats.

    Returns:
      `[n, D]` float32. Vectors of the length 0 stay as they are.

    Raises:
      ValueError: if they are not as described.

    Example:
      >>> unit_vectors([[3, 4], [0, 0]]).tolist()
      [[0.6..., 0.8...], [0.0, 0.0]]
    """
    x = np.asarray(vectors, np.float64)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise ValueError(
            "Vectors must be finite floats of shape [n, D]. "
            f"Received: shape {x.shape}"
        )
    return of_unit_length(x).astype(np.float32)


def read_index(path):
    """Maps an index into memory.

    Args:
      path: path of the file.

    Returns:
      A `PhotographIndex`.

    Raises:
      ValueError: if it is no whole index.

    Example:
      >>> write_index("i.npy", PhotographIndex(np.eye(2), ["a", "b"], [], "x"))
      >>> read_index("i.npy").names
      ['a', 'b']
    """
    path = pathlib.Path(path)
    try:
        with opened(path) as file:
            facts = read_facts(file, _MAGIC)
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        if len(facts["names"]) != len(vectors):
            raise ValueError("it has other names than vectors")
        return PhotographIndex(vectors=vectors, **facts)
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ValueError(
            f"{path} must be a whole index that supcon-search wrote; --rebuild "
            f"makes it anew. Received: {' '.join(str(error).split())}"
        ) from error


def write_index(path, index):
    """Writes an index; the file is whole or absent.

    Args:
      path: path of the file, whose folder exists.
      index: `PhotographIndex`.
    """
    facts = dataclasses.asdict(dataclasses.replace(index, vectors=None))
    del facts["vectors"]
    with written_whole(path) as aside, aside.open("wb") as file:
        np.lib.format.write_array(
            file, np.asarray(index.vectors), allow_pickle=False
        )
        write_facts(file, _MAGIC, facts)


def write_facts(file, magic, facts):
    """Ends a file with facts, after what other libraries read of it.

    Args:
      file: binary file, open for writing at its end.
      magic: 17 bytes that tell what kind of file it is.
      facts: what JSON can hold.

    Example:
      >>> import io
      >>> file = io.BytesIO(b"pixels")
      >>> _ = file.seek(0, 2)
      >>> write_facts(file, b"an album of mine.", {"pages": 3})
      >>> read_facts(file, b"an album of mine.")
      {'pages': 3}
    """
    text = json.dumps(facts).encode()  # (ASCII: no name is lost)
    file.write(text + _TAIL.pack(len(text), magic))


def read_facts(file, magic):
    """Reads what `write_facts` wrote.

    Args:
      file: binary file, open for reading.
      magic: as in `write_facts`.

    Returns:
      The facts.

    Raises:
      OSError, ValueError, struct.error: if the file ends otherwise.
    """
    end = file.seek(-_TAIL.size, 2)
    length, found = _TAIL.unpack(file.read())
    if found != magic:
        raise ValueError("it ends otherwise")
    file.seek(end - length)
    return json.loads(file.read(length))


def check_index(path, fingerprint):
    """Reads an index and refuses that of another encoder.

    Args:
      path: path of the file, which exists.
      fingerprint: as in `AskedEncoder`.

    Returns:
      The `PhotographIndex`.

    Raises:
      ValueError: if it is damaged or of another encoder.
    """
    index = read_index(path)
    if index.fingerprint != fingerprint:
        raise ValueError(
            f"{path} must be of this encoder, {fingerprint}: --rebuild makes "
            "it anew, and --index=FILE keeps both. "
            f"Received: {index.fingerprint}"
        )
    return index


def updated_index(
    path,
    listing,
    encode,
    fingerprint,
    *,
    dtype="float32",
    rebuild=False,
    save_every=120,
):
    """Brings an index up to date with a folder, and writes it if it changed.

    Photographs whose size and time of change are known are not encoded again.
    Those that are gone, or can no longer be read, drop out. What is encoded is
    written from time to time, so that a killed run goes on where it was.

    Args:
      path: path of the index, which may not exist yet.
      listing: `Listing` of the folder.
      encode: function of a list of paths -> vectors `[n, D]` of those that can
        be read, their positions `[n]` and a dict of the others, as
        `vectors_of`.
      fingerprint: as in `AskedEncoder`.
      dtype: `"float32"` or `"float16"`, for a new index; an old one keeps its
        own.
      rebuild: whether an old index is passed over, and replaced in the end.
      save_every: float, seconds between two writes.

    Returns:
      The `PhotographIndex`, a dict of names to the reasons why they are left
      out, and the number of photographs that were encoded.

    Raises:
      ValueError: if the index is damaged or of another encoder.
      NoPhotographsError: if no photograph can be read.
    """
    old = PhotographIndex(np.zeros((0, 0), dtype), [], [], fingerprint)
    if pathlib.Path(path).exists() and not rebuild:
        old = check_index(path, fingerprint)
    stamps = _stamps(listing)
    rows = {name: i for i, name in enumerate(old.names)}
    places = {  # in the rows of all parts, one after the other
        name: rows[name]
        for name, stamp in stamps.items()
        if name in rows and old.stamps[rows[name]] == stamp
    }
    missing = [name for name in stamps if name not in places]
    parts, index, left_out = [old.vectors], old, {}
    saved = time.monotonic()
    for first in range(0, len(missing), _CHUNK):
        names = missing[first : first + _CHUNK]
        files = [listing.folder / name for name in names]
        found, kept, wrong = encode(files)
        found = unit_vectors(found).astype(old.vectors.dtype)
        start = sum(map(len, parts))
        places |= {names[i]: start + row for row, i in enumerate(kept)}
        parts.append(found)
        left_out |= {names[i]: reason for i, reason in wrong.items()}
        if time.monotonic() - saved > save_every:
            _write(path, parts, places, stamps, fingerprint)
            saved = time.monotonic()
    if missing or len(places) < len(old.names):
        index = _write(path, parts, places, stamps, fingerprint)
    return index, left_out, len(missing) - len(left_out)


def _write(path, parts, places, stamps, fingerprint):
    """Writes the rows of the parts in the order of the folder; the index."""
    names = [name for name in stamps if name in places]
    if not names:
        raise NoPhotographsError(len(stamps))
    wanted = np.array([places[name] for name in names])
    width = max(part.shape[1] for part in parts)
    vectors = np.empty((len(names), width), parts[0].dtype)
    start = 0
    for part in parts:
        is_here = (wanted >= start) & (wanted < start + len(part))
        if is_here.any():  # (A new index begins with a part without width.)
            vectors[is_here] = part[wanted[is_here] - start]
        start += len(part)
    index = PhotographIndex(
        vectors,
        names,
        [stamps[name] for name in names],
        fingerprint,
    )
    write_index(path, index)
    return read_index(path)


def _stamps(listing):
    """Dict from the names of the files that are there to [size, mtime_ns]."""
    stamps = {}
    for name, file in zip(listing.names, listing.files, strict=True):
        try:
            found = file.stat()
        except OSError:  # removed meanwhile
            continue
        stamps[name] = [found.st_size, found.st_mtime_ns]
    return stamps


def _highest(scores, k):
    """Positions `[Q, k]` of the highest scores `[Q, n]`, the highest first."""
    size = scores.shape[1]
    if k >= size:
        return np.argsort(-scores, axis=1, kind="stable")
    # All that equal the k-th highest may belong to them: the first ones do.
    least = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    kept = np.empty((len(scores), k), np.int64)
    for row, limit in enumerate(least[:, 0]):
        (candidates,) = np.nonzero(scores[row] >= limit)
        order = np.argsort(-scores[row, candidates], kind="stable")
        kept[row] = candidates[order[:k]]
    return kept
