"""Representations of whole data sets."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from supcon_tf.encode import encode_all


def test_all_images_are_encoded_in_order():
    images = np.random.default_rng(0).random((5, 4, 4, 3), "float32")
    labels = np.array([3, 1, 4, 1, 5])
    encoder = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten()])
    features, same_labels = encode_all(encoder, (images, labels), batch_size=2)
    np.testing.assert_allclose(features, images.reshape(5, 48), atol=1e-6)
    np.testing.assert_array_equal(same_labels, labels)


ON_REPLICAS = """
import numpy as np, tensorflow as tf
from supcon_tf import KNNCallback, ProjectionHead, SupConLoss, SupConModel
from supcon_tf.encode import encode_all
from supcon_tf.encoders import resnet18
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 3)

def make():
    return resnet18((8, 8, 3), width=0.0625, stem="small_image")

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
watch = KNNCallback((images, labels), (images, labels), neighbors=1)
history = model.fit(images[:, None], labels, verbose=0, callbacks=[watch])
assert history.history["val_knn_accuracy"] == [1.0]
"""


@pytest.mark.slow
def test_replicas_share_the_images():
    subprocess.run([sys.executable, "-c", ON_REPLICAS], check=True)
