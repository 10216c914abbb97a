"""Tests of hub_export/saved_model.py: the Reusable SavedModel of an encoder."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from often import often

from hub_export.comparison import compare
from hub_export.read_back import put_back
from hub_export.saved_model import write_saved_model
from supcon_tf import encoders
from supcon_tf.models.heads import ProjectionHead
from supcon_tf.models.linear_classifier import LinearClassifier

CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def make_encoder(size=None, *, regularizer="l2", head=(), name="encoder"):
    """Two blocks of convolution and batch normalization, then `head`."""
    body = [
        layers.Rescaling(2.0, -1.0),
        layers.Conv2D(8, 3, use_bias=False, kernel_regularizer=regularizer),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2D(12, 3, strides=2, kernel_regularizer=regularizer),
        layers.BatchNormalization(momentum=0.5),
        layers.ReLU(),
    ]
    inputs = layers.Input((size, size, 3))
    x = inputs
    for layer in (*body, *(head or [layers.GlobalAveragePooling2D()])):
        x = layer(x)
    encoder = keras.Model(inputs, x, name=name)
    # Statistics of a trained network: those of a new one are 0 and 1, which
    # hides a lost variable.
    rng = np.random.default_rng(1)
    for variable in encoder.weights:
        variable.assign(rng.uniform(0.2, 0.8, variable.shape) - 0.3)
        if "variance" in variable.path or "gamma" in variable.path:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return encoder


def make_images(batch=3, size=16, dtype="float32"):
    rng = np.random.default_rng(batch + size)
    pixels = rng.integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    return pixels if dtype == "uint8" else (pixels / 255).astype(np.float32)


def write_and_load(encoder, folder):
    write_saved_model(encoder, folder)
    return tf.saved_model.load(str(folder))


def statistics(variables):
    """Batch statistics in the order of the variables."""
    return [v.numpy() for v in variables if not v.trainable]


def snapshot(encoder):
    """All flags and values of an encoder, to see what changed."""
    layers = encoder._flatten_layers()
    flags = [(layer.trainable, layer.dtype_policy.name) for layer in layers]
    flags += [v.trainable for v in encoder.variables]
    return flags, [v.numpy().tobytes() for v in encoder.variables]


@pytest.fixture(scope="module")
def encoder():
    return make_encoder()


@pytest.fixture(scope="module")
def path(encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "saved_model"
    write_saved_model(encoder, folder)
    return str(folder)


@pytest.fixture
def loaded(path):
    return tf.saved_model.load(path)


@pytest.mark.slow
def test_loaded_object_has_the_attributes_of_a_reusable_saved_model(
    encoder, loaded
):
    assert callable(loaded)
    assert len(loaded.variables) == len(encoder.variables)
    assert len(loaded.trainable_variables) == len(encoder.trainable_variables)
    assert all(v.trainable for v in loaded.trainable_variables)
    for variable in loaded.trainable_variables:
        assert any(variable is other for other in loaded.variables)
    assert all(callable(loss) for loss in loaded.regularization_losses)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("size", [12, 21])
def test_loaded_features_equal_the_encoders(encoder, loaded, batch, size):
    images = make_images(batch, size)
    features = loaded(images)
    assert features.dtype == tf.float32
    assert features.shape == (batch, 12)
    np.testing.assert_allclose(features, encoder(images), **CLOSE)


@pytest.mark.slow
def test_uint8_images_give_the_features_of_their_float_images(encoder, loaded):
    expected = encoder(make_images())
    received = loaded(make_images(dtype="uint8"))
    np.testing.assert_allclose(received, expected, **CLOSE)


def test_training_mode_equals_the_encoders_in_statistics_and_gradients(loaded):
    encoder = make_encoder()  # its own: the test moves its statistics
    images = make_images(8)
    results = []
    for model in (encoder, loaded):
        with tf.GradientTape() as tape:
            features = model(images, training=True)
            value = tf.reduce_sum(features**2)
        variables = model.trainable_variables
        if model is encoder:
            variables = [v.value for v in variables]
        gradients = tape.gradient(value, variables)
        assert not any(gradient is None for gradient in gradients)
        results.append((features, gradients, statistics(model.variables)))
    before = statistics(make_encoder().variables)
    for old, new in zip(before, results[1][2], strict=True):
        assert not np.allclose(old, new)
    for expected, received in zip(*results, strict=True):
        tf.nest.map_structure(
            lambda left, right: np.testing.assert_allclose(
                left, right, rtol=1e-4, atol=1e-5
            ),
            expected,
            received,
        )


def test_regularization_losses_are_those_of_the_encoder(encoder, loaded):
    losses = [loss().numpy() for loss in loaded.regularization_losses]
    assert len(losses) == len(encoder.losses) == 2
    np.testing.assert_allclose(sum(losses), sum(encoder.losses), rtol=1e-6)
    kernel = loaded.trainable_variables[0]
    kernel.assign(tf.zeros_like(kernel))
    assert loaded.regularization_losses[0]().numpy() == 0.0


@pytest.mark.slow
def test_encoder_without_regularizers_has_no_regularization_losses(tmp_path):
    loaded = write_and_load(make_encoder(regularizer=None), tmp_path / "model")
    assert list(loaded.regularization_losses) == []


def test_serving_default_maps_images_to_features(encoder, loaded):
    serve = loaded.signatures["serving_default"]
    _, inputs = serve.structured_input_signature
    assert list(inputs) == ["images"] and inputs["images"].dtype == tf.float32
    images = make_images()
    features = serve(images=tf.constant(images))
    assert list(features) == ["features"]
    assert serve.structured_outputs["features"].shape.as_list() == [None, 12]
    np.testing.assert_allclose(features["features"], encoder(images), **CLOSE)


@pytest.mark.slow
def test_tfsm_layer_has_the_same_features(encoder, path):
    images = make_images()
    for endpoint in ("serve", "serving_default"):
        layer = layers.TFSMLayer(path, call_endpoint=endpoint)
        features = layer(images)["features"]
        np.testing.assert_allclose(features, encoder(images), **CLOSE)


@pytest.mark.slow
def test_tfsm_layer_with_serve_training_fine_tunes_every_variable(path):
    layer = layers.TFSMLayer(
        path, call_endpoint="serve", call_training_endpoint="serve_training"
    )
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, layers.Dense(2)(layer(inputs)["features"]))
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    before = [v.numpy() for v in layer.variables]
    model.fit(make_images(8), np.ones((8, 2)), batch_size=4, verbose=0)
    assert len(before) == len(make_encoder().variables)
    for old, new in zip(before, layer.variables, strict=True):
        assert not np.array_equal(old, new.numpy()), new.path


WITHOUT_KERAS = """
import sys
for name in ("keras", "tf_keras", "keras_cv", "supcon_tf", "hub_export"):
    sys.modules[name] = None  # who imports it gets an ImportError
