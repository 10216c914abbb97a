"""Tests of supcon_tf/hub.py: a SavedModel as a layer of Keras 3."""

import http.server
import io
import subprocess
import sys
import tarfile
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from hub_export.saved_model import write_saved_model
from supcon_tf.encoders.hub_encoder import HubEncoder
from supcon_tf.losses.supcon import SupConLoss
from supcon_tf.models.heads import ProjectionHead
from supcon_tf.models.supcon_model import SupConModel

CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def make_encoder():
    """Convolutions and batch normalization, 3 regularized kernels."""
    encoder = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, use_bias=False, kernel_regularizer="l2"),
            layers.BatchNormalization(momentum=0.5),
            layers.ReLU(),
            layers.Conv2D(5, 3, kernel_regularizer="l2"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(6, kernel_regularizer="l2"),
        ]
    )
    rng = np.random.default_rng(0)
    encoder.set_weights(
        [rng.uniform(0.2, 0.8, w.shape) for w in encoder.weights]
    )
    return encoder


@pytest.fixture(scope="module")
def handle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "saved_model"
    write_saved_model(make_encoder(), folder)
    return str(folder)


def make_images(batch=4):
    return np.random.default_rng(1).random((batch, 8, 8, 3), "float32")


def functional(handle, **options):
    images = keras.Input((8, 8, 3))
    return keras.Model(images, HubEncoder(handle, **options)(images))


@pytest.mark.slow
def test_its_features_are_those_of_the_exported_encoder(handle):
    encoder, images = make_encoder(), make_images()
    np.testing.assert_allclose(
        HubEncoder(handle)(images), encoder(images), **CLOSE
    )
    model = functional(handle)
    assert model.output_shape == (None, 6)
    np.testing.assert_allclose(model(images), encoder(images), **CLOSE)


@pytest.mark.slow
def test_uint8_images_are_passed_on_as_they_are(handle):
    pixels = np.uint8(255 * make_images())
    np.testing.assert_allclose(
        HubEncoder(handle)(pixels), make_encoder()(pixels / 255.0), **CLOSE
    )


@pytest.mark.slow
@pytest.mark.parametrize("trainable", [False, True])
def test_its_weights_are_the_savedmodels_variables(handle, trainable):
    layer = HubEncoder(handle, trainable=trainable)
    encoder = make_encoder()
    assert len(layer.weights) == len(encoder.weights)
    trained = len(encoder.trainable_weights) if trainable else 0
    assert len(layer.trainable_weights) == trained
    layer.trainable = not trainable
    assert len(layer.trainable_weights) == len(encoder.trainable_weights) - (
        trained
    )
    layer.weights[0].assign(0 * layer.weights[0])
    assert not np.allclose(layer(make_images()), encoder(make_images()))


