r"""Computes a vector for each photograph of a folder.

    supcon-embed --encoder=W --images=FOLDER --output=vectors.npz
    supcon-embed --encoder=encoder.keras --image_size=160 --images=FOLDER \
        --output=vectors.csv
    supcon-embed --encoder=supcon_tf:cifar10_resnet18_w025 --images=FOLDER \
        --output=vectors.parquet

W is a folder that supcon-photos or supcon-pretrain wrote. It tells the image
size; its similarity_head.keras is used if it is there. The file has the
vectors, the paths below FOLDER, the classes (the names of FOLDER's sub-folders,
else empty) and the encoder's fingerprint, which tells its vectors from those of
others.
"""

import csv
import dataclasses
import json
import pathlib
import sys

import numpy as np
from absl import flags

from supcon_tf.config.command_line import define_flags, overridden, run_command
from supcon_tf.config.settings import Checked, setting
from supcon_tf.config.training import (
    AT_LEAST_1,
    AT_LEAST_1_OR_NONE,
    SAFE_MODE,
)
from supcon_tf.errors import check_int
from supcon_tf.files import check_folder, written_whole
from supcon_tf.frameworks.extras import check_extra
from supcon_tf.photographs.listing import list_photographs

# The text of the flag that names the encoder to ask.
ANY_ENCODER = (
    "Folder that supcon-pretrain wrote, PATH.keras, the folder, .tar.gz "
    "archive or URL of a SavedModel, supcon_tf:NAME, keras_hub:PRESET or "
    "keras_cv:PRESET."
)
_SUFFIXES = (".npz", ".csv", ".parquet")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AskingConfig(Checked):
    """The settings of every command that asks an encoder."""

    image_size: int | None = setting(
        None,
        "Height and width of the images, pixels, for an encoder that takes any "
        "size and has no workdir.",
        AT_LEAST_1_OR_NONE,
        matters=True,
    )
    batch_size: int = setting(
        32, "Photographs that are encoded at once.", AT_LEAST_1
    )
    max_pixels: int | None = setting(
        None,
        "Leave out images of more pixels; by default Pillow's own limit.",
        AT_LEAST_1_OR_NONE,
    )
    safe_mode: bool = setting(True, SAFE_MODE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbedConfig(AskingConfig):
    """The settings of `supcon-embed`. A flag's text documents its field."""

    encoder: str | None = setting(None, ANY_ENCODER, matters=True)
    images: str | None = setting(
        None, "Folder of the photographs.", matters=True
    )
    output: str | None = setting(
        None, "File to write: .npz, .csv or .parquet.", matters=True
    )
    overwrite: bool = setting(False, "Replace an earlier file.", matters=True)
    head: bool = setting(
        True,
        "Use the similarity_head.keras of a workdir if it is there.",
        matters=True,
    )


def embed(encoder, paths, *, batch_size=32, image_size=None, max_pixels=None):
    """Computes the vectors of photographs.

    Each is read by Pillow, upright and in RGB. The largest centred window of
    the output's ratio is resized to the encoder's size, as in evaluation.

    Args:
      encoder: Keras model, float32 RGB images in [0, 1] -> `[B, R]`; or an
        `AskedEncoder`, which knows its size, resizing and head; or what
        `asked_encoder` loads, such as a workdir.
      paths: paths of N image files.
      batch_size: int >= 1, how many are encoded at once; 32 by default.
      image_size: int, height and width in pixels, for an encoder that takes any
        size. None, the default, is for the others.
      max_pixels: int >= 1, the most pixels of an image. None, the default,
        takes Pillow's own limit.

    Returns:
      `[N, R]` float32, not of unit length; of a similarity head, which has unit
      length, `[N, D]`.

    Raises:
      ValueError: if a file cannot be read, the size is not known, or
        batch_size is out of its range.

    Example:
      >>> keras.utils.save_img("a.png", images[0])
      >>> embed(encoder, ["a.png"]).shape
      (1, 8)
    """
    from supcon_tf.photographs.vectors import vectors_of  # loads TensorFlow

    check_int("batch_size", batch_size, 1)
    if isinstance(paths, (str, pathlib.PurePath)):
        raise ValueError(
            f"`paths` must be a list of paths. Received: paths={paths!r}"
        )
    paths = list(paths)
    vectors, _, left_out = vectors_of(
        _asked(encoder, image_size),
        paths,
        batch_size=batch_size,
        max_pixels=max_pixels,
    )
    if left_out:
        first = left_out[min(left_out)]
        raise ValueError(
            f"`paths` must be images that can be read. Received: {len(paths)}, "
            f"{len(left_out)} of which cannot; the first: {first}"
        )
    return vectors


def _asked(encoder, image_size):
    """The `AskedEncoder` of what `embed` takes."""
    from supcon_tf.evaluation.encode import image_size_of
    from supcon_tf.photographs.asked_encoder import AskedEncoder, asked_encoder

    if isinstance(encoder, AskedEncoder):
        return encoder
    if isinstance(encoder, (str, pathlib.PurePath)):
        return asked_encoder(encoder, image_size=image_size)
    size = image_size_of(encoder, image_size)
    if size is None:
        raise ValueError(
            "`image_size` must be given with an encoder that takes images of "
            "any size. Received: image_size=None"
        )
    return AskedEncoder(encoder, size)


def prepare(config):
    """Checks everything and writes nothing; returns the run as a function."""
    output = _checked_output(config)
    listing = list_photographs(config.images)
    from supcon_tf.photographs.asked_encoder import asked_encoder
    from supcon_tf.photographs.index import NoPhotographsError
    from supcon_tf.photographs.vectors import print_left_out, vectors_of

    asked = asked_encoder(
        config.encoder,
        image_size=config.image_size,
        safe_mode=config.safe_mode,
        with_head=config.head,
    )

    def run():
        vectors, kept, left_out = vectors_of(
            asked,
            listing.files,
            batch_size=config.batch_size,
            max_pixels=config.max_pixels,
        )
        facts = {
            "encoder": config.encoder,
            "fingerprint": asked.fingerprint,
            "image_size": list(asked.image_size),
            "resizing": asked.resizing,
            "has_similarity_head": asked.head is not None,
        }
        paths = [listing.names[i] for i in kept]
        labels = [listing.labels[i] for i in kept]
        print_left_out(listing.files, left_out)
        if not paths:
            raise NoPhotographsError(len(listing.files))
        output.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(output) as path:
            _WRITERS[output.suffix](path, vectors, paths, labels, facts)
        print(f"{len(paths)} photographs, {vectors.shape[1]} numbers each")
        print(f"Wrote {output}")

    return run


def _write_npz(path, vectors, paths, labels, facts):
    np.savez(
        path,
        vectors=vectors,
        paths=np.array(paths, str),
        labels=np.array(labels, str),
        **{name: np.array(value) for name, value in facts.items()},
    )


def _write_csv(path, vectors, paths, labels, facts):
    # A name that is no UTF-8 keeps its bytes.
    with path.open(
        "w", encoding="utf-8", errors="surrogateescape", newline=""
    ) as file:
        writer = csv.writer(file)
        numbers = [f"v{i}" for i in range(vectors.shape[1])]
        writer.writerow(["path", "label", "fingerprint", *numbers])
        for name, label, vector in zip(paths, labels, vectors, strict=True):
            writer.writerow([name, label, facts["fingerprint"], *vector])


def _write_parquet(path, vectors, paths, labels, facts):
    import pyarrow as pa
    from pyarrow import parquet

    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    table = pa.table(
        {
            "path": [_utf8(name) for name in paths],
            "label": [_utf8(label) for label in labels],
            "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        },
        metadata={"supcon_tf": json.dumps(facts)},
    )
    parquet.write_table(table, path)


def _utf8(text):
    """A name that is no UTF-8 as Parquet can hold it."""
    return text.encode("utf-8", "backslashreplace").decode()


_WRITERS = {
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}


def _checked_output(config):
    output = pathlib.Path(config.output or "").expanduser()
    if output.suffix not in _SUFFIXES:
        raise ValueError(
            f"`output` must be a file that ends in {' or '.join(_SUFFIXES)}. "
            f"Received: output={config.output!r}"
        )
    if output.suffix == ".parquet":
        check_extra("pyarrow", f"`output` {config.output}")
    if output.is_dir() or (output.exists() and not config.overwrite):
        raise ValueError(
            "`output` must not exist, or --overwrite must be given for a file. "
            f"Received: output={config.output!r}"
        )
    check_folder(output.parent, "output")
    return output


def main(argv=None):
    """The command `supcon-embed`; returns its exit status."""
    values = flags.FlagValues()
    define_flags(EmbedConfig, values)
    return run_command(
        "supcon-embed",
        __doc__,
        values,
        lambda values: prepare(overridden(EmbedConfig(), values)),
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
