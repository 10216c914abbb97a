"""The cases of input_pipeline.py: images, pipelines, one measurement."""

import json
import time

import numpy as np

from benchmarks.machine import peak_mb

SMALL, LARGE = 32, 224
BATCH_SIZES = {SMALL: 512, LARGE: 64}
NUM_VIEWS = 2
# size: {case: what it computes}. Ours is compared with the others of the same
# size that compute the same, each as near to it as it comes.
CASES = {
    SMALL: {
        "supcon_tf simclr": "simclr",
        "tf.image, by example": "simclr",
        "layers of Keras": "simclr",
        "layers of KerasCV": "simclr",
        "supcon_tf crop_flip": "crop_flip",
        "supcon_tf autoaugment": "autoaugment",
        "supcon_tf randaugment": "randaugment",
        "RandAugment of KerasCV": "randaugment",
        "supcon_tf stacked_randaugment": "stacked_randaugment",
    },
    LARGE: {
        "supcon_tf simclr": "simclr",
        "tf.image, whole file": "simclr",
        "tf.image, window of the file": "simclr",
        "supcon_tf crop_flip": "crop_flip",
        "tf.image crop and flip, whole file": "crop_flip",
        "supcon_tf autoaugment": "autoaugment",
        "supcon_tf randaugment": "randaugment",
        "RandAugment of KerasCV, whole file": "randaugment",
    },
}


def measure(case, size, repeats, seconds, data_dir=None):
    """Prints one line of JSON: source images a second, memory.

    Args:
      case: a name in `CASES[size]`.
      size: int, side of the views.
      repeats: int >= 1, windows of time.
      seconds: float > 0, least length of a window.
      data_dir: as for `photographs`.
    """
    images = small_images() if size == SMALL else photographs(data_dir)
    # Once for what is imported and started with the first pipeline.
    next(iter(pipeline(case, images[: BATCH_SIZES[size]], size)))
    before = peak_mb()
    batches = iter(pipeline(case, images, size))
    next(batches)
    _images_per_second(batches, size, seconds)  # tf.data tunes itself
    rates = [_images_per_second(batches, size, seconds) for _ in range(repeats)]
    print(
        json.dumps(
            {
                "case": case,
                "size": size,
                "images_per_s": float(np.median(rates)),
                "rates": rates,
                "extra_mb": peak_mb() - before,
            }
        )
    )


def pipeline(case, images, size):
    """The endless batches `[B, 2, size, size, 3]` of a case.

    Args:
      case: a name in `CASES[size]`.
      images: `[n, 32, 32, 3]` uint8 for the small size, else `[n]` strings.
      size: int, side of the views.

    Returns:
      A `tf.data.Dataset`.
    """
    import tensorflow as tf

    from benchmarks import input_rivals as rivals
    from supcon_tf import LabelledImages, augmentations, view_batches

    what = CASES[size][case]
    options = {"image_size": size, "batch_size": BATCH_SIZES[size]}
    if case.startswith("supcon_tf"):
        if size == LARGE:
            labels = np.zeros(len(images), int)
            source = LabelledImages(images, labels, (), read=tf.identity)
        else:
            source = (images, None)
        dataset = view_batches(
            source,
            augmentations.AUGMENTATIONS[what],
            num_views=NUM_VIEWS,
            seed=0,
            **options,
        )
        if size == LARGE:
            dataset = dataset.map(lambda views, labels: views)
        return dataset
    if case == "layers of Keras":
        return rivals.layers_of_keras(images, **options)
    if case == "layers of KerasCV":
        return rivals.layers_of_keras_cv(images, **options)
    decode = None
    if size == LARGE:
        decode = "window" if "window" in case else "whole"
    if case.startswith("RandAugment"):
        return rivals.randaugment_of_keras_cv(images, decode=decode, **options)
    return rivals.tf_image(
        images, decode=decode, simclr=what == "simclr", **options
    )


def small_images(count=50_000):
    """`[count, 32, 32, 3]` uint8, as many as CIFAR has."""
    numbers = np.random.default_rng(0)
    return numbers.integers(0, 256, (count, SMALL, SMALL, 3), dtype=np.uint8)


def photographs(data_dir=None, count=64):
    """JPEG files as long as photographs of ImageNet.

    Args:
      data_dir: None, or the data_dir of tensorflow-datasets with Imagenette,
        whose files then are taken.
      count: int, files to make.

    Returns:
      `[n]` objects, bytes.
    """
    if data_dir is not None:
        from supcon_tf.data.datasets import load_dataset

        train, _ = load_dataset("imagenette", data_dir=data_dir)
        return np.asarray(train.images)
    import tensorflow as tf

    files = []
    for index in range(count):
        numbers = np.random.default_rng(index)
        image = np.full([375, 500, 3], 0.5, np.float32)
        for octave in range(2, 9):
            sides = (3 * 2**octave // 4, 2**octave)
            noise = numbers.standard_normal((*sides, 3), np.float32)
            image += 0.6 * 0.7**octave * tf.image.resize(noise, [375, 500])
        pixels = np.uint8(255 * np.clip(image, 0, 1))
        files.append(tf.io.encode_jpeg(pixels, quality=92).numpy())
    return np.array(files, object)


def _images_per_second(batches, size, seconds):
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(batches)
        count += BATCH_SIZES[size]
    return count / (time.perf_counter() - start)
