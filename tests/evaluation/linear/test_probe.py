import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import blobs, flatten_encoder

from supcon_tf import augmentations
from supcon_tf.data.datasets import load_dataset
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.splits import split
from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.linear.probe import (
    classification_accuracy,
    linear_probe,
    probe_accuracy,
)
from supcon_tf.metrics.accuracy import top_1_accuracy
from supcon_tf.models.linear_classifier import LinearClassifier


def test_the_probe_separates_what_is_linearly_separable(capsys):
    classifier = linear_probe(flatten_encoder(4), blobs(200, 0), blobs(80, 1))
    images, labels = blobs(80, 1)
    assert top_1_accuracy(labels, classifier(images)) == 1
    out = capsys.readouterr().out
    assert out == "linear probe: top-1 1.0000 on 80 test images\n"


@pytest.mark.release
def test_the_probe_is_about_as_good_as_plain_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    train, test = load_dataset("digits")
    classifier = linear_probe(flatten_encoder(), train, verbose=0)
    x, labels = encode_all(classifier.encoder, test)
    mine = top_1_accuracy(labels, classifier.dense(x))
    x_train, labels_train = encode_all(classifier.encoder, train)
    theirs = LogisticRegression(max_iter=2000).fit(x_train, labels_train)
    assert abs(mine - theirs.score(x, labels)) < 0.015
    assert classifier.class_names == tuple("0123456789")


@pytest.mark.slow
def test_the_probe_is_a_keras_model_of_images_that_can_be_evaluated():
    images, labels = blobs(100, 0)
    as_bytes = np.round(images * 255).astype(np.uint8)
    classifier = linear_probe(flatten_encoder(4), (as_bytes, labels), verbose=0)
    result = classifier.evaluate(
        as_bytes / np.float32(255), labels, verbose=0, return_dict=True
    )
    assert result["accuracy"] > 0.9
    assert classifier.predict(images[:5], verbose=0).shape == (5, 4)


def test_the_probe_leaves_the_encoder_as_it_was():
    encoder = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
            keras.layers.BatchNormalization(),
        ]
    )
    before = encoder.get_weights()
    linear_probe(encoder, blobs(50, 0), verbose=0)
    assert encoder.trainable
    for a, b in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_probe_is_the_same_each_time():
    weights = [
        linear_probe(
            flatten_encoder(4), blobs(50, 0), verbose=0
        ).dense.get_weights()
        for _ in range(2)
    ]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.slow
def test_the_probe_takes_a_dataset_and_images_of_another_size():
    images, labels = blobs(60, 0)
    large = np.repeat(np.repeat(images, 2, axis=1), 2, axis=2)
    dataset = tf.data.Dataset.from_tensor_slices((large, labels))
    features, encoded_labels = encode_all(flatten_encoder(4), dataset)
    expected = augmentations.center_crop(large, None, 4)
    np.testing.assert_allclose(features, np.reshape(expected, [60, -1]))
    np.testing.assert_array_equal(encoded_labels, labels)
    classifier = linear_probe(flatten_encoder(4), dataset, verbose=0)
    assert top_1_accuracy(labels, classifier.dense(features)) > 0.95


def test_constant_representations_do_not_break_the_probe():
    encoder = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(3, kernel_initializer="zeros"),
        ]
    )
    classifier = linear_probe(encoder, blobs(50, 0), verbose=0)
    assert np.isfinite(classifier(blobs(5, 0)[0])).all()


def test_two_classes_and_classes_without_images_are_told_apart():
    images, labels = blobs(100, 0)
    two = labels < 2
    for names in (None, ["a", "b", "never", "seen"]):
        classifier = linear_probe(
            flatten_encoder(4),
            (images[two], labels[two]),
            class_names=names,
            verbose=0,
        )
        assert top_1_accuracy(labels[two], classifier(images[two])) == 1


def test_too_few_class_names_are_refused():
    with pytest.raises(ValueError, match="`class_names` must name all 4"):
        linear_probe(flatten_encoder(4), blobs(50, 0), class_names=["a", "b"])


def test_a_subclassed_encoder_is_probed_at_the_size_of_the_images():
    class Encoder(keras.Model):
        def call(self, images):
            return keras.ops.reshape(images, (-1, 48))

    classifier = linear_probe(Encoder(), blobs(100, 0), verbose=0)
    images, labels = blobs(100, 0)
    assert top_1_accuracy(labels, classifier(images)) == 1


