import dataclasses
import json

import pytest

from supcon_tf.config import (
    LinearEvalConfig,
    PretrainConfig,
    read_json,
    to_json,
)
from supcon_tf.recipes import RECIPES


@pytest.mark.parametrize(
    "config", [*RECIPES.values(), LinearEvalConfig(l2=7.0)]
)
def test_a_config_survives_json(config, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(to_json(config))
    assert read_json(type(config), path) == config


VALUES = json.loads(to_json(LinearEvalConfig()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[1]",
        "{}",
        json.dumps({**VALUES, "typo": 1}),
        json.dumps({**VALUES, "l2": "a"}),
        json.dumps({**VALUES, "max_iterations": 3.5}),
        json.dumps({**VALUES, "data_dir": 3}),
        json.dumps({**VALUES, "l2": [1.0]}),
        "\udcff",
    ],
)
def test_a_damaged_file_is_named(text, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError) as error:
        read_json(LinearEvalConfig, path)
    assert str(error.value).startswith(f"{path} must hold the settings")


def test_the_peak_learning_rate_scales_with_the_images_of_a_batch():
    config = PretrainConfig(
        base_learning_rate=0.5, batch_size=1024, num_views=4
    )
    assert config.peak_learning_rate == 2.0
    config = dataclasses.replace(config, learning_rate=0.3)
    assert config.peak_learning_rate == 0.3


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("temperature", 0.0, "> 0"),
        ("temperature", -1.0, "> 0"),
        ("batch_size", 0, ">= 1"),
        ("epochs", 0, ">= 1"),
        ("num_views", 0, ">= 1"),
        ("image_size", 0, ">= 1"),
        ("width", 0.0, "> 0"),
        ("learning_rate", 0.0, "> 0"),
        ("momentum", 1.0, "in [0, 1)"),
        ("validation_fraction", 1.0, "in (0, 1)"),
        ("validation_fraction", 0.0, "in (0, 1)"),
        ("seed", -1, "in [0, 2**32)"),
        ("projection_units", (), "one or more ints >= 1"),
        ("projection_units", (8, 0), "one or more ints >= 1"),
        ("temperature", float("inf"), "a finite number"),
        ("learning_rate", float("nan"), "a finite number"),
        ("epochs", 2.5, "an integer"),
        ("epochs", True, "an integer"),
        ("encoder", 18, "str"),
        ("std", (1.0, float("nan"), 1.0), "a finite number or a tuple of them"),
        ("warmup_epochs", 100.0, "< epochs=100"),
        ("weight_decay", -1e-4, ">= 0"),
        ("warmup_epochs", -1.0, ">= 0"),
        ("mean", (0.5,), "three floats, R, G and B"),
        ("queue_size", -1, ">= 0"),
        ("encoder_momentum", 1.0, "in [0, 1)"),
        ("encoder_momentum", -0.1, "in [0, 1)"),
        ("encoder_momentum", 0.9, "None without a queue, queue_size=0"),
        ("num_microbatches", 0, ">= 1"),
        ("sync_batch_norm", 1, "bool"),
    ],
)
def test_values_out_of_range_are_named_with_what_is_allowed(
    name, value, allowed
):
    with pytest.raises(ValueError) as error:
        PretrainConfig(**{name: value})
    assert str(error.value) == (
        f"`{name}` must be {allowed}. Received: {name}={value!r}"
    )


def test_a_queue_and_a_cap_of_positives_do_not_go_together():
    PretrainConfig(queue_size=64, encoder_momentum=0.0)
    with pytest.raises(ValueError, match="`positives_cap` must be None with a"):
        PretrainConfig(queue_size=64, positives_cap=2)
