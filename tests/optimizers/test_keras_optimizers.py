import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from often import often

from supcon_tf.optimizers import OPTIMIZERS, make_optimizer
from supcon_tf.optimizers.keras_optimizers import SGD, Adam, AdamW, RMSprop
from supcon_tf.optimizers.lars import LARS
from supcon_tf.optimizers.schedules import learning_rate_schedule

NAMES = list(OPTIMIZERS)
GENERATOR = np.random.default_rng(0)
WEIGHT = GENERATOR.normal(size=(3, 2))
GRADIENTS = GENERATOR.normal(size=(20, 3, 2))


def moved(optimizer, weight=WEIGHT, gradients=GRADIENTS):
    """The variable after one step for each gradient, as an array."""
    variable = keras.Variable(weight, dtype="float32")
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient, tf.float32)], [variable])
    return variable.numpy()


def make_fit(optimizer, jit_compile=False):
    """A small convolutional network, fitted for six steps."""
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(4, 3),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    network.compile(optimizer, "mse", jit_compile=jit_compile)
    generator = np.random.default_rng(0)
    images = generator.normal(size=(24, 6, 6, 2)).astype("float32")
    targets = generator.normal(size=(24, 3)).astype("float32")
    network.fit(
        images, targets, batch_size=8, epochs=2, shuffle=False, verbose=0
    )
    return network


