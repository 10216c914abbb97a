r"""Classifies photographs, and says which are of none of the classes.

    supcon-predict --workdir=W photo.jpg
    supcon-predict --workdir=W a.jpg FOLDER --top=3 --csv=F.csv --json=F.json
    supcon-predict --workdir=W FOLDER --keep=0.99

W is a folder in which supcon-photos or supcon-linear-eval has written
classifier.keras, which says how large its images are and how they are cut:
photographs are treated in the same way. "None of these" is a photograph that is
farther from its nearest training images than 95 % (--keep) of the held-out
training images are. supcon-photos keeps their vectors for that, in
W/known_photographs.npz; elsewhere the first call encodes them, once.
--nounknown does without.
"""

import csv
import dataclasses
import os
import pathlib
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from absl import flags

from supcon_tf.config.command_line import define_flags, overridden, run_command
from supcon_tf.config.settings import setting
from supcon_tf.config.training import AT_LEAST_1
from supcon_tf.errors import RunStoppedError, check_int
from supcon_tf.files import check_folder, written_whole
from supcon_tf.photographs.embed import AskingConfig
from supcon_tf.photographs.listing import list_photographs, printable
from supcon_tf.photographs.prediction import (
    KNOWN_FILE,
    NONE_OF_THESE,
    Prediction,
    table,
)
from supcon_tf.photographs.search import checked_file, write_json

if TYPE_CHECKING:  # Keras is loaded when something is predicted
    import keras


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(AskingConfig):
    """The settings of `supcon-predict`. A flag's text documents its field."""

    workdir: str | None = setting(
        None,
        "Folder with the classifier.keras of supcon-photos or "
        "supcon-linear-eval.",
        matters=True,
    )
    top: int = setting(
        1, "How many classes are shown.", AT_LEAST_1, matters=True
    )
    csv: str | None = setting(
        None, "File to write a table to, too.", matters=True
    )
    json: str | None = setting(
        None, "File to write the results to, too.", matters=True
    )
    unknown: bool = setting(
        True,
        f"Say {NONE_OF_THESE!r} where no training image is near.",
        matters=True,
    )
    keep: float = setting(
        0.95,
        "Part of the held-out training images that must not be called "
        f"{NONE_OF_THESE!r}.",
        (lambda value: 0 < value < 1, "in (0, 1)"),
        matters=True,
    )
    data_dir: str | None = setting(
        None,
        "Folder of the training images, if not where they were.",
        matters=True,
    )


def predict(
    classifier: "keras.Model",
    paths: Iterable[str | os.PathLike[str]],
    *,
    known: Any = None,
    batch_size: int = 32,
    image_size: int | None = None,
    max_pixels: int | None = None,
) -> list[Prediction]:
    """Classifies photographs, brought to size as in the classifier's training.

    Args:
      classifier: `LinearClassifier`, or the path of its .keras file, or a
        workdir with a classifier.keras.
      paths: paths of N image files, which Pillow reads.
      known: None, or `KnownPhotographs` of the classifier's encoder, which tell
        what is none of the classes. A workdir has its own if supcon-predict has
        written them.
      batch_size: int >= 1, how many are encoded at once.
      image_size: int, in pixels, for an old classifier that does not say its
        own.
      max_pixels: int >= 1, the most pixels of an image. None, the default,
        takes Pillow's own limit.

    Returns:
      A list of N `Prediction`.

    Raises:
      ValueError: if a file cannot be read, the classifier is none, its image
        size is not known, or `known` is of another encoder.

    Example:
      >>> keras.utils.save_img("a.png", images[0])
      >>> (prediction,) = predict(classifier, ["a.png"])
      >>> len(prediction.classes), prediction.is_known
      (4, None)
    """
    from supcon_tf.photographs.asked_classifier import asked_classifier

    check_int("batch_size", batch_size, 1)
    if isinstance(paths, (str, pathlib.PurePath)):
        raise ValueError(
            f"`paths` must be a list of paths. Received: paths={paths!r}"
        )
    asked = asked_classifier(classifier, image_size=image_size)
    if known is None and isinstance(classifier, (str, pathlib.PurePath)):
        path = pathlib.Path(classifier).expanduser() / KNOWN_FILE
        known = asked.known_in(path)
    predictions, left_out = asked.predict(
        list(paths), known=known, batch_size=batch_size, max_pixels=max_pixels
    )
    if left_out:
        raise ValueError(
            "`paths` must be images that can be read. Received: "
            f"{len(list(paths))}, {len(left_out)} of which cannot; the first: "
            f"{left_out[min(left_out)]}"
        )
    return predictions


