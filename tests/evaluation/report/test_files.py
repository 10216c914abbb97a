"""Which figures an evaluation has."""

import numpy as np
import pytest
from PIL import Image

from supcon_tf.evaluation.report.files import draw_evaluation

LABELS = np.arange(20) % 2
REPRESENTATIONS = np.random.default_rng(0).normal(size=(20, 4))


def test_an_encoder_alone_has_a_map_and_histograms(tmp_path):
    names = draw_evaluation(
        tmp_path, {"a": REPRESENTATIONS}, LABELS, ["a", "b"]
    )
    assert names == ["embedding_map.png", "similarities.png"]
    assert {path.name for path in tmp_path.iterdir()} == set(names)


@pytest.mark.slow
def test_the_rest_is_drawn_if_it_is_there(tmp_path):
    history = tmp_path / "history.csv"
    history.write_text("epoch,loss\n1,3\n2,2\n")
    names = draw_evaluation(
        tmp_path,
        {"a": REPRESENTATIONS, "b": REPRESENTATIONS},
        LABELS,
        "ab",
        errors={"a": {"fog": (0.1,)}, "b": {"fog": (0.2,)}},
        history=history,
    )
    assert names == [
        "embedding_map.png",
        "similarities.png",
        "corruptions.png",
        "training.png",
    ]
    for name in names:
        with Image.open(tmp_path / name) as image:
            assert image.format == "PNG"
