"""A person's folder of photographs: its classes, and what is left out and why.

This needs no TensorFlow.
"""

import concurrent.futures
import dataclasses
import os
import sys
import warnings
from typing import NamedTuple

from absl import logging
from tqdm import tqdm

from supcon_tf.data.equal_files import equal_lines, find_equal_files
from supcon_tf.data.folder_files import files_below
from supcon_tf.data.folder_layout import LayoutError, class_name, lay_out
from supcon_tf.data.left_out import (
    LeftOut,
    by_reason,
    count_of,
    left_out_lines,
    some_of,
)
from supcon_tf.data.photograph_files import (
    PhotographError,
    check_photograph,
    look_at_photograph,
    printable,
)
from supcon_tf.data.pillow_images import Header

# The share of the images that may be damaged. If more are, something else is
# wrong, such as a copy that was not finished.
MAX_DAMAGED = 0.01
# As many names of damaged images are in one message.
MAX_NAMES = 50
_WANTED = (
    "must be a folder with a folder of images for each class, PATH/CLASS/*, or "
    "PATH/train/CLASS/* and PATH/test/CLASS/*"
)
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")


class ImageFolderError(ValueError):
    """A folder in which no labelled images are found.

    It speaks of `data_dir`, and `for_argument` of the PATH of a command.

    Args:
      folder: what was given.
      found: str, what is there instead.
      meant: path of the folder that may have been meant, or None.
      left_out: str that follows.
    """

    def __init__(self, folder, found, meant=None, left_out=""):
        self.folder = folder if folder is None else printable(folder)
        self.found, self.meant, self.left_out = found, meant, left_out
        given = f"data_dir={self.folder!r}"
        super().__init__(self._text("`data_dir`", given, "--data_dir="))

    def for_argument(self):
        """The same for a command that is given the folder itself."""
        return ValueError(self._text("PATH", repr(self.folder), ""))

    def _text(self, name, given, flag):
        hint = ""
        if self.meant is not None:
            hint = f": give {flag}{printable(self.meant)}"
        return (
            f"{name} {_WANTED}. Received: {given}, {self.found}{hint}"
            f"{self.left_out}"
        )


class ImageFile(NamedTuple):
    """An image of a folder.

    Attributes:
      path: str, which begins with the path of the folder as it was given.
      label: int, the number of its class.
      header: `Header`, its format and size.
      size: int, in bytes.
    """

    path: str
    label: int
    header: Header
    size: int


@dataclasses.dataclass(frozen=True)
class ImageFolder:
    """The images that a folder holds, and the files that were left out.

    Attributes:
      folder: str, the path.
      class_names: tuple of str. Label i is `class_names[i]`.
      train: tuple of `ImageFile`, class by class.
      test: likewise, or None if the folder has no such part.
      test_folder: str, the name of the folder of the test part, or None.
      left_out: tuple of `LeftOut`, with paths below the folder.
    """

    folder: str
    class_names: tuple
    train: tuple
    test: tuple | None
    test_folder: str | None
    left_out: tuple

    def equal_files(self):
        """Files with equal contents, with paths below the folder.

        Returns:
          List of `EqualFiles`.

        Example:
          >>> read_image_folder("photos").equal_files()  # doctest: +SKIP
          []
        """
        parts = (("train", self.train), ("test", self.test or ()))
        found = find_equal_files(
            (file.path, file.size, file.label, part)
            for part, files in parts
            for file in files
        )
        return [
            equal._replace(paths=tuple(map(self.below, equal.paths)))
            for equal in found
        ]

    def below(self, path):
        """The path of a file below the folder, as it can be printed.

        Args:
          path: str, of an `ImageFile`.

        Returns:
          str.

        Example:
          >>> folder = ImageFolder("photos", ("a", "b"), (), None, None, ())
          >>> folder.below("photos/a/1.jpg")
          'a/1.jpg'
        """
        return printable(os.path.relpath(path, self.folder))


