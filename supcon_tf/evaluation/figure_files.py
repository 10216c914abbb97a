"""The figures of an evaluation: which there are, and their files."""

from supcon_tf.evaluation import figures
from supcon_tf.files import written_whole


def draw_evaluation(
    output, representations, class_names, *, errors=None, history=None
):
    """Draws what there is to draw of an encoder and its baseline.

    Args:
      output: `pathlib.Path` of the folder to write to.
      representations: dict of `encoder`, and `baseline` if there is one, to
        pairs: test representations `[n, R]` and labels `[n]`.
      class_names: names of the classes.
      errors: None, or a dict as for `figures.corruption_bars`.
      history: None, or the path of a history.csv.

    Returns:
      The names of the files, a list.
    """
    drawings = {}
    for name, (x, labels) in representations.items():
        suffix = "" if name == "encoder" else f"_{name}"
        drawings |= {
            f"embedding_map{suffix}.png": (
                figures.embedding_map,
                x,
                labels,
                class_names,
            ),
            f"similarities{suffix}.png": (
                figures.similarity_histograms,
                x,
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
