"""A classifier tells how it wants its photographs."""

import json

import keras
import numpy as np
import pytest

from supcon_tf import LinearClassifier
from supcon_tf.photographs.asked_classifier import asked_classifier


def saved(path, encoder, **told):
    classifier = LinearClassifier(encoder, 2, ("grass", "sea"), **told)
    classifier(keras.ops.zeros((1, 40, 40, 3)))
    classifier.save(path)
    return path


def test_the_file_says_its_size_and_resizing(any_size_encoder, tmp_path):
    told = {"image_size": (40, 30), "resizing": "resize_then_crop"}
    path = saved(tmp_path / "c.keras", any_size_encoder, **told)
    asked = asked_classifier(path).asked
    assert (asked.image_size, asked.resizing) == ((40, 30), told["resizing"])
    with pytest.raises(ValueError, match="must be that of the classifier's"):
        asked_classifier(path, image_size=20)
    assert asked_classifier(path).class_names == ["grass", "sea"]


def test_an_old_file_takes_what_its_workdir_says(any_size_encoder, tmp_path):
    path = saved(tmp_path / "classifier.keras", any_size_encoder)
    with pytest.raises(ValueError, match="`image_size` must be given"):
        asked_classifier(tmp_path)
    config = {"image_size": 40, "dataset": "folder"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    results = {"config": {"eval_augmentation": "resize_then_crop"}}
    (tmp_path / "linear_eval.json").write_text(json.dumps(results))
    asked = asked_classifier(tmp_path).asked
    assert asked.image_size == (40, 40)
    assert asked.resizing == "resize_then_crop"
    with pytest.raises(ValueError, match="`image_size` must be given"):
        asked_classifier(path)  # alone
    asked = asked_classifier(path, image_size=20).asked
    assert (asked.image_size, asked.resizing) == ((20, 20), "center_crop")


def test_what_is_no_classifier_is_one_line(color_encoder, tmp_path):
    color_encoder.save(tmp_path / "classifier.keras")
    for where, words in (
        (tmp_path, "must be a LinearClassifier"),
        (tmp_path / "none.keras", "must be a .keras file or a workdir"),
        (None, "must be a LinearClassifier"),
    ):
        with pytest.raises(ValueError, match=words):
            asked_classifier(where)


def test_scores_are_written_as_people_do(any_size_encoder, tmp_path):
    """A score of 0.3 was 0.30000001192092896 in a file."""
    path = saved(tmp_path / "c.keras", any_size_encoder, image_size=(40, 40))
    photo = tmp_path / "photo.png"
    keras.utils.save_img(photo, np.full((40, 40, 3), 200.0), scale=False)
    ((prediction,), _) = asked_classifier(path).predict([photo])
    assert len(prediction.scores) == 2
    for score in prediction.scores:
        assert score == round(score, 7) and len(str(score)) <= 9
