"""Tests of hub_export/provenance.py: what a card tells of a training."""

import dataclasses
import json
import re

import pytest
from card_facts import CONFIG, FACTS

from hub_export.card import provenance
from supcon_tf.config import PretrainConfig
from supcon_tf.recipes import RECIPES
from supcon_tf.training.objectives import OBJECTIVES
from supcon_tf.training.unused_settings import unused_settings


def shown_settings(config):
    text = provenance.settings(config)
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    return json.loads(block)


def test_one_sentence_describes_it():
    assert provenance.description(CONFIG, 128) == (
        "Image encoder (resnet18, width 0.25) trained on cifar10 by supervised "
        "contrastive learning: RGB images to 128 features"
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "Image encoder: RGB images to 8 features"),
        ({"dataset": "folder"}, "Image encoder trained on a folder of images:"),
        ({"encoder": "vit_b16", "width": 1.0}, "Image encoder (vit_b16): RGB"),
        ({"objective": "cross_entropy"}, "encoder trained by cross-entropy:"),
        ({"initial_encoder": "a", "encoder": "resnet18"}, "Image encoder: RGB"),
    ],
)
def test_a_description_leaves_out_what_is_not_recorded(config, words):
    assert words in provenance.description(config, 8)


def test_every_objective_has_its_words():
    for name in OBJECTIVES:
        config = {"objective": name}
        assert f"by {name}:" not in provenance.description(config, 8)
        assert f"`{name}`" not in provenance.objective(config, {})


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_settings_of_a_recipe_are_those_that_had_a_part(name):
    config = dataclasses.asdict(RECIPES[name])
    shown = shown_settings(config)
    as_json = json.loads(json.dumps(config))
    assert all(as_json[key] == value for key, value in shown.items())
    left_out = config.keys() - shown.keys()
    unused = unused_settings(vars(RECIPES[name]))
    of_the_machine = {"data_dir", "download", "safe_mode", "strategy"}
    of_the_machine |= {"image_cache", "image_cache_gb"}
    for key in left_out - of_the_machine:
        assert key in unused or config[key] is None, key
    assert not shown.keys() & unused.keys()


def test_paths_of_the_makers_machine_are_not_shown():
    config = {**CONFIG, "initial_encoder": "/home/jane/runs/first.keras"}
    assert "first.keras" in provenance.initialization(config)
    assert shown_settings(config)["initial_encoder"] == "first.keras"
    text = provenance.settings(config) + provenance.initialization(config)
    assert "/home" not in text


def test_any_part_of_the_settings_may_be_missing():
    whole = dataclasses.asdict(PretrainConfig())
    for key in whole:
        config = {k: v for k, v in whole.items() if k != key}
        assert key not in shown_settings(config)
        assert provenance.description(config, 8)
        assert provenance.initialization(config)
        assert provenance.objective(config, FACTS["callables"])
        assert provenance.unit_length(config)
        only = {key: whole[key]}
        assert provenance.settings(only).count("```") == 2
        assert provenance.description(only, 8)
        assert provenance.objective(only, {})


@pytest.mark.parametrize(
    ("config", "rate"),
    [
        ({"base_learning_rate": 0.5, "batch_size": 128}, "was 0.25."),
        ({**CONFIG, "learning_rate": 0.3}, "was 0.3."),
        ({"base_learning_rate": 0.5}, None),
    ],
)
def test_the_peak_learning_rate_is_told_where_it_is_known(config, rate):
    text = provenance.settings(config)
    assert ("peak learning rate" in text) == (rate is not None)
    assert rate is None or rate in text


def test_its_peak_learning_rate_is_that_of_the_config():
    for config in RECIPES.values():
        text = provenance.settings(dataclasses.asdict(config))
        assert f"was {config.peak_learning_rate:g}." in text


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "What the training started from is not recorded. Seed: not rec"),
        ({"seed": 3}, "is not recorded. Seed: 3."),
        ({"initial_encoder": None}, "Trained from random weights."),
        ({"encoder": "keras_cv:resnet50"}, "Trained from `keras_cv:resnet50`"),
        ({"initial_encoder": "https://a.b/c"}, "Trained from `https://a.b/c`"),
    ],
)
def test_what_it_started_from_is_told(config, words):
    assert words in provenance.initialization(config)


def test_objective_temperature_and_head_are_told():
    text = provenance.objective(CONFIG, FACTS["callables"])
    for words in (
        "supervised contrastive loss of [Khosla",
        "Temperature: 0.07.",
        "dense layers of 128 and 64, with BatchNormalization.",
        "`encoder.projection(images)` and `encoder.projection_head(features)`",
    ):
        assert words in text
    text = provenance.objective(CONFIG, {})
    assert "No projection head is in this SavedModel." in text


def test_another_loss_is_named_and_has_a_temperature_only_if_it_takes_one():
    config = {**CONFIG, "loss": "sincere", "loss_margin": 0.25}
    assert "by supervised contrastive learning (SINCERE): RGB images" in (
        provenance.description(config, 128)
    )
    text = provenance.objective(config, {})
    assert "Objective: SINCERE of [Feeney & Hughes 2023](https:" in text
    assert "Temperature: 0.07." in text
    assert shown_settings(config)["loss_margin"] == 0.25
    config = {**CONFIG, "objective": "simclr", "loss": "cacr"}
    text = provenance.objective(config, {})
    assert "2105.03746), without labels." in text
    assert "Temperature" not in text


def test_an_objective_of_both_has_a_classifier_a_head_and_a_weight():
    config = {
        **CONFIG,
        "objective": "supcon_cross_entropy",
        "contrast_weight": 0.5,
    }
    text = provenance.objective(config, {})
    for words in (
        "of a linear classifier that was trained with the encoder",
        "Weight of the contrastive loss: 0.5.",
        "Temperature: 0.07.",
        "dense layers of 128 and 64",
    ):
        assert words in text
    assert "Weight" not in provenance.objective(CONFIG, {})


@pytest.mark.parametrize("name", ["cross_entropy", "max_margin"])
def test_a_classifier_has_neither_temperature_nor_head(name):
    text = provenance.objective({**CONFIG, "objective": name}, {})
    assert "Temperature" not in text
    assert "There was no projection head." in text


def test_of_nothing_recorded_nothing_is_told():
    text = provenance.objective({}, {})
    assert "The objective is not recorded." in text
    assert "Temperature" not in text
    assert "```" not in provenance.settings({})
    assert provenance.architecture({}) is provenance.dataset({}) is None


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"normalize_representation": True}, "are scaled to unit length."),
        ({"normalize_representation": False}, "are not scaled"),
        ({}, "is not recorded."),
    ],
)
def test_the_length_of_the_features_is_told(config, words):
    assert words in provenance.unit_length(config)


def test_a_folder_of_ones_own_is_no_data_set_of_tf_hub():
    assert provenance.dataset({"dataset": "folder"}) is None
    assert provenance.dataset(CONFIG) == "cifar10"
