"""The files of TensorBoard's projector."""

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig

from supcon_tf.photographs.projector import write_projector

X = np.random.default_rng(0).normal(size=(5, 3))
IMAGES = np.full((5, 8, 8, 3), 128, np.uint8)
NAMES = ["a\tb.jpg", "c\nd.jpg", "猫.jpg", '"q".jpg', "e.jpg"]


def write(folder, **options):
    write_projector(
        folder,
        IMAGES,
        [0, 1, 1, 0, 1],
        {"own": X, "other": X[:, :2]},
        class_names=["x", "y"],
        names=NAMES,
        **options,
    )


def test_the_config_names_files_that_are_there_and_fit(tmp_path):
    write(tmp_path)
    config = text_format.Parse(
        (tmp_path / "projector_config.pbtxt").read_text(), ProjectorConfig()
    )
    assert [e.tensor_name for e in config.embeddings] == ["own", "other"]
    for embedding, x in zip(config.embeddings, (X, X[:, :2]), strict=True):
        vectors = np.loadtxt(tmp_path / embedding.tensor_path, delimiter="\t")
        np.testing.assert_allclose(vectors, x, rtol=1e-5)
        side, other = embedding.sprite.single_image_dim
        assert side == other
        with Image.open(tmp_path / embedding.sprite.image_path) as sprite:
            assert sprite.size == (3 * side, 2 * side)  # 5 images
        assert (tmp_path / embedding.metadata_path).exists()
    assert not list(tmp_path.glob(".*.partial*"))


def test_each_image_has_one_row_of_the_table_whatever_its_name(tmp_path):
    write(tmp_path, predictions={"own": [0, 1, 0, 0, 1]})
    header, *rows = (tmp_path / "metadata.tsv").read_text("utf-8").splitlines()
    assert header.split("\t") == ["class", "file", "prediction"]
    assert [row.split("\t") for row in rows] == [
        ["x", "a b.jpg", "x"],
        ["y", "c d.jpg", "y"],
        ["y", "猫.jpg", "x"],
        ["x", '"q".jpg', "x"],
        ["y", "e.jpg", "y"],
    ]


def test_predictions_of_two_encoders_have_a_column_each(tmp_path):
    answers = np.zeros(5, int)
    write(tmp_path, predictions={"own": answers, "other": answers})
    header = (tmp_path / "metadata.tsv").read_text("utf-8").split("\n")[0]
    assert header.split("\t")[2:] == ["own: prediction", "other: prediction"]
