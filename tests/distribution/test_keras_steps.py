"""One device and many: the same weights, the same logged values."""

import functools
import json
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import on_replicas
import pytest
import tensorflow as tf
from on_replicas import on_logical_cpus

from supcon_tf import SupConLoss, SupConModel
from supcon_tf.distribution import keras_steps

MISTAKES = ("no gather", "stopped gradient", "local batch norm")
EXACT = [
    *(case for case in on_replicas.PLAIN if case not in MISTAKES),
    *(case for case in on_replicas.SUPCON if "local" not in case),
]
FEW = ("dense", "tiled", "sum", "model", "empty replica")
# One for each way in which a replica's step differs; the rest before a release.
OFTEN = (
    *(*FEW, "many tiles", "cap", "weighted mean", "first batch"),
    *("global_clipnorm", "scaled loss", "queue", "momentum encoder"),
    *("microbatches", "empty replica, local batch norm", "no gather"),
)
SELDOM = {*on_replicas.PLAIN, *on_replicas.SUPCON} - set(OFTEN)


def marked(cases):
    """The cases as parameters, those of `SELDOM` for a release."""
    return [
        pytest.param(
            case,
            marks=pytest.mark.release if case in SELDOM else pytest.mark.slow,
        )
        for case in cases
    ]


# One for each way to compute the sums: a curve, weights in tiles, positives
# without tiles, levels, views.
FEW_OF_FAMILY = ("sincere", "balanced", "cosine", "hierarchical", "clip")


def on_two(case):
    """The result of a case; one program computes all that are as frequent."""
    cases = sorted(SELDOM) if case in SELDOM else OFTEN
    return _on_two(tuple(cases))[case]


@functools.cache
def _on_two(cases):
    results = on_logical_cpus(2, "float64", *cases)
    return {result["case"]: result for result in results}


@pytest.mark.parametrize("case", marked(EXACT))
def test_two_replicas_end_with_the_weights_and_values_of_one(case):
    result = on_two(case)
    assert result["moved"] > 0.03
    assert result["weights"] <= 1e-12
    for name, difference in result["logs"].items():
        # (What SupConModel logs beside the loss is float32.)
        limit = 1e-12 if name in ("loss", "val_loss") else 1e-6
        assert difference <= limit, name


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(FEW_OF_FAMILY, marks=pytest.mark.slow, id="few"),
        pytest.param(
            set(on_replicas.FAMILY) - set(FEW_OF_FAMILY),
            marks=pytest.mark.release,
            id="rest",
        ),
    ],
)
def test_two_replicas_equal_one_for_the_losses_of_the_family(cases):
    for result in on_logical_cpus(2, "float64", *sorted(cases)):
        assert result["moved"] > 0.03, result
        assert result["weights"] <= 1e-11, result
        assert result["logs"]["loss"] <= 1e-12, result


@pytest.mark.parametrize("case", marked(MISTAKES))
def test_with_a_mistake_in_the_gather_the_weights_are_others(case):
    assert on_two(case)["weights"] > 1e-2


@pytest.mark.slow
def test_a_replica_without_images_leaves_local_batch_norm_finite():
    result = on_two("empty replica, local batch norm")
    assert np.isfinite(result["weights"])
    assert np.isfinite(list(result["logs"].values())).all()


@pytest.mark.release
def test_four_replicas_end_with_the_weights_and_values_of_one():
    for result in on_logical_cpus(4, "float64", *FEW):
        assert result["weights"] <= 1e-12, result
        assert result["logs"]["loss"] <= 1e-12, result


@pytest.mark.release
@pytest.mark.parametrize("count", [2, 4])
def test_in_float32_many_replicas_are_one_up_to_rounding(count):
    for result in on_logical_cpus(count, "float32", "dense", "tiled"):
        assert result["weights"] <= 5e-6, result
        # (The loss is about 4, with sum 60.)
        assert result["logs"]["loss"] <= 5e-5, result


@pytest.mark.release
def test_two_workers_end_with_the_weights_and_values_of_one():
    cases = ("model", "empty replica", "first batch", "clipnorm", "queue")
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    hosts = [f"127.0.0.1:{server.getsockname()[1]}" for server in sockets]
    for server in sockets:
        server.close()
    workers = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": hosts}, "task": task})
        workers.append(
            subprocess.Popen(
                [
                    *(sys.executable, on_replicas.__file__, "workers"),
                    *("float64", *cases),
                ],
                env={**os.environ, "TF_CONFIG": config},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for worker in workers:
        out, err = worker.communicate(timeout=300)
        assert worker.returncode == 0, err
        results = [json.loads(line) for line in out.splitlines()]
        assert [result["case"] for result in results] == list(cases)
        for result in results:
            assert result["weights"] <= 1e-12, result
            assert result["logs"]["loss"] <= 1e-12, result


GUARDS = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np, tensorflow as tf
from supcon_tf import SupConLoss, SupConModel
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x = np.random.default_rng(0).normal(size=(15, 2, 4)).astype("float32")
y = np.arange(15) % 3

def fit(make_model=SupConModel, accumulation=None, size=14, **options):
    with strategy.scope():
        encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model = make_model(encoder)
        optimizer = keras.optimizers.SGD(
            gradient_accumulation_steps=accumulation)
        model.compile(optimizer, SupConLoss(), **options)
    try:
        model.fit(x[:size], y[:size], batch_size=size, verbose=0)
        print("fit")
    except Exception as error:
        print(type(error).__name__, str(error).replace("\\n", " ")[:400])

fit(jit_compile=True)
fit(steps_per_execution=2)
fit(accumulation=2)
fit(size=15)
fit(lambda encoder: SupConModel(keras.Sequential(
    [encoder, keras.layers.Dense(3, activity_regularizer="l2")])))
with strategy.scope():
    model = SupConModel(keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3)]))
    model.compile("sgd", SupConLoss())
