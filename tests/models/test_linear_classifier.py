import keras
import numpy as np
import pytest

from supcon_tf import LinearClassifier
from supcon_tf.evaluation.linear.fitting import as_candidates, new_classifier


def flatten_encoder():
    return keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten()])


def images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, "float32")


@pytest.mark.slow
def test_the_classifier_trains_its_dense_layer_alone():
    encoder = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(4),
            keras.layers.BatchNormalization(),
        ]
    )
    classifier = LinearClassifier(encoder, 3)
    classifier.compile("sgd", "sparse_categorical_crossentropy")
    before = [np.array(v) for v in encoder.variables]
    classifier.fit(images(12, 5), np.arange(12) % 3, verbose=0)
    for old, new in zip(before, encoder.variables, strict=True):
        np.testing.assert_array_equal(old, new)
    assert classifier.trainable_variables == classifier.dense.variables
    assert encoder.trainable  # for whoever fine-tunes or exports it later


def test_a_saved_classifier_knows_its_class_names(tmp_path):
    classifier = LinearClassifier(flatten_encoder(), 2, ["cat", "dog"])
    x = images(5, 4, 4, 3)
    scores = classifier(x)
    np.testing.assert_allclose(np.sum(scores, axis=1), np.ones(5), rtol=1e-5)
    classifier.save(tmp_path / "classifier.keras")
    again = keras.saving.load_model(tmp_path / "classifier.keras")
    assert again.class_names == ("cat", "dog")
    np.testing.assert_array_equal(again(x), scores)


def test_class_names_of_another_number_are_refused():
    with pytest.raises(ValueError, match="`class_names` must be 3 names"):
        LinearClassifier(flatten_encoder(), 3, ["cat", "dog"])


def test_a_new_classifier_has_as_many_classes_as_names_or_labels():
    x = images(1, 4, 4, 3)
    for labels, names, classes in (
        (np.array([0, 4]), None, 5),
        (np.array([0, 4]), (), 5),
        (np.array([0, 1]), list("abc"), 3),
        (None, list("abc"), 3),
    ):
        classifier = new_classifier(flatten_encoder(), x, labels, names)
        assert classifier(x).shape == (1, classes)
        assert classifier.class_names == (tuple(names) if names else None)
        assert classifier.compiled
    with pytest.raises(ValueError, match="`class_names` must name all classes"):
        new_classifier(flatten_encoder(), x, None, ())


def test_candidates_are_one_or_several_numbers_above_0():
    assert as_candidates("l2", 2) == (2.0,)
    assert as_candidates("l2", [np.float32(0.5), 3]) == (0.5, 3.0)
    for wrong in (0, -1, True, "1", float("nan"), float("inf"), (), (1, 0)):
        with pytest.raises(ValueError, match="`l2` must be a finite number"):
            as_candidates("l2", wrong)


def test_the_summary_counts_the_frozen_encoder(capsys):
    encoder = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(4), keras.layers.Dropout(0.5)]
    )
    classifier = LinearClassifier(encoder, 3)
    classifier(images(2, 5))
    assert classifier.count_params() == 5 * 4 + 4 + 4 * 3 + 3
    assert len(classifier.non_trainable_weights) == 2
    assert len(classifier.weights) == 4
    classifier.summary()
    out = capsys.readouterr().out
    for line in (
        "Total params: 39",
        "Trainable params: 15",
        "Non-trainable params: 24",
    ):
        assert line in out


def test_images_of_another_rank_and_names_are_refused_in_one_line():
    classifier = LinearClassifier(flatten_encoder(), 2)
    for x, message in (
        (images(2, 4, 4), r"encoder's shape \(None, 4, 4, 3\)"),
        (np.array(["a.jpg"]), "read=tf.io.read_file"),
    ):
        with pytest.raises(ValueError, match=message):
            classifier.predict(x)


def test_a_list_of_views_is_refused_in_one_line():
    classifier = LinearClassifier(flatten_encoder(), 4)
    with pytest.raises(ValueError, match="must have the encoder's shape"):
        classifier([np.zeros((2, 4, 4, 3))] * 2)


def test_the_shapes_of_a_classifier_are_known():
    classifier = LinearClassifier(flatten_encoder(), 4)
    assert classifier.input_shape == (None, 4, 4, 3)
    assert classifier.output_shape == (None, 4)
    with pytest.raises(ValueError, match="must have the encoder's shape"):
        classifier.predict(np.zeros((2, 4, 5, 3)), verbose=0)
