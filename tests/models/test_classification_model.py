"""The baselines: encoder and classifier trained together."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from often import often
from replica_fits import compare

from supcon_tf import AdditiveMarginLoss, ClassificationModel
from supcon_tf.evaluation.encode import encode_all

LABELS = np.array([0, 2, 1, 2, 0])


def encoder(batch_norm=False):
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(6),
            *([keras.layers.BatchNormalization()] if batch_norm else []),
        ]
    )


def images(*shape):
    return np.random.default_rng(0).random(shape, "float32")


def cross_entropy(**options):
    return keras.losses.CategoricalCrossentropy(from_logits=True, **options)


def loop_cross_entropy(labels, logits, smoothing):
    """-sum_c q_c log p_c with q = (1 - s) one-hot + s / C, mean over all."""
    total = 0.0
    for label, views in zip(labels, logits, strict=True):
        for row in views:
            log_p = row - np.log(np.sum(np.exp(row)))
            q = np.full(len(row), smoothing / len(row))
            q[label] += 1 - smoothing
            total -= np.sum(q * log_p) / len(views)
    return total / len(labels)


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_cross_entropy_of_every_view(views, smoothing):
    model = ClassificationModel(encoder(), 3)
    model.compile(loss=cross_entropy(label_smoothing=smoothing))
    x = images(5, views, 4, 4, 3)
    logits = model(x).numpy().astype(np.float64)
    assert logits.shape == (5, views, 3)
    np.testing.assert_allclose(
        model.compute_loss(x, LABELS, model(x)),
        loop_cross_entropy(LABELS, logits, smoothing),
        rtol=1e-5,
    )


def test_mixed_labels_weigh_the_classes():
    model = ClassificationModel(encoder(), 3)
    model.compile(loss=cross_entropy())
    outputs = model(images(5, 2, 4, 4, 3))
    first, second = np.eye(3)[LABELS], np.eye(3)[LABELS[::-1]]
    mixed = model.compute_loss(None, 0.3 * first + 0.7 * second, outputs)
    parts = [model.compute_loss(None, y, outputs) for y in (first, second)]
    np.testing.assert_allclose(mixed, 0.3 * parts[0] + 0.7 * parts[1], 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("jit_compile", "wrong", "cosine"),
    [
        (False, -1, True),
        (False, 3, False),
        pytest.param(True, 3, True, marks=pytest.mark.release),
        pytest.param(True, -1, False, marks=pytest.mark.release),
    ],
)
def test_in_a_compiled_step_they_make_the_loss_nan(wrong, jit_compile, cosine):
    """As TensorFlow's own sparse cross-entropy, where it cannot raise."""
    model = ClassificationModel(encoder(), 3, cosine=cosine)
    model.compile(
        optimizer="sgd",
        loss=AdditiveMarginLoss() if cosine else cross_entropy(),
        jit_compile=jit_compile,
    )
    for label, is_finite in ((1, True), (wrong, False)):
        # (The labels of the first batch are looked at before the step.)
        labels = np.array([[0, 1, 2, 0, 1], [0, 1, 2, 0, label]])
        data = images(2, 5, 1, 4, 4, 3), labels
        batches = tf.data.Dataset.from_tensor_slices(data)
        logs = model.evaluate(batches, verbose=0, return_dict=True)
        assert np.isfinite(logs["loss"]) == is_finite
        logs = model.fit(batches, shuffle=False, verbose=0).history
        assert np.isfinite(logs["loss"][0]) == is_finite


@pytest.mark.release
@pytest.mark.parametrize("cosine", often([False, True], False))
def test_it_learns_logs_its_accuracy_and_goes_on_after_loading(
    cosine, tmp_path
):
    x = images(30, 2, 4, 4, 3)
    y = np.arange(30) % 3
    x = (x + np.eye(3)[y][:, None, None, None]) / 2  # a tint for each class
    model = ClassificationModel(encoder(batch_norm=True), 3, cosine=cosine)
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=AdditiveMarginLoss() if cosine else cross_entropy(),
    )
    logs = model.fit(x, y, epochs=30, batch_size=10, verbose=0).history
    assert logs["top_1_accuracy"][-1] > 0.95 > logs["top_1_accuracy"][0]
    assert logs["loss"][-1] < logs["loss"][0] / 2
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    for each in (model, loaded):
        each.fit(x, y, epochs=1, batch_size=10, shuffle=False, verbose=0)
    np.testing.assert_allclose(loaded(x), model(x), rtol=1e-5)

    classifier = loaded.linear_classifier(("a", "b", "c"))
    scores = classifier.predict(x[:, 0], verbose=0)
    np.testing.assert_array_equal(
        scores.argmax(1), np.argmax(loaded(x[:, :1])[:, 0], 1)
    )
    features, _ = encode_all(loaded.encoder, (x[:, 0], y))
    np.testing.assert_allclose(classifier.dense(features), scores, 1e-4)


@pytest.mark.slow
def test_pieces_of_a_batch_train_as_the_whole_does():
    x, weights = images(5, 2, 4, 4, 3), []
    for pieces in (1, 2):
        keras.utils.set_random_seed(0)
        model = ClassificationModel(encoder(), 3, num_microbatches=pieces)
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss=cross_entropy())
        model.fit(x, LABELS, batch_size=5, epochs=3, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_normalize_representation_reaches_classifier_and_encoder():
    model = ClassificationModel(encoder(), 3, normalize_representation=True)
    x = images(5, 4, 4, 3)
    representations = model.representation_model()(x)
    np.testing.assert_allclose(np.linalg.norm(representations, axis=1), 1, 1e-5)
    np.testing.assert_allclose(
        model(x)[:, 0], model.classifier(representations), rtol=1e-5
    )


@pytest.mark.release
@pytest.mark.parametrize(
    "case",
    [
        pytest.param("cross_entropy, empty replica", marks=pytest.mark.slow),
        pytest.param("cross_entropy", marks=pytest.mark.release),
        pytest.param("max_margin", marks=pytest.mark.release),
    ],
)
def test_two_replicas_train_as_one(case, two_replicas, float64):
    result = compare(case, two_replicas)
    assert result["moved"] > 0.03
    assert result["weights"] <= 1e-12, result
    assert result["logs"]["loss"] <= 1e-12, result
    assert result["logs"]["top_1_accuracy"] <= 1e-6, result
