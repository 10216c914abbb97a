"""CLIP and its relatives."""

import numpy as np
import pytest
import tensorflow as tf
from family import Z
from sheet import X2

from supcon_tf import CrossViewLoss, similarities


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
def test_clip_is_the_cross_entropy_of_both_directions(implementation):
    z = Z / np.linalg.norm(Z, axis=2, keepdims=True)
    logits = z[:, 0] @ z[:, 1].T / 0.2
    expected = [
        tf.nn.sparse_softmax_cross_entropy_with_logits(np.arange(6), x)
        for x in (logits, logits.T)
    ]
    options = {
        "implementation": implementation,
        "reduction": None,
        "dtype": "float64",
    }
    clip = CrossViewLoss(None, 0.2, **options)
    np.testing.assert_allclose(
        clip(None, Z), np.mean(expected, axis=0), rtol=1e-12
    )
    one_way = CrossViewLoss(None, 0.2, anchors="first", **options)
    np.testing.assert_allclose(one_way(None, Z), expected[0], rtol=1e-12)


def test_images_that_are_not_mixed_make_mixco_clip():
    labels = np.stack([np.ones(4), np.arange(4), [2, 0, 3, 1]], axis=1)
    mixco = CrossViewLoss(
        similarities.Mixed(), 0.5, positives_mean="one", dtype="float64"
    )
    clip = CrossViewLoss(None, 0.5, dtype="float64")
    np.testing.assert_allclose(mixco(labels, X2), clip(None, X2), rtol=1e-12)


def test_one_view_is_refused():
    with pytest.raises(ValueError, match="two or more views"):
        CrossViewLoss()(None, Z[:, :1])
