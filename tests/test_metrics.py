import numpy as np
import pytest

from supcon_tf import supcon_loss
from supcon_tf.metrics import collapsed_loss, top_1_accuracy


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("labels", [None, [0, 1, 0, 2, 1, 0], [3] * 6])
def test_collapsed_loss_is_the_loss_of_identical_projections(views, labels):
    z = np.ones((6, views, 4), "float32")
    np.testing.assert_allclose(
        collapsed_loss(labels, z),
        np.mean(supcon_loss(labels, z)),
        rtol=1e-6,
    )


def test_collapsed_loss_takes_projections_without_a_views_axis():
    z = np.ones((4, 8), "float32")
    np.testing.assert_allclose(collapsed_loss([0, 0, 1, 1], z), np.log(3))
    assert collapsed_loss([0], np.ones((1, 8))) == 0


def test_top_1_accuracy_is_the_share_of_right_argmaxes():
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    assert top_1_accuracy(scores, np.array([1, 0, 0, 0])) == 0.5
