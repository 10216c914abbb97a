"""Draws the figures of an evaluation into their files."""

import pathlib

from supcon_tf.evaluation.report import figures
from supcon_tf.files import written_whole

FILES = (
    "embedding_map.png",
    "similarities.png",
    "corruptions.png",
    "training.png",
)


def draw_evaluation(
    output,
    representations,
    labels,
    class_names,
    *,
    errors=None,
    history=None,
):
    """Draws all figures for which there are data, and lists their file names.

    `representations` is a dict of the encoders' names to `[n, R]` floats of the
    test images. The other arguments are as in `figures`.
    """
    drawings = (
        (figures.embedding_maps, representations, labels, class_names),
        (figures.similarity_histograms, representations, labels),
        (figures.corruption_bars, errors) if errors else None,
        (figures.training_curves, history) if history is not None else None,
    )
    drawn = []
    for name, drawing in zip(FILES, drawings, strict=True):
        if drawing is not None:
            draw, *arguments = drawing
            with written_whole(output / name) as path:
                draw(*arguments, path)
            drawn.append(name)
    return drawn


def titles_of(config):
    """Returns what figures call the encoder and the baseline, a dict.

    It is the last part of their paths, or `encoder` and `baseline` if that part
    is empty or the same.
    """
    titles = {
        name: pathlib.PurePath(getattr(config, name) or name).name
        for name in ("encoder", "baseline")
    }
    if "" in titles.values() or len(set(titles.values())) < 2:
        return {name: name for name in titles}
    return titles