import numpy as np
import tensorflow as tf
folder = sys.argv[1]
loaded = tf.saved_model.load(folder + "/saved_model")
images = np.load(folder + "/images.npy")
np.save(folder + "/features.npy", loaded(images))
with tf.GradientTape() as tape:
    value = tf.reduce_sum(loaded(images, training=True))
gradients = tape.gradient(value, loaded.trainable_variables)
assert not any(gradient is None for gradient in gradients)
"""


@pytest.mark.slow
def test_loads_in_a_process_that_cannot_import_keras(encoder, path):
    folder = os.path.dirname(path)
    images = make_images()
    np.save(os.path.join(folder, "images.npy"), images)
    subprocess.run([sys.executable, "-c", WITHOUT_KERAS, folder], check=True)
    features = np.load(os.path.join(folder, "features.npy"))
    np.testing.assert_allclose(features, encoder(images), **CLOSE)


def test_hub_load_returns_the_encoder(encoder, path):
    hub = pytest.importorskip("tensorflow_hub")
    images = make_images()
    features = hub.load(path)(images)
    np.testing.assert_allclose(features, encoder(images), **CLOSE)


@pytest.mark.release
def test_hub_keras_layer_fine_tunes_every_variable(path):
    hub = pytest.importorskip("tensorflow_hub")
    tf_keras = pytest.importorskip("tf_keras")
    layer = hub.KerasLayer(path, trainable=True)
    model = tf_keras.Sequential([layer, tf_keras.layers.Dense(2)])
    model.compile(tf_keras.optimizers.SGD(0.1), loss="mse")
    model.build((None, 16, 16, 3))
    before = [v.numpy() for v in layer.variables]
    model.fit(make_images(8), np.ones((8, 2)), batch_size=4, verbose=0)
    assert len(before) == len(make_encoder().variables)
    for old, new in zip(before, layer.variables, strict=True):
        assert not np.array_equal(old, new.numpy()), new.name
    assert len(layer.losses) == 2


@pytest.mark.release
def test_hub_keras_layer_that_is_frozen_stays_as_it_is(path):
    hub = pytest.importorskip("tensorflow_hub")
    tf_keras = pytest.importorskip("tf_keras")
    layer = hub.KerasLayer(path)
    model = tf_keras.Sequential([layer, tf_keras.layers.Dense(2)])
    model.compile(tf_keras.optimizers.SGD(0.1), loss="mse")
    before = [v.numpy() for v in layer.variables]
    model.fit(make_images(8), np.ones((8, 2)), batch_size=4, verbose=0)
    assert len(before) == len(make_encoder().variables)
    for old, new in zip(before, layer.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    assert sum(layer.losses) == 0


@pytest.mark.release
@pytest.mark.parametrize("suffix", ["", ".h5", ".keras"])
def test_model_that_hub_keras_layer_fine_tuned_is_saved(suffix, path, tmp_path):
    hub = pytest.importorskip("tensorflow_hub")
    tf_keras = pytest.importorskip("tf_keras")
    model = tf_keras.Sequential(
        [
            tf_keras.layers.InputLayer((16, 16, 3)),
            hub.KerasLayer(path, trainable=True),
            tf_keras.layers.Dense(2),
        ]
    )
    model.compile(tf_keras.optimizers.SGD(0.1), loss="mse")
    model.fit(make_images(8), np.ones((8, 2)), batch_size=4, verbose=0)
    model.save(tmp_path / f"model{suffix}")
    again = tf_keras.models.load_model(
        tmp_path / f"model{suffix}",
        custom_objects={"KerasLayer": hub.KerasLayer},
    )
    images = make_images(3)
    np.testing.assert_allclose(again(images), model(images), **CLOSE)


ON_TWO_REPLICAS = """
import sys
import numpy as np, tensorflow as tf, tensorflow_hub as hub, tf_keras
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
images = tf.constant(np.load(sys.argv[2]))
alone = tf.saved_model.load(sys.argv[1])(images)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    loaded = tf.saved_model.load(sys.argv[1])
features = strategy.run(lambda: loaded(images))
for part in strategy.experimental_local_results(features):
    np.testing.assert_allclose(part, alone, rtol=1e-5, atol=1e-6)
