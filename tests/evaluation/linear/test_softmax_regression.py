"""Softmax regression has one optimum, and reaches it."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from supcon_tf.evaluation.linear import softmax_regression as regression


def overlapping(count=600, dim=12, num_classes=5):
    """Correlated features of overlapping classes, unequal in size."""
    random = np.random.default_rng(0)
    ids = random.integers(0, num_classes, count) * random.integers(0, 2, count)
    ids[:num_classes] = np.arange(num_classes)
    x = random.normal(size=(count, dim)) @ random.normal(size=(dim, dim))
    x += 0.5 * random.normal(size=(num_classes, dim))[ids]
    return (x - x.mean(axis=0)).astype("float32"), ids


def objective(x, ids, kernel, bias, l2):
    scores = x.astype("float64") @ kernel + bias
    largest = scores.max(axis=1)
    sums = np.log(np.exp(scores - largest[:, None]).sum(axis=1)) + largest
    own = scores[np.arange(len(ids)), ids]
    return np.sum(sums - own) + l2 * np.sum(kernel**2) / 2


@pytest.mark.parametrize("l2", [0.01, 1.0, 100.0])
def test_the_optimum_is_that_of_scikit_learn_in_float64(l2):
    x, ids = overlapping()
    kernel, bias = regression.softmax_regression(x, ids, num_classes=5, l2=l2)
    expected = LogisticRegression(C=1 / l2, tol=1e-8, max_iter=2000)
    expected.fit(x.astype("float64"), ids)
    least = objective(x, ids, expected.coef_.T, expected.intercept_, l2)
    assert objective(x, ids, kernel, bias, l2) == pytest.approx(least, rel=1e-6)
    np.testing.assert_allclose(kernel, expected.coef_.T, atol=5e-3)
    assert abs(bias.sum()) < 1e-4  # scores have no common shift


def test_blocks_of_rows_add_up_to_the_gradient_of_finite_differences(
    monkeypatch,
):
    monkeypatch.setattr(regression, "_ROWS", 7)
    x, ids = overlapping(40, 3, 3)
    random = np.random.default_rng(1)
    kernel, bias = random.normal(size=(3, 3)), random.normal(size=3)
    value, slopes = regression._cross_entropy(x, ids, kernel, bias)
    assert value == pytest.approx(objective(x, ids, kernel, bias, 0), rel=1e-5)
    for row, column in np.ndindex(4, 3):
        ends = []
        for step in (-1e-4, 1e-4):
            moved = np.concatenate([kernel, bias[None]])
            moved[row, column] += step
            ends.append(objective(x, ids, moved[:-1], moved[-1], 0))
        slope = (ends[1] - ends[0]) / 2e-4
        assert slopes[row, column] == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_features_that_repeat_or_say_nothing_do_no_harm():
    x, ids = overlapping(200, 4, 3)
    twice = np.concatenate([x, x, np.zeros((200, 1), "float32")], axis=1)
    kernel, _ = regression.softmax_regression(twice, ids, num_classes=3, l2=1)
    np.testing.assert_allclose(kernel[:4], kernel[4:8], atol=1e-4)
    np.testing.assert_array_equal(kernel[8], 0)


def test_too_few_iterations_are_said():
    x, ids = overlapping()
    with pytest.warns(UserWarning, match="`max_iterations` must be higher"):
        regression.softmax_regression(
            x, ids, num_classes=5, l2=0.01, max_iterations=2
        )
