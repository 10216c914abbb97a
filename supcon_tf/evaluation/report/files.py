"""The figures of an evaluation: which there are, and their files."""

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
    """Draws what there is to draw of an encoder and its baseline.

    Args:
      output: `pathlib.Path` of the folder to write to.
      representations: dict of the encoders' names to `[n, R]` floats, of the
        test images.
      labels: `[n]` integers.
      class_names: names of the classes.
      errors: None, or a dict as for `figures.corruption_bars`.
      history: None, or the path of a history.csv.

    Returns:
      The names of the files, a list.
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
    """What figures call encoder and baseline: the last part of where they are.

    If that does not tell them apart, what they are.
    """
    titles = {
        name: pathlib.PurePath(getattr(config, name) or name).name
        for name in ("encoder", "baseline")
    }
    if "" in titles.values() or len(set(titles.values())) < 2:
        return {name: name for name in titles}
    return titles