with strategy.scope():
    layer = hub.KerasLayer(sys.argv[1], trainable=True)
    model = tf_keras.Sequential([layer])
    model.compile(tf_keras.optimizers.SGD(0.1), loss="mse")
before = [v.numpy() for v in layer.variables]
targets = np.ones(alone.shape)
model.fit(images.numpy(), targets, batch_size=len(images), verbose=0)
for old, new in zip(before, layer.variables, strict=True):
    if "bias" not in new.name:  # that batch normalization takes away again
        assert not np.array_equal(old, new.numpy()), new.name
"""


@pytest.mark.release
def test_two_replicas_load_run_and_fine_tune_it(path, tmp_path):
    np.save(tmp_path / "images.npy", make_images(8))
    command = [sys.executable, "-c", ON_TWO_REPLICAS, path]
    done = subprocess.run(
        [*command, tmp_path / "images.npy"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def freeze_all(encoder):
    encoder.trainable = False
    return encoder


def freeze_the_first_block(encoder):
    for layer in encoder.layers[:3]:
        layer.trainable = False
    return encoder


@pytest.mark.slow
@pytest.mark.parametrize(
    "freeze",
    often([freeze_all, freeze_the_first_block], freeze_the_first_block),
)
@pytest.mark.parametrize("reload", often([False, True], True))
def test_encoder_exported_while_frozen_can_still_be_fine_tuned(
    freeze, reload, tmp_path
):
    encoder = freeze(make_encoder())
    if reload:
        encoder.save(tmp_path / "encoder.keras")
        encoder = keras.saving.load_model(tmp_path / "encoder.keras")
    before = snapshot(encoder)
    loaded = write_and_load(encoder, tmp_path / "model")
    thawed = make_encoder()
    assert compare(thawed, loaded)["training"] < 1e-5
    assert snapshot(encoder) == before
    assert len(loaded.trainable_variables) == len(thawed.trainable_variables)
    assert all(v.trainable for v in loaded.trainable_variables)
    assert len(loaded.regularization_losses) == 2


@pytest.mark.slow
def test_writing_and_comparing_leave_the_encoder_unchanged(tmp_path):
    # A layer in two parts, both frozen, but the layer is not.
    shared = layers.Dense(4, name="shared")
    part = keras.Sequential([layers.Input((12,)), shared])
    other = keras.Sequential([layers.Input((12,)), shared, layers.Dropout(0.5)])
    head = [
        layers.GlobalAveragePooling2D(),
        keras.Sequential([layers.Input((12,)), part, layers.Dense(12)]),
        other,
    ]
    encoder = make_encoder(head=head)
    encoder.layers[2].trainable = False
    part.trainable = False
    other.trainable = False
    shared.trainable = True
    shared.bias.trainable = False
    encoder.layers[5].kernel.trainable = False
    before = snapshot(encoder)
    loaded = write_and_load(encoder, tmp_path / "model")
    assert len(loaded.trainable_variables) == len(loaded.variables) - 5
    state = [v.numpy() for v in loaded.variables]
    assert compare(encoder, loaded)["training"] < 1e-5
    assert snapshot(encoder) == before
    for old, new in zip(state, loaded.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


@pytest.mark.slow
def test_subclassed_encoder_is_exported(tmp_path):
    class Encoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.part = make_encoder()

        def call(self, images, training=False):
            return self.part(images, training=training)

    encoder = Encoder()
    encoder(make_images())
    loaded = write_and_load(encoder, tmp_path)
    assert max(compare(encoder, loaded).values()) < 1e-5


@pytest.mark.slow
def test_synchronized_batch_normalization_becomes_plain(tmp_path):
    encoder = make_encoder()
    layer = encoder.layers[3]
    layer.synchronized = True
    write_saved_model(encoder, tmp_path)
    assert layer.synchronized
    # What tf.saved_model.load warns about: gradients that it cannot restore.
    assert b"internal_grad_fn" not in (tmp_path / "saved_model.pb").read_bytes()


@pytest.mark.slow
def test_weights_are_stored_once(tmp_path):
    head = [layers.GlobalAveragePooling2D(), layers.Dense(20_000)]
    encoder = make_encoder(head=head)
    projection_head = ProjectionHead((8, 4))
    projection_head.build((None, 20_000))
    classifier = LinearClassifier(encoder, 3)
    classifier(make_images())
    for folder, parts in (
        ("alone", {}),
        (
            "with",
            {"projection_head": projection_head, "classifier": classifier},
        ),
    ):
        write_saved_model(encoder, tmp_path / folder, **parts)
        count = encoder.count_params()
        if parts:
            count += projection_head.count_params() + 3 * 20_001
        data = tmp_path / folder / "variables" / "variables.data-00000-of-00001"
        stored = data.stat().st_size
        assert stored == pytest.approx(4 * count, rel=0.01)


@pytest.mark.slow
def test_fixed_size_encoder_of_convolutions_is_exported_for_any_size(tmp_path):
    loaded = write_and_load(make_encoder(size=32), tmp_path)
    any_size = make_encoder()
    for size in (16, 45):
        images = make_images(2, size)
        np.testing.assert_allclose(loaded(images), any_size(images), **CLOSE)


@keras.saving.register_keras_serializable("test_saved_model")
class PositionEmbedding(layers.Layer):
    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], initializer="normal")

    def call(self, tokens):
        return tokens + self.table


@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    [
        [layers.Flatten()],
        [
            layers.Permute((3, 1, 2)),
            layers.Dense(4),
            layers.GlobalAveragePooling2D(data_format="channels_first"),
        ],
        [
            lambda x: keras.ops.reshape(x, (-1, 4, 12)),
            layers.GlobalAveragePooling1D(),
        ],
        [
            layers.Reshape((-1, 12)),
            PositionEmbedding(),
            layers.GlobalAveragePooling1D(),
        ],
    ],
    ids=["flatten", "dense_on_positions", "fixed_reshape", "embedding"],
)
def test_encoder_with_fixed_positions_keeps_its_size(head, tmp_path):
    encoder = make_encoder(size=8, head=head)
    loaded = write_and_load(encoder, tmp_path)
    images = loaded.signatures["serving_default"].inputs[0]
    assert tuple(images.shape) == (None, 8, 8, 3)
    assert max(compare(encoder, loaded).values()) < 1e-5
    with pytest.raises(ValueError, match="matching concrete function"):
        loaded(make_images(size=9))


@pytest.mark.slow
def test_dropout_is_drawn_anew_in_training_mode_only(tmp_path):
    head = [layers.GlobalAveragePooling2D(), layers.Dropout(0.5)]
    encoder = make_encoder(head=head)
    loaded = write_and_load(encoder, tmp_path)
    images = make_images()
    np.testing.assert_allclose(loaded(images), encoder(images), **CLOSE)
    first = loaded(images, training=True).numpy()
    second = loaded(images, training=True).numpy()
    assert np.any((first == 0) != (second == 0))
    assert compare(encoder, tf.saved_model.load(tmp_path))["training"] < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    "policy", often(["mixed_float16", "mixed_bfloat16"], "mixed_float16")
)
def test_half_precision_encoder_computes_in_float32(policy, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        encoder = make_encoder()
    finally:
        keras.config.set_dtype_policy("float32")
    before = snapshot(encoder)
    loaded = write_and_load(encoder, tmp_path)
    assert snapshot(encoder) == before
    images = make_images()
    half = policy.removeprefix("mixed_")
    assert encoder(images).dtype.name == half
    assert loaded(images).dtype == tf.float32
    np.testing.assert_allclose(
        loaded(images), tf.cast(encoder(images), tf.float32), rtol=0.02
    )
    whole = make_encoder()
    whole.set_weights(encoder.get_weights())
    np.testing.assert_allclose(loaded(images), whole(images), **CLOSE)
    graph = loaded.signatures["serving_default"].graph.as_graph_def()
    types = {node.attr["DstT"].type for node in _nodes(graph)}
    assert not types & {
        tf.float16.as_datatype_enum,
        tf.bfloat16.as_datatype_enum,
    }
    assert max(compare(encoder, loaded).values()) < 1e-5


def _nodes(graph):
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


@keras.saving.register_keras_serializable("test_saved_model")
class TripledGradient(layers.Layer):
    def call(self, inputs):
        return tripled_gradient(inputs)


@tf.custom_gradient
def tripled_gradient(inputs):
    return tf.identity(inputs), lambda gradient: 3 * gradient


CUSTOM_GRADIENT = """
import sys
import numpy as np
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
with tf.GradientTape() as tape:
    value = tf.reduce_sum(loaded(tf.ones((1, 8, 8, 3)), training=False))
