import keras
import numpy as np
import pytest
import tensorflow as tf
from often import often
from small_models import images, small_encoder
from tiny_encoder import tiny

from supcon_tf import (
    ProjectionHead,
    SupConLoss,
    SupConModel,
)


@pytest.mark.slow
def test_the_model_learns_and_logs_the_loss_beside_that_of_collapse():
    model = SupConModel(small_encoder(), ProjectionHead((8, 4)))
    model.compile(optimizer=keras.optimizers.SGD(0.3), loss=SupConLoss())
    x, labels = images(32, 2, 4, 4, 3) / 2, np.arange(32) % 4
    x[np.arange(32), :, labels] += 0.5  # a bright row for each class
    history = model.fit(x, labels, batch_size=16, epochs=20, verbose=0).history
    np.testing.assert_allclose(history["collapsed_loss"], np.log(31), rtol=1e-6)
    assert history["contrastive_loss"][-1] < history["contrastive_loss"][0]
    assert history["contrastive_loss"][-1] < np.log(31) - 0.5


@pytest.mark.parametrize("loss", [None, "mse", lambda labels, z: z])
def test_a_compiled_loss_that_is_no_loss_object_is_refused(loss):
    model = SupConModel(small_encoder())
    model.compile(optimizer="sgd", loss=loss)
    with pytest.raises(ValueError, match=r"must be compiled with a keras"):
        model.fit(images(4, 2, 4, 4, 3), np.arange(4), verbose=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("error::UserWarning")
def test_a_saved_model_goes_on_as_it_was(tmp_path):
    model = SupConModel(
        small_encoder(),
        ProjectionHead((5, 3), batch_norm=True),
        normalize_representation=True,
    )
    model.compile(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        loss=SupConLoss(0.2),
    )
    x, labels = images(16, 2, 4, 4, 3), np.arange(16) % 3
    model.fit(x, labels, batch_size=8, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(x), model(x))
    for each in (model, again):
        each.fit(x, labels, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)


def fitted(size=40, batch_norm=False, epochs=2, **options):
    """A small model after a fit, with what it started from."""
    keras.utils.set_random_seed(0)
    parts = [keras.layers.Flatten(), keras.layers.Dense(8)]
    if batch_norm:
        parts += [keras.layers.BatchNormalization()]
    encoder = keras.Sequential(
        [keras.Input((4, 4, 3)), *parts, keras.layers.Dense(6)]
    )
    model = SupConModel(encoder, ProjectionHead((8, 4)), **options)
    model.compile(keras.optimizers.SGD(0.1), SupConLoss())
    history = model.fit(
        images(size, 2, 4, 4, 3),
        np.arange(size) % 3,
        batch_size=16,  # the last one has 8
        epochs=epochs,
        shuffle=False,
        verbose=0,
    )
    return model, history.history


@pytest.mark.slow
@pytest.mark.parametrize("pieces", often([2, 3, 20], 3))
def test_microbatches_train_as_the_whole_batch_does(pieces):
    expected, expected_history = fitted()
    model, history = fitted(num_microbatches=pieces)
    for a, b in zip(expected.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for name, values in history.items():
        np.testing.assert_allclose(values, expected_history[name], rtol=1e-5)


@pytest.mark.slow
def test_activity_regularisers_in_microbatches_are_refused():
    model = SupConModel(
        small_encoder(activity_regularizer="l2", kernel_regularizer="l2"),
        num_microbatches=2,
    )
    model.compile("sgd", SupConLoss())
    with pytest.raises(ValueError, match="Activity regularisers and add_loss"):
        model.fit(images(8, 2, 4, 4, 3), np.arange(8) % 2, verbose=0)


@pytest.mark.slow
def test_the_queue_holds_the_newest_projections_with_their_labels():
    model, _ = fitted(size=48, epochs=1, queue_size=80)
    ids, projections, is_filled = (x.numpy() for x in model.queue.items())
    assert is_filled.all()
    labels = np.repeat(np.arange(48) % 3, 2)
    np.testing.assert_array_equal(
        ids, np.concatenate([labels[64:], labels[32:64], labels[:16]])
    )
    # Those of the last step, before its update, are nearly those of after it.
    now = model.predict(images(48, 2, 4, 4, 3)[32:], verbose=0)
    similarity = (now.reshape(32, 4) * projections[:32]).sum(axis=1)
    assert similarity.min() > 0.9


@pytest.mark.slow
def test_a_step_contrasts_with_what_the_queue_holds_and_then_adds_to_it():
    model, history = fitted(size=16, epochs=1, queue_size=64)
    assert model.queue.items()[2].numpy().sum() == 32
    # The first step had the batch alone: ln(31).
    np.testing.assert_allclose(history["collapsed_loss"], [np.log(31)], 1e-6)
    x, y = images(16, 2, 4, 4, 3), np.arange(16) % 3
    queue = [np.array(part) for part in model.queue.items()]
    expected = SupConLoss()(y, model(x, training=True), queue=queue)
    model.reset_metrics()  # (Keras before 3.13 goes on with those of fit.)
    logs = model.train_on_batch(x, y, return_dict=True)
    np.testing.assert_allclose(logs["contrastive_loss"], expected, rtol=1e-5)
    assert model.queue.items()[2].numpy().sum() == 64
    # `evaluate` looks at the batch alone.
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["collapsed_loss"], np.log(31), 1e-6)


@pytest.mark.slow
def test_without_labels_all_of_the_queue_are_negatives():
    model, _ = fitted(size=16, epochs=1, queue_size=64)
    x = images(16, 2, 4, 4, 3)
    queue = [np.array(part) for part in model.queue.items()]
    expected = SupConLoss()(None, model(x, training=True), queue=queue)
    history = model.fit(x, batch_size=16, shuffle=False, verbose=0).history
    np.testing.assert_allclose(
        history["contrastive_loss"], [expected], rtol=1e-5
    )
    assert model.queue.items()[2].numpy().sum() == 64


@pytest.mark.slow
def test_images_of_unknown_size_fold_into_the_batch():
    encoder = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    model = SupConModel(encoder, ProjectionHead((4,)))
    model.compile("sgd", SupConLoss())
    data = tf.data.Dataset.from_generator(
        lambda: iter([(images(4, 2, 5, 6, 3), [0, 1, 0, 1])]),
        output_signature=(
            tf.TensorSpec((None, 2, None, None, 3)),
            tf.TensorSpec((None,), tf.int32),
        ),
    )
    assert np.isfinite(model.fit(data, verbose=0).history["loss"]).all()
    with pytest.raises(ValueError, match="The number of views must be known"):
        tf.function(model).get_concrete_function(
            tf.TensorSpec((None, None, 5, 6, 3))
        )


@pytest.mark.slow
def test_a_loss_that_is_not_reduced_is_refused():
    model = SupConModel(small_encoder())
    model.compile("sgd", SupConLoss(reduction="none"))
    with pytest.raises(ValueError, match="must be compiled with a loss that"):
        model.fit(images(8, 2, 4, 4, 3), np.arange(8) % 2, verbose=0)


@pytest.mark.slow
def test_a_loss_in_float64_goes_with_regularisers_in_float32():
    model = SupConModel(small_encoder(kernel_regularizer="l2"))
    model.compile("sgd", SupConLoss(dtype="float64"))
    history = model.fit(images(8, 2, 4, 4, 3), np.arange(8) % 2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.slow
def test_a_model_without_trainable_weights_warns_and_stays():
    encoder = small_encoder()
    encoder.trainable = False
    model = SupConModel(encoder)
    model.compile("sgd", SupConLoss())
    before = model.get_weights()
    with pytest.warns(UserWarning, match="no trainable weights"):
        model.fit(images(8, 2, 4, 4, 3), np.arange(8) % 2, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("normalize", often([False, True], False))
def test_the_momentum_encoder_fills_the_queue(normalize):
    options = {"queue_size": 64, "normalize_representation": normalize}
    model, _ = fitted(size=16, epochs=1, encoder_momentum=0.5, **options)
    start, _ = fitted(size=16, epochs=1, encoder_momentum=0.0, **options)
    slow = model.momentum_encoder.get_weights()
    # After one step half way from the start, which is that of momentum 0, too.
    fast = start.momentum_encoder.get_weights()
    now = [*model.encoder.get_weights(), *model.projection_head.get_weights()]
    for a, b in zip(fast, now, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert max(abs(a - b).max() for a, b in zip(slow, fast, strict=True)) > 1e-4
    # With momentum 0 it holds the projections of the weights after the step.
    projections = start.queue.items()[1].numpy()[:32]
    expected = start.predict(images(16, 2, 4, 4, 3), verbose=0)
    np.testing.assert_allclose(projections, expected.reshape(32, 4), atol=1e-5)


def test_the_momentum_encoder_is_not_trained_and_not_regularised():
    encoder = small_encoder(kernel_regularizer=keras.regularizers.L2(1.0))
    model = SupConModel(encoder, queue_size=8, encoder_momentum=0.9)
    model.build((None, 2, 4, 4, 3))
    assert len(model.trainable_variables) == len(encoder.trainable_variables)
    assert len(model.losses) == 1


@pytest.mark.release
def test_a_model_with_queue_and_momentum_encoder_goes_on_after_loading(
    tmp_path,
):
    options = {
        "queue_size": 40,
        "encoder_momentum": 0.9,
        "num_microbatches": 2,
    }
    model, _ = fitted(batch_norm=True, **options)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x, y = images(16, 2, 4, 4, 3, seed=1), np.arange(16) % 3
    model.reset_metrics()  # (Keras before 3.13 goes on with those of fit.)
    for _ in range(2):
        logs = [m.train_on_batch(x, y) for m in (model, again)]
        np.testing.assert_allclose(*logs, rtol=1e-5)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.release
@pytest.mark.parametrize("encoder_momentum", [None, 0.9])
def test_a_step_with_queue_and_microbatches_compiles_under_xla(
    encoder_momentum,
):
    # As on a TPU: all shapes are known.
    keras.utils.set_random_seed(0)
    model = SupConModel(
        tiny((8, 8, 3)),
        ProjectionHead((8, 4), batch_norm=True),
        queue_size=64,
        encoder_momentum=encoder_momentum,
        num_microbatches=2,
    )
    model.compile("adam", SupConLoss(), jit_compile=True)
    data = tf.data.Dataset.from_tensor_slices(
        (images(32, 2, 8, 8, 3), np.arange(32) % 3)
    ).batch(16, drop_remainder=True)
    history = model.fit(data, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue_size": -1}, "`queue_size` must be an int >= 0"),
        ({"num_microbatches": 0}, "`num_microbatches` must be an int >= 1"),
        ({"encoder_momentum": 0.9}, "must be None without a queue"),
        (
            {"encoder_momentum": 1.0, "queue_size": 8},
            r"`momentum` must be a number in \[0, 1\)",
        ),
    ],
)
def test_settings_for_small_batches_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        SupConModel(small_encoder(), **options)


def test_a_queue_with_another_loss_is_refused():
    class Other(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean(y_pred, axis=(1, 2))

    model = SupConModel(small_encoder(), queue_size=8)
    model.compile("sgd", Other())
    with pytest.raises(ValueError, match="must be compiled with a loss that"):
        model.fit(images(8, 2, 4, 4, 3), np.arange(8) % 2, verbose=0)
