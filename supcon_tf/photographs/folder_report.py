"""Reports what a folder of images holds, as plain values and as a table."""

import collections
import statistics
import unicodedata

from supcon_tf.data.equal_files import EqualFiles, equal_lines
from supcon_tf.data.image_folder import MAX_DAMAGED, notes_on_classes
from supcon_tf.data.left_out import count_of, left_out_lines
from supcon_tf.data.photograph_files import printable

# As many names of each kind are printed unless all are asked for.
NAMES = 3
_HEADER = (
    *("class", "train", "test", "least side", "median side", "largest side"),
)


def report_of(found):
    """Reports what a folder of images holds, as plain values.

    Args:
      found: `ImageFolder`.

    Returns:
      A dict: `folder`; `test_folder`, the name of the folder of the test
      images, or None; `num_train_images`, `num_test_images`; `classes`, a list
      of dicts of `name`, `train`, `test` (numbers of images) and `least_side`,
      `median_side`, `largest_side`: in pixels, of the shorter sides the least
      and the median, of the longer ones the largest; the same of all images as
      `sides`; `formats`, format -> number of images; `left_out`, a list of
      dicts of `path`, `reason`, `detail`, `is_damaged`; `equal_files`, a list
      of dicts of `kind` and `paths`.

    Example:
      >>> from supcon_tf.data.image_folder import read_image_folder
      >>> for name in ("cat", "dog"):
      ...     tf.io.gfile.makedirs(f"photos/{name}")
      ...     keras.utils.save_img(f"photos/{name}/1.png", images[0])
      >>> report = report_of(read_image_folder("photos"))
      >>> report["num_train_images"], report["classes"][0]["name"]
      (2, 'cat')
    """
    parts = {"train": found.train, "test": found.test or ()}
    images = (*parts["train"], *parts["test"])
    classes = []
    for label, name in enumerate(found.class_names):
        of_class = [file for file in images if file.label == label]
        counts = {
            part: sum(file.label == label for file in files)
            for part, files in parts.items()
        }
        classes.append({"name": name, **counts, **_sides(of_class)})
    formats = collections.Counter(file.header.format for file in images)
    return {
        "folder": printable(found.folder),
        "test_folder": found.test_folder,
        "num_train_images": len(found.train),
        "num_test_images": len(parts["test"]),
        "classes": classes,
        "sides": _sides(images),
        "formats": dict(formats.most_common()),
        "left_out": [file._asdict() for file in found.left_out],
        "equal_files": [
            {"kind": equal.kind, "paths": list(equal.paths)}
            for equal in found.equal_files()
        ],
    }


def table_of(report, found, *, names=NAMES):
    """A report as the text that a person reads.

    Args:
      report: dict from `report_of`.
      found: the `ImageFolder` that it is of.
      names: int >= 1, how many names of each kind are given; None gives all.

    Returns:
      str, of several lines.

    Example:
      >>> from supcon_tf.data.image_folder import read_image_folder
      >>> for name in ("cat", "dog"):
      ...     tf.io.gfile.makedirs(f"pets/{name}")
      ...     keras.utils.save_img(f"pets/{name}/1.png", images[0])
      >>> found = read_image_folder("pets")
      >>> print(table_of(report_of(found), found).splitlines()[0])
      2 images of 2 classes (2 PNG)
    """
    images = report["num_train_images"] + report["num_test_images"]
    formats = ", ".join(
        f"{n:,} {kind}" for kind, n in report["formats"].items()
    )
    lines = [
        f"{count_of(images, 'image')} of "
        f"{count_of(len(report['classes']), 'class')} ({formats})",
        "",
        *_class_table(report),
        "",
        "Sides in pixels: the least and the median of the shorter ones, the "
        "largest of the longer ones.",
        *_left_out(report, found, names),
        *_equal_files(report, names),
        *_notes(report, found),
    ]
    return "\n".join(lines)


def _sides(images):
    """The least, the median and the largest side of images, in pixels."""
    shorter = [min(file.header.height, file.header.width) for file in images]
    longer = [max(file.header.height, file.header.width) for file in images]
    return {
        "least_side": min(shorter),
        "median_side": int(statistics.median(shorter)),
        "largest_side": max(longer),
    }


def _class_table(report):
    """A row for each class and one for all, aligned."""
    has_test = report["test_folder"] is not None
    rows = [
        (
            row["name"],
            f"{row['train']:,}",
            f"{row['test']:,}" if has_test else "-",
            *(str(row[side]) for side in report["sides"]),
        )
        for row in (
            *report["classes"],
            {
                "name": "all",
                "train": report["num_train_images"],
                "test": report["num_test_images"],
                **report["sides"],
            },
        )
    ]
    widths = [
        max(map(_columns, column))
        for column in zip(_HEADER, *rows, strict=True)
    ]
    lines = []
    for row in (_HEADER, *rows):
        name, *numbers = (
            " " * (width - _columns(cell)) + cell
            for cell, width in zip(row, widths, strict=True)
        )
        name = row[0] + " " * (widths[0] - _columns(row[0]))
        lines.append("  ".join((name, *numbers)))
    return lines


def _columns(text):
    """The columns of a terminal that a text takes; Chinese letters take two."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    marks = sum(map(bool, map(unicodedata.combining, text)))
    return len(text) + wide - marks


def _left_out(report, found, names):
    """Lists what is left out, by the reason."""
    if not report["left_out"]:
        return ["", "Nothing is left out."]
    images = report["num_train_images"] + report["num_test_images"]
    number = len(report["left_out"])
    return [
        "",
        f"Left out {number:,} of {number + images:,}:",
        *left_out_lines(found.left_out, names=names),
    ]


def _equal_files(report, names):
    """Equal files, by what they say."""
    if not report["equal_files"]:
        return ["", "No two images are equal."]
    equal = [EqualFiles(**files) for files in report["equal_files"]]
    return ["", "Equal files:", *equal_lines(equal, names=names)]


def _notes(report, found):
    """Writes what a training would say of the folder."""
    classes = report["classes"]
    notes = []
    damaged = sum(file.is_damaged for file in found.left_out)
    images = report["num_train_images"] + report["num_test_images"]
    if damaged > MAX_DAMAGED * (damaged + images):
        notes.append(
            f"More than {MAX_DAMAGED:.0%} of the images are damaged: repair or "
            "remove them, or a training refuses the folder."
        )
    single = [row["name"] for row in classes if row["train"] == 1]
    notes += notes_on_classes(found)
    has_test = report["test_folder"] is not None
    if not has_test and single:
        notes.append(
            f"A single image: {', '.join(single)}. Add images or remove the "
            "class: one is held out to test on, and one must be left to train."
        )
    elif not has_test:
        notes.append(
            f"{report['folder']} has no test/: a fifth of each class is held "
            "out."
        )
    counts = [row["train"] for row in classes]
    if max(counts) >= 10 * min(counts):
        notes.append(
            f"The largest class has {max(counts) // min(counts)} times the "
            "images of the smallest."
        )
    return ["", *notes] if notes else []
