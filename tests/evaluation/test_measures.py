"""Probe, neighbours and geometry of an encoder, each against its reference."""

import io

import keras
import numpy as np
import prepared_tfds
import pytest
from sklearn.neighbors import KNeighborsClassifier

from supcon_tf import LinearClassifier, load_dataset, metrics
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.evaluation import (
    classification_accuracy,
    linear_probe,
    retrieval_scores,
)
from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.measured_images import parts_of
from supcon_tf.evaluation.measures import measure
from supcon_tf.evaluation.neighbors import choose_neighbors
from supcon_tf.evaluation.representations import effective_rank
from supcon_tf.metrics.accuracy import top_accuracies


@pytest.fixture(scope="module")
def digits():
    train, test = load_dataset("digits")
    return train.take(np.arange(400)), test.take(np.arange(150))


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
        ]
    )


@pytest.fixture(scope="module")
def measured(encoder, digits):
    return measure(encoder, *digits, neighbors=(1, 3, 9), l2=(10.0, 1.0))


@pytest.mark.slow
def test_the_probe_is_that_of_the_public_function(encoder, digits, measured):
    classifier, *_, results = measured
    train, test = digits
    probe = linear_probe(encoder, train, l2=(10.0, 1.0), verbose=0)
    expected = classification_accuracy(probe, test)
    for name in ("top_1_accuracy", "top_5_accuracy"):
        assert results["linear_probe"][name] == pytest.approx(expected[name])
    assert classification_accuracy(classifier, test) == pytest.approx(expected)
    accuracies = results["linear_probe"]["held_out_top_1_accuracies"]
    assert [value for value, _ in accuracies] == [10.0, 1.0]
    best, _ = max(accuracies, key=lambda pair: pair[1])
    assert results["linear_probe"]["l2"] == best


@pytest.mark.slow
def test_the_neighbors_are_those_of_scikit_learn(encoder, digits, measured):
    *_, results = measured
    (x, y), (x_test, y_test) = (encode_all(encoder, part) for part in digits)
    k, accuracies = choose_neighbors(x, y, candidates=(1, 3, 9))
    expected = KNeighborsClassifier(
        k, metric="cosine", weights=lambda d: np.exp(-d / 0.07)
    ).fit(x, y)
    assert results["knn"] == {
        "top_1_accuracy": pytest.approx(expected.score(x_test, y_test)),
        "neighbors": k,
        "held_out_top_1_accuracies": accuracies,
    }


@pytest.mark.slow
def test_retrieval_is_among_the_test_images(measured):
    _, x, labels, results = measured
    assert results["retrieval"] == retrieval_scores(x, labels)
    assert results["retrieval"]["queries"] == 150
    # Chance is about 0.1.
    assert 0.3 < results["retrieval"]["map_at_r"] < 1


@pytest.mark.slow
def test_the_geometry_is_that_of_the_test_representations(
    encoder, digits, measured
):
    _, x, labels, results = measured
    expected_x, expected_labels = encode_all(encoder, digits[1])
    np.testing.assert_array_equal(x, expected_x)
    np.testing.assert_array_equal(labels, expected_labels)
    assert results["num_features"] == x.shape[1] == 72
    assert results["effective_rank"] == effective_rank(x)
    # Wang and Isola, pair by pair.
    z = x / np.linalg.norm(x, axis=1, keepdims=True)
    squares = np.square(z[:, None] - z[None]).sum(axis=2)
    is_pair = ~np.eye(len(z), dtype=bool)
    same = (labels[:, None] == labels) & is_pair
    assert results["alignment"] == pytest.approx(squares[same].mean(), rel=1e-4)
    assert results["uniformity"] == pytest.approx(
        np.log(np.exp(-2 * squares[is_pair]).mean()), rel=1e-4
    )
    alignment = float(metrics.alignment(labels, x))
    assert results["alignment"] == round(alignment, 7)


@pytest.mark.slow
def test_the_encoder_is_in_inference_mode_and_stays_as_it_was(encoder, digits):
    before = encoder.get_weights()
    measure(encoder, *digits, neighbors=(1,))
    for a, b in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_terminal_shows_what_is_being_computed(encoder, digits, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    measure(encoder, *digits, neighbors=(1, 3), title="mine")
    shown = terminal.getvalue()
    places = [
        shown.index(f"mine, {what}:")
        for what in (
            "training images",
            "test images",
            "choice of k",
            "nearest neighbours",
            "linear probe",
            "retrieval",
            "alignment",
            "uniformity",
            "effective rank",
        )
    ]
    assert places == sorted(places)
    assert "5/5" in shown[places[-1] :]


@pytest.mark.parametrize("num_classes", [3, 5, 6, 9])
def test_top_5_is_that_of_the_ranks(num_classes):
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Flatten()])
    classifier = LinearClassifier(encoder, num_classes)
    classifier.build((None, 2, 2, 3))
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 12)).astype("float32")
    labels = random.integers(0, num_classes, 200)
    scores = np.asarray(classifier.dense(x))
    ranks = np.sum(scores > scores[range(200), labels][:, None], axis=1)
    accuracies = top_accuracies(classifier, x, labels)
    assert accuracies["top_1_accuracy"] == np.mean(ranks < 1)
    if num_classes > 5:
        assert accuracies["top_5_accuracy"] == np.mean(ranks < 5)
    else:
        assert accuracies["top_5_accuracy"] is None


def test_the_calibration_error_is_that_of_the_probabilities_not_their_softmax():
    encoder = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Flatten()])
    classifier = LinearClassifier(encoder, 3)
    classifier.build((None, 2, 2, 3))
    kernel = np.zeros((12, 3))
    kernel[:3] = 20 * np.eye(3)  # as sure as can be
    classifier.dense.set_weights([kernel, np.zeros(3)])
    labels = np.arange(12) % 3
    x = np.eye(12)[labels]
    accuracies = top_accuracies(classifier, x, labels)
    assert accuracies["top_1_accuracy"] == 1
    assert accuracies["expected_calibration_error"] < 1e-6
    wrong = top_accuracies(classifier, x, (labels + 1) % 3)
    assert wrong["expected_calibration_error"] > 1 - 1e-6


@pytest.mark.slow
def test_streamed_images_have_the_results_of_those_in_memory(
    encoder, tmp_path, monkeypatch
):
    splits = {"train": [30, 20], "validation": [10]}
    prepared_tfds.write(tmp_path, "imagenet2012", splits)
    results = {}
    for form, limit in (("stream", 1000), ("memory", 10**9)):
        monkeypatch.setattr(
            "supcon_tf.data.tfds_images.MAX_BYTES_IN_MEMORY", limit
        )
        parts = parts_of(
            "imagenet2012", data_dir=tmp_path, validation_fraction=0.2
        )
        assert isinstance(parts[0], StreamedImages) == (form == "stream")
        *_, results[form] = measure(
            encoder,
            *parts,
            image_size=8,
            neighbors=(1, 3),
            validation_fraction=0.2,
        )
    assert results["stream"] == results["memory"]
