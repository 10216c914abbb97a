import contextlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from supcon_tf.models.labelled_queue import LabelledQueue
from supcon_tf.models.momentum_encoder import MomentumEncoder

RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 5), "float32")


@keras.saving.register_keras_serializable("supcon_tf_tests")
class Subclassed(layers.Layer):
    """Without a `build`: its layers are built when it is called."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = layers.Dense(units)
        self.norm = layers.BatchNormalization()

    def call(self, x, training=None):
        return self.norm(self.dense(x), training=training)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def sequential():
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(4),
            layers.BatchNormalization(momentum=0.9),
        ]
    )


def functional():
    inputs = keras.Input((5,))
    x = layers.Dense(4, activation="relu")(inputs)
    x = layers.BatchNormalization()(x)
    return keras.Model(inputs, layers.Concatenate()([x, inputs]))


def subclassed():
    layer = Subclassed(4)
    layer(IMAGES)
    return layer


def head():
    layer = layers.Dense(3, use_bias=False)
    layer.build((None, 4))
    return layer


def follower(followed, momentum=0.9):
    encoder = MomentumEncoder(momentum)
    encoder.follow(followed)
    return encoder


def shaken(layer):
    """The layer, with other weights."""
    for weight in layer.weights:
        weight.assign(RNG.random(weight.shape) + 0.5)
    return layer


@keras.saving.register_keras_serializable("supcon_tf_tests")
class Parent(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.encoder = sequential()
        self.head = layers.Dense(3, kernel_regularizer="l2")
        self.momentum_encoder = MomentumEncoder(0.9)
        self.queue = LabelledQueue(4, 3)

    def build(self, input_shape):
        with tf.init_scope():
            self.head.build((None, 4))
            self.momentum_encoder.follow([self.encoder, self.head])

    def call(self, x, training=None):
        self.momentum_encoder(x, training=training)
        return self.head(self.encoder(x, training=training))


ENCODERS = [sequential, functional, subclassed]


@pytest.mark.parametrize("make", ENCODERS)
def test_the_copy_starts_equal_and_shares_nothing(make):
    encoder = shaken(make())
    copy = follower([encoder, None])
    outputs = encoder(IMAGES).numpy()
    np.testing.assert_array_equal(copy(IMAGES), outputs)
    shaken(encoder)
    assert not np.allclose(encoder(IMAGES), outputs)
    np.testing.assert_array_equal(copy(IMAGES), outputs)


def test_the_copies_run_one_after_the_other():
    encoder, last = sequential(), head()
    copy = follower([encoder, last])
    for training in (False, True):
        expected = last(encoder(IMAGES, training=training))
        np.testing.assert_allclose(
            copy(IMAGES, training=training), expected, rtol=1e-6
        )


@pytest.mark.parametrize("make", ENCODERS)
def test_trainable_weights_are_moving_averages(make):
    encoder = make()
    copy = follower([encoder], momentum=0.9)
    slow = [weight.numpy() for weight in copy.weights]
    for _ in range(3):
        shaken(encoder)
        copy.update([encoder])
        slow = [
            0.9 * old + 0.1 * weight.numpy() if weight.trainable else old
            for old, weight in zip(slow, encoder.weights, strict=True)
        ]
    assert len(slow) > len(encoder.trainable_weights) > 0
    for actual, expected in zip(copy.weights, slow, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_without_momentum_the_copy_is_where_the_encoder_is():
    encoder = sequential()
    copy = follower([encoder], momentum=0)
    shaken(encoder)
    copy.update([encoder])
    np.testing.assert_allclose(
        copy(IMAGES, training=True), encoder(IMAGES, training=True), rtol=1e-6
    )


@pytest.mark.slow
def test_a_thousand_updates_towards_the_same_weights_change_no_bit():
    encoder = shaken(sequential())
    copy = follower([encoder], momentum=0.999)
    update = tf.function(lambda: copy.update([encoder]))
    for _ in range(1000):
        update()
    for slow, weight in zip(copy.weights, encoder.weights, strict=True):
        np.testing.assert_array_equal(slow, weight)


def test_what_is_frozen_does_not_move():
    encoder = sequential()
    copy = follower([encoder])
    encoder.layers[0].trainable = False
    before = copy.copies[0].layers[0].kernel.numpy()
    shaken(encoder)
    copy.update([encoder])
    np.testing.assert_array_equal(copy.copies[0].layers[0].kernel, before)


def test_the_copy_has_no_trainable_weights_even_once_its_model_is_thawed():
    model = Parent()
    model.build((None, 5))
    assert not model.momentum_encoder.trainable_weights
    model.trainable = False
    model.trainable = True
    assert not model.momentum_encoder.trainable_weights
    trained = model.encoder.trainable_weights + model.head.trainable_weights
    assert [id(w) for w in model.trainable_weights] == [id(w) for w in trained]


def test_no_gradient_passes_through_the_copy():
    copy = follower([sequential()])
    x = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = copy(x, training=True)
    assert tape.gradient(outputs, x) is None


@pytest.mark.parametrize("make", ENCODERS)
def test_in_training_mode_batch_norm_normalises_by_the_batch(make):
    encoder = make()
    copy = follower([encoder])
    expected = encoder(IMAGES, training=True)
    np.testing.assert_allclose(
        copy(IMAGES, training=True), expected, rtol=1e-6, atol=1e-6
    )
    # ... and updates its own moving averages, as the encoder does.
    for slow, weight in zip(copy.weights, encoder.weights, strict=True):
        np.testing.assert_allclose(slow, weight, rtol=1e-6)


def test_losses_of_the_copy_are_not_those_of_its_model():
    class Regularised(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = layers.Dense(
                4, kernel_regularizer="l2", activity_regularizer="l2"
            )
            self.encoder.build((None, 5))
            self.momentum_encoder = follower([self.encoder])

        def call(self, x):
            y = self.encoder(x)
            self.momentum_encoder(x)
            return y

    model = Regularised()
    model(IMAGES)
    assert len(model.losses) == 2
    np.testing.assert_allclose(sum(model.losses), sum(model.encoder.losses))


@pytest.mark.slow
def test_layers_that_are_copied_while_a_step_is_traced_are_copied_once():
    encoder, copy = sequential(), MomentumEncoder(0.9)

    @tf.function
    def step(x):
        if not copy.built:
            copy.follow([encoder])
        return copy(x)

    outputs = step(IMAGES)
    np.testing.assert_array_equal(outputs, encoder(IMAGES))
    shaken(encoder)
    np.testing.assert_array_equal(step(IMAGES), outputs)


@pytest.mark.slow
@pytest.mark.parametrize("has_strategy", [False, True])
def test_in_a_model_that_is_fitted_at_once_the_copy_starts_equal(has_strategy):
    scope = contextlib.nullcontext()
    if has_strategy:
        scope = tf.distribute.OneDeviceStrategy("CPU:0").scope()
    with scope:
        model = Parent()
        model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    model.fit(IMAGES, IMAGES[:, :3], batch_size=6, verbose=0)
    copies = model.momentum_encoder.copies
    for slow, layer in zip(copies, [model.encoder, model.head], strict=True):
        for one, other in zip(slow.weights, layer.weights, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_layers_without_values_yet_are_refused():
    layer = layers.Dense(3)

    @tf.function
    def step(x):
        layer(x)
        MomentumEncoder().follow([layer])

    with pytest.raises(ValueError, match="`layers` must be built before"):
        step(IMAGES)


def test_under_mixed_precision_the_copy_gets_the_inputs_as_they_are():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder = keras.Sequential(
            [keras.Input((5,)), layers.Rescaling(1.0, dtype="float32")]
        )
        copy = follower([encoder])
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(copy(IMAGES), IMAGES)


def test_an_encoder_that_cannot_be_made_again_is_refused():
    class Closed(layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function
            self.dense = layers.Dense(3)

        def build(self, input_shape):
            self.dense.build(input_shape)

        def call(self, x):
            return self.function(self.dense(x))

    encoder = Closed(ops.relu)
    encoder(IMAGES)
    with pytest.raises(ValueError, match="`layers` must have a get_config"):
        follower([encoder])


def test_a_layer_without_weights_yet_is_refused():
    with pytest.raises(ValueError, match="`layers` must be built before"):
        follower([layers.Dense(3)])


def test_following_comes_once_and_first():
    with pytest.raises(ValueError, match="must be given layers by `follow`"):
        MomentumEncoder()(IMAGES)
    copy = follower([sequential()])
    with pytest.raises(ValueError, match="`follow` must be called once"):
        copy.follow([sequential()])


@pytest.mark.parametrize("momentum", [1, -0.1, 1.5, None, True, "0.9"])
def test_a_momentum_outside_of_0_to_1_is_refused(momentum):
    with pytest.raises(ValueError, match=r"`momentum` must be a number in"):
        MomentumEncoder(momentum)


def test_configs_are_complete():
    for layer in (MomentumEncoder(0.5, name="slow"), LabelledQueue(4, 3)):
        config = layer.get_config()
        assert type(layer).from_config(config).get_config() == config
        again = keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(layer)
        )
        assert again.get_config() == config


@pytest.fixture
def used_parent():
    model = Parent()
    model.build((None, 5))
    shaken(model.encoder)
    model.momentum_encoder.update([model.encoder, model.head])
    model(IMAGES, training=True)
    projections = np.array([[1.0] * 3, [2.0] * 3], "float32")
    model.queue.enqueue(np.array([1, 2**40 + 1]), projections)
    return model


def assert_same(model, other):
    for one, two in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(
        model.momentum_encoder(IMAGES), other.momentum_encoder(IMAGES)
    )
    for one, two in zip(model.queue.items(), other.queue.items(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_saved_model_has_its_copy_and_its_queue(used_parent, tmp_path):
    used_parent.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_same(used_parent, again)
    assert not again.momentum_encoder.trainable_weights


@pytest.mark.filterwarnings("error::UserWarning")
def test_saved_weights_have_the_copy_and_the_queue(used_parent, tmp_path):
    used_parent.save_weights(tmp_path / "model.weights.h5")
    again = Parent()
    again.build((None, 5))
    again.load_weights(tmp_path / "model.weights.h5")
    assert_same(used_parent, again)


@pytest.mark.slow
def test_the_whole_step_compiles():
    model = Parent()
    model.build((None, 5))

    def step(x):
        model.queue.items()
        outputs = model(x, training=True)
        model.momentum_encoder.update([model.encoder, model.head])
        model.queue.enqueue(None, outputs)
        return outputs

    outputs = tf.function(step, jit_compile=True)(tf.constant(IMAGES))
    np.testing.assert_array_equal(model.queue.items()[1], outputs[:4])


def check_replicas():
    """Both replicas' copies, after steps on the same gathered values."""
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    def built():
        keras.utils.set_random_seed(0)
        model = Parent()
        model.build((None, 5))
        return model, keras.optimizers.SGD(0.1)

    def step(model, optimizer, x, ids):
        model.queue.items()
        weights = model.trainable_weights
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = ops.mean(outputs**2) / ops.cast(total, "float32") * len(x)
        optimizer.apply(tape.gradient(loss, weights), weights)
        model.momentum_encoder.update([model.encoder, model.head])
        context = tf.distribute.get_replica_context()
        outputs = model.momentum_encoder(x)
        if context.num_replicas_in_sync > 1:
            outputs, ids = (
                context.all_gather(tf.identity(part), axis=0)
                for part in (outputs, ids)
            )
        model.queue.enqueue(ids, outputs)

    total = len(IMAGES)
    ids = np.arange(total) + 2**40
    one, optimizer = built()
    for _ in range(3):
        step(one, optimizer, tf.constant(IMAGES), tf.constant(ids))

    with strategy.scope():
        both, optimizer = built()
        optimizer.build(both.trainable_weights)

    def parts(x):
        halves = np.split(x, [total // 2])
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(
                halves[context.replica_id_in_sync_group]
            )
        )

    run = tf.function(
        lambda x, ids: strategy.run(step, (both, optimizer, x, ids))
    )
    for _ in range(3):
        run(parts(IMAGES), parts(ids))
    for variable, expected in zip(both.weights, one.weights, strict=True):
        first, second = strategy.experimental_local_results(variable.value)
        np.testing.assert_array_equal(first, second)
        np.testing.assert_allclose(first, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(both.queue.items()[0], ids[:4])


@pytest.mark.release
def test_two_replicas_hold_the_copy_and_the_queue_of_one():
    program = f"import runpy; runpy.run_path({__file__!r})['check_replicas']()"
    subprocess.run([sys.executable, "-c", program], check=True)
