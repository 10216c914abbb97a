import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.losses.pairs.contrasts import compared_with
from supcon_tf.losses.supcon import _losses_of_anchors


def by_loops(own, others, classes, anchors, summation):
    """Eq. 2 or 3 of each anchor; `others` are contrasts but no anchors."""
    everything = np.concatenate([own, others])
    losses = []
    for i in anchors:
        similarities = everything @ own[i]
        is_other = np.arange(len(everything)) != i
        positives = np.flatnonzero(is_other & (classes == classes[i]))
        if not len(positives):
            losses.append(0.0)
            continue
        ratios = np.exp(similarities[positives]) / np.sum(
            np.exp(similarities[is_other])
        )
        mean = np.log(ratios).mean()
        if summation == "inside":
            mean = np.log(ratios.mean())
        losses.append(-mean)
    return np.array(losses)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("summation", "in_tiles", "bound"),
    [
        ("outside", False, 40.0),
        ("inside", False, 40.0),
        ("outside", True, 40.0),
        ("outside", True, None),
        ("inside", True, 40.0),
        ("inside", True, None),
    ],
)
def test_losses_with_a_queue_are_those_of_the_loops(
    stride, summation, in_tiles, bound
):
    generator = np.random.default_rng(0)
    own, others = generator.normal(size=(8, 3)), generator.normal(size=(5, 3))
    ids, queue_ids = np.array([0, 1, 0, 2]), np.array([0, 2, 1, 5, 5])
    is_filled = np.array([True, True, True, True, False])
    others[~is_filled] = 0

    def losses_of(own):
        contrasts = compared_with(
            own,
            ids,
            views=2,
            stride=stride,
            bound=bound,
            queue=(queue_ids, others, is_filled),
        )
        return _losses_of_anchors(contrasts, summation, in_tiles)

    variable = tf.Variable(own)
    with tf.GradientTape() as tape:
        losses = losses_of(tf.convert_to_tensor(variable))
    gradient = tape.gradient(losses, variable)

    classes = np.concatenate([np.repeat(ids, 2), queue_ids[:4]])
    anchors = range(0, 8, stride)

    def expected(own):
        return by_loops(own, others[:4], classes, anchors, summation)

    np.testing.assert_allclose(losses, expected(own), rtol=1e-12)
    for index in np.ndindex(8, 3):
        shift = np.zeros((8, 3))
        shift[index] = 1e-6
        slope = (expected(own + shift) - expected(own - shift)).sum() / 2e-6
        np.testing.assert_allclose(gradient[index], slope, atol=1e-7)
