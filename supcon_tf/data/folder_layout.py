"""Tells the class of each image in a folder, and which images are to test on.

A layout is recognised by the folders: train/ and test/ with a folder for each
class, or a folder for each class. What fits neither is refused with what was
found and what to do.
"""

import unicodedata
from typing import NamedTuple

from supcon_tf.data.left_out import LeftOut, count_of
from supcon_tf.data.photograph_files import printable

# Names of the parts, in small letters. The first one that is there is taken.
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "valid", "validation", "val")
# As deep as a folder is looked for that may have been meant.
_DEPTH = 3
_OUTSIDE = "image outside of the folders of the classes"


class Layout(NamedTuple):
    """The images of each part and class.

    Attributes:
      train: dict of the names of the classes, sorted, to sorted paths.
      train_folder: str, the name of the folder of `train`, or None if the
        folders of the classes stand by themselves.
      test: likewise, of some of the classes; None if there is no such part.
      test_folder: str, the name of the folder of `test`, or None.
      left_out: list of `LeftOut`, the images that belong to no class.
    """

    train: dict
    train_folder: str | None
    test: dict | None
    test_folder: str | None
    left_out: list


class LayoutError(ValueError):
    """A folder that has neither layout; the text says what was found.

    Attributes:
      meant: str, the path of the folder below that seems to be meant, or None.
    """

    def __init__(self, found, meant=None):
        super().__init__(found)
        self.meant = meant


def lay_out(images, folders=()):
    """Recognises the layout of a folder.

    A folder `train` beside a folder `test`, `valid`, `validation` or `val`, or
    alone, holds a folder for each class. If there are other folders with images
    beside, and images directly in `train`, it is the name of a class, as every
    other folder is. A class owns all images below its folder.

    Args:
      images: paths of images, with "/" between names.
      folders: paths of folders, also of those without images.

    Returns:
      A `Layout`.

    Raises:
      LayoutError: if it is neither, or has fewer than two classes.

    Example:
      >>> layout = lay_out(["cat/1.jpg", "cat/old/2.jpg", "dog/1.jpg"])
      >>> layout.train
      {'cat': ['cat/1.jpg', 'cat/old/2.jpg'], 'dog': ['dog/1.jpg']}
      >>> lay_out(["train/cat/1.jpg", "train/dog/1.jpg", "val/dog/2.jpg"]).test
      {'dog': ['val/dog/2.jpg']}
    """
    if not images:
        raise LayoutError("no images in it")
    below, stray = _by_folder(images)
    left_out = [LeftOut(printable(path), _OUTSIDE) for path in stray]
    parts = _parts(below, folders)
    if parts is None:
        train = _classes("", below)
        _refuse_parts_in_classes(train, below)
        _refuse_few(train, stray, below, folders)
        return Layout(train, None, None, None, left_out)

    train_folder, test_folder = parts
    beside = " and ".join(f"{printable(part)}/" for part in parts if part)
    classes = {}
    for folder in below:
        inside, outside = _by_folder(below[folder])
        why = _OUTSIDE
        if folder in parts:
            classes[folder] = _classes(f"{folder}/", inside)
        else:
            outside = below[folder]
            why = f"image in {printable(folder)}/, which is beside {beside}"
        left_out += [
            LeftOut(printable(f"{folder}/{path}"), why) for path in outside
        ]
    train = classes[train_folder]
    if len(train) < 2:
        raise LayoutError(
            f"{_named_classes(train)} in {printable(train_folder)}/: two or "
            "more classes are needed, each in a folder of its own"
        )
    _refuse_unknown(classes.get(test_folder, {}), train, parts)
    test = classes.get(test_folder)
    return Layout(train, train_folder, test, test_folder, left_out)


def class_name(folder):
    """The name of the class whose folder has a name.

    macOS writes a letter with its accent as two characters, others as one. Both
    are the same name.

    Args:
      folder: str.

    Returns:
      str, which can be printed.

    Example:
      >>> len("e" + chr(0x301)), len(class_name("e" + chr(0x301)))
      (2, 1)
    """
    return unicodedata.normalize("NFC", printable(folder))


def _by_folder(paths):
    """The paths below each folder, as a dict, and those in none."""
    below, stray = {}, []
    for path in paths:
        folder, slash, rest = path.partition("/")
        if slash:
            below.setdefault(folder, []).append(rest)
        else:
            stray.append(path)
    return below, stray


def _classes(start, below):
    """The classes of a part: dict of names, sorted, to paths."""
    classes = {}
    for folder in below:
        name = class_name(folder)
        paths = [f"{start}{folder}/{path}" for path in below[folder]]
        classes[name] = sorted(classes.get(name, []) + paths)
    return dict(sorted(classes.items()))


