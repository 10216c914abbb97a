"""What a model with a projection head logs beside its loss."""

import keras
import numpy as np
import pytest
from small_models import images, small_encoder

from supcon_tf import (
    AdditiveMarginLoss,
    JointModel,
    SupConLoss,
    SupConModel,
    supcon_loss,
)


@pytest.mark.slow
def test_the_contrastive_loss_is_logged_without_regularisers():
    encoder = small_encoder(kernel_regularizer=keras.regularizers.L2(0.1))
    model = SupConModel(encoder)
    model.compile(optimizer="sgd", loss=SupConLoss())
    x, labels = images(8, 2, 4, 4, 3), np.arange(8) % 3
    logs = model.evaluate(x, labels, batch_size=8, verbose=0, return_dict=True)
    expected = np.mean(supcon_loss(labels, model(x)))
    np.testing.assert_allclose(logs["contrastive_loss"], expected, rtol=1e-5)
    penalty = 0.1 * np.sum(np.square(encoder.layers[-1].kernel))
    np.testing.assert_allclose(logs["loss"], expected + penalty, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reduction", "variant"),
    [
        pytest.param("sum_over_batch_size", {}, marks=pytest.mark.release),
        pytest.param(
            "sum_over_batch_size",
            {"denominator": "one_positive"},
            marks=pytest.mark.release,
        ),
        (
            "sum",
            {"denominator": "only_negatives", "scale_by_temperature": True},
        ),
    ],
)
def test_a_constant_encoder_sits_at_collapse_with_regularisers_on(
    reduction, variant
):
    encoder = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(
                5,
                kernel_initializer="zeros",
                bias_initializer="ones",
                kernel_regularizer=keras.regularizers.L2(0.1),
                bias_regularizer=keras.regularizers.L2(0.1),
            ),
        ]
    )
    model = SupConModel(encoder)
    loss = SupConLoss(0.2, reduction=reduction, **variant)
    model.compile(optimizer="sgd", loss=loss)
    x, labels = images(8, 2, 4, 4, 3), np.arange(8) % 3
    logs = model.evaluate(x, labels, batch_size=8, verbose=0, return_dict=True)
    assert logs["loss"] > logs["contrastive_loss"] + 0.4
    np.testing.assert_allclose(
        logs["contrastive_loss"], logs["collapsed_loss"], rtol=1e-6
    )
    np.testing.assert_allclose(logs["loss_position"], 1, rtol=1e-5)
    weighted = model.evaluate(
        x, labels, sample_weight=np.full(8, 0.5), verbose=0, return_dict=True
    )
    for name in ("contrastive_loss", "collapsed_loss", "loss_position"):
        np.testing.assert_allclose(weighted[name], logs[name], rtol=1e-6)


@pytest.mark.slow
def test_a_loss_of_ones_own_has_no_value_of_collapse():
    class Mine(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean(keras.ops.square(y_pred), axis=(1, 2))

    model = SupConModel(small_encoder())
    model.compile(optimizer="sgd", loss=Mine())
    joint = JointModel(small_encoder(), None, 4)
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
    joint.compile(
        optimizer="sgd", loss={"projections": Mine(), "logits": cross_entropy}
    )
    for each, others in (
        (model, set()),
        (joint, {"cross_entropy", "top_1_accuracy"}),
    ):
        logs = each.fit(images(4, 2, 4, 4, 3), np.arange(4), verbose=0).history
        assert set(logs) == {"loss", "contrastive_loss"} | others


@pytest.mark.parametrize(
    "metric", ["mse", "AUC", keras.metrics.Precision()], ids=str
)
def test_metrics_of_keras_are_refused_for_projections(metric):
    """They ended in incompatible shapes within the first step."""
    model = SupConModel(small_encoder())
    model.compile("sgd", SupConLoss(), metrics=[metric], run_eagerly=True)
    with pytest.raises(ValueError, match="must be of projections"):
        model.fit(images(4, 2, 4, 4, 3), np.arange(4), verbose=0)


@pytest.mark.parametrize(
    "loss",
    [keras.losses.MeanSquaredError(), AdditiveMarginLoss()],
    ids=lambda loss: type(loss).__name__,
)
def test_losses_of_scores_are_refused_for_projections(loss):
    model = SupConModel(small_encoder())
    model.compile("sgd", loss, run_eagerly=True)
    with pytest.raises(ValueError, match="a loss of scores"):
        model.fit(images(4, 2, 4, 4, 3), np.arange(4), verbose=0)


def test_images_that_are_all_unlabeled_train_nothing_and_there_is_a_warning():
    model = SupConModel(small_encoder())
    loss = SupConLoss(unlabeled_label=-1)
    model.compile("sgd", loss, run_eagerly=True)
    with pytest.warns(UserWarning, match="trains nothing with images that"):
        model.fit(images(4, 4, 4, 3), np.full(4, -1), verbose=0)