for call in (lambda: model.train_on_batch(x, y),
             lambda: model.test_on_batch(x, y),
             lambda: model.predict_on_batch(x)):
    try:
        call()
    except ValueError as error:
        print(str(error))
encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
fit(lambda _: SupConModel(encoder))
print("---")
plain = lambda encoder: keras.Sequential(
    [keras.Input((2, 4)), keras.layers.TimeDistributed(encoder)])
fit(plain)
fit(plain, jit_compile=True)
fit(plain, steps_per_execution=2)
fit(plain, accumulation=2)
fit(plain, size=15)
"""


@pytest.fixture(scope="module")
def guarded():
    done = subprocess.run(
        [sys.executable, "-c", GUARDS], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_what_several_replicas_cannot_do_is_refused_with_the_way_out(guarded):
    ours = guarded[: guarded.index("---")]
    jit, steps, accumulation, indivisible, activity, *batches, outside = ours
    assert jit.startswith("ValueError `jit_compile` must be False or 'auto'")
    assert steps.startswith("ValueError `steps_per_execution` must be 1 on 2")
    assert "num_microbatches" in accumulation
    assert indivisible == "fit"
    assert "ValueError Activity regularisers and add_loss must be" in activity
    for line, method in zip(
        batches, ("fit", "evaluate", "predict"), strict=True
    ):
        assert f"on_batch` must be `{method}` on several replicas" in line
    assert "must be made in the scope of the strategy" in outside


@pytest.mark.slow
def test_keras_still_needs_what_supcon_model_adds(guarded):
    # When one of these fits, the guard (or hook) for it can go.
    fits, *fail = guarded[guarded.index("---") + 1 :]
    assert fits == "fit"
    assert len(fail) == 4
    assert "fit" not in fail


INFINITE_ON_ONE = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np, tensorflow as tf
from supcon_tf import SupConLoss, SupConModel
keras.config.set_dtype_policy("mixed_float16")
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

class Overflow(keras.layers.Layer):
    # Gradients overflow where the first feature is above 100.
    def call(self, x):
        @tf.custom_gradient
        def identity(x):
            return tf.identity(x), lambda g: g * tf.where(
                tf.reduce_any(x[:, :1] > 100), tf.cast(np.inf, g.dtype), 1)
        return identity(x)

class KerasOwnStep(SupConModel):
    train_step = keras.Model.train_step

x = np.random.default_rng(0).normal(size=(48, 2, 4)).astype("float32")
x[14, 0, 0] = 200  # the second replica's part of the second of six batches
for make_model in (SupConModel, KerasOwnStep):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        encoder = keras.Sequential([
            keras.Input((4,)),
            keras.layers.Dense(4, kernel_initializer="identity"),
            Overflow(), keras.layers.Dense(3)])
        model = make_model(encoder)
        optimizer = keras.optimizers.SGD(0.01, clipvalue=float(sys.argv[1]))
        model.compile(
            keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=256),
            SupConLoss())
    model.fit(x, np.arange(48) % 3, batch_size=8, verbose=0, shuffle=False)
    scale = keras.ops.convert_to_numpy(model.optimizer.dynamic_scale)
    print(
        all(np.isfinite(w).all() for w in model.get_weights()),
        keras.ops.convert_to_numpy(model.optimizer.iterations),
        model.optimizer.initial_scale / scale)
"""


@pytest.mark.slow
@pytest.mark.parametrize("clipvalue", ["1.0", "1e9"])
def test_an_overflow_on_one_replica_skips_the_step_on_all(clipvalue):
    done = subprocess.run(
        [sys.executable, "-c", INFINITE_ON_ONE, clipvalue],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    ours, keras_own = done.stdout.splitlines()
    # Of six steps one is left out, and the scale halved.
    assert ours == "True 5 2.0"
    # When Keras does it as well, `replicas.apply_gradients` can go.
    assert keras_own.startswith("False")


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"jit_compile": True},
        {"steps_per_execution": 2},
        {"optimizer": keras.optimizers.SGD(gradient_accumulation_steps=2)},
    ],
)
def test_one_replica_can_do_all_of_it(options):
    model = SupConModel(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    )
    model.compile(**{"optimizer": "sgd", "loss": SupConLoss(), **options})
    keras_steps.check_compiled(model)
    images = np.random.default_rng(0).random((8, 2, 4), "float32")
    history = model.fit(images, np.arange(8) % 2, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_gradients_on_one_replica_are_left_to_the_optimizer():
    variable = keras.Variable([1.0, 1.0])
    optimizer = keras.optimizers.SGD(1.0, clipnorm=1.0)
    keras_steps.apply_gradients(
        optimizer, [tf.constant([3.0, 4.0])], [variable]
    )
    np.testing.assert_allclose(variable, [0.4, 0.2], rtol=1e-6)