@pytest.mark.slow
def test_fine_tuning_equals_that_of_the_exported_encoder(handle):
    labels = np.arange(8) % 2
    results = []
    for encoder in (make_encoder(), functional(handle, trainable=True)):
        keras.utils.set_random_seed(0)
        model = SupConModel(encoder, ProjectionHead((6, 4)))
        model.compile(keras.optimizers.SGD(0.1), loss=SupConLoss())
        history = model.fit(make_images(8), labels, batch_size=4, verbose=0)
        weights = (*encoder.trainable_weights, *encoder.non_trainable_weights)
        results.append([history.history["loss"], *map(np.array, weights)])
    start = make_encoder()
    before = (*start.trainable_weights, *start.non_trainable_weights)
    for old, new in zip(before, results[0][1:], strict=True):
        assert not np.array_equal(old, new), old.path
    for expected, received in zip(*results, strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_frozen_it_stays_as_it_is_in_training_mode_too(handle):
    layer = HubEncoder(handle, trainable=False)
    before = layer.get_weights()
    features = layer(make_images(), training=True)
    np.testing.assert_array_equal(features, layer(make_images()))
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
def test_its_regularization_losses_are_counted_unless_it_is_frozen(handle):
    layer = HubEncoder(handle, trainable=True)
    expected = sum(make_encoder().losses)
    np.testing.assert_allclose(sum(layer.losses), expected, rtol=1e-6)
    layer(make_images())
    np.testing.assert_allclose(sum(layer.losses), expected, rtol=1e-6)
    layer.trainable = False
    assert not layer.losses


@pytest.mark.slow
def test_a_fine_tuned_model_is_saved_and_loaded(handle, tmp_path):
    model = functional(handle, trainable=True)
    for weight in model.weights:
        weight.assign(weight + 0.1)
    model.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras", safe_mode=False)
    images = make_images()
    np.testing.assert_array_equal(again(images), model(images))
    assert not np.allclose(again(images), make_encoder()(images))
    assert len(again.trainable_weights) == len(model.trainable_weights)
    np.testing.assert_allclose(sum(again.losses), sum(model.losses))


@pytest.mark.slow
def test_fine_tuned_weights_are_saved_and_loaded(handle, tmp_path):
    model = functional(handle, trainable=True)
    for weight in model.weights:
        weight.assign(weight + 0.1)
    model.save_weights(tmp_path / "encoder.weights.h5")
    again = functional(handle)
    again.load_weights(tmp_path / "encoder.weights.h5")
    images = make_images()
    np.testing.assert_array_equal(again(images), model(images))


@pytest.mark.slow
def test_compiled_by_xla_it_is_fine_tuned_as_without(handle):
    results = []
    for jit_compile in (False, True):
        model = functional(handle, trainable=True)
        model.compile(
            keras.optimizers.SGD(1e-3), loss="mse", jit_compile=jit_compile
        )
        model.fit(make_images(8), np.ones((8, 6)), batch_size=4, verbose=0)
        results.append(model.get_weights())
    for plain, compiled in zip(*results, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_file_read_in_safe_mode_loads_no_savedmodel(handle, tmp_path):
    functional(handle).save(tmp_path / "encoder.keras")
    with pytest.raises(ValueError, match="HubEncoder must not be read in safe"):
        keras.saving.load_model(tmp_path / "encoder.keras")
    config = keras.saving.serialize_keras_object(HubEncoder(handle))
    with pytest.raises(ValueError, match="safe_mode=False"):
        keras.saving.deserialize_keras_object(config)


@pytest.mark.slow
def test_a_copy_shares_no_weights(handle):
    model = functional(handle, trainable=True)
    copy = keras.models.clone_model(model)
    copy.weights[0].assign(0 * copy.weights[0])
    assert np.all(model.weights[0].numpy() != 0)


@pytest.mark.slow
def test_it_is_exported_again(handle, tmp_path):
    model = functional(handle, trainable=True)
    model.weights[0].assign(2 * model.weights[0])
    write_saved_model(model, tmp_path)
    loaded = tf.saved_model.load(str(tmp_path))
    images = make_images()
    np.testing.assert_allclose(loaded(images), model(images), **CLOSE)
    assert len(loaded.variables) == len(model.weights)
    total = sum(loss() for loss in loaded.regularization_losses)
    np.testing.assert_allclose(total, sum(model.losses), rtol=1e-6)


@pytest.mark.slow
def test_under_mixed_precision_the_savedmodel_gets_float32(handle):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = functional(handle, trainable=True)
    finally:
        keras.config.set_dtype_policy("float32")
    features = model(make_images())
    assert features.dtype == tf.float32
    np.testing.assert_allclose(features, make_encoder()(make_images()), **CLOSE)


ON_TWO = """
import sys
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
from supcon_tf import ProjectionHead, SupConLoss, SupConModel
from supcon_tf.encoders.hub_encoder import HubEncoder

def fit(strategy):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        images = keras.Input((8, 8, 3))
        layer = HubEncoder(sys.argv[1], trainable=True)
        encoder = keras.Model(images, layer(images))
        model = SupConModel(encoder, ProjectionHead((6, 4)))
        model.build((None, 2, 8, 8, 3))
        model.compile(keras.optimizers.SGD(1.0), loss=SupConLoss())
    before = encoder.get_weights()
    views = np.random.default_rng(2).random((16, 2, 8, 8, 3)).astype("float32")
    labels = np.arange(16) // 4
    model.fit(views, labels, batch_size=8, shuffle=False, verbose=0)
    return before, encoder.get_weights()

before, one = fit(tf.distribute.get_strategy())
_, two = fit(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
for old, a, b in zip(before, one, two, strict=True):
    assert np.max(np.abs(a - old)) > 1e-4
    np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
"""


@pytest.mark.release
def test_two_replicas_fine_tune_it_as_one(tmp_path):
    encoder = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, kernel_regularizer="l2", activation="relu"),
            layers.GlobalAveragePooling2D(),
        ]
    )
    write_saved_model(encoder, tmp_path)
    command = [sys.executable, "-c", ON_TWO, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def url(handle):
    """The SavedModel as an archive, on a server of this machine."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(handle, arcname=".")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if "encoder" in self.path else 404)
            self.end_headers()
            if "encoder" in self.path:
                self.wfile.write(archive.getvalue())

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
def test_it_is_loaded_from_a_url(url, tmp_path, monkeypatch):
    pytest.importorskip("tensorflow_hub")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    layer = HubEncoder(f"{url}/encoder.tar.gz")
    images = make_images()
    np.testing.assert_allclose(layer(images), make_encoder()(images), **CLOSE)
    with pytest.raises(ValueError, match="a SavedModel that can be downloaded"):
        HubEncoder(f"{url}/other.tar.gz")


def test_without_a_savedmodel_it_is_refused(tmp_path):
    for handle in ("/nowhere", tmp_path):
        with pytest.raises(ValueError, match=r"must be a folder that holds"):
            HubEncoder(handle)


def test_a_damaged_savedmodel_is_refused_in_one_line(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\x12\x34 damaged")
    with pytest.raises(ValueError, match="a whole SavedModel") as error:
        HubEncoder(tmp_path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.slow
def test_a_savedmodel_that_is_not_reusable_is_refused(tmp_path):
    make_encoder().export(tmp_path, verbose=False)
    with pytest.raises(ValueError, match=r"Reusable SavedModel.*out __call"):
        HubEncoder(tmp_path)
