"""Additive margin: cosines and loss against loops."""

import json

import numpy as np
import pytest

from supcon_tf.losses.additive_margin import AdditiveMarginLoss
from supcon_tf.models.heads import CosineSimilarities

LABELS = np.array([0, 2, 1, 2, 0])


def loop_margin(labels, cosines, margin, scale):
    losses = []
    for label, row in zip(labels, cosines, strict=True):
        right = np.exp(scale * (row[label] - margin))
        wrong = sum(np.exp(scale * c) for k, c in enumerate(row) if k != label)
        losses.append(-np.log(right / (right + wrong)))
    return losses


@pytest.mark.parametrize(("margin", "scale"), [(0.35, 30), (0.0, 1), (1.5, 5)])
def test_the_margin_is_subtracted_from_the_cosine_of_the_true_class(
    margin, scale
):
    cosines = np.random.default_rng(0).uniform(-1, 1, (5, 3))
    loss = AdditiveMarginLoss(margin, scale, reduction="none", dtype="float64")
    np.testing.assert_allclose(
        loss(np.eye(3)[LABELS], cosines),
        loop_margin(LABELS, cosines, margin, scale),
        rtol=1e-6,
    )


def test_cosines_are_those_of_representations_and_class_vectors():
    layer = CosineSimilarities(3)
    x = np.random.default_rng(0).random((5, 6), "float32")
    cosines = layer(x)
    kernel = layer.kernel.numpy()
    for i, row in enumerate(x):
        for j, vector in enumerate(kernel.T):
            length = np.linalg.norm(row) * np.linalg.norm(vector)
            assert abs(cosines[i, j] - row @ vector / length) < 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": -0.1}, "`margin` must be in"),
        ({"margin": 2.0}, "`margin` must be in"),
        ({"scale": 0}, "`scale` must be > 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdditiveMarginLoss(**arguments)


def test_the_margin_loss_survives_its_config():
    loss = AdditiveMarginLoss(0.2, 7.0)
    config = json.loads(json.dumps(loss.get_config()))
    again = AdditiveMarginLoss.from_config(config)
    assert (again.margin, again.scale) == (0.2, 7.0)
