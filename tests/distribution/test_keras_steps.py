"""One device and many: the same weights, the same logged values."""

import json
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import replica_fits
import tensorflow as tf
from keras import ops
from replica_fits import compare, on_logical_cpus

from supcon_tf import SupConLoss, SupConModel
from supcon_tf.distribution import keras_steps

# Neither has the same batch statistics on one device.
LOCAL = ("local batch norm", "empty replica, local batch norm")
EXACT = [
    case
    for case in (*replica_fits.PLAIN, *replica_fits.SUPCON)
    if case not in LOCAL
]
# One for each way in which a replica's step differs; the rest before a release.
OFTEN = ("model", "scaled loss")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            marks=pytest.mark.slow if case in OFTEN else pytest.mark.release,
        )
        for case in EXACT
    ],
)
def test_two_replicas_end_with_the_weights_and_values_of_one(
    case, two_replicas, float64
):
    result = compare(case, two_replicas)
    assert result["moved"] > 0.03
    assert result["weights"] <= 1e-12
    for name, difference in result["logs"].items():
        # (What SupConModel logs beside the loss is float32.)
        limit = 1e-12 if name in ("loss", "val_loss") else 1e-6
        assert difference <= limit, name


@pytest.mark.release
def test_local_batch_statistics_give_other_weights(two_replicas, float64):
    assert compare("local batch norm", two_replicas)["weights"] > 1e-2


@pytest.mark.release
def test_a_replica_without_images_leaves_local_batch_norm_finite(
    two_replicas, float64
):
    result = compare("empty replica, local batch norm", two_replicas)
    assert np.isfinite(result["weights"])
    assert np.isfinite(list(result["logs"].values())).all()


@pytest.mark.release
def test_four_replicas_end_with_the_weights_and_values_of_one():
    for result in on_logical_cpus(4, "float64", "dense", "tiled", "model"):
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
                    *(sys.executable, replica_fits.__file__, "workers"),
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


ROWS = np.random.default_rng(0).normal(size=(15, 2, 4)).astype("float32")


def dense_encoder(**options):
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, **options)]
    )


def plain_keras(encoder):
    """A model of Keras, without anything of ours but the loss."""
    return keras.Sequential(
        [keras.Input((2, 4)), keras.layers.TimeDistributed(encoder)]
    )


def fit(strategy, make_model=SupConModel, size=14, steps=None, **options):
    with strategy.scope():
        model = make_model(dense_encoder())
        optimizer = keras.optimizers.SGD(gradient_accumulation_steps=steps)
        model.compile(optimizer, SupConLoss(), **options)
    labels = np.arange(size) % 3
    model.fit(ROWS[:size], labels, batch_size=size, verbose=0)