def prepare(config, names):
    """Checks everything and writes nothing; returns the run as a function."""
    if not names:
        raise ValueError(
            "supcon-predict must be given photographs or folders, after its "
            "flags: PHOTO.jpg. Received: none"
        )
    files = _files(names)
    outputs = checked_file(config.csv, "csv"), checked_file(config.json, "json")
    workdir = pathlib.Path(config.workdir or "").expanduser()
    if not config.workdir or not (workdir / "classifier.keras").is_file():
        raise ValueError(
            "`workdir` must hold classifier.keras, which supcon-photos and "
            "supcon-linear-eval write. Received: "
            f"workdir={config.workdir!r}"
        )
    from supcon_tf.photographs.asked_classifier import asked_classifier
    from supcon_tf.photographs.vectors import print_left_out

    asked = asked_classifier(
        workdir, image_size=config.image_size, safe_mode=config.safe_mode
    )
    find_known = _known_finder(config, workdir, asked)

    def run():
        known = find_known()
        if known is not None:
            known = dataclasses.replace(known, keep=config.keep)
        predictions, left_out = asked.predict(
            files,
            known=known,
            batch_size=config.batch_size,
            max_pixels=config.max_pixels,
        )
        print_left_out(files, left_out)
        if not predictions:
            raise RunStoppedError(
                "supcon-predict must be given photographs that can be read. "
                f"Received: {len(files)} files, none of which can"
            )
        print(table(predictions, config.top))
        _write(outputs, predictions, config.top, asked.classifier.num_classes)

    return run


def _known_finder(config, workdir, asked):
    """A function -> `KnownPhotographs`, made if need be; None without."""
    if not config.unknown:
        return lambda: None
    path = workdir / KNOWN_FILE
    known = asked.known_in(path)
    if known is not None:
        return lambda: known
    from supcon_tf.photographs.known_of_workdir import prepare_known

    check_folder(workdir, "workdir")
    try:
        make = prepare_known(workdir, asked, data_dir=config.data_dir)
    except ValueError as error:
        raise ValueError(
            f"{NONE_OF_THESE!r} needs the training images, by --data_dir=PATH; "
            f"--nounknown does without. {error}"
        ) from error

    def find():
        print("Encoding the training images, once, for none of these")
        known = make()
        known.save(path)
        print(f"Wrote {path}")
        return known

    return find


def _files(names):
    """The files that are named, and those of the folders that are."""
    files = []
    for name in names:
        path = pathlib.Path(name).expanduser()
        if path.is_dir():
            files.extend(list_photographs(path, "PHOTO").files)
        elif path.exists():
            files.append(path)
        else:
            raise ValueError(
                "PHOTO must be a file or a folder. "
                f"Received: {printable(name)!r}, which is not there"
            )
    return files


def _write(outputs, predictions, top, num_classes):
    """Writes the CSV and JSON files that are asked for."""
    csv_path, json_path = outputs
    top = min(top, num_classes)
    if csv_path is not None:
        csv_path.parent.mkdir(parents=True, exist_ok=True)
        with (
            written_whole(csv_path) as aside,
            aside.open(
                "w", encoding="utf-8", errors="surrogateescape", newline=""
            ) as file,
        ):
            writer = csv.writer(file)
            columns = [
                f"{x}_{i + 1}" for i in range(top) for x in ("class", "score")
            ]
            writer.writerow(["path", "class", "is_known", "distance", *columns])
            for p in predictions:
                best = [
                    cell
                    for pair in zip(p.classes, p.scores, strict=True)
                    for cell in pair
                ]
                writer.writerow(
                    [p.path, p.name, p.is_known, p.distance, *best[: 2 * top]]
                )
        print(f"Wrote {csv_path}")
    if json_path is not None:
        rows = [
            {
                **dataclasses.asdict(p),
                "classes": p.classes[:top],
                "scores": p.scores[:top],
            }
            for p in predictions
        ]
        write_json(json_path, rows)


def main(argv=None):
    """The command `supcon-predict`; returns its exit status."""
    values = flags.FlagValues()
    define_flags(PredictConfig, values)
    return run_command(
        "supcon-predict",
        __doc__,
        values,
        lambda values, names: prepare(
            overridden(PredictConfig(), values), names
        ),
        argv,
        takes_names=True,
    )


if __name__ == "__main__":
    sys.exit(main())
