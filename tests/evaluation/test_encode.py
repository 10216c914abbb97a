"""Representations of whole data sets."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import conv_encoder

from supcon_tf.evaluation.encode import (
    NotFiniteError,
    batches_for,
    encode_all,
    encode_function,
    encode_with_progress,
    image_size_of,
)


def test_all_images_are_encoded_in_order():
    images = np.random.default_rng(0).random((5, 4, 4, 3), "float32")
    labels = np.array([3, 1, 4, 1, 5])
    encoder = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten()])
    features, same_labels = encode_all(encoder, (images, labels), batch_size=2)
    np.testing.assert_allclose(features, images.reshape(5, 48), atol=1e-6)
    np.testing.assert_array_equal(same_labels, labels)


@pytest.mark.slow
@pytest.mark.parametrize("bad", [200.0, -1.0, np.nan], ids=str)
@pytest.mark.parametrize("sides", [(4, 4), (None, None)], ids=str)
def test_a_late_batch_out_of_range_is_refused_as_a_first_one(sides, bad):
    """Only the first images of a Dataset are looked at before it is read."""
    images = np.full((70, 4, 4, 3), 0.5, "float32")
    dataset = tf.data.Dataset.from_generator(
        lambda: zip(images, np.arange(70), strict=True),
        output_signature=(
            tf.TensorSpec((*sides, 3), tf.float32),
            tf.TensorSpec((), tf.int64),
        ),
    )
    encoder = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten()])
    features, _ = encode_all(encoder, dataset, batch_size=32)
    np.testing.assert_allclose(features, 0.5, atol=1e-6)
    images[69, 3, 3, 2] = bad
    with pytest.raises(ValueError, match=r"Float images must lie in \[0, 1\]"):
        encode_all(encoder, dataset, batch_size=32)


@pytest.mark.slow
def test_an_encoder_of_any_size_takes_the_size_it_is_told():
    images = np.random.default_rng(0).random((5, 9, 9, 3), "float32")
    encoder = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    assert image_size_of(encoder, 6) == (6, 6)
    assert image_size_of(encoder) is None
    as_they_are, _ = encode_all(encoder, (images, np.arange(5)))
    np.testing.assert_allclose(as_they_are, images.mean(axis=(1, 2)), atol=1e-6)
    resized, _ = encode_all(encoder, (images, np.arange(5)), image_size=(3, 6))
    assert np.abs(resized - as_they_are).max() > 1e-3


def test_another_size_than_the_encoder_s_is_refused():
    encoder = keras.Sequential([keras.Input((4, 6, 3)), keras.layers.Flatten()])
    assert image_size_of(encoder) == image_size_of(encoder, (4, 6)) == (4, 6)
    with pytest.raises(ValueError, match=r"must be None or the encoder's, \(4"):
        image_size_of(encoder, 4)


def test_another_augmentation_than_the_centre_crop_is_passed_on(monkeypatch):
    passed = []

    def record(source, **options):
        passed.append(options)
        return [(np.stack(source[0]), np.array(source[1]))]

    monkeypatch.setattr("supcon_tf.evaluation.encode.image_batches", record)
    encoder = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten()])
    source = (np.zeros((2, 4, 4, 3), "float32"), [0, 1])
    for augmentation in (None, len):
        batches_for(encoder, source, batch_size=2, augmentation=augmentation)
    assert [options.get("augmentation") for options in passed] == [None, len]


def test_encoding_is_inference_in_float32():
    encoder = keras.Sequential(
        [
            keras.Input((2, 2, 3)),
            keras.layers.BatchNormalization(dtype="float16"),
            keras.layers.Dropout(0.5),
            keras.layers.Flatten(),
        ]
    )
    before = [np.array(v) for v in encoder.variables]
    encode = encode_function(encoder, batch_size=4)
    first, second = (encode(np.ones((4, 2, 2, 3), "float32")) for _ in range(2))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, second)
    for old, new in zip(before, encoder.variables, strict=True):
        np.testing.assert_array_equal(old, new)


ON_REPLICAS = """
import numpy as np, tensorflow as tf
from supcon_tf import KNNCallback, ProjectionHead, SupConLoss, SupConModel
from supcon_tf.evaluation.encode import encode_all
from tiny_encoder import tiny
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 3)

def make():
    return tiny((8, 8, 3))

encoder = make()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1", "CPU:2"]).scope():
    mirrored = make()
    model = SupConModel(mirrored, ProjectionHead((4,)))
    model.compile("sgd", SupConLoss())
mirrored.set_weights(encoder.get_weights())
generator = np.random.default_rng(0)
images = generator.random((41, 8, 8, 3), "float32")
labels = generator.integers(0, 3, 41)
for batch_size in (1, 8, 41, 256):
    expected, _ = encode_all(encoder, (images, labels), batch_size=batch_size)
    shared, same = encode_all(mirrored, (images, labels), batch_size=batch_size)
    assert shared.dtype == np.float32
    np.testing.assert_allclose(shared, expected, atol=1e-5)
    np.testing.assert_array_equal(same, labels)
nearly = 0.999 * images  # the nearest neighbour of each is itself
watch = KNNCallback((images, labels), (nearly, labels), neighbors=1)
history = model.fit(images[:, None], labels, verbose=0, callbacks=[watch])
assert history.history["val_knn_accuracy"] == [1.0]
"""


@pytest.mark.release
def test_replicas_share_the_images():
    subprocess.run([sys.executable, "-c", ON_REPLICAS], check=True)


@pytest.mark.slow
def test_it_encodes_as_encode_all_does(digits):
    train, _ = digits
    encoder = conv_encoder(6)
    for source in (train, tf.data.Dataset.from_tensor_slices(train.images)):
        if source is not train:
            labels = tf.data.Dataset.from_tensor_slices(train.labels)
            source = tf.data.Dataset.zip((source, labels))
        got = encode_with_progress(encoder, source, image_size=6)
        for a, b in zip(got, encode_all(encoder, train), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_representations_that_are_not_finite_are_refused(digits, value):
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Flatten(),
            keras.layers.Rescaling(1.0, offset=value),
        ]
    )
    with pytest.raises(NotFiniteError, match="must return finite"):
        encode_with_progress(encoder, digits[0])


def test_an_encoder_of_vectors_is_refused_where_images_are_encoded():
    inputs = keras.Input((5,))
    encoder = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    with pytest.raises(ValueError, match="must take images"):
        image_size_of(encoder)


def test_no_images_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"must have images\. Received"):
        encode_all(conv_encoder(), (np.zeros((0, 8, 8, 3)), np.zeros(0, int)))
