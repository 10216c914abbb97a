import warnings

import keras
import numpy as np
import pytest
from small_fits import bright_rows, compiled, constant_encoder, plain_model
from small_models import small_encoder

from supcon_tf import (
    ProjectionHead,
    SupConLoss,
    SupConModel,
    metrics,
)
from supcon_tf.callbacks.stuck_loss import StuckLoss, StuckLossWarning


def warnings_of_fit(model, callback, count=32, **kwargs):
    """What StuckLoss said in a fit of `count` images, 8 in a batch."""
    images, labels = bright_rows(count)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(
            images,
            labels,
            batch_size=8,
            shuffle=False,
            verbose=0,
            callbacks=[callback],
            **kwargs,
        )
    return [str(w.message) for w in caught if w.category is StuckLoss]


def warnings_of_losses(callback, epochs, collapsed_loss=6.0):
    """What StuckLoss says of batches of such losses, logged as Keras does."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callback.on_train_begin()
        for epoch, losses in enumerate(epochs):
            callback.on_epoch_begin(epoch)
            # Sum and count of keras.metrics.Mean are float32.
            counts = 256 * np.arange(1, len(losses) + 1, dtype="float32")
            means = [
                np.cumsum(256 * np.float32(values), dtype="float32") / counts
                for values in (losses, np.full(len(losses), collapsed_loss))
            ]
            for batch, (loss, collapsed) in enumerate(zip(*means, strict=True)):
                callback.on_train_batch_end(
                    batch,
                    {
                        "contrastive_loss": float(loss),
                        "collapsed_loss": float(collapsed),
                    },
                )
    return [str(w.message) for w in caught if w.category is StuckLoss]


@pytest.mark.slow
def test_a_collapsed_model_is_warned_of_once_in_a_fit():
    model = compiled(constant_encoder(), head=ProjectionHead((8, 4)))
    callback = StuckLossWarning(steps=10)
    (message,) = warnings_of_fit(model, callback, epochs=6)
    # log(8 - 1): one view of 8 images
    assert message.startswith(
        "The contrastive loss has stayed within 1 % of the value of total "
        "collapse for 10 batches: contrastive_loss 1.9459, collapsed_loss "
        "1.9459. All projections are equal, or nothing has been learnt yet."
    )
    assert len(warnings_of_fit(model, callback, epochs=6)) == 1
    assert not warnings_of_fit(model, callback, epochs=2)  # 8 batches


@pytest.mark.slow
def test_a_model_that_learns_is_not_warned_of():
    model = compiled(small_encoder(), head=ProjectionHead((8, 4)))
    assert not warnings_of_fit(model, StuckLossWarning(steps=5), epochs=10)
    plain = plain_model(small_encoder())
    assert not warnings_of_fit(plain, StuckLossWarning(steps=5), epochs=10)


@pytest.mark.slow
def test_a_plain_model_is_warned_of_also_if_its_last_batches_are_smaller():
    model = plain_model(small_encoder(kernel_initializer="zeros"))
    callback = StuckLossWarning(steps=12)
    (message,) = warnings_of_fit(model, callback, count=35, epochs=6)
    assert "batches: loss 1.9459, collapsed_loss 1.9459" in message


@pytest.mark.slow
def test_a_plain_model_with_regularisers_is_judged_by_a_metric_of_the_loss():
    loss_alone = keras.metrics.MeanMetricWrapper(
        SupConLoss(), name="contrastive_loss"
    )
    model = plain_model(constant_encoder(), compiled_metrics=[loss_alone])
    callback = StuckLossWarning(steps=4)
    (message,) = warnings_of_fit(model, callback, epochs=2)
    assert "contrastive_loss 1.9459, collapsed_loss 1.9459" in message
    model = plain_model(constant_encoder())
    assert not warnings_of_fit(model, callback, epochs=2)


@pytest.mark.slow
def test_a_plain_model_with_another_variant_logs_the_collapse_of_that():
    loss = SupConLoss(denominator="only_negatives", scale_by_temperature=True)
    collapse = keras.metrics.MeanMetricWrapper(
        metrics.collapsed_loss, name="collapsed_loss", loss=loss
    )
    model = constant_encoder()
    model.compile(optimizer="sgd", loss=loss, metrics=[collapse])
    images, labels = bright_rows(8)
    logs = model.evaluate(images, labels, verbose=0, return_dict=True)
    penalty = float(sum(model.losses))
    np.testing.assert_allclose(
        logs["collapsed_loss"], logs["loss"] - penalty, rtol=1e-5
    )


def test_a_loss_of_0_that_has_no_positives_is_not_stuck():
    callback = StuckLossWarning(steps=2)
    assert not warnings_of_losses(callback, [[0.0] * 9], collapsed_loss=0.0)


def test_a_model_that_does_not_log_the_collapsed_loss_is_refused():
    model = small_encoder()
    model.compile("sgd", SupConLoss())
    with pytest.raises(ValueError, match=r"Received: logs of \['loss'\]"):
        warnings_of_fit(model, StuckLossWarning())


@pytest.mark.slow
def test_batches_that_are_executed_together_are_all_counted():
    for steps, expected in ((8, 1), (9, 0)):
        model = SupConModel(constant_encoder())
        model.compile("sgd", SupConLoss(), steps_per_execution=4)
        callback = StuckLossWarning(steps)
        assert len(warnings_of_fit(model, callback, epochs=2)) == expected


def test_the_count_goes_on_over_epochs_and_ends_with_a_batch_that_is_off():
    stuck, off = 6.05, 6.07  # 0.8 % and 1.2 % from 6
    callback = StuckLossWarning(steps=6)
    assert warnings_of_losses(callback, [[stuck] * 3, [stuck] * 3])
    assert not warnings_of_losses(callback, [[stuck] * 3, [stuck] * 2])
    assert not warnings_of_losses(callback, [[stuck] * 5 + [off] + [stuck] * 5])
    assert not warnings_of_losses(callback, [[stuck] * 5, [off] + [stuck] * 5])
    assert not warnings_of_losses(callback, [[stuck]] * 5 + [[off], [stuck]])
    # The last batch of an epoch may be of another size: see the callback.
    assert warnings_of_losses(callback, [[stuck] * 5 + [off], [stuck]])
    assert not warnings_of_losses(callback, [[stuck] * 5 + [float("nan")] * 9])


@pytest.mark.slow
@pytest.mark.parametrize("batches", [10_000, 100_000])
def test_float32_means_of_long_epochs_do_not_spoil_the_judgement(batches):
    is_late = np.arange(batches) >= batches * 0.9
    # The running mean never comes near 6; the late batches are 0.3 % off.
    falling_to_6 = np.where(is_late, 6.018, 9)
    assert warnings_of_losses(StuckLossWarning(batches // 12), [falling_to_6])
    # The running mean stays near 6; the late batches are 1.5 % off.
    for late in (5.91, 6.09):
        leaving_6 = np.where(is_late, late, 6)
        callback = StuckLossWarning(int(batches * 0.92))
        assert not warnings_of_losses(callback, [leaving_6])


@pytest.mark.parametrize("steps", [0, -1, 2.5])
def test_steps_below_1_are_refused(steps):
    with pytest.raises(ValueError, match="`steps` must be an int >= 1"):
        StuckLossWarning(steps)


@pytest.mark.parametrize("tolerance", [0, 1, -0.1, float("nan")])
def test_a_tolerance_outside_0_to_1_is_refused(tolerance):
    with pytest.raises(ValueError, match="`tolerance` must lie between"):
        StuckLossWarning(tolerance=tolerance)
