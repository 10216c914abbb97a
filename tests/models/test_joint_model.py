"""SupCon and cross-entropy in one training, of one encoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from often import often
from replica_fits import compare
from small_fits import bright_rows
from small_models import images, small_encoder

from supcon_tf import (
    JointModel,
    KNNCallback,
    ProjectionHead,
    StuckLoss,
    StuckLossWarning,
    SupConLoss,
    metrics,
)

# Rows of length 3, whose unit vectors are exact; labels; logits of one view.
PROJECTIONS = np.array(
    [
        [[1, 2, 2], [2, 1, 2]],
        [[2, -1, 2], [1, -2, 2]],
        [[2, 2, -1], [2, 2, 1]],
        [[-1, 2, 2], [-2, 1, 2]],
    ],
    np.float32,
)
LABELS = np.array([0, 1, 0, 1])
LOGITS = np.array([[1, 0.5], [0, 0.3], [0.7, -0.2], [0.1, 0.4]], np.float32)
# By loops over Eq. 2 (temperature 0.5) and over -log softmax, in float64.
SUPCON, CROSS_ENTROPY = 1.898204014, 0.480985337
SUPCON_GRADIENT = [-0.0557099, -0.0231515, 0.0510065]  # at PROJECTIONS[0][0]
LOGS = [
    "collapsed_loss",
    "contrastive_loss",
    "cross_entropy",
    "loss",
    "loss_position",
    "top_1_accuracy",
]


def losses(temperature=0.5, **options):
    return {
        "projections": SupConLoss(temperature),
        "logits": keras.losses.CategoricalCrossentropy(
            from_logits=True, **options
        ),
    }


def compiled(encoder=None, num_classes=4, *, head=True, rate=0.1, **options):
    keras.utils.set_random_seed(0)
    model = JointModel(
        small_encoder() if encoder is None else encoder,
        ProjectionHead((8, 4)) if head else None,
        num_classes,
        **options,
    )
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9), loss=losses()
    )
    return model


def test_value_and_gradient_are_those_of_the_sum():
    model = compiled(num_classes=2, contrast_weight=0.5)
    outputs = {
        "projections": tf.constant(PROJECTIONS),
        "logits": tf.constant(LOGITS[:, None]),
    }
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        loss = model.compute_loss(None, LABELS, outputs)
    gradients = tape.gradient(loss, outputs)
    np.testing.assert_allclose(loss, CROSS_ENTROPY + 0.5 * SUPCON, rtol=1e-6)
    np.testing.assert_allclose(loss, 1.430087344, rtol=1e-6)
    np.testing.assert_allclose(
        gradients["projections"][0, 0],
        0.5 * np.array(SUPCON_GRADIENT),
        atol=1e-6,
    )
    for row, label, gradient in zip(
        LOGITS, LABELS, gradients["logits"], strict=True
    ):
        p = np.exp(row) / np.exp(row).sum()
        expected = (p - np.eye(2)[label]) / len(LABELS)
        np.testing.assert_allclose(gradient[0], expected, atol=1e-6)
    logs = model.get_metrics_result()
    np.testing.assert_allclose(logs["contrastive_loss"], SUPCON, rtol=1e-6)
    np.testing.assert_allclose(logs["cross_entropy"], CROSS_ENTROPY, rtol=1e-6)
    np.testing.assert_allclose(logs["collapsed_loss"], np.log(7), rtol=1e-6)
    assert logs["top_1_accuracy"] == 1


def test_the_classifier_is_on_the_representation_and_not_on_the_projection():
    model = compiled(normalize_representation=True)
    x = images(5, 2, 4, 4, 3)
    outputs = model(x)
    for view in (0, 1):
        representations = model.encode(x[:, view])
        np.testing.assert_allclose(
            outputs["projections"][:, view],
            model.projection_head(representations),
            rtol=1e-5,
        )
        np.testing.assert_allclose(
            outputs["logits"][:, view],
            model.classifier(representations),
            rtol=1e-5,
        )
    assert compiled(head=False)(x)["projections"].shape == (5, 2, 6)


@pytest.mark.slow
def test_labels_of_both_forms_and_weights_reach_both_losses():
    x, labels = images(6, 2, 4, 4, 3), np.arange(6) % 4
    weights = np.array([0, 1, 2, 0.5, 1, 1], "float32")
    penalty = keras.regularizers.L2(0.1)
    model = compiled(
        small_encoder(kernel_regularizer=penalty), contrast_weight=0.75
    )
    outputs = model(x)
    parts = losses()
    one_hot = np.repeat(np.eye(4)[labels][:, None], 2, axis=1)
    cross_entropy = np.mean(parts["logits"].call(one_hot, outputs["logits"]), 1)
    contrast = parts["projections"].call(labels, outputs["projections"])
    expected = np.mean(weights * (cross_entropy + 0.75 * contrast)) + float(
        sum(model.losses)
    )
    for given in (labels, np.eye(4, dtype="float32")[labels]):
        logs = model.evaluate(
            x, given, sample_weight=weights, verbose=0, return_dict=True
        )
        assert sorted(logs) == LOGS
        np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)
        np.testing.assert_allclose(
            logs["cross_entropy"], np.mean(cross_entropy), rtol=1e-5
        )
        np.testing.assert_allclose(
            logs["contrastive_loss"], np.mean(contrast), rtol=1e-5
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("error::UserWarning")
def test_it_learns_predicts_and_goes_on_after_loading(tmp_path):
    x, y = bright_rows(32)
    model = compiled(contrast_weight=0.25)
    logs = model.fit(x, y, batch_size=16, epochs=20, verbose=0).history
    assert sorted(logs) == LOGS
    assert logs["top_1_accuracy"][-1] > 0.95 > logs["top_1_accuracy"][0]
    for name in ("contrastive_loss", "cross_entropy"):
        assert logs[name][-1] < logs[name][0] - 0.5
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.contrast_weight == 0.25
    for each in (model, again):
        each.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    predicted = [m.predict(x, batch_size=10, verbose=0) for m in (model, again)]
    assert predicted[0].keys() == {"projections", "logits"}
    for name, values in predicted[0].items():
        np.testing.assert_allclose(values, predicted[1][name], atol=1e-5)
    classifier = again.linear_classifier(tuple("abcd"))
    np.testing.assert_allclose(
        classifier(x),
        keras.ops.softmax(predicted[1]["logits"][:, 0]),
        atol=1e-5,
    )


@pytest.mark.release
def test_microbatches_train_as_the_whole_batch_does():
    x, y, fits = images(20, 2, 4, 4, 3), np.arange(20) % 4, []
    for pieces in (1, 3):
        model = compiled(num_microbatches=pieces)
        logs = model.fit(x, y, batch_size=8, shuffle=False, verbose=0).history
        fits.append((model.get_weights(), [logs[name] for name in LOGS]))
    for one, other in zip(*fits, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.release
@pytest.mark.parametrize(
    "precision",
    often(["mixed_bfloat16", "mixed_float16"], "mixed_float16"),
)
def test_under_a_mixed_precision_both_losses_are_float32(precision):
    keras.config.set_dtype_policy(precision)
    try:
        model = compiled(contrast_weight=2.0)
    finally:
        keras.config.set_dtype_policy("float32")
    x, y = bright_rows(16)
    outputs = model(x)
    for output in outputs.values():
        assert keras.backend.standardize_dtype(output.dtype) == "float32"
    loss = model.compute_loss(x, y, outputs)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    logs = model.fit(x, y, epochs=20, verbose=0).history
    assert logs["loss"][-1] < logs["loss"][0] - 1


# (One with a learned temperature is tested often.)
@pytest.mark.release
@pytest.mark.parametrize(
    "case", ["joint, empty replica", "joint", "joint, microbatches"]
)
def test_two_replicas_equal_one(case, two_replicas, float64):
    result = compare(case, two_replicas)
    assert result["moved"] > 0.03
    assert result["weights"] <= 1e-12, result
    assert result["logs"]["loss"] <= 1e-12, result
    assert result["logs"].keys() >= set(LOGS)
    assert max(result["logs"].values()) <= 1e-6, result


@pytest.mark.slow
def test_callbacks_and_metrics_of_an_output_work_with_it():
    constant = small_encoder(
        kernel_initializer="zeros", bias_initializer="ones"
    )
    constant.trainable = False
    model = compiled(constant)
    model.compile(
        optimizer="sgd",
        loss=losses(),
        metrics={"projections": [metrics.contrastive_top_1]},
    )
    x, y = bright_rows(32)
    with pytest.warns(StuckLoss, match=r"collapsed_loss 1\.9459"):
        logs = model.fit(
            x,
            y,
            batch_size=8,
            shuffle=False,
            verbose=0,
            callbacks=[StuckLossWarning(4), KNNCallback((x, y), (x, y))],
        ).history
    assert "projections_contrastive_top_1" in logs
    # (All representations are the same.)
    assert logs["val_knn_accuracy"] == [0.25]


@pytest.mark.parametrize(
    "loss",
    [
        None,
        SupConLoss(),
        {"projections": SupConLoss()},
        {**losses(), "other": SupConLoss()},
        {**losses(), "logits": "categorical_crossentropy"},
    ],
)
def test_anything_but_a_loss_of_each_output_is_refused(loss):
    model = JointModel(small_encoder(), None, 4)
    model.compile(optimizer="sgd", loss=loss)
    with pytest.raises(ValueError) as error:
        model.compute_loss(None, LABELS, model(images(4, 2, 4, 4, 3)))
    assert str(error.value).startswith(
        "JointModel must be compiled with a keras.losses.Loss for each output, "
        'such as loss={"projections": SupConLoss(), "logits": keras.losses.Cat'
    )


def test_a_loss_that_is_not_reduced_and_loss_weights_are_refused():
    model = compiled()
    outputs = model(images(4, 2, 4, 4, 3))
    model.compile("sgd", losses(reduction="none"))
    with pytest.raises(ValueError, match="with a loss that is reduced"):
        model.compute_loss(None, LABELS, outputs)
    model.compile("sgd", losses(), loss_weights={"projections": 0.5})
    with pytest.raises(ValueError) as error:
        model.compute_loss(None, LABELS, outputs)
    assert str(error.value) == (
        "`loss_weights` must be None: JointModel(contrast_weight=...) weighs "
        "the losses. Received: loss_weights={'projections': 0.5}"
    )


@pytest.mark.parametrize(
    "weight", [0, -1.0, float("inf"), float("nan"), True, "1", None]
)
def test_a_weight_that_is_no_positive_number_is_refused(weight):
    with pytest.raises(ValueError, match="`contrast_weight` must be a finite"):
        JointModel(small_encoder(), None, 4, contrast_weight=weight)