def differences(network, other):
    pairs = zip(network.get_weights(), other.get_weights(), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_with_l2_is_its_formula(nesterov):
    weight, velocity = WEIGHT, 0
    for gradient in GRADIENTS:
        step = 0.1 * (gradient + 0.05 * weight)
        velocity = 0.9 * velocity - step
        weight = weight + (0.9 * velocity - step if nesterov else velocity)
    optimizer = make_optimizer(
        "nesterov" if nesterov else "sgd", 0.1, l2=0.05, momentum=0.9
    )
    np.testing.assert_allclose(moved(optimizer), weight, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("epsilon", [1.0, 0.001, 1e-7])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_with_l2_is_the_formula_of_tensorflow_1(epsilon, momentum):
    weight, square, velocity = WEIGHT, 1, 0
    for gradient in GRADIENTS:
        gradient = gradient + 0.05 * weight
        square = 0.9 * square + 0.1 * gradient**2
        step = 0.1 * gradient / np.sqrt(square + epsilon)
        velocity = momentum * velocity + step
        weight = weight - velocity
    optimizer = RMSprop(0.1, l2=0.05, momentum=momentum, epsilon=epsilon)
    np.testing.assert_allclose(moved(optimizer), weight, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("epsilon", [1.0, 0.001])
def test_rmsprop_is_that_of_tensorflow_1(epsilon):
    theirs = tf.compat.v1.train.RMSPropOptimizer(
        0.1, decay=0.9, momentum=0.9, epsilon=epsilon
    )
    variable = tf.Variable(WEIGHT, dtype=tf.float32)
    for gradient in GRADIENTS:
        theirs.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
    ours = moved(RMSprop(0.1, epsilon=epsilon))
    np.testing.assert_allclose(ours, variable, rtol=1e-4, atol=1e-6)


def test_keras_own_rmsprop_starts_elsewhere():
    # When this fails, `RMSprop.add_optimizer_variables` can go.
    theirs = keras.optimizers.RMSprop(0.1, momentum=0.9, epsilon=0.001)
    distance = np.abs(moved(theirs) - moved(RMSprop(0.1, epsilon=0.001)))
    assert distance.max() > 0.1


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_and_adamw_are_their_formulas(decoupled):
    weight, mean, square = WEIGHT, 0, 0
    for step, gradient in enumerate(GRADIENTS, 1):
        if decoupled:
            weight = weight * (1 - 0.1 * 0.05)
        else:
            gradient = gradient + 0.05 * weight
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = 0.1 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        weight = weight - rate * mean / (np.sqrt(square) + 1e-7)
    name = "adamw" if decoupled else "adam"
    optimizer = make_optimizer(name, 0.1, l2=0.05)
    np.testing.assert_allclose(moved(optimizer), weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sgd", SGD),
        ("nesterov", SGD),
        ("lars", LARS),
        ("rmsprop", RMSprop),
        ("adam", Adam),
        ("adamw", AdamW),
    ],
)
def test_an_optimizer_by_name_has_the_arguments_that_it_knows(name, kind):
    optimizer = make_optimizer(name, 0.5, l2=1e-4, momentum=0.8, rho=0.7)
    assert type(optimizer) is kind
    config = optimizer.get_config()
    assert config["learning_rate"] == 0.5
    assert config["weight_decay" if kind is AdamW else "l2"] == 1e-4
    assert config.get("momentum") == (None if "adam" in name else 0.8)
    assert config.get("rho") == (0.7 if name == "rmsprop" else None)
    assert config.get("nesterov", False) == (name == "nesterov")


def test_every_name_is_tested():
    assert NAMES == ["sgd", "nesterov", "lars", "rmsprop", "adam", "adamw"]


def test_momentum_may_be_an_integer():
    assert make_optimizer("lars", 0.5, momentum=0).momentum == 0


@pytest.mark.parametrize("name", ["rmsprop", "adam", "adamw"])
def test_epsilon_is_given_or_the_optimizers_own(name):
    own = {"rmsprop": 1e-3, "adam": 1e-7, "adamw": 1e-7}[name]
    assert make_optimizer(name, 0.5).epsilon == own
    assert make_optimizer(name, 0.5, epsilon=1.0).epsilon == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "adagrad"},
            "`optimizer` must be one of ['sgd', 'nesterov', 'lars', 'rmsprop', "
            "'adam', 'adamw']. Received: optimizer='adagrad'",
        ),
        ({"name": "lars", "l2": -1}, "`l2` must be a finite number >= 0"),
        ({"name": "adamw", "l2": -1}, "`weight_decay` must be a finite number"),
        (
            {"name": "lars", "epsilon": 1e-8},
            "`epsilon` must be None with optimizer='lars', which has none. "
            "Received: epsilon=1e-08",
        ),
        ({"name": "adam", "epsilon": -1}, "`epsilon` must be a finite number"),
        ({"name": "rmsprop", "rho": 1.0}, "`rho` must be in [0, 1)"),
        ({"name": "rmsprop", "momentum": -1}, "`momentum` must be in [0, 1)"),
        ({"name": "sgd", "momentum": 2}, "`momentum` must be"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        make_optimizer(**{"learning_rate": 0.1, **arguments})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_an_optimizer_is_what_its_config_says(name):
    schedule = learning_rate_schedule(
        "cosine", 0.5, total_steps=100, warmup_steps=10
    )
    optimizer = make_optimizer(name, schedule, l2=1e-4, momentum=0.8)
    config = json.loads(json.dumps(keras.optimizers.serialize(optimizer)))
    again = keras.optimizers.deserialize(config)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    assert float(again.learning_rate) == float(optimizer.learning_rate) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", often(NAMES, "lars", "rmsprop"))
def test_a_saved_model_goes_on_as_if_it_had_not_been_saved(name, tmp_path):
    schedule = learning_rate_schedule(
        "exponential",
        0.01,
        total_steps=20,
        warmup_steps=2,
        steps_per_epoch=3,
        decay_rate=0.5,
        epochs_per_decay=1,
    )
    network = make_fit(make_optimizer(name, schedule, l2=0.01))
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is type(network.optimizer)
    assert int(again.optimizer.iterations) == 6
    images, targets = np.ones((8, 6, 6, 2)), np.ones((8, 3))
    for model in (network, again):
        model.fit(images, targets, batch_size=4, shuffle=False, verbose=0)
    assert differences(network, again) <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", often(NAMES, "lars"))
def test_a_compiled_step_is_the_same(name):
    schedule = learning_rate_schedule(
        "steps",
        0.01,
        total_steps=6,
        steps_per_epoch=3,
        decay_rate=0.1,
        decay_epochs=(1,),
    )
    plain = make_fit(make_optimizer(name, schedule, l2=0.01))
    compiled = make_fit(make_optimizer(name, schedule, l2=0.01), True)
    assert compiled.jit_compile
    # (Adam divides roundings of tiny gradients by their own size.)
    assert differences(plain, compiled) <= (3e-3 if "adam" in name else 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", often(NAMES, "lars"))
def test_a_loss_scale_does_not_change_a_fit(name):
    plain = make_fit(make_optimizer(name, 0.01, l2=0.01))
    scaled = keras.optimizers.LossScaleOptimizer(
        make_optimizer(name, 0.01, l2=0.01), initial_scale=1024.0
    )
    assert differences(plain, make_fit(scaled)) <= (
        1e-3 if "adam" in name else 1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", often(NAMES, "lars"))
def test_mixed_float16_trains_with_finite_weights(name):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = make_fit(make_optimizer(name, 0.01, l2=0.01))
    finally:
        keras.config.set_dtype_policy("float32")
    assert isinstance(network.optimizer, keras.optimizers.LossScaleOptimizer)
    assert int(network.optimizer.inner_optimizer.iterations) > 0
    for weight in network.get_weights():
        assert weight.dtype == np.float32
        assert np.isfinite(weight).all()


REPLICAS = """
import contextlib, json, os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np, tensorflow as tf
from supcon_tf import SupConLoss, SupConModel
from supcon_tf.optimizers import OPTIMIZERS, make_optimizer
from supcon_tf.optimizers.schedules import learning_rate_schedule

keras.backend.set_floatx("float64")
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2)
one = tf.distribute.OneDeviceStrategy("CPU:0")
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
generator = np.random.default_rng(0)
shapes = (3, 3, 2, 4), (5, 3), (4,), ()
weights = [generator.normal(size=shape) for shape in shapes]
parts = [generator.normal(size=(2, 5, *shape)) for shape in shapes]
images = generator.normal(size=(22, 2, 8))

def optimizer(name):
    return make_optimizer(
        name, learning_rate_schedule(
            "exponential", 3.0 if name == "lars" else 0.05, total_steps=6,
            warmup_steps=2, steps_per_epoch=3, decay_rate=0.5,
            epochs_per_decay=0.5), l2=0.5)

def applied(name, strategy):
    # Each replica has its part of the gradient; one replica has the sum.
    with strategy.scope():
        variables = [keras.Variable(weight) for weight in weights]
        chosen = optimizer(name)
        chosen.build(variables)

    @tf.function
    def step(i):
        def on_replica():
            replica = tf.distribute.get_replica_context()
            mine = [
                tf.reduce_sum(part, 0) if strategy is one
                else tf.constant(part)[replica.replica_id_in_sync_group]
                for part in parts]
            chosen.apply([part[i] for part in mine], variables)
        strategy.run(on_replica)

    for i in range(5):
        step(tf.constant(i))
    return [variable.numpy() for variable in variables]

def fitted(name, strategy):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = SupConModel(keras.Sequential([
            keras.Input((8,)), keras.layers.Dense(5)]))
        model.compile(optimizer(name), SupConLoss())
        model.build(images.shape)
    before = model.get_weights()
    model.fit(images, np.arange(22) % 3, batch_size=8, epochs=2,
              shuffle=False, verbose=0)
    return before, model.get_weights()

def largest(a, b):
    return max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))

for name in OPTIMIZERS:
    expected = applied(name, one)
    print(json.dumps([name, largest(expected, weights),
                      largest(expected, applied(name, two))]))
for name in ("lars", "adamw"):  # built by the fit
    before, expected = fitted(name, one)
    print(json.dumps([name, largest(expected, before),
                      largest(expected, fitted(name, two)[1])]))
"""


@pytest.mark.release
def test_two_replicas_end_with_the_weights_of_one():
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in results] == [*NAMES, "lars", "adamw"]
    for name, distance, difference in results:
        assert distance > 0.01, name
        assert difference <= 1e-12, name
