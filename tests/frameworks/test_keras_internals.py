"""Private names of Keras: they do what we need, and no public one does yet.

A test that is named `..._has_no_public_way` fails once Keras has one: then the
function it names can go.
"""

import inspect
import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.frameworks import keras_internals

ROOT = pathlib.Path(__file__).resolve().parents[2]


def public(kind, word):
    """Public names of a class, or module, in which a word occurs."""
    return [n for n in dir(kind) if word in n.lower() and n[0] != "_"]


def nested():
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    return keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(1)])


def test_layers_inside_layers_are_found_the_outer_ones_first():
    model = nested()
    layers = keras_internals.all_layers(model)
    assert [type(x).__name__ for x in layers].count("Dense") == 2
    assert layers.index(model) < layers.index(model.layers[0])
    assert layers.index(model.layers[0]) < layers.index(
        model.layers[0].layers[0]
    )


def test_all_layers_has_no_public_way():
    assert public(keras.Model, "flatten") == []
    assert len(nested().layers) == 2  # the outermost ones alone


def test_added_losses_are_forgotten():
    layer = keras.layers.ActivityRegularization(1.0)
    layer(np.ones((2, 2), "float32"))
    assert len(layer.losses) == 1
    keras_internals.clear_losses(layer)
    assert layer.losses == []


def test_clear_losses_has_no_public_way():
    assert public(keras.Layer, "clear") == []


@pytest.mark.parametrize("asked", ["auto", True, False])
def test_for_any_backend_has_no_public_way_to_say_auto(asked):
    """Keras writes what "auto" became, not that it was asked for."""
    model = nested()
    model.compile("sgd", "mse", jit_compile="auto")
    became = model.get_compile_config()["jit_compile"]
    assert became in (True, False)
    model.compile("sgd", "mse", jit_compile=asked)
    written = model.get_compile_config()
    found = keras_internals.for_any_backend(model, written)
    expected = "auto" if written["jit_compile"] == became else asked
    assert found == written | {"jit_compile": expected}


def test_optimizers_of_pytorch_are_written_as_those_of_keras():
    inner = {
        "module": "keras.src.backend.torch.optimizers.torch_sgd",
        "class_name": "SGD",
        "registered_name": "SGD",
        "config": {"momentum": 0.5},
    }
    outer = {"module": "keras.optimizers", "config": {"inner": inner}}
    found = keras_internals.for_any_backend(
        nested(), {"optimizer": outer, "jit_compile": None}
    )
    assert found["optimizer"]["config"]["inner"] == inner | {
        "module": "keras.optimizers",
        "registered_name": None,
    }
    assert keras_internals.for_any_backend(nested(), {}) == {}


def test_an_optimizer_knows_the_place_of_a_variable():
    optimizer = keras.optimizers.SGD()
    variables = [keras.Variable([1.0]), keras.Variable([[2.0]])]
    optimizer.build(variables)
    places = [keras_internals.variable_index(optimizer, v) for v in variables]
    assert places == [0, 1]


def test_variable_index_has_no_public_way():
    assert public(keras.optimizers.Optimizer, "index") == []


def test_the_loss_is_logged_as_a_mean_weighted_by_the_images():
    model = nested()
    model.compile("sgd", "mse")
    keras_internals.log_loss(model, 2.0, 3)
    keras_internals.log_loss(model, 6.0, 1)
    assert float(model.get_metrics_result()["loss"]) == 3.0


def test_log_loss_has_no_public_way():
    assert public(keras.Model, "tracker") == []


def test_loss_weights_are_those_of_compile():
    model = nested()
    model.compile("sgd", "mse")
    assert keras_internals.loss_weights_of(model) is None
    model.compile("sgd", "mse", loss_weights=[0.5])
    assert keras_internals.loss_weights_of(model) == [0.5]


def test_loss_weights_of_has_no_public_way():
    model = nested()
    model.compile("sgd", "mse", loss_weights=[0.5])
    assert not hasattr(model, "loss_weights")


def test_a_variable_starts_at_the_value_of_another():
    one, other = keras.Variable([1.0, 2.0]), keras.Variable([3.0, 4.0])
    assert keras_internals.has_value(one)
    keras_internals.start_at(one, other)
    np.testing.assert_array_equal(one, other)


def test_has_value_and_start_at_have_no_public_way():
    assert set(public(keras.Variable, "initial")) <= {"initializer"}


class Spy(keras.layers.Layer):
    """Notes in which mode it is read."""

    modes = []  # noqa: RUF012

    @classmethod
    def from_config(cls, config):
        cls.modes.append(keras_internals.in_safe_mode())
        return cls(**config)


