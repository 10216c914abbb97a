"""Precision@1, R-precision and MAP@R against loops over their definitions."""

import tracemalloc

import numpy as np
import pytest

from supcon_tf.evaluation import retrieval_scores

NAMES = ("precision_at_1", "r_precision", "map_at_r")


def scores_of_ranking(is_right, size):
    """The three scores of one query, from its ranking and R = size."""
    precisions = [sum(is_right[:i]) / i for i in range(1, size + 1)]
    total = 0.0
    for precision, right in zip(precisions, is_right[:size], strict=True):
        if right:
            total += precision
    return precisions[0], precisions[-1], total / size


def loop(x, labels, references=None, reference_labels=None):
    """Means over the queries; ranks by similarity, then by index."""

    def unit(rows):
        rows = np.asarray(rows, np.float64)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    is_one_set = references is None
    y = unit(x if is_one_set else references)
    y_labels = labels if is_one_set else reference_labels
    found = []
    for index, (row, label) in enumerate(zip(unit(x), labels, strict=True)):
        others = [j for j in range(len(y)) if not (is_one_set and j == index)]
        similarity = {j: round(float(row @ y[j]), 9) for j in others}
        ranking = sorted(others, key=lambda j: (-similarity[j], j))
        is_right = [bool(y_labels[j] == label) for j in ranking]
        if any(is_right):
            found.append(scores_of_ranking(is_right, sum(is_right)))
    means = np.mean(found, axis=0).tolist()
    return {
        **dict(zip(NAMES, means, strict=True)),
        "queries": len(found),
        "queries_left_out": len(labels) - len(found),
    }


