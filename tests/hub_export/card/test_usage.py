"""Tests of hub_export/usage.py: the code of a model card, pasted and run."""

import ast
import inspect
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from card_facts import CONFIG, EVALUATION, FACTS
from keras import layers

from hub_export.card import model_card, usage
from hub_export.saved_model import write_saved_model
from supcon_tf.models.linear_classifier import LinearClassifier
from supcon_tf.photographs.unknown import KnownPhotographs

SMALL = {**FACTS, "features": 6, "sizes": [(9, 8)]}


def blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def block_with(words):
    """The only block of code in which the words stand."""
    text = usage.model_usage(SMALL) + usage.fine_tuning_code(SMALL)
    (block,) = [block for block in blocks(text) if words in block]
    return block


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            layers.Input((None, None, 3)),
            layers.Conv2D(6, 3, kernel_regularizer="l2"),
            layers.BatchNormalization(momentum=0.5),
            layers.GlobalAveragePooling2D(),
        ]
    )


@pytest.fixture(scope="module")
def folder(encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("usage")
    write_saved_model(encoder, folder / "DIR")
    return folder


@pytest.fixture
def run(folder, monkeypatch):
    """A function that runs a block beside the SavedModel, by itself."""

    def run(block):
        monkeypatch.chdir(folder)
        names = {}
        exec(block, names)
        return names

    return run


def test_every_block_of_a_card_is_python_of_at_most_80_columns():
    card = model_card(
        FACTS,
        publisher="jane",
        model_name="resnet18-cifar10",
        license="Apache 2.0",
        config=CONFIG,
        evaluation=EVALUATION,
    )
    assert len(blocks(card)) == 10
    assert card.count("```") == 2 * (10 + 3)  # settings, commands, archive
    for block in blocks(card):
        ast.parse(block)
        assert max(map(len, block.splitlines())) <= 80
        assert any(x in block for x in ('"DIR"', "model_download", "hf://"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "features = encoder(images)  # [4",
        'supcon_tf.HubEncoder("DIR")]',
        "TFSMLayer",
        "serving_default",
        "tf_keras",
    ],
)
def test_each_way_to_load_it_gives_the_encoders_features(run, encoder, words):
    names = run(block_with(words))
    assert names["images"].shape == (4, 9, 8, 3)
    np.testing.assert_allclose(
        names["features"], encoder(names["images"]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
def test_a_photograph_is_asked_about_in_four_lines(
    encoder, tmp_path, monkeypatch, capsys
):
    classifier = LinearClassifier(encoder, 3, ("airplane", "cat", "ship"))
    classifier(np.zeros((1, 9, 8, 3), np.float32))
    classifier.dense.bias.assign([0, 9, 0])
    preprocessing = FACTS["preprocessing"]
    known = KnownPhotographs(np.eye(2, encoder.output_shape[1]), [-1.0])
    facts = write_saved_model(
        encoder,
        tmp_path / "DIR",
        classifier=classifier,
        preprocessing=preprocessing,
        known=known,
    )
    keras.utils.save_img(tmp_path / "photo.jpg", np.zeros((50, 40, 3)))
    monkeypatch.chdir(tmp_path)
    names = {}
    code = block_with("photo.jpg")
    assert len(code.split("\n\n")[1].splitlines()) == 4
    text = usage.model_usage({**SMALL, "known": facts["known"]})
    exec(next(x for x in blocks(text) if "photo.jpg" in x), names)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("tf.Tensor(b'cat'")
    assert second.startswith("tf.Tensor([ True]")  # none of these
    assert names["images"].shape == (1, 32, 32, 3)
    assert names["encoder"].image_size().numpy().tolist() == [32, 32]
    text = usage.model_usage({**SMALL, "callables": {}})
    assert "classifier" not in text
    assert "photo.jpg" not in usage.model_usage(
        {**SMALL, "preprocessing": None}
    )


@pytest.mark.slow
def test_a_tfsm_layer_moves_batch_statistics_in_fit(run):
    names = run(block_with("TFSMLayer"))
    before = [v.numpy() for v in names["layer"].variables]
    images = keras.Input((9, 8, 3))
    features = names["layer"](images)["features"]
    model = keras.Model(images, layers.Dense(2)(features))
    model.compile("sgd", "mse")
    model.fit(names["images"], tf.zeros((4, 2)), verbose=0)
    after = [v.numpy() for v in names["layer"].variables]
    assert len(before) == 6
    for old, new in zip(before, after, strict=True):
        assert not np.array_equal(old, new)


@pytest.mark.slow
def test_the_fine_tuning_changes_every_weight(run):
    names = run(block_with("model.fit"))
    before = tf.saved_model.load("DIR").variables
    after = names["encoder"].get_weights()
    assert len(before) == 6
    for old, new in zip(before, after, strict=True):
        assert not np.array_equal(old, new), old.name
    assert len(names["encoder"].losses) == 1


def test_of_a_fixed_size_the_images_of_the_code_have_it():
    facts = {**FACTS, "images": (None, 24, 32, 3), "sizes": [(24, 32)]}
    text = usage.model_usage(facts) + usage.fine_tuning_code(facts)
    sizes = re.findall(r"\((?:4, |64, )?(\d+, \d+), 3\)", text)
    assert set(sizes) == {"24, 32"}
    assert len(sizes) == 9


def test_kaggle_gets_handles_without_a_version():
    text = usage.kaggle("jane/net/tensorFlow2/default", notes="Version 2")
    upload, load = blocks(text)
    assert "license_name" not in text
    assert 'version_notes="Version 2"' in upload
    for block in (upload, load):
        assert '"jane/net/tensorFlow2/default"' in block


@pytest.mark.slow
def test_kagglehub_takes_the_arguments_of_the_upload():
    kagglehub = pytest.importorskip("kagglehub")
    text = usage.kaggle("jane/net/tensorFlow2/default", license="MIT", notes="")
    call = ast.parse(blocks(text)[0]).body[-1].value
    inspect.signature(kagglehub.model_upload).bind(
        *(argument.value for argument in call.args),
        **{keyword.arg: keyword.value.value for keyword in call.keywords},
    )
