"""Which figures an evaluation has."""

import numpy as np
from PIL import Image

from supcon_tf.evaluation.figure_files import draw_evaluation

LABELS = np.arange(20) % 2
REPRESENTATIONS = np.random.default_rng(0).normal(size=(20, 4)), LABELS


def test_an_encoder_alone_has_a_map_and_histograms(tmp_path):
    names = draw_evaluation(tmp_path, {"encoder": REPRESENTATIONS}, "ab")
    assert names == ["embedding_map.png", "similarities.png"]
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_a_baseline_has_its_own_and_the_rest_is_drawn_if_it_is_there(tmp_path):
    history = tmp_path / "history.csv"
    history.write_text("epoch,loss\n1,3\n2,2\n")
    names = draw_evaluation(
        tmp_path,
        {"encoder": REPRESENTATIONS, "baseline": REPRESENTATIONS},
        "ab",
        errors={"encoder": {"fog": (0.1,)}, "baseline": {"fog": (0.2,)}},
        history=history,
    )
    assert names == [
        "embedding_map.png",
        "similarities.png",
        "embedding_map_baseline.png",
        "similarities_baseline.png",
        "corruptions.png",
        "training.png",
    ]
    for name in names:
        with Image.open(tmp_path / name) as image:
            assert image.format == "PNG"
