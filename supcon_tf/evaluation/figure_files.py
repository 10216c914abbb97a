"""The figures of an evaluation: which there are, and their files."""

from supcon_tf.evaluation import figures
from supcon_tf.files import written_whole


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
    drawings = {
        "embedding_map.png": (
            figures.embedding_maps,
            representations,
            labels,
            class_names,
        ),
        "similarities.png": (
            figures.similarity_histograms,
            representations,
            labels,
        ),
    }
    if errors:
        drawings["corruptions.png"] = (figures.corruption_bars, errors)
    if history is not None:
        drawings["training.png"] = (figures.training_curves, history)
    for name, (draw, *arguments) in drawings.items():
        with written_whole(output / name) as path:
            draw(*arguments, path)
    return list(drawings)
