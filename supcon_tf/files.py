"""Files that are whole or absent: written aside, then renamed into place."""

import contextlib
import os
import pathlib


@contextlib.contextmanager
def written_whole(path):
    """Gives a path to write to; renames it to `path` when the block ends.

    Whoever reads `path`, also after a kill or a full disk, finds what was
    there before or the whole new file. The folder of `path` must exist. The
    temporary name keeps the suffix, which Keras looks at.

    Args:
      path: where the finished file belongs.

    Yields:
      A `pathlib.Path` beside it.

    Example:
      >>> with written_whole("run/encoder.keras") as path:
      ...   encoder.save(path)
    """
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield aside
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
