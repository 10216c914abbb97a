"""AUROC and FPR at 95 % TPR, beside loops straight from their definitions."""

import numpy as np
import pytest

from supcon_tf.metrics.open_set import auroc, fpr_at_95_tpr


def auroc_by_loop(known, unknown):
    wins = 0.0
    for near in known:
        for far in unknown:
            wins += 1.0 if far > near else 0.5 if far == near else 0.0
    return wins / (len(known) * len(unknown))


def fpr_by_loop(known, unknown):
    for threshold in sorted(known):
        kept = sum(1 for value in known if value <= threshold)
        if 100 * kept >= 95 * len(known):
            taken = sum(1 for value in unknown if value <= threshold)
            return taken / len(unknown)
    raise AssertionError("the largest keeps all")


@pytest.mark.parametrize("sizes", [(1, 1), (7, 20), (20, 3), (100, 41)])
@pytest.mark.parametrize("decimals", [1, 9])  # with many ties, and without
def test_both_are_those_of_a_loop(sizes, decimals):
    random = np.random.default_rng(sum(sizes))
    known = random.normal(size=sizes[0]).round(decimals)
    unknown = random.normal(0.7, size=sizes[1]).round(decimals)
    assert auroc(known, unknown) == pytest.approx(
        auroc_by_loop(known, unknown), abs=1e-12
    )
    assert fpr_at_95_tpr(known, unknown) == fpr_by_loop(known, unknown)


def test_auroc_is_that_of_scikit_learn():
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    known = random.normal(size=50).round(1)
    unknown = random.normal(1, size=30).round(1)
    expected = roc_auc_score([0] * 50 + [1] * 30, [*known, *unknown])
    assert auroc(known, unknown) == pytest.approx(expected)


def test_95_percent_are_counted_without_rounding_errors():
    assert fpr_at_95_tpr(np.arange(20), [17.5, 18, 18.5]) == pytest.approx(
        2 / 3
    )
    assert fpr_at_95_tpr(np.arange(19), [17.5, 18, 18.5]) == pytest.approx(
        2 / 3
    )


@pytest.mark.parametrize("wrong", [[], [[1.0]], [np.nan], [np.inf]])
@pytest.mark.parametrize("function", [auroc, fpr_at_95_tpr])
def test_what_is_no_list_of_distances_is_refused(function, wrong):
    with pytest.raises(ValueError, match="`known` must be one or more finite"):
        function(wrong, [1.0])
    with pytest.raises(ValueError, match="`unknown` must be one or more"):
        function([1.0], wrong)