def read_image_folder(folder, *, max_pixels=None):
    """Finds, checks and sorts the images of a folder.

    Every file is recognised by its content. The classes and the test part are
    those of `folder_layout.lay_out`, and a class owns the images in its
    sub-folders. Every image is decoded once, a JPEG file at an eighth of its
    size. After two seconds a bar shows the progress.

    Args:
      folder: str or `os.PathLike`. `~` is one's home.
      max_pixels: int >= 1; larger images are left out. None takes
        `PIL.Image.MAX_IMAGE_PIXELS`.

    Returns:
      An `ImageFolder`.

    Raises:
      ValueError: if the folder has no layout that is known. The message says
        what was found and what to do.

    Example:
      >>> for name in ("cat", "dog"):
      ...     os.makedirs(f"photos/{name}")
      ...     tf.io.write_file(
      ...         f"photos/{name}/1.png", tf.io.encode_png(np.zeros(
      ...             [9, 9, 3], np.uint8))
      ...     )
      >>> found = read_image_folder("photos")
      >>> found.class_names, len(found.train), found.equal_files()[0].paths
      (('cat', 'dog'), 2, ('cat/1.png', 'dog/1.png'))
    """
    folder = _existing(folder)
    try:
        files, folders, left_out = files_below(folder)
    except OSError as error:
        raise ImageFolderError(folder, error.strerror) from error
    headers, wrong = _tried(folder, files, look_at_photograph, max_pixels)
    _layout(folder, headers, folders, left_out + wrong)  # refuses early
    headers, damaged = _tried(folder, headers, check_photograph, max_pixels)
    left_out += wrong + damaged
    layout = _layout(folder, headers, folders, left_out)
    classes = tuple(layout.train)

    def images(part):
        return tuple(
            ImageFile(
                path := os.path.join(folder, *name.split("/")),
                label,
                headers[name],
                os.stat(path).st_size,
            )
            for label, of_class in enumerate(classes)
            for name in part.get(of_class, ())
        )

    left_out += layout.left_out + _without_images(layout, folders)
    return ImageFolder(
        folder,
        classes,
        images(layout.train),
        None if layout.test is None else images(layout.test),
        layout.test_folder,
        tuple(sorted(left_out)),
    )


def find_images(folder, *, max_pixels=None):
    """Finds the images of a folder for a training.

    It logs what is left out, what is equal and what is odd about the classes,
    and refuses more than 1 % of damaged images.

    Args:
      folder: as in `read_image_folder`.
      max_pixels: as in `read_image_folder`.

    Returns:
      An `ImageFolder`.

    Raises:
      ValueError: as in `read_image_folder`, and if too many are damaged.

    Example:
      >>> find_images("photos").class_names  # doctest: +SKIP
      ('cat', 'dog')
    """
    found = read_image_folder(folder, max_pixels=max_pixels)
    refuse_damaged(found)
    if found.left_out:
        images = len(found.train) + len(found.test or ())
        logging.warning(
            "Left out %d of %d files of %s (supcon-images PATH --all prints "
            "all names)\n%s",
            len(found.left_out),
            len(found.left_out) + images,
            printable(found.folder),
            "\n".join(left_out_lines(found.left_out, names=10)),
        )
    for note in notes_on_classes(found):
        logging.warning("%s: %s", printable(found.folder), note)
    equal = found.equal_files()
    if equal:
        logging.warning(
            "Equal files in %s\n%s",
            printable(found.folder),
            "\n".join(equal_lines(equal, names=10)),
        )
    return found


def notes_on_classes(found):
    """Sentences on classes without a test, and on names that are nearly equal.

    Args:
      found: `ImageFolder`.

    Returns:
      List of str.

    Example:
      >>> notes_on_classes(
      ...     ImageFolder("photos", ("Cat", "cat "), (), None, None, ())
      ... )
      ["Classes whose names differ by case or spaces alone: 'Cat' and 'cat '."]
    """
    notes = []
    if found.test is not None:
        tested = {file.label for file in found.test}
        untested = [
            name
            for label, name in enumerate(found.class_names)
            if label not in tested
        ]
        if untested:
            notes.append(f"No image to test on: {', '.join(untested)}.")
    alike = {}
    for name in found.class_names:
        alike.setdefault("".join(name.casefold().split()), []).append(name)
    notes += [
        "Classes whose names differ by case or spaces alone: "
        f"{' and '.join(map(repr, names))}."
        for names in alike.values()
        if len(names) > 1
    ]
    return notes


