"""Settings as JSON, and what is wrong with a file of them."""

import json

import pytest

from supcon_tf.config import LinearEvalConfig, PretrainConfig
from supcon_tf.config.settings import read_json, to_json
from supcon_tf.recipes import RECIPES
from supcon_tf.recipes.linear import LINEAR_RECIPES


@pytest.mark.parametrize(
    "config", [*RECIPES.values(), *LINEAR_RECIPES.values()]
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
        json.dumps({"typo": 1}),
        json.dumps({**VALUES, "typo": 1}),
        json.dumps({**VALUES, "l2": ["a"]}),
        json.dumps({**VALUES, "max_iterations": 3.5}),
        json.dumps({**VALUES, "data_dir": 3}),
        json.dumps({**VALUES, "l2": 1.0}),
        "\udcff",
    ],
)
def test_a_damaged_file_is_named(text, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError) as error:
        read_json(LinearEvalConfig, path, required=("l2",))
    assert str(error.value).startswith(f"{path} must hold the settings")


def test_a_setting_that_is_younger_than_the_file_has_its_default(tmp_path):
    values = {k: v for k, v in VALUES.items() if k != "safe_mode"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(values))
    assert read_json(LinearEvalConfig, path) == LinearEvalConfig()


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"epochs": 1' + "0" * 400 + "}", '{"width": 1e999}'],
)
def test_a_hostile_config_is_one_line(text, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"config.json must hold the") as error:
        read_json(PretrainConfig, path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000
