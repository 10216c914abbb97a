"""The settings of an evaluation: what they may be."""

import pytest

from supcon_tf.config import EvaluateConfig
from supcon_tf.config.settings import read_json, to_json


def test_it_survives_json(tmp_path):
    config = EvaluateConfig(
        encoder="runs/digits", corruptions=("pixelate",), severities=(1, 5)
    )
    path = tmp_path / "config.json"
    path.write_text(to_json(config))
    assert read_json(EvaluateConfig, path) == config


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_size", 0),
        ("max_samples", 0),
        ("max_test_images", 0),
        ("l2", ()),
        ("l2", (0.0,)),
        ("neighbors", (0,)),
        ("neighbors", (1.5,)),
        ("validation_fraction", 1.0),
        ("corruptions", ()),
        ("severities", ()),
        ("severities", (1, 6)),
        ("severities", (1, 1)),
        ("corrupted", "made"),
        ("seed", -1),
        ("encoder", 3),
    ],
)
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        EvaluateConfig(**{name: value})
