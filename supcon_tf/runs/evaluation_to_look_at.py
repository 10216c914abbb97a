"""Writes what a person looks at after an evaluation: page and projector."""

import os
import pathlib

import numpy as np

from supcon_tf.data.image_batches import image_batches
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.evaluation.report.files import titles_of
from supcon_tf.frameworks.backends import tf
from supcon_tf.photographs.page import drawn_images, write_page
from supcon_tf.photographs.projector import write_projector

_PAGE = "page.html"
_PROJECTOR = "projector"
_SIDE = 96  # pixels of images that are decoded for it


def write_page_of(config, output, results, representations, test, histories):
    """Writes the page of an evaluation.

    Args:
      config: `EvaluateConfig`.
      output: `pathlib.Path` of the folder.
      results: the results, as in evaluation.json.
      representations: dict of `encoder` and, with one, `baseline` to triples:
        `[n, R]` floats, `[n]` integers and `[n, C]` probabilities of the test
        images.
      test: the test images.
      histories: dict of the same keys to the paths of history.csv, of those
        that have one.

    Returns:
      The name of the file.
    """
    _, labels, _ = representations["encoder"]
    where = " ".join(
        f"{name.capitalize()}: {results[name]['where']}."
        for name in representations
    )
    write_page(
        output / _PAGE,
        lambda positions: _images_at(test, positions),
        labels,
        {name: x for name, (x, *_) in representations.items()},
        class_names=test.class_names,
        predictions={
            name: scores for name, (*_, scores) in representations.items()
        },
        names=_names(config, test),
        title=f"Evaluation on {_data_of(config)}",
        subtitle=(
            f"{results['num_test_images']:,} test images, and "
            f"{results['num_train_images']:,} training images for the linear "
            f"probe. {where}"
        ),
        numbers={name: results[name] for name in representations},
        histories=histories,
        seed=config.seed,
    )
    return _PAGE


def write_projector_of(
    config, output, results, representations, test, histories
):
    """Writes the folder of TensorBoard's projector, as `write_page_of` does."""
    del results, histories
    titles = titles_of(config)
    _, labels, _ = representations["encoder"]
    drawn = drawn_images(len(labels), seed=config.seed)
    names = _names(config, test)
    write_projector(
        output / _PROJECTOR,
        _images_at(test, drawn),
        labels[drawn],
        {titles[name]: x[drawn] for name, (x, *_) in representations.items()},
        class_names=test.class_names,
        names=[names[i] for i in drawn],
        predictions={
            titles[name]: scores[drawn].argmax(axis=1)
            for name, (*_, scores) in representations.items()
        },
    )
    return _PROJECTOR


def remove_page_and_projector(output):
    """Removes those of an earlier evaluation.

    Args:
      output: `pathlib.Path` of the folder.
    """
    (output / _PAGE).unlink(missing_ok=True)
    for path in (output / _PROJECTOR).glob("*"):
        if path.is_file():
            path.unlink()


def _data_of(config):
    """Names the data: a folder by its name."""
    if config.dataset != "folder":
        return config.dataset
    return pathlib.Path(config.data_dir).expanduser().resolve().name


def _images_at(source, positions):
    """The images of some positions: arrays, or paths if they are files."""
    if _are_files(source):
        return list(source.images[positions])
    if isinstance(source, LabelledImages):
        source = source.take(positions)
        if source.images.ndim == 4:
            return source.images
        positions = np.arange(len(source))
    found, first = [], 0
    for images, _ in image_batches(source, image_size=_SIDE):
        last = first + len(images)
        here = positions[(positions >= first) & (positions < last)] - first
        found.append(np.round(255 * np.asarray(images)[here]).astype(np.uint8))
        first = last
    return np.concatenate(found)


def _are_files(source):
    """Whether the images are paths."""
    return (
        isinstance(source, LabelledImages)
        and source.read is not None
        and source.read is tf.io.read_file
    )


def _names(config, source):
    """Names the images: by their files in the folder, or by numbers."""
    if not _are_files(source):
        return [f"image {number}" for number in range(len(source))]
    folder = pathlib.Path(config.data_dir).expanduser()
    return [os.path.relpath(path, folder) for path in source.images]
