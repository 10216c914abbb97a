"""AnchorLoss, and a loss of one's own."""

import numpy as np
import pytest
from family import IDS, Z

from supcon_tf.losses.anchor_loss import AnchorLoss
from supcon_tf.losses.pairs.sums import sums_over_pairs
from supcon_tf.losses.pairs.terms import Exps


class LogSums(AnchorLoss):
    """The log-sum-exp of the similarities to all others."""

    def losses_of_anchors(self, contrasts, *, in_tiles):
        return sums_over_pairs(contrasts, [Exps()], in_tiles=in_tiles)[0]


@pytest.mark.parametrize("implementation", ["auto", "dense", "tiled"])
@pytest.mark.parametrize("anchors", ["all", "first"])
def test_the_loss_of_an_image_is_the_mean_of_its_anchors(
    implementation, anchors
):
    z = (Z / np.linalg.norm(Z, axis=2, keepdims=True)).reshape(12, 3)
    e = np.exp(z @ z.T / 0.5)
    np.fill_diagonal(e, 0)
    of_rows = np.log(e.sum(axis=1)).reshape(6, 2)
    expected = of_rows.mean(axis=1) if anchors == "all" else of_rows[:, 0]
    loss = LogSums(
        0.5,
        anchors=anchors,
        implementation=implementation,
        reduction=None,
        dtype="float64",
    )
    np.testing.assert_allclose(loss(IDS, Z), expected, rtol=1e-12)
    assert LogSums.from_config(loss.get_config()).anchors == anchors


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"anchors": "second"},
        {"implementation": "fast"},
        {"unlabeled_label": 0.5},
    ],
)
def test_an_argument_that_is_not_allowed_is_refused(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        LogSums(**{"temperature": 0.5} | options)