def test_the_mode_in_which_a_file_is_read_is_known(tmp_path):
    model = keras.Sequential([keras.Input((2,)), Spy()])
    model.save(tmp_path / "model.keras")
    Spy.modes.clear()
    for safe_mode in (True, False):
        keras.saving.load_model(
            tmp_path / "model.keras",
            custom_objects={"Spy": Spy},
            safe_mode=safe_mode,
        )
    assert Spy.modes == [True, False]


def test_in_safe_mode_has_no_public_way():
    assert public(keras.saving, "safe") == []


class Asked(keras.Sequential):
    """Notes whether it is written as HDF5 when its config is made."""

    answers = []  # noqa: RUF012

    def get_config(self):
        self.answers.append(keras_internals.writes_hdf5())
        return super().get_config()


def test_a_model_knows_that_it_is_written_as_hdf5(tmp_path):
    model = Asked([keras.Input((2,)), keras.layers.Dense(1)])
    for suffix, is_hdf5 in (("keras", False), ("h5", True)):
        Asked.answers.clear()
        keras.saving.save_model(model, tmp_path / f"model.{suffix}")
        assert set(Asked.answers) == {is_hdf5}
    assert not keras_internals.writes_hdf5()


def test_writes_hdf5_has_no_public_way():
    for words in ("legacy", "hdf5", "h5"):
        assert public(keras.saving, words) == []


class Built(keras_internals.BuiltFromSpecs):
    """A model that says for what shape it was built."""

    def build(self, input_shape):
        self.dense = keras.layers.Dense(1)
        self.dense.build(input_shape)
        self.built_for = tuple(input_shape)
        self.built = True

    def call(self, x):
        return self.dense(x)


@pytest.mark.slow
def test_a_model_is_built_from_the_shapes_without_a_batch_size():
    model = Built()
    model.compile("sgd", "mse")
    data = tf.data.Dataset.from_tensors((np.ones((3, 2)), np.ones((3, 1))))
    model.fit(data, verbose=0)
    assert model.built_for == (None, 2)


def test_building_from_specs_is_still_not_what_keras_does():
    from keras.src.backend.tensorflow import trainer

    source = inspect.getsource(trainer.TensorFlowTrainer._maybe_symbolic_build)
    assert '"MEAN"' in source, "Keras no longer takes a mean: remove the class"


@pytest.mark.parametrize("folder", ["supcon_tf", "hub_export"])
def test_no_other_file_uses_a_private_name_of_keras(folder):
    private = re.compile(
        r"keras\.src|\._(flatten_layers|clear_losses|loss_tracker|value\b|"
        r"initializer|distribute_strategy|maybe_symbolic_build)"
    )
    for path in (ROOT / folder).rglob("*.py"):
        if path.name != "keras_internals.py":
            assert not private.search(path.read_text()), path


def test_a_variable_more_is_left_out_of_the_weight_decay():
    weights = [keras.Variable([2.0], name=n) for n in ("a", "b", "c", "bias")]
    optimizer = keras.optimizers.AdamW(1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(weights[:1], ["bias"])
    optimizer.build(weights)
    keras_internals.exclude_from_weight_decay(
        keras.optimizers.LossScaleOptimizer(optimizer), weights[1]
    )
    optimizer.apply([tf.zeros(1)] * 4, weights)
    assert [float(weight[0]) for weight in weights] == [2, 2, 1, 2]


def test_exclude_from_weight_decay_has_no_public_way():
    assert public(keras.optimizers.Optimizer, "exclude") == [
        "exclude_from_weight_decay"
    ]
    weights = [keras.Variable([2.0]), keras.Variable([2.0])]
    optimizer = keras.optimizers.AdamW(1.0, weight_decay=0.5)
    for weight in weights:  # it forgets the first
        optimizer.exclude_from_weight_decay([weight])
    optimizer.apply([tf.zeros(1)] * 2, weights)
    assert [float(weight[0]) for weight in weights] == [1, 2]


def test_whether_a_variable_is_decayed_is_told():
    weights = [keras.Variable([2.0], name=n) for n in ("a", "b", "c")]
    optimizer = keras.optimizers.AdamW(1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(weights[:1], ["b"])
    told = [keras_internals.uses_weight_decay(optimizer, w) for w in weights]
    assert told == [False, False, True]


def test_the_metrics_of_a_model_are_told_as_they_were_given():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert keras_internals.metrics_of(model) == {}
    model.compile("sgd", "mse", metrics=["mae"])
    told = keras_internals.metrics_of(model)
    assert told == {"metrics": ["mae"], "weighted_metrics": None}