def _parts(below, folders):
    """Names of the folders of the two parts, or None for class folders.

    The second is None if there is nothing to test on.
    """
    top = dict.fromkeys(path for path in folders if "/" not in path)
    named = {name.lower(): name for name in (*top, *below)}
    trains = [named[n] for n in TRAIN_NAMES if n in named]
    tests = [named[n] for n in TEST_NAMES if n in named]
    inside = {name: _by_folder(below.get(name, ())) for name in trains + tests}
    others = [name for name in below if name not in inside]
    if not trains or not inside[trains[0]][0]:
        # Without folders in train/ there is nothing else that it could be.
        if others or not inside:
            return None
        _refuse_parts_without_classes(inside, trains)
    train = trains[0]
    of_classes = [t for t in tests if inside[t][0]]
    if others and not any(
        inside[test][0].keys() & inside[train][0].keys() for test in of_classes
    ):
        in_folders = len(below[train]) - len(inside[train][1])
        if len(inside[train][1]) > in_folders:
            return None  # with images directly in it, it is a class
        raise LayoutError(
            f"folders in {printable(train)}/ and, beside it, images in "
            f"{_some(others)}: if {printable(train)}/ holds the classes, move "
            "the others away; if it is a class itself, give it another name"
        )
    if tests and not of_classes:
        number = len(below.get(tests[0], ()))
        raise LayoutError(
            f"{printable(train)}/ with classes, and "
            f"{count_of(number, 'image')} in {printable(tests[0])}/, which "
            "must hold images, in a folder for each class, or be moved away"
        )
    return train, of_classes[0] if of_classes else None


def _refuse_parts_without_classes(inside, trains):
    """Refuses train/ and test/ alone that have no folders of classes."""
    found = " and ".join(
        f"{count_of(len(stray), 'image')} directly in {printable(name)}/"
        if stray
        else f"{count_of(len(below), 'folder')} in {printable(name)}/"
        for name, (below, stray) in inside.items()
    )
    do = "put the images of each class into a folder of its own there"
    if not trains:
        do = "there must be train/ with a folder for each class, too"
    raise LayoutError(f"{found}: {do}")


def _refuse_parts_in_classes(train, below):
    """Refuses PATH/CLASS/train/ and PATH/CLASS/test/, which would be mixed."""
    for folder in below:
        inside, _ = _by_folder(below[folder])
        names = {name.lower() for name in inside}
        if not (names & set(TRAIN_NAMES) and names & set(TEST_NAMES)):
            return
    if len(train) > 1:
        first = next(iter(train))
        raise LayoutError(
            f"train/ and test/ within each of {count_of(len(train), 'folder')}"
            f", {_some(train)}: let them hold the classes, as in "
            f"train/{first}/ and test/{first}/; or, if each is a data set, "
            "give one of them"
        )


def _refuse_few(train, stray, below, folders):
    """Refuses fewer than two classes, and says what may have been meant."""
    if len(train) > 1:
        return
    if not train:
        raise LayoutError(
            f"{count_of(len(stray), 'image')} directly in it and none in "
            "folders: put the images of each class into a folder of its own"
        )
    ((folder, paths),) = below.items()
    meant = _meant(folder, paths)
    if meant is not None:
        top = {path for path in folders if "/" not in path} | {folder}
        levels = meant.count("/") + 1
        deeper = "one level" if levels == 1 else f"{levels} levels"
        raise LayoutError(
            f"{count_of(len(top), 'folder')}, no images in them; images stand "
            f"{deeper} deeper, in {printable(meant)}/",
            meant,
        )
    beside = f", and {count_of(len(stray), 'image')} beside" if stray else ""
    raise LayoutError(
        f"{_named_classes(train)}{beside}: two or more classes are needed, "
        "each in a folder of its own"
    )


def _meant(folder, paths, depth=_DEPTH):
    """The path of the folder with a layout, along single folders, or None."""
    inside, stray = _by_folder(paths)
    if not depth or 2 * len(stray) > len(paths):
        return None  # a class whose images lie directly in it
    try:
        lay_out(paths)
    except LayoutError:
        if len(inside) != 1:
            return None
        ((name, paths),) = inside.items()
        deeper = _meant(name, paths, depth - 1)
        return None if deeper is None else f"{folder}/{deeper}"
    return folder


def _refuse_unknown(test, train, parts):
    """Refuses classes that have images to test on and none to train on."""
    unknown = sorted(test.keys() - train.keys())
    if unknown:
        names = {name.casefold(): name for name in train}
        hints = [
            f"{name!r} is called {names[name.casefold()]!r} there"
            for name in unknown
            if name.casefold() in names
        ]
        raise LayoutError(
            f"classes in {printable(parts[1])}/ without training images in "
            f"{printable(parts[0])}/: {unknown}"
            + (f", where {'; '.join(hints)}" if hints else "")
        )


def _named_classes(classes):
    if not classes:
        return "no class"
    return f"{count_of(len(classes), 'class')}, {_some(classes)}"


def _some(names, limit=5):
    """Up to five names, and how many more there are."""
    names = [repr(printable(name)) for name in names]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
