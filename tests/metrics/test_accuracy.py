import numpy as np

from supcon_tf.metrics.accuracy import top_1_accuracy


def test_top_1_accuracy_is_the_share_of_right_argmaxes():
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    assert top_1_accuracy(np.array([1, 0, 0, 0]), scores) == 0.5