@pytest.mark.parametrize("shift", [-1, None])
def test_labels_below_0_or_of_one_class_are_refused(shift):
    images, labels = blobs(10, 0)
    labels = labels * 0 if shift is None else labels + shift
    with pytest.raises(ValueError, match="`labels` must be integers >= 0 of"):
        linear_probe(flatten_encoder(4), (images, labels))


@pytest.mark.slow
def test_the_probe_chooses_among_several_l2(capsys):
    train, test = load_dataset("digits")
    train, _ = split(train, 0.7, seed=0)
    chosen = linear_probe(flatten_encoder(), train, test, l2=(1e6, 1.0))
    alone = linear_probe(flatten_encoder(), train, l2=1.0, verbose=0)
    for a, b in zip(
        chosen.dense.get_weights(), alone.dense.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("l2 1: top-1 0.9")
    assert first.endswith("on 44 held-out training images")
    assert second.startswith("linear probe: top-1 0.9")
    assert ", top-5 " in second


def test_top_1_and_top_5_are_those_of_a_loop():
    random = np.random.default_rng(0)
    images = random.random((50, 2, 2, 3), "float32")
    labels = random.integers(0, 8, 50)
    classifier = LinearClassifier(flatten_encoder(2), 8)
    scores = np.array(classifier(images))
    ranks = [
        int(np.sum(row > row[label]))
        for row, label in zip(scores, labels, strict=True)
    ]
    accuracies = classification_accuracy(classifier, (images, labels))
    assert accuracies == {
        "top_1_accuracy": pytest.approx(np.mean(np.array(ranks) < 1)),
        "top_5_accuracy": pytest.approx(np.mean(np.array(ranks) < 5)),
        "num_test_images": 50,
    }
    assert probe_accuracy(classifier, (images, labels)) == (
        accuracies["top_1_accuracy"],
        50,
    )


@pytest.mark.parametrize(("classes", "top_5"), [(5, None), (6, 1.0)])
def test_of_five_classes_there_is_no_top_5(classes, top_5):
    images, labels = np.zeros((3, 2, 2, 3), "float32"), np.arange(3)
    classifier = LinearClassifier(flatten_encoder(2), classes)
    accuracies = classification_accuracy(classifier, (images, labels))
    assert accuracies["top_5_accuracy"] == top_5


NAMES = np.array(["a", "b", "c", "d"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "names", [np.unique(NAMES), NAMES.astype("S"), NAMES.astype(object)]
)
def test_names_of_any_form_come_back_from_a_file(names, tmp_path):
    x, y = blobs(40, 0)
    for source, given in (((x, y), names), (LabelledImages(x, y, names), None)):
        classifier = linear_probe(
            flatten_encoder(4), source, class_names=given, l2=(1, 10), verbose=0
        )
        classifier.save(tmp_path / "classifier.keras")
        loaded = keras.saving.load_model(tmp_path / "classifier.keras")
        assert loaded.class_names == ("a", "b", "c", "d")


def test_top_5_counts_the_classes_that_can_be_the_answer(capsys):
    x, y = blobs(60, 0)
    linear_probe(flatten_encoder(4), (x, 10 * y), (x, 10 * y))
    assert "top-5" not in capsys.readouterr().out
    linear_probe(flatten_encoder(4), (x, 10 * y), l2=(1, 10), verbose=0)


def test_labels_that_are_ids_are_refused_before_they_take_the_memory():
    x, y = blobs(20, 0)
    with pytest.raises(ValueError, match=r"np\.unique\(labels, return_inverse"):
        linear_probe(flatten_encoder(4), (x, y + 10**9))


def test_a_label_that_no_training_image_has_numbered_is_refused():
    """Test images of classes 0, 10 and 20 were wrong answers of 0, 1 and 2."""
    classifier = LinearClassifier(flatten_encoder(4), 2)
    images, labels = blobs(8, 1)
    classifier(images)
    for wrong in (labels * 10, labels - 1):
        with pytest.raises(ValueError, match=r"must be in \[0, 2\)"):
            classification_accuracy(classifier, (images, wrong))
