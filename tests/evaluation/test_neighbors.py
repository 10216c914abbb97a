import warnings

import numpy as np
import pytest
from small_models import blobs, flatten_encoder

from supcon_tf import (
    load_dataset,
)
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.splits import split
from supcon_tf.evaluation import (
    encode_all,
    knn_accuracy,
    nearest_neighbor_accuracy,
)
from supcon_tf.evaluation.neighbors import (
    check_neighbors,
    choose_neighbors,
    knn_accuracies,
)


@pytest.mark.slow
def test_the_nearest_neighbor_is_that_of_scikit_learn():
    from sklearn.neighbors import KNeighborsClassifier

    train, test = load_dataset("digits")
    expected = KNeighborsClassifier(1).fit(
        train.images.reshape(len(train), -1), train.labels
    )
    accuracy = nearest_neighbor_accuracy(train, test, image_size=8)
    assert accuracy == pytest.approx(
        expected.score(test.images.reshape(len(test), -1), test.labels),
        abs=1.5 / 360,  # equal distances
    )


def test_the_vote_of_the_neighbors_is_that_of_a_loop():
    random = np.random.default_rng(0)
    train, test = random.normal(size=(60, 3)), random.normal(size=(40, 3))
    train_labels = random.integers(0, 3, 60)
    test_labels = random.integers(0, 3, 40)

    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def correct(neighbors):
        for row, label in zip(
            unit(test) @ unit(train).T, test_labels, strict=True
        ):
            votes = np.zeros(3)
            for index in np.argsort(-row)[:neighbors]:
                votes[train_labels[index]] += np.exp(row[index] / 0.07)
            yield votes.argmax() == label

    for neighbors in (1, 7, 20, 60):
        accuracy = knn_accuracy(
            train, train_labels, test, test_labels, neighbors=neighbors
        )
        assert accuracy == pytest.approx(np.mean(list(correct(neighbors))))


def test_the_length_of_a_representation_does_not_change_its_neighbors():
    (train, train_labels), (test, test_labels) = (
        encode_all(flatten_encoder(4), blobs(count, count))
        for count in (100, 50)
    )
    lengths = np.random.default_rng(0).uniform(0.1, 9, (100, 1))
    accuracies = [
        knn_accuracy(scale * train, train_labels, test, test_labels)
        for scale in (1, lengths)
    ]
    assert accuracies[0] == accuracies[1] > 0.9


@pytest.mark.parametrize("neighbors", [0, 6, 1.5])
def test_more_neighbors_than_training_images_are_refused(neighbors):
    x, labels = np.eye(5), np.arange(5)
    with pytest.raises(ValueError, match="must be an int from 1 to the number"):
        knn_accuracy(x, labels, x, labels, neighbors=neighbors)


def test_k_is_the_best_on_the_held_out_part(digits):
    train, _ = digits
    x = train.images.reshape(len(train), -1) / 255
    k, accuracies = choose_neighbors(
        x, train.labels, candidates=(200, 1, 7, 400, 451), fraction=0.1, seed=2
    )
    fitted, held_out = split(
        LabelledImages(x, train.labels, list("0123456789")), 0.1, seed=2
    )
    expected = [
        [
            candidate,
            knn_accuracy(
                fitted.images,
                fitted.labels,
                held_out.images,
                held_out.labels,
                neighbors=candidate,
            ),
        ]
        for candidate in (200, 1, 7, 400)
    ]
    assert accuracies == expected
    assert k in (1, 7)
    assert dict(expected)[k] == max(dict(expected).values())


def test_of_equally_good_k_the_first_is_chosen():
    x = np.repeat(np.eye(2), 40, axis=0)
    labels = np.repeat([3, 8], 40)  # not from 0 on
    k, accuracies = choose_neighbors(x, labels, candidates=(5, 1, 20))
    assert k == 5
    assert accuracies == [[5, 1.0], [1, 1.0], [20, 1.0]]


def test_a_k_must_fit():
    with pytest.raises(ValueError, match=r"held out, 18. Rec.*\(19, 50\)"):
        choose_neighbors(
            np.eye(20), np.arange(20) % 2, candidates=(19, 50), fraction=0.1
        )


def test_the_same_images_on_both_sides_are_left_out_of_their_own_neighbors():
    random = np.random.default_rng(0)
    x, labels = random.normal(size=(40, 3)), random.integers(0, 3, 40)
    with pytest.warns(UserWarning, match="left out of its own neighbours"):
        accuracy = knn_accuracy(x, labels, x.copy(), labels, neighbors=5)
    rest = [np.delete(np.arange(40), i) for i in range(40)]
    one_by_one = [
        knn_accuracy(
            x[r], labels[r], x[i : i + 1], labels[i : i + 1], neighbors=5
        )
        for i, r in enumerate(rest)
    ]
    assert accuracy == pytest.approx(np.mean(one_by_one)) and accuracy < 0.7
    with (
        pytest.warns(UserWarning),
        pytest.raises(ValueError, match=r"from 1 to .* 39"),
    ):
        knn_accuracy(x, labels, x, labels, neighbors=40)
    with pytest.warns(UserWarning, match="All 10 test images are among"):
        knn_accuracy(x, labels, x[:10], labels[:10], neighbors=5)


def test_equal_images_are_left_out_one_by_one():
    x, labels = np.ones((6, 2)), np.array([0, 0, 0, 0, 1, 1])
    with pytest.warns(UserWarning):
        accuracy = knn_accuracy(x, labels, x, labels, neighbors=5)
    assert accuracy == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (np.eye(3), [[0], [1], [1]]),
        (np.eye(3), [0, 1]),
        (np.eye(3), [0, np.nan, 1]),
        (np.eye(3), ["a", "b", "b"]),
        (np.eye(3)[None], [0, 1, 1]),
        (np.full((3, 3), np.nan), [0, 1, 1]),
        (np.eye(3)[:0], []),
        (np.eye(4)[:3], [0, 1, 1]),
    ],
)
def test_what_are_no_labelled_rows_is_refused(rows, labels):
    """Test labels [48, 1] made an accuracy of 12."""
    right = np.eye(3), [0, 1, 1]
    for given in ((rows, labels, *right), (*right, rows, labels)):
        with pytest.raises(ValueError, match="Received: "):
            knn_accuracies(*given, neighbors=[1])


def test_the_same_images_on_both_sides_are_told_by_pixels_too():
    images = np.random.default_rng(0).random((6, 4, 4, 3)).astype("float32")
    labels = np.arange(6)
    with pytest.warns(UserWarning, match="All 4 test images"):
        accuracy = nearest_neighbor_accuracy(
            (images, labels), (images[:4], labels[:4]), image_size=4
        )
    assert accuracy == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        nearest_neighbor_accuracy(
            (images, labels), (images[::-1] / 2, labels), image_size=4
        )


def test_the_number_of_neighbors_may_be_an_integer_of_numpy():
    check_neighbors(np.int64(2), 3)
    with pytest.raises(ValueError, match="neighbors=True"):
        check_neighbors(True, 3)