def clusters(sizes, dim=5, seed=0):
    """Classes of these sizes, in a random order, that overlap."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = random.normal(size=(len(sizes), dim))
    noise = random.normal(size=(len(labels), dim))
    return (centres[labels] + noise).astype("float32"), 7 * labels - 3


def on_a_line(count):
    """Directions that are farther from the first one by index."""
    angles = np.arange(count) / count
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize("block_size", [1, 7, 256])
@pytest.mark.parametrize(
    "sizes", [[2, 2], [30], [1, 2, 3, 9, 25], [1, 1, 1, 2], [20, 20, 20]]
)
def test_the_scores_of_one_set_are_those_of_a_loop(sizes, block_size):
    x, labels = clusters(sizes)
    scores = retrieval_scores(x, labels, block_size=block_size)
    assert scores == pytest.approx(loop(x, labels), rel=1e-12)
    assert scores["queries_left_out"] == sizes.count(1)
    assert all(type(scores[name]) is float for name in NAMES)


@pytest.mark.parametrize("block_size", [1, 6, 256])
def test_the_scores_of_two_sets_are_those_of_a_loop(block_size):
    x, labels = clusters([4, 1, 9, 2])
    # The class of four images has no reference; one has no query.
    y, y_labels = clusters([0, 3, 1, 12, 5], seed=1)
    sets = {"references": y, "reference_labels": y_labels}
    scores = retrieval_scores(x, labels, **sets, block_size=block_size)
    assert scores == pytest.approx(loop(x, labels, **sets), rel=1e-12)
    assert (scores["queries"], scores["queries_left_out"]) == (12, 4)


@pytest.mark.parametrize("block_size", [1, 5, 256])
def test_of_equal_similarities_the_lower_index_is_nearer(block_size):
    random = np.random.default_rng(0)
    # 60 images at 5 points: most similarities are those of several images.
    points = random.normal(size=(5, 9))[random.integers(0, 5, 60)]
    labels = random.integers(0, 4, 60)
    scores = retrieval_scores(points, labels, block_size=block_size)
    assert scores == pytest.approx(loop(points, labels), rel=1e-12)
    # The length is rounded, too.
    lengths = random.uniform(0.1, 9, (60, 1))
    assert scores == pytest.approx(
        retrieval_scores(lengths * points, labels), rel=1e-12
    )


def test_of_identical_images_the_ranking_is_their_order():
    # Without the query: image 0 ranks 1, 2, 3; 1 ranks 0, 2, 3; and so on.
    # Labels 0, 1, 1, 1. Image 0 is alone. R = 2 of the others:
    # 1 ranks (no, yes), 2 ranks (no, yes), 3 ranks (no, yes).
    scores = retrieval_scores(np.ones((4, 3)), [0, 1, 1, 1])
    assert scores == {
        "precision_at_1": 0.0,
        "r_precision": 0.5,
        "map_at_r": 0.25,  # (0 + 1/2) / 2
        "queries": 3,
        "queries_left_out": 1,
    }


def test_a_query_is_not_its_own_neighbor_even_if_it_has_duplicates():
    # Each pair of duplicates has two classes: the nearest is always wrong.
    x = np.repeat(np.eye(3), 2, axis=0)
    labels = [0, 1, 0, 1, 0, 1]
    scores = retrieval_scores(x, labels)
    assert scores["precision_at_1"] == 0
    # As references, an image or its duplicate of a lower index is found.
    sets = {"references": x, "reference_labels": labels}
    assert retrieval_scores(x, labels, **sets)["precision_at_1"] == 0.5


@pytest.mark.parametrize(
    ("right_ranks", "expected"),
    [
        # R = 10. P(1) = 1; the 10th adds P(10) = 2/10, the 2nd P(2) = 1.
        ([1], (1, 1 / 10, 1 / 10)),
        ([1, 10], (1, 2 / 10, (1 + 2 / 10) / 10)),
        ([1, 2], (1, 2 / 10, 2 / 10)),
        (range(1, 11), (1, 1, 1)),
        # Not nearest: P(2) = 1/2 and P(3) = 2/3.
        ([2, 3], (0, 2 / 10, (1 / 2 + 2 / 3) / 10)),
    ],
)
def test_map_at_r_rewards_the_order(right_ranks, expected):
    """Those right beyond the rank R fill up R = 10 and do not count."""
    labels = np.zeros(30, int)
    labels[[rank - 1 for rank in right_ranks]] = 1
    labels[20 : 30 - len(right_ranks)] = 1
    line = on_a_line(31)
    scores = retrieval_scores(
        line[:1], [1], references=line[1:], reference_labels=labels
    )
    assert tuple(scores[name] for name in NAMES) == pytest.approx(expected)


def test_the_scores_are_those_of_pytorch_metric_learning_by_hand():
    """AccuracyCalculator leaves out lone queries, and R is of the others.

    By angle, with R = 2 for the three images of class 0:
      0.0 ranks 0.1 (right), 0.3 (wrong): P(1) = 1, P(2) = 1/2, MAP@R = 1/2
      0.1 ranks 0.0 (right), 0.3 (wrong): the same
      0.7 ranks 0.3 (wrong), 0.1 (right): P(1) = 0, P(2) = 1/2, MAP@R = 1/4
    """
    angles = np.array([0.0, 0.1, 0.3, 0.7, 2.0])
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert retrieval_scores(x, [0, 0, 1, 0, 2]) == {
        "precision_at_1": pytest.approx(2 / 3),
        "r_precision": pytest.approx(1 / 2),
        "map_at_r": pytest.approx((1 / 2 + 1 / 2 + 1 / 4) / 3),
        "queries": 3,
        "queries_left_out": 2,
    }


def test_perfect_classes_have_the_score_1():
    labels = np.arange(30) % 3
    scores = retrieval_scores(np.eye(3)[labels], labels)
    assert [scores[name] for name in NAMES] == [1, 1, 1]


def test_without_two_images_of_a_class_there_are_no_scores():
    assert retrieval_scores(np.eye(3), [5, 6, 7]) == {
        "precision_at_1": None,
        "r_precision": None,
        "map_at_r": None,
        "queries": 0,
        "queries_left_out": 3,
    }


def test_the_similarities_of_all_pairs_are_never_there():
    x, labels = clusters([1000, 1000, 4])
    tracemalloc.start()
    retrieval_scores(x, labels, block_size=20)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * len(x) ** 2 / 10


X = np.eye(3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": [0, 1]}, r"of the 3 `repres.*Received: shape \(2,\), int"),
        ({"labels": [[0], [1], [1]]}, r"`labels` must be integers of shape"),
        ({"labels": ["a", "b", "b"]}, r"`labels` must be integers .*<U1"),
        ({"labels": [0.0, 1.0, np.nan]}, r"`labels` must be integers .*float"),
        (
            {"representations": [[1, 0], [0, np.nan], [1, 1]]},
            r"must be finite .*Received: shape \(3, 2\), NaN or infinity",
        ),
        ({"representations": np.eye(3)[0]}, r"of shape \[n, D\].*\(3,\)"),
        ({"representations": np.zeros((0, 3)), "labels": []}, "must be finite"),
        (
            {"representations": [[1, 0]], "labels": [0]},
            "must be of two or more images.*Received: 1",
        ),
        ({"references": X}, "given together. Received: references alone"),
        ({"reference_labels": [0]}, "Received: reference_labels alone"),
        (
            {"references": X, "reference_labels": [0, 1]},
            "`reference_labels` must be integers .*the 3 `references`",
        ),
        (
            {
                "references": np.full((3, 3), np.inf),
                "reference_labels": [0, 1, 1],
            },
            "`references` must be finite",
        ),
        (
            {"references": np.eye(2), "reference_labels": [0, 1]},
            "as many features as `representations`, 3. Received: 2",
        ),
        ({"block_size": 0}, "`block_size` must be an int >= 1"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, words):
    arguments = {"representations": X, "labels": [0, 1, 1]} | arguments
    with pytest.raises(ValueError, match=words) as caught:
        retrieval_scores(**arguments)
    assert "\n" not in str(caught.value)