# The number of images that two replicas cannot halve is no case of these: it
# fits in SupConModel ("empty replica" above) and not in Keras.
UNFIT = {
    "jit_compile": {"jit_compile": True},
    "steps_per_execution": {"steps_per_execution": 2},
    "num_microbatches": {"steps": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", UNFIT)
def test_what_several_replicas_cannot_do_is_refused(name, two_replicas):
    with pytest.raises(ValueError, match=name):
        fit(two_replicas, **UNFIT[name])


@pytest.mark.slow
def test_an_activity_regulariser_is_refused(two_replicas):
    def regularised(encoder):
        layer = keras.layers.Dense(3, activity_regularizer="l2")
        return SupConModel(keras.Sequential([encoder, layer]))

    with pytest.raises(ValueError, match="Activity regularisers and add_loss"):
        fit(two_replicas, regularised)


@pytest.mark.slow
def test_an_encoder_from_outside_the_scope_is_refused(two_replicas):
    outside = dense_encoder()
    with pytest.raises(ValueError, match="made in the scope of the strategy"):
        fit(two_replicas, lambda encoder: SupConModel(outside))


@pytest.mark.slow
def test_a_model_from_outside_the_scope_is_refused(two_replicas):
    outside = SupConModel(dense_encoder())
    with pytest.raises(ValueError, match="in the scope of the same strategy"):
        fit(two_replicas, lambda encoder: outside)


@pytest.mark.slow
def test_an_optimizer_from_outside_the_scope_is_refused(two_replicas):
    with two_replicas.scope():
        model = SupConModel(dense_encoder())
    model.compile("sgd", SupConLoss())
    with pytest.raises(ValueError, match="in the scope of the same strategy"):
        model.fit(ROWS, np.arange(15) % 3, verbose=0)


@pytest.mark.slow
def test_steps_on_one_batch_are_refused_with_the_method_to_take(two_replicas):
    with two_replicas.scope():
        model = SupConModel(dense_encoder())
        model.compile("sgd", SupConLoss())
    labels = np.arange(15) % 3
    for method, call in {
        "fit": lambda: model.train_on_batch(ROWS, labels),
        "evaluate": lambda: model.test_on_batch(ROWS, labels),
        "predict": lambda: model.predict_on_batch(ROWS),
    }.items():
        with pytest.raises(ValueError, match=f"on_batch` must be `{method}`"):
            call()


@pytest.mark.release
@pytest.mark.parametrize("options", [*UNFIT.values(), {"size": 15}])
def test_keras_still_needs_what_supcon_model_adds(options, two_replicas):
    # When one of these fits, the guard (or hook) for it can go.
    with pytest.raises(Exception):  # noqa: B017, whatever Keras says
        fit(two_replicas, plain_keras, **options)


@pytest.mark.release
def test_and_fits_what_needs_nothing(two_replicas):
    fit(two_replicas, plain_keras)


class Overflow(keras.layers.Layer):
    """Its gradients overflow where the first feature is above 100."""

    def call(self, x):
        @tf.custom_gradient
        def identity(x):
            return (
                tf.identity(x),
                lambda g: (
                    g
                    * tf.where(
                        tf.reduce_any(x[:, :1] > 100),
                        tf.cast(np.inf, g.dtype),
                        1,
                    )
                ),
            )

        return identity(x)


class KerasOwnStep(SupConModel):
    train_step = keras.Model.train_step


def fit_with_an_overflow(strategy, make_model, clipvalue):
    """The model after six batches, the second of which overflows."""
    images = np.random.default_rng(0).normal(size=(48, 2, 4))
    images[14, 0, 0] = 200  # the second replica's part
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with strategy.scope():
            encoder = keras.Sequential(
                [
                    keras.Input((4,)),
                    keras.layers.Dense(4, kernel_initializer="identity"),
                    Overflow(),
                    keras.layers.Dense(3),
                ]
            )
            model = make_model(encoder)
            optimizer = keras.optimizers.SGD(0.01, clipvalue=clipvalue)
            model.compile(
                keras.optimizers.LossScaleOptimizer(
                    optimizer, initial_scale=256
                ),
                SupConLoss(),
            )
    finally:
        keras.config.set_dtype_policy("float32")
    model.fit(
        images.astype("float32"),
        np.arange(48) % 3,
        batch_size=8,
        verbose=0,
        shuffle=False,
    )
    return model


@pytest.mark.parametrize(
    "clipvalue",
    [
        pytest.param(1.0, marks=pytest.mark.slow),
        pytest.param(1e9, marks=pytest.mark.release),
    ],
)
def test_an_overflow_on_one_replica_skips_the_step_on_all(
    clipvalue, two_replicas
):
    model = fit_with_an_overflow(two_replicas, SupConModel, clipvalue)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    # Of six steps one is left out, and the scale halved.
    assert int(ops.convert_to_numpy(model.optimizer.iterations)) == 5
    assert float(ops.convert_to_numpy(model.optimizer.dynamic_scale)) == 128


@pytest.mark.release
def test_keras_still_takes_the_step_on_one_replica(two_replicas):
    # When it does not, `keras_steps.apply_gradients` can go.
    model = fit_with_an_overflow(two_replicas, KerasOwnStep, 1.0)
    assert not all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"jit_compile": True},
        pytest.param({"steps_per_execution": 2}, marks=pytest.mark.release),
        pytest.param(
            {"optimizer": keras.optimizers.SGD(gradient_accumulation_steps=2)},
            marks=pytest.mark.release,
        ),
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
