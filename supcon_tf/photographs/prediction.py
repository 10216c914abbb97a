"""A classifier's answer on a photograph, and a table of answers."""

import dataclasses

from supcon_tf.photographs.listing import printable

NONE_OF_THESE = "none of these"
# In a workdir, the `KnownPhotographs` that tell what is none of these.
KNOWN_FILE = "known_photographs.npz"


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A classifier's answer on a photograph.

    Attributes:
      path: its path, as it was given.
      name: the class of the highest score, or `"none of these"`.
      classes: the classes, the highest score first.
      scores: their scores, floats that sum to 1.
      distance: None, or the distance to the nearest training images.
      is_known: None, or whether that distance is below the threshold.
    """

    path: str
    name: str
    classes: list[str]
    scores: list[float]
    distance: float | None = None
    is_known: bool | None = None


def table(predictions, top=1):
    """Predictions as lines of text.

    Args:
      predictions: list of `Prediction`.
      top: how many classes are shown.

    Returns:
      A string.

    Example:
      >>> print(table([Prediction("a.jpg", "cat", ["cat", "dog"], [0.9, 0.1])]))
      photograph  class  score
      a.jpg       cat     0.90
    """
    paths = [printable(p.path) for p in predictions]
    width = max(map(len, ["photograph", *paths]))
    name_width = max(len(p.name) for p in predictions)
    name_width = max(name_width, len("class"))
    lines = [f"{'photograph':{width}}  {'class':{name_width}}  score"]
    for path, prediction in zip(paths, predictions, strict=True):
        shown = list(zip(prediction.classes, prediction.scores, strict=True))
        # The best class of what is unknown is among the others.
        rest = shown[:top] if prediction.is_known is False else shown[1:top]
        score = "" if prediction.is_known is False else f"{shown[0][1]:.2f}"
        others = ", ".join(f"{name} {value:.2f}" for name, value in rest)
        line = f"{path:{width}}  {prediction.name:{name_width}}  {score:>5}"
        lines.append(f"{line}  {others}".rstrip())
    unknown = sum(p.is_known is False for p in predictions)
    if unknown:
        lines.append(f"{unknown} of {len(predictions)}: {NONE_OF_THESE}")
    return "\n".join(lines)