np.save(sys.argv[2], tape.gradient(value, loaded.trainable_variables)[0])
"""


@pytest.mark.release
def test_custom_gradients_are_kept_in_another_process(tmp_path):
    pooled = layers.GlobalAveragePooling2D()
    gradients = []
    for name, head in (("a", [pooled]), ("b", [pooled, TripledGradient()])):
        write_saved_model(make_encoder(head=head), tmp_path / name)
        command = [sys.executable, "-c", CUSTOM_GRADIENT, tmp_path / name]
        file = tmp_path / f"{name}.npy"
        subprocess.run([*command, file], check=True)
        gradients.append(np.load(file))
    np.testing.assert_allclose(gradients[1], 3 * gradients[0], rtol=1e-5)


def with_parts():
    """An encoder of this package, a head and a classifier that fit it."""
    encoder = encoders.resnet18(
        (16, 16, 3), width=1 / 16, stem="small_image", zero_gamma=False
    )
    head = ProjectionHead((6, 5), batch_norm=True)
    head.build((None, 32))
    classifier = LinearClassifier(encoder, 3, ("cat", "dog", "ship"))
    classifier(make_images())
    return encoder, {"projection_head": head, "classifier": classifier}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    encoder, parts = with_parts()
    facts = write_saved_model(encoder, folder, **parts)
    return encoder, parts, str(folder), facts


@pytest.mark.slow
def test_endpoints_are_the_maps_of_the_encoder(whole):
    encoder, _, path, facts = whole
    loaded = tf.saved_model.load(path)
    images = make_images()
    for inputs in (images, make_images(dtype="uint8")):
        endpoints = loaded(inputs, return_endpoints=True)
        assert set(endpoints) == set(facts["endpoints"])
        for group in range(1, 5):
            layer = encoder.get_layer(f"group{group}_block2_out")
            inner = keras.Model(encoder.inputs, layer.output)
            np.testing.assert_allclose(
                endpoints[f"block_group{group}"],
                inner(images),
                rtol=1e-4,
                atol=1e-5,
            )
        np.testing.assert_allclose(
            endpoints["features"], loaded(inputs), **CLOSE
        )
    assert facts["endpoints"]["block_group4"] == (None, None, None, 32)
    assert facts["endpoints"]["features"] == (None, 32)


@pytest.mark.release
def test_hub_keras_layer_returns_an_endpoint(whole):
    hub = pytest.importorskip("tensorflow_hub")
    layer = hub.KerasLayer(
        whole[2],
        trainable=True,
        arguments={"return_endpoints": True},
        output_key="block_group2",
    )
    assert layer(make_images()).shape == (3, 8, 8, 8)


@pytest.mark.slow
def test_callables_are_the_head_and_the_classifier_on_the_encoder(whole):
    encoder, parts, path, facts = whole
    loaded = tf.saved_model.load(path)
    images = make_images()
    head, classifier = parts["projection_head"], parts["classifier"]
    for training in (False, True):
        # (In training mode both have the statistics of the batch.)
        with put_back([*encoder.variables, *head.variables]):
            features = encoder(images, training=training)
            expected = head(features, training=training)
        with put_back(loaded.projection.variables):
            received = loaded.projection(images, training=training)
            np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)
        with put_back(loaded.projection_head.variables):
            received = loaded.projection_head(features, training=training)
            np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)
    received = loaded.classifier(images)
    np.testing.assert_allclose(received, classifier(images), **CLOSE)
    np.testing.assert_allclose(tf.reduce_sum(received, 1), 1, rtol=1e-5)
    names = [name.decode() for name in loaded.classifier.class_names().numpy()]
    assert names == ["cat", "dog", "ship"]
    assert facts["callables"] == {
        "projection_head": (None, 5),
        "projection": (None, 5),
        "classifier": (None, 3),
    }
    for name, output in (
        ("projection", "projection"),
        ("classifier", "probabilities"),
    ):
        served = loaded.signatures[name](images=tf.constant(images))[output]
        function = getattr(loaded, name)
        np.testing.assert_allclose(served, function(images), **CLOSE)


@pytest.mark.slow
def test_callables_share_the_encoders_variables(whole):
    encoder, parts, path, _ = whole
    loaded = tf.saved_model.load(path)
    assert len(loaded.variables) == len(encoder.variables)
    head = parts["projection_head"]
    assert len(loaded.projection_head.variables) == len(head.variables)
    for name, more in (
        ("projection", loaded.projection_head.variables),
        ("classifier", loaded.classifier.variables[-2:]),
    ):
        variables = getattr(loaded, name).variables
        assert len(variables) == len(loaded.variables) + len(more)
        for own in (*loaded.variables, *more):
            assert any(own is variable for variable in variables)
    trained = len(encoder.trainable_variables) + 4
    assert len(loaded.projection.trainable_variables) == trained


@pytest.mark.release
def test_a_callable_is_fine_tuned_by_hub_keras_layer(whole):
    hub = pytest.importorskip("tensorflow_hub")
    tf_keras = pytest.importorskip("tf_keras")
    projection = hub.load(whole[2]).projection
    layer = hub.KerasLayer(projection, trainable=True)
    model = tf_keras.Sequential([layer])
    model.compile(tf_keras.optimizers.SGD(0.1), loss="mse")
    before = [v.numpy() for v in projection.variables]
    model.fit(make_images(8), np.ones((8, 5)), verbose=0)
    changed = [
        not np.array_equal(old, new.numpy())
        for old, new in zip(before, projection.variables, strict=True)
    ]
    assert np.mean(changed) > 0.9  # what follows a ReLU of zeros may not


def test_without_head_and_classifier_there_are_no_callables(loaded):
    assert not hasattr(loaded, "projection")
    assert not hasattr(loaded, "classifier")
    assert list(loaded.signatures) == ["serving_default"]


def test_head_that_does_not_take_the_features_is_refused(encoder, tmp_path):
    head = ProjectionHead((4,))
    head.build((None, 7))
    with pytest.raises(ValueError, match=r"`projection_head` must .* 12"):
        write_saved_model(encoder, tmp_path / "out", projection_head=head)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_facts_count_what_was_written(encoder, tmp_path):
    facts = write_saved_model(encoder, tmp_path)
    assert facts["images"] == (None, None, None, 3)
    assert facts["parameters"] == encoder.count_params()
    trained = sum(np.prod(w.shape) for w in encoder.trainable_weights)
    assert facts["trainable_parameters"] == trained
    assert facts["regularization_losses"] == 2
    assert facts["endpoints"] == {"features": (None, 12)}
    assert facts["callables"] == {}


def test_other_backends_are_refused(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"must be tensorflow.*jax"):
        write_saved_model(encoder, tmp_path / "out")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Dense(3), "must be a built keras.Model"),
        (lambda: keras.Sequential([layers.Dense(3)]), "must be a built"),
        (
            lambda: make_encoder(head=[layers.ReLU()]),
            "must return representations",
        ),
        (lambda: make_encoder(head=[layers.Flatten()]), "must return one"),
        (
            lambda: keras.Sequential(
                [layers.Input((8, 8, 1)), layers.Flatten()]
            ),
            "must take one tensor of RGB images",
        ),
    ],
    ids=["layer", "unbuilt", "maps", "unknown_features", "grey"],
)
def test_encoders_that_cannot_be_exported_are_refused(make, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_saved_model(make(), tmp_path / "model")
    assert not (tmp_path / "model").exists()
