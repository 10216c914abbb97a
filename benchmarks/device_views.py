"""Source images a second that become two views, on the host and on the device.

    python -m benchmarks.device_views --json=runs/device_views.json

The host makes them by tf.data (`view_batches`), and the device by
`DeviceViews`, compiled by XLA. Both take turns in one process, of 32 x 32 uint8
images in memory, in batches of 512. The goal is that the device is not slower,
where it is the same two cores. The time on all cores stands beside the rate,
since other work of the machine changes it less. What a GPU would have to do is
told on paper: the bytes that an image is moved as, and the operations that its
views take.
"""

import statistics
import sys
import time

from benchmarks.machine import describe, versions_in
from benchmarks.options import (
    add_windows,
    parsed,
    parser_of,
    write_report,
)

CASES = ("simclr", "crop_flip")
BATCH_SIZE = 512
NUM_VIEWS = 2
SIZE = 32
# What is told on paper: side of the image in memory, side of the views.
ON_PAPER = ((32, 32), (256, 224))


def main(argv=None):
    """The command; returns its exit status."""
    options = _parse(argv)
    rows = [measure(name, options.repeats, options.seconds) for name in CASES]
    report = {
        "machine": describe(
            versions_in(sys.executable, ("tensorflow", "keras"))
        ),
        "rows": rows,
        "on_paper": [on_paper(*sides) for sides in ON_PAPER],
    }
    print(table(report), flush=True)
    write_report(options.json, report)
    return 0


def measure(name, repeats, seconds):
    """The rates of a pipeline on the host and on the device, in turns.

    Args:
      name: of a pipeline that both have.
      repeats: int >= 1, windows of time for each.
      seconds: float > 0, least length of a window.

    Returns:
      A dict for JSON.
    """
    import numpy as np
    import tensorflow as tf

    from benchmarks.input_cases import small_images
    from supcon_tf import DeviceViews, augmentations, view_batches

    images = small_images()
    dataset = view_batches(
        (images, None),
        augmentations.AUGMENTATIONS[name],
        num_views=NUM_VIEWS,
        batch_size=BATCH_SIZE,
        image_size=SIZE,
        seed=0,
    )
    views = DeviceViews(name, num_views=NUM_VIEWS, image_size=SIZE, seed=0)
    compiled = tf.function(views, jit_compile=True)
    batch = tf.constant(images[:BATCH_SIZE]), tf.constant(np.arange(BATCH_SIZE))

    def on_host():
        # A new one each time: it would work on while the device is measured.
        batches = iter(dataset)
        return lambda: next(batches)

    def on_device():
        return lambda: compiled(*batch).numpy()

    places = {"host": on_host, "device": on_device}
    rates = {place: [] for place in places}
    core_times = {place: [] for place in places}
    for _ in range(repeats):
        for place, start in places.items():
            step = start()
            _measured(step, seconds / 2)  # compiles; tf.data tunes itself
            rate, core_time = _measured(step, seconds)
            del step
            rates[place].append(rate)
            core_times[place].append(core_time)
    medians = _medians(rates)
    ratio = medians["device"] / medians["host"]
    return {
        "pipeline": name,
        "images_per_s": medians,
        "rates": rates,
        "core_us_an_image": _medians(core_times),
        "device_to_host": ratio,
        "verdict": "PASS" if ratio >= 1 else "MISS",
    }


def on_paper(source, size, views=NUM_VIEWS, channels=3):
    """Counts the bytes and operations of an image's views, as `simclr`.

    Args:
      source: side of the image in memory, pixels.
      size: side of the views, pixels.
      views: int, of an image.
      channels: int.

    Returns:
      A dict: bytes that the host sends for an image, as float32 views or as
      uint8 and a number of 64 bits; multiplications and additions of the
      resize, of the colours, and of the blur above 32 pixels, for all views;
      and the bytes that these read and write in the device's memory.
    """
    pixels = channels * size * size
    # Rows first, then columns: two products of dense matrices a view.
    resize = 2 * channels * size * source * (source + size)
    # Six mixtures of 5 + 2 a value with grey and mean, hue 12, grey image 2.
    colors = (6 * (5 / channels + 1 + 4) + 12 + 2) * pixels
    blur = 2 * 2 * channels * size**3 if size > 32 else 0
    # Values read and written: a mixture reads twice and writes once; hue, grey
    # image and the change of the axes read and write once each.
    passes = 6 * 3 + 3 * 2
    values = passes * pixels + 2 * channels * size * source + 2 * pixels
    values += 2 * size * source  # the two matrices
    if blur:
        values += 4 * pixels + 2 * size * size
    return {
        "source": source,
        "size": size,
        "sent_by_host_as_views": 4 * views * pixels,
        "sent_as_image": channels * source**2 + 8,
        "operations": round(views * (resize + colors + blur)),
        "device_memory": round(4 * views * values),
    }


def table(report):
    """The rows as text.

    Args:
      report: what the JSON holds.
    """
    lines = [
        "Two views of 32 pixels of 50,000 random images, in memory",
        ", ".join(f"{k} {v}" for k, v in report["machine"].items()),
        "",
        f"{'pipeline':14}{'host/s':>10}{'device/s':>10}{'device / host':>15}"
        f"{'core-us host':>15}{'device':>8}",
    ]
    for row in report["rows"]:
        rates = row["images_per_s"]
        lines.append(
            f"{row['pipeline']:14}{rates['host']:10.0f}{rates['device']:10.0f}"
            f"{row['device_to_host']:15.2f}"
            f"{row['core_us_an_image']['host']:15.0f}"
            f"{row['core_us_an_image']['device']:8.0f}"
            f"  goal >= 1: {row['verdict']}"
        )
    lines += [
        "",
        "On paper, an image: two views of simclr",
        f"{'source':>8}{'view':>6}{'kB sent as views':>18}"
        f"{'kB as uint8':>13}{'MFLOP':>9}{'MB in memory':>14}",
    ]
    for row in report["on_paper"]:
        lines.append(
            f"{row['source']:8}{row['size']:6}"
            f"{row['sent_by_host_as_views'] / 1e3:18.1f}"
            f"{row['sent_as_image'] / 1e3:13.1f}"
            f"{row['operations'] / 1e6:9.1f}{row['device_memory'] / 1e6:14.2f}"
        )
    return "\n".join(lines)


def _measured(step, seconds):
    """Images a second, and microseconds on all cores for an image."""
    start, start_of_cores = time.perf_counter(), time.process_time()
    count = 0
    while (passed := time.perf_counter() - start) < seconds:
        step()
        count += BATCH_SIZE
    on_cores = time.process_time() - start_of_cores
    return count / passed, 1e6 * on_cores / count


def _medians(values):
    return {place: statistics.median(all_) for place, all_ in values.items()}


def _parse(argv):
    parser = parser_of("device_views", __doc__)
    add_windows(parser, seconds=2.0)
    return parsed(parser, argv)


if __name__ == "__main__":
    sys.exit(main())
