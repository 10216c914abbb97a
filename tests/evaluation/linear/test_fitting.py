"""A dense layer fitted to representations that are computed once."""

import json

import keras
import numpy as np
import pytest
from small_models import conv_encoder

from supcon_tf import LabelledImages
from supcon_tf.data.splits import split
from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.linear.fitting import (
    fit_linear_classifier,
    probe_representations,
)


def flatten_encoder():
    return keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Flatten()])


def noisy_images(count=200):
    """Three classes that overlap, so that the weight decay matters."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, count)
    images = random.random((count, 2, 2, 3), "float32") * 0.8
    images[:, 0, 0] += 0.05 * labels[:, None]
    return LabelledImages(images, labels, ("low", "middle", "high"))


def test_a_single_l2_holds_out_nothing(capsys):
    source = noisy_images()
    classifier, results = fit_linear_classifier(flatten_encoder(), source)
    assert classifier.class_names == source.class_names
    assert results.pop("seconds") > 0
    assert results == {"l2": 1.0, "held_out_top_1_accuracies": []}
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_the_accuracies_are_those_of_fits_without_the_held_out_part():
    source = noisy_images()
    candidates = (1e-3, 10.0, 1e5)
    arguments = {"validation_fraction": 0.3, "seed": 4, "verbose": 0}
    classifier, results = fit_linear_classifier(
        flatten_encoder(), source, l2=candidates, **arguments
    )
    assert json.loads(json.dumps(results)) == results
    rest, held_out = split(source, 0.3, seed=4)
    accuracies = []
    for l2, (same, accuracy) in zip(
        candidates, results["held_out_top_1_accuracies"], strict=True
    ):
        fitted, _ = fit_linear_classifier(flatten_encoder(), rest, l2=l2)
        answers = np.argmax(fitted(held_out.images), axis=1)
        accuracies.append(np.mean(answers == held_out.labels))
        assert (same, accuracy) == (l2, accuracies[-1])
    assert len(set(accuracies)) > 1
    best = candidates[int(np.argmax(accuracies))]
    assert results["l2"] == best
    expected, _ = fit_linear_classifier(flatten_encoder(), source, l2=best)
    for a, b in zip(
        classifier.get_weights(), expected.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_present", "num_classes"), [(2, 2), (2, 3), (3, 3)]
)
@pytest.mark.parametrize("l2", [1.0, 100.0])
def test_the_gradient_of_the_penalised_cross_entropy_is_0(
    num_present, num_classes, l2
):
    source = noisy_images()
    source = source.take(np.flatnonzero(source.labels < num_present))
    classifier, _ = fit_linear_classifier(
        flatten_encoder(),
        source,
        l2=l2,
        class_names=source.class_names[:num_classes],
    )
    x = source.images.reshape(len(source), -1).astype("float64")
    scale = x.std(axis=0)
    kernel = classifier.dense.get_weights()[0] * scale[:, None]
    errors = classifier(source.images) - np.eye(num_classes)[source.labels]
    pull = ((x - x.mean(axis=0)) / scale).T @ np.asarray(errors)
    assert np.abs(pull + l2 * kernel).max() < 0.05 * np.abs(pull).max()


def test_of_equally_good_values_the_first_is_chosen():
    _, results = fit_linear_classifier(
        flatten_encoder(), noisy_images(), l2=(3.0, 3.0, 2.9999999), verbose=0
    )
    assert results["l2"] == 3.0


def test_what_cannot_be_chosen_is_refused():
    source = noisy_images(30)
    with pytest.raises(ValueError, match="`l2` must be a finite number > 0"):
        fit_linear_classifier(flatten_encoder(), source, l2=(1.0, -1.0))
    with pytest.raises(ValueError, match="`validation_fraction` must leave 3"):
        fit_linear_classifier(
            flatten_encoder(), source, l2=(1, 2), validation_fraction=0.05
        )
    alone = np.array([0] * 20 + [1] * 9 + [2])
    with pytest.raises(ValueError, match="one image of class 2"):
        fit_linear_classifier(
            flatten_encoder(), (source.images, alone), l2=(1, 2)
        )


@pytest.mark.slow
@pytest.mark.parametrize("l2", [1.0, (100.0, 1.0, 0.01)])
def test_the_probe_is_that_of_the_images(digits, l2):
    train, test = digits
    encoder = conv_encoder()
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
    probe, _ = probe_representations(encoder, x, labels, class_names=list("ab"))
    assert probe(np.zeros((2, 5, 7, 3), "float32")).shape == (2, 2)
    scores = np.asarray(probe.dense(x))
    assert np.mean(scores.argmax(axis=1) == labels) > 0.95
