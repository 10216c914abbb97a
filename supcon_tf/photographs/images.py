r"""Shows what lies in a folder of photographs, before anything is trained.

    supcon-images PATH
    supcon-images PATH --all
    supcon-images PATH --json=report.json --figures=FOLDER

PATH holds a folder for each class, or train/ and test/ (or valid/) with a
folder for each class. Prints the classes with the numbers and sizes of their
images; what a training would leave out, and why; and files that are equal: in
train and test (a leak), in two classes (a wrong label), or twice in one. JPEG,
PNG, GIF, BMP, TIFF and WebP files are read, whatever their names.

--figures writes contact sheets, images.png, ..., with photographs of each class
as a training reads them: upright and on white.
"""

import dataclasses
import json
import pathlib
import sys

from absl import flags

from supcon_tf.config.command_line import define_flags, overridden, run_command
from supcon_tf.config.last_lines import shell_word
from supcon_tf.config.settings import Checked, setting
from supcon_tf.config.training import AT_LEAST_1_OR_NONE
from supcon_tf.data.image_folder import ImageFolderError, read_image_folder
from supcon_tf.files import check_folder, only_writer, read_text, write_json
from supcon_tf.frameworks.extras import check_extra
from supcon_tf.photographs.folder_report import NAMES, report_of, table_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImagesConfig(Checked):
    """The settings of `supcon-images`. A flag's text documents its field."""

    all: bool = setting(
        False, f"Print all names, not {NAMES} of each kind.", matters=True
    )
    json: str | None = setting(None, "File for the same as JSON.", matters=True)
    figures: str | None = setting(
        None,
        "Folder for contact sheets, images.png, ...; made if need be.",
        matters=True,
    )
    max_pixels: int | None = setting(
        None,
        "Leave out images of more pixels, before they are decoded; by default "
        "Pillow's limit, 89 million.",
        AT_LEAST_1_OR_NONE,
        matters=True,
    )


def prepare(folder, config):
    """Reads the folder and writes nothing; returns the rest as a function."""
    outputs = {
        name: pathlib.Path(value).expanduser()
        for name in ("json", "figures")
        if (value := getattr(config, name)) is not None
    }
    if config.figures is not None:
        check_extra("matplotlib", "`figures`")
    for name, path in outputs.items():
        _check_output(name, path, folder)
    try:
        found = read_image_folder(folder, max_pixels=config.max_pixels)
    except ImageFolderError as error:
        raise error.for_argument() from error
    report = report_of(found)

    def run():
        print(table_of(report, found, names=None if config.all else NAMES))
        written = []
        if "figures" in outputs:
            from supcon_tf.photographs.contact_sheet import draw_contact_sheets

            with only_writer(outputs["figures"]):
                names = draw_contact_sheets(
                    found, outputs["figures"], max_pixels=config.max_pixels
                )
            written += [str(outputs["figures"] / name) for name in names]
        if "json" in outputs:
            outputs["json"].parent.mkdir(parents=True, exist_ok=True)
            write_json(outputs["json"], report)
            written.append(str(outputs["json"]))
        for name in written:
            print(f"Wrote {name}")
        given = f"--data_dir={shell_word(folder)} --workdir=W"
        print(
            f"Next: supcon-photos {given}, or supcon-pretrain --recipe=photos "
            f"{given}"
        )

    return run


def _check_output(name, path, folder):
    """Refuses an output among the images, or in place of another file."""
    images = pathlib.Path(folder).expanduser().resolve()
    if images in (path.resolve(), *path.resolve().parents):
        raise ValueError(
            f"`{name}` must lie outside of the folder of images, or it would "
            f"be one of its files. Received: {name}={str(path)!r}"
        )
    if name == "figures":
        check_folder(path, name)
        return
    check_folder(path.parent, name)
    if not path.exists():
        return
    try:
        is_ours = "equal_files" in json.loads(read_text(path))
    except (OSError, ValueError, TypeError, RecursionError):
        is_ours = False
    if not is_ours:
        raise ValueError(
            f"`{name}` must be a new file, or an earlier one of supcon-images. "
            f"Received: {name}={str(path)!r}"
        )


def _prepare_command(values, names):
    if len(names) != 1:
        raise ValueError(
            "supcon-images must be given one folder of images, supcon-images "
            f"PATH. Received: {names}"
        )
    return prepare(names[0], overridden(ImagesConfig(), values))


def main(argv=None):
    """The command `supcon-images`; returns its exit status."""
    values = flags.FlagValues()
    define_flags(ImagesConfig, values)
    return run_command(
        "supcon-images",
        __doc__,
        values,
        _prepare_command,
        argv,
        takes_names=True,
    )


if __name__ == "__main__":
    sys.exit(main())