def refuse_damaged(found):
    """Refuses a folder of which more than 1 % of the images are damaged.

    Args:
      found: `ImageFolder`.

    Raises:
      ValueError: if it is so, with the names.

    Example:
      >>> refuse_damaged(ImageFolder("photos", ("a", "b"), (), None, None, ()))
    """
    damaged = [file for file in found.left_out if file.is_damaged]
    number = len(damaged) + len(found.train) + len(found.test or ())
    if len(damaged) > MAX_DAMAGED * number:
        raise ValueError(
            f"At most {MAX_DAMAGED:.0%} of the images may be damaged; repair "
            f"or remove them. Received: {len(damaged)} of {number} in "
            f"{printable(found.folder)}: "
            f"{some_of(list(map(str, damaged)), MAX_NAMES)}"
        )


def _existing(folder):
    """The path of a folder that exists, as str."""
    if not folder:
        raise ImageFolderError(folder, "no folder")
    path = os.path.expanduser(os.fsdecode(folder))
    if os.path.isdir(path):
        return path
    if not os.path.lexists(path):
        raise ImageFolderError(path, "no such folder")
    if path.lower().endswith(_ARCHIVES):
        what = "an archive: unpack it and give the folder"
        raise ImageFolderError(path, what)
    what = "a file: give the folder in which the classes are"
    raise ImageFolderError(path, what)


def _tried(folder, files, function, max_pixels):
    """Applies a function to each file, and leaves out those where it fails.

    Returns a dict of paths to results, and a list.
    """

    def tried(name):
        path = os.path.join(folder, *name.split("/"))
        try:
            return name, function(path, max_pixels=max_pixels)
        except PhotographError as error:
            return name, LeftOut(
                printable(name), error.reason, error.detail, error.is_damaged
            )

    results, left_out = {}, []
    # An image of 89 million pixels takes up to 1.3 GB while it is decoded, so
    # there is one for each core. Pillow warns of faults that it passes over.
    with (
        warnings.catch_warnings(),
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads,
    ):
        warnings.filterwarnings("ignore", module=r"PIL\.")
        for name, result in tqdm(
            threads.map(tried, files),
            desc=f"Reading {printable(folder)}",
            total=len(files),
            unit="file",
            delay=2,
            leave=False,
            file=sys.stdout,  # a command looks through its errors first
            disable=None,  # where nobody looks
        ):
            if isinstance(result, LeftOut):
                left_out.append(result)
            else:
                results[name] = result
    return results, left_out


def _layout(folder, images, folders, left_out):
    """The layout; what is wrong with it becomes a ValueError."""
    try:
        return lay_out(list(images), folders)
    except LayoutError as error:
        found, meant = str(error), error.meant
        if meant is not None:
            meant = os.path.join(folder, *meant.split("/"))
    if not images:
        meant = None
        top = [path for path in folders if "/" not in path]
        found = f"{count_of(len(top), 'folder')}, no images in them"
        if not top:
            found = "no images in it" if left_out else "an empty folder"
    counts = [
        f"{reason} ({len(files)})"
        for reason, files in by_reason(left_out).items()
    ]
    more = f"; left out: {', '.join(counts)}" if counts else ""
    raise ImageFolderError(folder, found, meant, more)


def _without_images(layout, folders):
    """A `LeftOut` for each folder that would be a class if it had images."""
    parts = [part for part in (layout.train_folder, layout.test_folder) if part]
    starts = [f"{part}/" for part in parts] or [""]
    return [
        LeftOut(f"{printable(path)}/", "folder without images")
        for path in folders
        for start in starts
        if path.startswith(start)
        and "/" not in path[len(start) :]
        and class_name(path[len(start) :]) not in layout.train
    ]
