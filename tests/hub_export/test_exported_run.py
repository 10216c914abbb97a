"""Tests of hub_export/exported_run.py: what an export takes from a run."""

import json

import keras
import numpy as np
import pytest
from tiny_encoder import tiny

from hub_export.exported_run import ExportedRun
from supcon_tf.models.classification_model import ClassificationModel
from supcon_tf.models.heads import ProjectionHead
from supcon_tf.models.joint_model import JointModel
from supcon_tf.models.linear_classifier import LinearClassifier
from supcon_tf.models.supcon_model import SupConModel
from supcon_tf.photographs.asked_classifier import asked_classifier
from supcon_tf.photographs.unknown import KnownPhotographs

IMAGES = np.zeros((1, 8, 8, 3), np.float32)


def new_encoder():
    return tiny((8, 8, 3))


@pytest.fixture
def workdir(tmp_path):
    encoder = new_encoder()
    model = SupConModel(encoder, ProjectionHead((5,)))
    model(IMAGES[None])
    classifier = LinearClassifier(encoder, 2, ("cat", "dog"))
    classifier(IMAGES)
    encoder.save(tmp_path / "encoder.keras")
    model.save(tmp_path / "supcon_model.keras")
    classifier.save(tmp_path / "classifier.keras")
    return tmp_path


def read(workdir, *, projection=False, classifier=False, unknown=False):
    return ExportedRun(
        workdir,
        include_projection=projection,
        include_classifier=classifier,
        include_unknown=unknown,
        safe_mode=True,
    )


def write(workdir, name, **values):
    (workdir / name).write_text(json.dumps(values))


@pytest.mark.slow
def test_head_and_classifier_are_read_when_asked(workdir):
    assert read(workdir).parts == {"projection_head": None, "classifier": None}
    parts = read(workdir, projection=True, classifier=True).parts
    assert parts["projection_head"].units == (5,)
    assert parts["classifier"].class_names == ("cat", "dog")


@pytest.mark.slow
def test_the_known_photographs_are_those_of_the_encoder(workdir):
    asked = asked_classifier(workdir)
    known = KnownPhotographs(np.eye(2), [0.5], fingerprint="of another")
    known.save(workdir / "known_photographs.npz")
    with pytest.raises(ValueError, match="which is of another one"):
        read(workdir, unknown=True)
    fingerprint = asked.asked.fingerprint
    known = KnownPhotographs(np.eye(2), [0.5], fingerprint=fingerprint)
    known.save(workdir / "known_photographs.npz")
    assert read(workdir, unknown=True).known.threshold == 0.5
    assert read(workdir).known is None


@pytest.mark.slow
def test_the_head_of_a_joint_model_is_read_too(workdir):
    (workdir / "supcon_model.keras").unlink()
    encoder = keras.saving.load_model(workdir / "encoder.keras")
    model = JointModel(encoder, ProjectionHead((7,)), 2)
    model(IMAGES[None])
    model.save(workdir / "joint_model.keras")
    parts = read(workdir, projection=True).parts
    assert parts["projection_head"].units == (7,)


@pytest.mark.slow
def test_the_encoder_alone_is_enough(workdir):
    run = read(workdir)
    assert run.config is run.evaluation is run.class_names is None
    assert run.name == "tiny"


@pytest.mark.slow
def test_settings_are_completed_by_the_defaults(workdir):
    write(workdir, "config.json", dataset="a:b", encoder="c", image_size=8)
    run = read(workdir)
    assert run.config["objective"] == "supcon"
    assert run.name == "a-b_c"


@pytest.mark.slow
def test_a_width_is_in_the_name(workdir):
    settings = {"dataset": "cifar10", "encoder": "resnet18", "image_size": 8}
    write(workdir, "config.json", **settings, width=0.25)
    assert read(workdir).name == "cifar10_resnet18_w025"


@pytest.mark.slow
def test_class_names_are_those_of_the_evaluation(workdir):
    results = {"class_names": ["cat", "dog"], "num_test_images": 2}
    write(workdir, "linear_eval.json", **results)
    assert read(workdir).class_names == ("cat", "dog")


@pytest.mark.slow
def test_a_first_answer_tells_its_evaluation_and_no_training(workdir):
    settings = {"dataset": "folder", "encoder": "c", "image_size": 8}
    start = "/home/jane/lite0.keras"
    write(workdir, "config.json", **settings, initial_encoder=start)
    results = {"class_names": ["cat", "dog"], "num_test_images": 2}
    write(workdir, "first_answer.json", **results)
    run = read(workdir)
    assert run.config["is_trained"] is False
    assert not {"objective", "loss", "epochs", "encoder"} & run.config.keys()
    assert (run.evaluation, run.class_names) == (results, ("cat", "dog"))
    assert run.name == "folder_lite0"


@pytest.mark.slow
def test_class_names_of_the_classifier_need_no_evaluation(workdir):
    assert read(workdir, classifier=True).class_names == ("cat", "dog")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "name"),
    [
        ("keras:EfficientNetB0", "folder_EfficientNetB0"),
        ("https://tfhub.dev/a/b/1", "folder_tfhub-dev-a-b-1"),
    ],
)
def test_the_name_is_that_of_the_encoder_that_was_trained_further(
    start, name, workdir
):
    settings = {"dataset": "folder", "encoder": "resnet18", "image_size": 8}
    write(workdir, "config.json", **settings, initial_encoder=start)
    assert read(workdir).name == name


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["config.json", "linear_eval.json", "first_answer.json"]
)
@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000])
def test_damaged_json_is_refused_in_one_line(name, text, workdir):
    write(workdir, "config.json", dataset="a", encoder="c", image_size=8)
    (workdir / name).write_text(text)
    with pytest.raises(ValueError, match=f"{name} must hold"):
        read(workdir)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "option"),
    [("supcon_model", "projection"), ("classifier", "classifier")],
)
def test_parts_of_another_encoder_are_refused(name, option, workdir):
    new_encoder().save(workdir / "encoder.keras")
    with pytest.raises(ValueError, match=f"{name}.keras must be that of"):
        read(workdir, **{option: True})
    (workdir / f"{name}.keras").unlink()
    with pytest.raises(ValueError, match=f"{name}.keras, which does not exist"):
        read(workdir, **{option: True})


@pytest.mark.slow
def test_a_run_without_a_head_has_no_projection(workdir):
    encoder = keras.saving.load_model(workdir / "encoder.keras")
    model = SupConModel(encoder)
    model(IMAGES[None])
    model.save(workdir / "supcon_model.keras")
    with pytest.raises(ValueError, match="needs a run with a projection head"):
        read(workdir, projection=True)
    model = ClassificationModel(encoder, 2)
    model(IMAGES[None])
    model.save(workdir / "supcon_model.keras")
    with pytest.raises(ValueError, match="needs a run with a projection head"):
        read(workdir, projection=True)


def test_the_images_are_brought_to_the_size_of_the_training(workdir):
    """Otherwise a consumer resizes in a way of his own."""
    at_its_own = {"image_size": (8, 8), "resizing": "center_crop"}
    assert read(workdir).preprocessing == at_its_own
    tiny((None, None, 3)).save(workdir / "encoder.keras")
    assert read(workdir).preprocessing is None
    settings = {"dataset": "digits", "encoder": "tiny", "image_size": 12}
    write(workdir, "config.json", **settings)
    results = {"config": {"eval_augmentation": "resize_then_crop"}}
    write(workdir, "linear_eval.json", num_test_images=3, **results)
    told = {"image_size": (12, 12), "resizing": "resize_then_crop"}
    assert read(workdir).preprocessing == told
