"""Epochs of large photographs, with and without small copies of them.

    python -m benchmarks.image_cache --data_dir=PHOTOS --json=runs/cache.json

The photographs of PHOTOS/CLASS/ are enlarged to 4000 x 3000 pixels in a
temporary folder, with noise like a sensor's, and are written beside it with
a shorter side of 512 pixels, as a person would make them smaller. An epoch is
two views of each photograph by SimCLR's augmentation, at 224 pixels, without a
model. The cases take turns in one process:

    whole   the large files, as without --image_cache
    copies  small copies of them, as with it; the first epoch makes them, too
    small   the files of 512 pixels

The goals are the first epoch with copies in at most the time of `whole`, and a
later one in at most 1.3 of the time of `small`.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np
from PIL import Image

from benchmarks.machine import describe, versions_in

LARGE = (4000, 3000)
SMALL = (683, 512)
SIZE = 224
NUM_VIEWS = 2
BATCH_SIZE = 16
FIRST_GOAL, LATER_GOAL = 1.0, 1.3


def main(argv=None):
    """The command; returns its exit status."""
    options = _parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, size in (("large", LARGE), ("small", SMALL)):
            write_photographs(
                options.data_dir, folder / name, size, options.count
            )
        report = {
            "machine": describe(
                versions_in(sys.executable, ("tensorflow", "keras", "pillow"))
            ),
            **measure(folder, options.repeats),
        }
    print(table(report), flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def write_photographs(source, folder, size, count):
    """Writes photographs of two classes at another size.

    Args:
      source: path of a folder of folders of photographs.
      folder: `pathlib.Path` to write to.
      size: (width, height).
      count: int, how many are written in all.
    """
    random = np.random.default_rng(0)
    noise = random.normal(0, 4, (size[1], size[0], 3)).astype(np.float32)
    classes = sorted(p for p in pathlib.Path(source).iterdir() if p.is_dir())
    for place in classes[:2]:
        (folder / place.name).mkdir(parents=True)
        for path in sorted(place.iterdir())[: count // 2]:
            image = Image.open(path).convert("RGB").resize(size)
            pixels = np.clip(np.round(np.asarray(image) + noise), 0, 255)
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(folder / place.name / f"{path.stem}.jpg", quality=93)


def measure(folder, repeats):
    """The seconds of an epoch in each case, in turns.

    Args:
      folder: `pathlib.Path` with the folders large and small.
      repeats: int >= 1, epochs of each case after the first.

    Returns:
      A dict for JSON.
    """
    from supcon_tf.config import PretrainConfig
    from supcon_tf.training.batches import training_images
    from supcon_tf.training.image_cache import copies_of

    def images_in(name):
        config = PretrainConfig(
            dataset="folder", data_dir=str(folder / name), image_size=SIZE
        )
        return config, training_images(config)[0]

    config, whole = images_in("large")
    _, small = images_in("small")
    # For what is imported and started with the first pipeline.
    seconds_of_epoch(small, 0)
    seconds = {"whole": [], "copies": [], "small": []}
    # The first epoch, with what it takes to make the copies.
    first_whole = seconds_of_epoch(whole, 0)
    start = time.perf_counter()
    (copies,), line = copies_of(config, folder / "W", whole)([whole])
    made = time.perf_counter() - start
    first = made + seconds_of_epoch(copies, 0)
    cases = {"whole": whole, "copies": copies, "small": small}
    for epoch in range(1, repeats + 1):
        for name, images in cases.items():
            seconds[name].append(seconds_of_epoch(images, epoch))
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    return {
        "photographs": len(whole),
        "line": line.partition(": ")[2],
        "seconds": seconds,
        "medians": medians,
        "making_copies_s": made,
        "first_to_whole": first / first_whole,
        "later_to_small": statistics.median(
            a / b
            for a, b in zip(seconds["copies"], seconds["small"], strict=True)
        ),
        "whole_to_later": medians["whole"] / medians["copies"],
    }


def seconds_of_epoch(images, epoch):
    """Seconds of the views of one epoch, after the pipeline has been made.

    Args:
      images: `LabelledImages`.
      epoch: int >= 0.
    """
    from supcon_tf import view_batches

    views = view_batches(
        images,
        "simclr",
        num_views=NUM_VIEWS,
        batch_size=min(BATCH_SIZE, len(images)),
        image_size=SIZE,
        seed=0,
        first_epoch=epoch,
    )
    batches = views.take(views.steps_per_epoch)
    start = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - start


def table(report):
    """The measurement as text.

    Args:
      report: what the JSON holds.
    """
    medians = report["medians"]
    goals = (
        ("first epoch: copies / whole", "first_to_whole", FIRST_GOAL),
        ("later epoch: copies / small", "later_to_small", LATER_GOAL),
    )
    return "\n".join(
        [
            f"{report['photographs']} photographs, two views of {SIZE} pixels "
            f"each; {report['line']}",
            ", ".join(f"{k} {v}" for k, v in report["machine"].items()),
            "",
            *(
                f"{f'an epoch, {name}':30}{medians[name]:8.2f} s"
                for name in medians
            ),
            f"{'making the copies':30}{report['making_copies_s']:8.2f} s",
            f"{'later epoch: whole / copies':30}"
            f"{report['whole_to_later']:8.2f}",
            *(
                f"{what:30}{report[key]:8.2f}  goal <= {goal}: "
                f"{'PASS' if report[key] <= goal else 'MISS'}"
                for what, key, goal in goals
            ),
        ]
    )


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog="benchmarks.image_cache",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data_dir",
        required=True,
        metavar="PATH",
        help="folder with a folder of photographs for each class",
    )
    parser.add_argument("--count", type=int, default=100, metavar="N")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=pathlib.Path, metavar="PATH")
    options = parser.parse_args(argv)
    if options.count < 10 or options.repeats < 1:
        parser.error(
            "`count` must be >= 10 and `repeats` >= 1. "
            f"Received: {options.count}, {options.repeats}"
        )
    return options


if __name__ == "__main__":
    sys.exit(main())
