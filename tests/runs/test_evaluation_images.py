"""Which images an evaluation measures."""

import json

import numpy as np
import pytest
from PIL import Image

from supcon_tf.config import EvaluateConfig
from supcon_tf.runs.evaluation_images import image_size_for, images_of


@pytest.fixture
def folder(tmp_path):
    for name, count in (("3", 6), ("cat", 8), ("dog", 8)):
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "test" / name).mkdir(parents=True)
        for number in range(count):
            image = Image.fromarray(np.full((8, 8, 3), number, np.uint8))
            image.save(tmp_path / "train" / name / f"{number}.png")
            image.save(tmp_path / "test" / name / f"{number}.png")
    return tmp_path


def test_unknown_images_are_test_images_of_classes_that_are_not_known(folder):
    config = EvaluateConfig(
        dataset="digits",
        unknown_dataset="folder",
        unknown_data_dir=str(folder),
        max_test_images=10,
    )
    (train, _), transfer, (unknown, left_out) = images_of(config)
    assert transfer is None
    assert "3" in train.class_names
    assert left_out == ["3"]
    assert len(unknown) == 10
    names = {unknown.class_names[label] for label in unknown.labels}
    assert names == {"cat", "dog"}
    assert all(str(folder / "test") in path for path in unknown.images)


def test_without_an_unknown_data_set_there_are_none():
    _, transfer, unknown = images_of(EvaluateConfig(dataset="digits"))
    assert transfer is None
    assert unknown == (None, [])


def test_a_data_set_of_known_classes_alone_is_refused():
    config = EvaluateConfig(dataset="digits", unknown_dataset="digits")
    with pytest.raises(ValueError, match="unknown_dataset: `dataset` must hav"):
        images_of(config)


def test_a_runs_encoder_sees_the_size_of_its_training(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"dataset": "digits", "image_size": 24})
    )
    config = EvaluateConfig(encoder=str(tmp_path))
    assert image_size_for(config, config.encoder) == 24
    assert image_size_for(config, "supcon_tf:NAME") is None
    asked = EvaluateConfig(encoder=str(tmp_path), image_size=16)
    assert image_size_for(asked, asked.encoder) == 16
