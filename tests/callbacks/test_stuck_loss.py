import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf import (
    LabelledImages,
    ProjectionHead,
    SupConLoss,
    SupConModel,
    metrics,
)
from supcon_tf.callbacks.stuck_loss import (
    KNNCallback,
    StuckLoss,
    StuckLossWarning,
)
from supcon_tf.evaluation import encode_all, knn_accuracy


def small_encoder(units=6, **kwargs):
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(units, **kwargs),
        ]
    )


def constant_encoder():
    """Maps every image to the same vector; has a regulariser to pay."""
    return small_encoder(
        kernel_initializer="zeros",
        bias_initializer="ones",
        bias_regularizer=keras.regularizers.L2(0.1),
    )


def bright_rows(count, seed=0):
    """Images of classes 0, 1, 2, 3, 0, ..., each with its own bright row."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    images = random.random((count, 4, 4, 3)).astype("float32") * 0.5
    images[np.arange(count), labels] += 0.4
    return images, labels


def compiled(encoder, learning_rate=0.1, head=None, **kwargs):
    model = SupConModel(encoder, head, **kwargs)
    model.compile(keras.optimizers.SGD(learning_rate), SupConLoss())
    return model


def plain_model(encoder, learning_rate=0.1, compiled_metrics=()):
    encoder.compile(
        keras.optimizers.SGD(learning_rate),
        SupConLoss(),
        metrics=[metrics.collapsed_loss, *compiled_metrics],
    )
    return encoder


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


class Weights(keras.callbacks.Callback):
    """Sets the encoder, at the end of each epoch, to know or not to know."""

    def __init__(self, knows):
        super().__init__()
        self.knows = knows

    def on_epoch_end(self, epoch, logs=None):
        kernel = self.model.encoder.layers[-1].kernel
        # [row, column, channel] -> row, or nothing but the bias
        rows = np.repeat(np.eye(4), 12, axis=0)
        kernel.assign(rows if self.knows[epoch] else np.zeros((48, 4)))


def fit_with_scripted_encoder(knows, callbacks, **kwargs):
    model = compiled(small_encoder(units=4, bias_initializer="ones"))
    return model.fit(
        *bright_rows(8),
        verbose=0,
        epochs=len(knows),
        callbacks=[Weights(knows), *callbacks],
        **kwargs,
    ).history


@pytest.mark.slow
def test_the_accuracy_of_the_encoder_is_in_the_history():
    train, validation = bright_rows(60), bright_rows(40, seed=1)
    model = compiled(
        small_encoder(),
        head=ProjectionHead((8, 4)),
        normalize_representation=True,
    )
    callback = KNNCallback(train, validation, neighbors=5, batch_size=7)
    history = model.fit(*train, verbose=0, epochs=3, callbacks=[callback])
    accuracies = history.history["val_knn_accuracy"]
    encoder = model.representation_model()
    expected = knn_accuracy(
        *encode_all(encoder, train),
        *encode_all(encoder, validation),
        neighbors=5,
    )
    assert len(accuracies) == 3
    assert accuracies[-1] == expected > 0.8


@pytest.mark.slow
def test_between_the_epochs_that_are_asked_for_the_last_value_stands():
    knows = [False, True, True, False, True, True]
    callback = KNNCallback(bright_rows(60), bright_rows(40, seed=1), every=3)
    accuracies = fit_with_scripted_encoder(knows, [callback])[
        "val_knn_accuracy"
    ]
    low = accuracies[0]
    assert accuracies == [low, low, 1, 1, 1, 1]
    assert low < 0.5
    # Epochs count from the first of all, and a new fit has no last value.
    again = fit_with_scripted_encoder(knows, [callback], initial_epoch=1)
    assert again["val_knn_accuracy"] == [1, 1, 1, 1, 1]


@pytest.mark.slow
def test_early_stopping_and_the_best_checkpoint_go_by_it(tmp_path):
    knows = [False, False, True, False, False, False, True]
    monitor = {"monitor": "val_knn_accuracy", "mode": "max"}
    history = fit_with_scripted_encoder(
        knows,
        [
            KNNCallback(bright_rows(60), bright_rows(40, seed=1)),
            keras.callbacks.EarlyStopping(patience=2, **monitor),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "{epoch}.keras", save_best_only=True, **monitor
            ),
        ],
    )
    low = history["val_knn_accuracy"][0]
    # 1 is the best, and is reached in epoch 3; two epochs later it is over.
    assert history["val_knn_accuracy"] == [low, low, 1, low, low]
    assert {path.stem for path in tmp_path.iterdir()} == {"1", "3"}
    best = keras.saving.load_model(tmp_path / "3.keras").encoder
    assert np.any(best.layers[-1].kernel)


@pytest.mark.slow
@pytest.mark.parametrize("is_plain", [True, False])
def test_a_fit_with_the_callback_is_the_fit_without_it(is_plain):
    def weights(callbacks):
        keras.utils.set_random_seed(7)
        encoder = keras.Sequential(
            [
                keras.Input((4, 4, 3)),
                keras.layers.Flatten(),
                keras.layers.Dense(8),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.3),
                keras.layers.Dense(6),
            ]
        )
        if is_plain:
            model = plain_model(encoder)
        else:
            model = compiled(encoder, normalize_representation=True)
        model.fit(
            *bright_rows(32),
            batch_size=8,
            epochs=3,
            validation_data=bright_rows(16),
            callbacks=callbacks,
            verbose=0,
        )
        return model.get_weights()

    callback = KNNCallback(bright_rows(60), bright_rows(40, seed=1))
    for a, b in zip(weights([]), weights([callback]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_plain_model_is_its_own_encoder_with_its_output_flattened():
    train, validation = bright_rows(60), bright_rows(40, seed=1)
    model = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1)]
    )
    # [B, 4, 4, 2]; not trained
    model.compile(keras.optimizers.SGD(0.0), "mse", steps_per_execution=2)
    callback = KNNCallback(train, validation)
    images, _ = train
    outputs = np.asarray(model(images))
    history = model.fit(images, outputs, verbose=0, callbacks=[callback])
    expected = knn_accuracy(
        outputs.reshape(60, -1),
        train[1],
        np.asarray(model(validation[0])).reshape(40, -1),
        validation[1],
    )
    assert history.history["val_knn_accuracy"] == [expected]


@pytest.mark.slow
def test_the_encoder_may_be_a_bare_layer():
    train, validation = bright_rows(60), bright_rows(40, seed=1)
    model = compiled(keras.layers.Flatten(), head=ProjectionHead((4,)))
    history = model.fit(
        train[0][:, None],
        train[1],
        verbose=0,
        callbacks=[KNNCallback(train, validation)],
    )
    assert history.history["val_knn_accuracy"][0] > 0.9


@pytest.mark.slow
def test_labelled_images_and_datasets_are_taken_too():
    def as_strings(pair):
        images, labels = pair
        strings = np.array([image.tobytes() for image in images])
        return LabelledImages(strings, labels, tuple("abcd"), decode)

    def decode(string):
        image = tf.io.decode_raw(string, tf.float32, fixed_length=192)
        return tf.reshape(image, [4, 4, 3])

    pairs = [bright_rows(60), bright_rows(40, seed=1)]
    accuracies = [
        fit_with_scripted_encoder([True], [KNNCallback(*map(make, pairs))])
        for make in (
            lambda pair: pair,
            lambda pair: LabelledImages(*pair, tuple("abcd")),
            as_strings,
            tf.data.Dataset.from_tensor_slices,
        )
    ]
    assert [a["val_knn_accuracy"] for a in accuracies] == [[1.0]] * 4


@pytest.mark.slow
def test_an_encoder_that_has_diverged_has_the_accuracy_0():
    callback = KNNCallback(bright_rows(60), bright_rows(40, seed=1))
    model = compiled(small_encoder(), learning_rate=float("nan"))
    history = model.fit(*bright_rows(8), verbose=0, callbacks=[callback])
    assert history.history["val_knn_accuracy"] == [0.0]


@pytest.mark.parametrize("neighbors", [0, 11, 2.5])
def test_neighbors_that_are_not_there_are_refused_at_once(neighbors):
    with pytest.raises(ValueError, match="1 to the number of training images"):
        KNNCallback(bright_rows(10), bright_rows(40), neighbors=neighbors)


@pytest.mark.parametrize("name", ["train_data", "validation_data"])
def test_images_without_their_labels_are_refused_at_once(name):
    images, labels = bright_rows(60)
    data = {"train_data": (images, labels), "validation_data": (images, labels)}
    data[name] = (images, labels[1:])
    with pytest.raises(ValueError, match=f"`{name}`: `labels` must have shape"):
        KNNCallback(**data)
    data[name] = (images, None)
    with pytest.raises(ValueError, match=f"`{name}`: `labels` must be integ"):
        KNNCallback(**data)


@pytest.mark.parametrize("name", ["batch_size", "every"])
def test_numbers_below_1_are_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be an int >= 1"):
        KNNCallback(bright_rows(60), bright_rows(40), **{name: 0})
