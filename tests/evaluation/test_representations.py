"""Probe, choice of k, effective rank and pairs of representations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf import load_dataset
from supcon_tf.data.datasets import split
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.evaluation import knn_accuracy
from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.linear.fitting import fit_linear_classifier
from supcon_tf.evaluation.representations import (
    NotFiniteError,
    choose_neighbors,
    effective_rank,
    encode_with_progress,
    of_unit_length,
    pair_similarities,
    probe_representations,
)


def small_encoder(size=8):
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.Conv2D(6, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
        ]
    )


@pytest.fixture(scope="module")
def digits():
    train, test = load_dataset("digits")
    return train.take(np.arange(500)), test


@pytest.mark.slow
def test_it_encodes_as_encode_all_does(digits):
    train, _ = digits
    encoder = small_encoder(6)
    for source in (train, tf.data.Dataset.from_tensor_slices(train.images)):
        if source is not train:
            labels = tf.data.Dataset.from_tensor_slices(train.labels)
            source = tf.data.Dataset.zip((source, labels))
        got = encode_with_progress(encoder, source, image_size=6)
        for a, b in zip(got, encode_all(encoder, train), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_representations_that_are_not_finite_are_refused(digits, value):
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Flatten(),
            keras.layers.Rescaling(1.0, offset=value),
        ]
    )
    with pytest.raises(NotFiniteError, match="must return finite"):
        encode_with_progress(encoder, digits[0])


@pytest.mark.slow
@pytest.mark.parametrize("l2", [1.0, (100.0, 1.0, 0.01)])
def test_the_probe_is_that_of_the_images(digits, l2):
    train, test = digits
    encoder = small_encoder()
    expected, expected_choice = fit_linear_classifier(
        encoder, train, l2=l2, validation_fraction=0.2, seed=1, verbose=0
    )
    probe, choice = probe_representations(
        encoder,
        *encode_all(encoder, train),
        class_names=train.class_names,
        l2=l2,
        validation_fraction=0.2,
        seed=1,
    )
    assert probe.encoder is encoder
    assert probe.class_names == expected.class_names
    del choice["seconds"], expected_choice["seconds"]
    assert choice == expected_choice
    images = test.images / np.float32(255)
    np.testing.assert_allclose(
        probe.predict(images, verbose=0),
        expected.predict(images, verbose=0),
        atol=1e-6,
    )


def test_the_probe_of_an_encoder_of_any_size_is_built():
    encoder = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    labels = (x[:, 0] > 0).astype(int)
    probe, _ = probe_representations(encoder, x, labels, class_names="ab")
    assert probe(np.zeros((2, 5, 7, 3), "float32")).shape == (2, 2)
    scores = np.asarray(probe.dense(x))
    assert np.mean(scores.argmax(axis=1) == labels) > 0.95


def test_k_is_the_best_on_the_held_out_part(digits):
    train, _ = digits
    x = train.images.reshape(len(train), -1) / 255
    k, accuracies = choose_neighbors(
        x, train.labels, candidates=(200, 1, 7, 400, 451), fraction=0.1, seed=2
    )
    fitted, held_out = split(
        LabelledImages(x, train.labels, "0123456789"), 0.1, seed=2
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


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_directions_of_the_same_spread_are_counted(rank):
    random = np.random.default_rng(0)
    q, _ = np.linalg.qr(random.normal(size=(12, 12)))
    x = np.concatenate([np.eye(rank), -np.eye(rank)]) @ q[:rank] + 7
    assert effective_rank(x) == pytest.approx(rank)
    assert effective_rank(np.float32(1e-3 * x)) == pytest.approx(rank, rel=1e-3)


def test_the_effective_rank_is_that_of_the_equation():
    # Singular values 3 * sqrt(2) and sqrt(2): shares 3/4 and 1/4.
    value = effective_rank([[3, 0], [-3, 0], [0, 1], [0, -1]])
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert value == pytest.approx(np.exp(entropy))


def test_random_directions_are_nearly_all_counted():
    x = np.random.default_rng(0).normal(size=(5000, 30))
    assert 29.5 < effective_rank(x) < 30


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_collapsed_encoder_has_the_rank_0(value):
    assert effective_rank(np.full((37, 5), value)) == 0
    assert effective_rank([[value, 2.0]]) == 0


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((0, 3)), [[np.nan, 1.0]]])
def test_what_are_no_representations_is_refused(x):
    with pytest.raises(ValueError, match="must be finite floats of shape"):
        effective_rank(x)


def test_pairs_are_of_one_class_or_of_two():
    # Class 0 lies at the angle 0, class 1 at 60 degrees, of any lengths.
    angle = np.pi / 3
    directions = np.array([[1, 0], [np.cos(angle), np.sin(angle)]])
    labels = np.array([0, 1, 1, 0, 1, 0, 0])
    x = directions[labels] * np.arange(1, 8)[:, None]
    similarities = pair_similarities(x, labels, max_pairs=500)
    assert list(similarities) == ["one class", "two classes"]
    np.testing.assert_allclose(similarities["one class"], 1)
    np.testing.assert_allclose(similarities["two classes"], 0.5)
    assert len(similarities["two classes"]) == 500
    # An image with itself, one in 3 or 4, is left out.
    assert 300 < len(similarities["one class"]) < 420


def test_the_seed_decides_the_pairs():
    random = np.random.default_rng(0)
    x, labels = random.normal(size=(50, 4)), random.integers(0, 3, 50)
    first, again, other = (
        pair_similarities(x, labels, seed=seed)["two classes"]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("labels", "words"),
    [([0, 0, 0], "of two classes"), ([0, 1, 2], "of one class")],
)
def test_pairs_that_there_are_not_are_named(labels, words):
    with pytest.raises(ValueError, match=f"pairs of images {words}"):
        pair_similarities(np.eye(3), labels)


def test_a_representation_of_length_0_is_similar_to_none():
    x = np.array([[0.0, 0.0], [1, 0], [2, 0]])
    similarities = pair_similarities(x, [0, 0, 1], max_pairs=50)
    assert set(similarities["one class"]) == {0.0}


def test_of_unit_length_are_all_but_those_of_length_0():
    x = of_unit_length([[3, 4], [0, 0], [0, -1e-9]])
    np.testing.assert_allclose(x, [[0.6, 0.8], [0, 0], [0, -1]])
