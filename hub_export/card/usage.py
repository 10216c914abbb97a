"""Writes the code in a model card: loading, fine-tuning, Kaggle."""


def model_usage(facts):
    """Writes a block of code for each way to load an encoder, as Markdown."""
    size = _image_size(facts)
    batch = f"tf.random.uniform((4, {size}, 3))  # RGB in [0, 1]"
    ways = [
        "`DIR` is the folder of the SavedModel. Each block runs by itself.",
        _tensorflow_hub(facts, batch),
        _keras_with_supcon_tf(size, batch),
        _keras_alone(batch),
        _keras_2(size, batch),
        _signature(batch),
    ]
    return "\n\n".join(ways)


def fine_tuning_code(facts):
    """Writes code that trains an encoder and a classifier on it, as Markdown.

    The block runs by itself in a folder where `DIR` is the SavedModel.
    """
    size = _image_size(facts)
    return f"""\
```python
import keras
import numpy as np
import supcon_tf

images = np.random.rand(64, {size}, 3).astype("float32")  # RGB in [0, 1]
labels = np.arange(64) % 2  # two classes
encoder = supcon_tf.HubEncoder("DIR", trainable=True)
model = keras.Sequential(
    [keras.Input(({size}, 3)), encoder, keras.layers.Dense(2)]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(1e-4), loss, metrics=["accuracy"])
model.fit(images, labels, batch_size=32)
```"""


def kaggle(handle, *, license=None, notes):
    """Writes code that publishes an encoder on Kaggle Models and loads it.

    `handle` is `"publisher/model/tensorFlow2/variation"`, without a version.
    `notes` is one line on the version.
    """
    named = "" if license is None else f'    license_name="{license}",\n'
    return f"""\
Published from the folder (the model is private at first, and each upload is \
its next version):

```python
import kagglehub

kagglehub.model_upload(
    "{handle}",
    "DIR",
{named}    version_notes="{notes}",
)
```

and loaded, the newest version of it:

```python
import kagglehub
import tensorflow_hub as hub

path = kagglehub.model_download("{handle}")
encoder = hub.load(path)
```"""


def _tensorflow_hub(facts, batch):
    return f"""\
### TensorFlow Hub

`hub.load` takes the folder, or the URL of the archive on a web server. \
`tf.saved_model.load("DIR")` gives the same object, without tensorflow_hub.

```python
import tensorflow as tf
import tensorflow_hub as hub

encoder = hub.load("DIR")
images = {batch}
features = encoder(images)  # [4, {facts["features"]}]
```

{_photograph(facts)}\
Images are float32 or uint8. NumPy makes float64, which a SavedModel does not \
find a function for: `images.astype("float32")`."""


def _keras_with_supcon_tf(size, batch):
    return f"""\
### Keras 3, with supcon_tf

```python
import keras
import supcon_tf
import tensorflow as tf

model = keras.Sequential(
    [keras.Input(({size}, 3)), supcon_tf.HubEncoder("DIR")]
)
images = {batch}
features = model.predict(images)
```"""


def _keras_alone(batch):
    return f"""\
### Keras 3, without supcon_tf

With these two endpoints `fit` moves batch statistics, too. Regularization \
losses are not part of a TFSMLayer.

```python
import keras
import tensorflow as tf

layer = keras.layers.TFSMLayer(
    "DIR", call_endpoint="serve", call_training_endpoint="serve_training"
)
images = {batch}
features = layer(images)["features"]
```"""


def _keras_2(size, batch):
    return f"""\
### Keras 2, tf_keras

`hub.KerasLayer` is a layer of Keras 2, which Keras 3 refuses. `tf.keras` is \
Keras 2, too, where the environment variable TF_USE_LEGACY_KERAS is 1 before \
TensorFlow is imported. Under a mixed precision policy `dtype=tf.float32` is \
needed, since the layer would cast the images to half precision, which the \
SavedModel refuses.

```python
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras

layer = hub.KerasLayer("DIR", trainable=True, dtype=tf.float32)
model = tf_keras.Sequential([tf_keras.Input(({size}, 3)), layer])
images = {batch}
features = model.predict(images)
```"""


def _signature(batch):
    return f"""\
### The signature, for TensorFlow Serving

```python
import tensorflow as tf

loaded = tf.saved_model.load("DIR")
images = {batch}
features = loaded.signatures["serving_default"](images=images)["features"]
```"""


def _photograph(facts):
    """Writes code that asks about a file, as Markdown; maybe none."""
    if facts.get("preprocessing") is None:
        return ""
    lines = ["features = encoder(images)"]
    if "classifier" in facts["callables"]:
        lines = ["scores = encoder.classifier(images)[0]  # probabilities"]
        if facts["class_names"]:
            lines.append(
                "print(encoder.classifier.class_names()[tf.argmax(scores)])"
            )
    if facts.get("known") is not None:
        lines.append(
            "print(encoder.distance(images) > encoder.threshold())"
            "  # none of these?"
        )
    height, width = facts["preprocessing"]["image_size"]
    resizing = facts["preprocessing"]["resizing"]
    ask = "\n".join(lines)
    return f"""\
A photograph in a few lines. `preprocess` takes the bytes of a JPEG, PNG, BMP \
or GIF file, or of several, `[B]`, and images of any size, uint8 or float32 in \
[0, 1]. It does what the evaluation did ({resizing}): files are decoded \
upright, as EXIF data say, and on white, and the centre is resized to \
{height} x {width} pixels, which `encoder.image_size()` tells. CMYK, \
WebP and TIFF files go through Pillow first.

```python
import tensorflow as tf
import tensorflow_hub as hub

encoder = hub.load("DIR")
images = encoder.preprocess(tf.io.read_file("photo.jpg"))  # [1, H, W, 3]
{ask}
```

"""


def _image_size(facts):
    """Returns `H, W` of the images in the code, a size that was compared."""
    height, width = facts["sizes"][0]
    return f"{height}, {width}"
