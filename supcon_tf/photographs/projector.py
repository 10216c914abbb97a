"""Writes what TensorBoard's projector shows: vectors, names, small images."""

import math
import pathlib

import numpy as np

from supcon_tf.files import only_writer, written_whole
from supcon_tf.frameworks.extras import check_extra
from supcon_tf.photographs.thumbnails import sprite

_MOST_PIXELS = 8192  # a side of the sprite: what a browser's WebGL takes
_SIDE = 64


def write_projector(
    folder, images, labels, features, *, class_names, names, predictions=None
):
    r"""Writes a folder that `tensorboard --logdir=FOLDER` opens as a projector.

    The files are tensors_0.tsv with the vectors of the first encoder,
    tensors_1.tsv with those of the second and so on, metadata.tsv with the
    class, the name and the prediction of each image, sprite.png with the images
    and projector_config.pbtxt, which is written last.

    Args:
      folder: path of the folder, which is made if needed.
      images: `[n, H, W, C]` uint8 (0 to 255) or float (0 to 1), or n paths of
        image files.
      labels: `[n]` integers in [0, C).
      features: dict of the encoders' names to `[n, R]` finite floats.
      class_names: names of the C classes.
      names: n strings, what the images are called.
      predictions: dict of the encoders' names to `[n]` integers in [0, C).
        None, the default, leaves them out.

    Raises:
      ValueError: if the images are not as described, or TensorBoard is not
        installed.
      FolderInUseError: if another process writes to the folder.

    Example:
      >>> write_projector(
      ...     "projector", images, labels, {"encoder": projections[:, 0]},
      ...     class_names=list("abcd"), names=[f"{n}.jpg" for n in range(8)],
      ... )
      >>> with open("projector/metadata.tsv") as file:
      ...     file.read().splitlines()[:2]
      ['class\tfile', 'a\t0.jpg']
    """
    check_extra("tensorboard", "`projector`")
    from tensorboard.plugins.projector import ProjectorConfig

    folder = pathlib.Path(folder)
    columns = math.ceil(math.sqrt(len(labels)))
    side = min(_SIDE, _MOST_PIXELS // columns)
    if isinstance(images, np.ndarray) and images.ndim == 4:
        side = min(side, max(images.shape[1:3]))
    config = ProjectorConfig()
    with only_writer(folder):
        for number, (name, x) in enumerate(features.items()):
            file = f"tensors_{number}.tsv"
            with written_whole(folder / file) as path:
                np.savetxt(path, x, fmt="%.6g", delimiter="\t")
            embedding = config.embeddings.add(
                tensor_name=_one_line(name),
                tensor_path=file,
                metadata_path="metadata.tsv",
            )
            embedding.sprite.image_path = "sprite.png"
            embedding.sprite.single_image_dim.extend([side, side])
        rows = _metadata(labels, class_names, names, predictions or {})
        with written_whole(folder / "metadata.tsv") as path:
            path.write_text(rows, encoding="utf-8", errors="replace")
        with written_whole(folder / "sprite.png") as path:
            sprite(images, side).save(path)
        with written_whole(folder / "projector_config.pbtxt") as path:
            path.write_text(str(config), encoding="utf-8")


def _metadata(labels, class_names, names, predictions):
    """The table of the images, a row of column names first."""
    columns = {
        "class": [class_names[label] for label in labels],
        "file": names,
    }
    for name, of_encoder in predictions.items():
        column = (
            "prediction" if len(predictions) == 1 else f"{name}: prediction"
        )
        columns[column] = [class_names[answer] for answer in of_encoder]
    rows = [columns, *zip(*columns.values(), strict=True)]
    return "".join("\t".join(map(_one_line, row)) + "\n" for row in rows)


def _one_line(text):
    """The text without what would end a cell or a row."""
    return " ".join(str(text).split())
