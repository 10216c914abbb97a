"""What is no encoder is refused in one line, at every door."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import supcon_tf
from hub_export.saved_model import write_saved_model
from supcon_tf.encoders.encoder_check import check_encoder, refuse_own_scaling
from supcon_tf.evaluation.encode import encode_all, encode_function
from supcon_tf.evaluation.linear.fitting import fit_linear_classifier

X = np.random.default_rng(0).random((8, 8, 8, 3), "float32")
Y = np.arange(8) % 2
VIEWS = np.stack([X, X], 1)


def functional(outputs=layers.GlobalAveragePooling2D(), inputs=1):  # noqa: B008
    images = [keras.Input((8, 8, 3)) for _ in range(inputs)]
    maps = layers.Conv2D(4, 3)(sum(images))
    return keras.Model(images, outputs(maps))


class Subclassed(keras.Model):
    """An encoder whose outputs nobody knows before it is called."""

    def __init__(self, outputs):
        super().__init__()
        self.conv, self.outputs_of = layers.Conv2D(4, 3), outputs

    def call(self, images):
        return self.outputs_of(self.conv(images))


def means(maps):
    return keras.ops.mean(maps, axis=(1, 2))


def hub_like():
    class Module(tf.Module):
        def __call__(self, images):
            return images

    return Module()


KERAS_2 = "SavedModel, and supcon_tf.HubEncoder"
NONE = {
    "maps": (lambda: functional(lambda x: x), 'pooling="avg"'),
    "maps of a subclass": (lambda: Subclassed(lambda x: x), 'pooling="avg"'),
    "tokens": (lambda: functional(layers.Reshape((36, 4))), "encoders.from_k"),
    "a dict": (lambda: functional(lambda x: {"f": means(x)}), "HubEncoder"),
    "a dict of a subclass": (
        lambda: Subclassed(lambda x: {"f": means(x)}),
        "ONE_OF_ITS_OUTPUTS",
    ),
    "two outputs": (lambda: functional(lambda x: [means(x)] * 2), "ONE_OF_ITS"),
    "scalars": (lambda: functional(lambda x: means(x)[:, 0]), "one row of R"),
    "two inputs": (lambda: functional(inputs=2), "one tensor of images"),
    "a path": (lambda: "encoder.keras", "keras.saving.load_model"),
    "None": (lambda: None, "Received: NoneType"),
    "a class": (lambda: keras.Sequential, "is to be called first"),
    "a function": (lambda: lambda x: x, "Received: function"),
    "a module": (hub_like, KERAS_2),
    "a SupConModel": (
        lambda: supcon_tf.SupConModel(functional()),
        "model.representation_model()",
    ),
    "a LinearClassifier": (  # whose scores were taken for representations
        lambda: supcon_tf.LinearClassifier(functional(), 4),
        "classifier.encoder",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NONE)
def test_what_is_no_encoder_is_refused_with_a_way_to_one(name, tmp_path):
    make, message = NONE[name]
    doors = (
        lambda e: supcon_tf.SupConModel(e)(VIEWS),
        lambda e: supcon_tf.ClassificationModel(e, 2)(VIEWS),
        lambda e: supcon_tf.JointModel(e, None, 2)(VIEWS),
        lambda e: supcon_tf.LinearClassifier(e, 2)(X),
        lambda e: supcon_tf.linear_probe(e, (X, Y)),
        lambda e: fit_linear_classifier(e, (X, Y)),
        lambda e: encode_all(e, (X, Y)),
        lambda e: encode_function(e, batch_size=8)(X),
        lambda e: write_saved_model(e, tmp_path / "saved_model"),
    )
    for number, door in enumerate(doors):
        encoder = make()
        is_late = isinstance(encoder, Subclassed)
        if is_late and number == len(doors) - 1:
            continue  # it is to be built, and says so
        with pytest.raises(ValueError) as error:
            door(encoder)
        assert message in str(error.value), number
        if not is_late:  # Keras adds the call's arguments
            assert "\n" not in str(error.value)


def test_what_is_one_is_taken_whatever_its_class():
    pooled = layers.GlobalAveragePooling2D()
    functional_one = functional()
    for encoder in (
        functional_one,
        keras.Model(functional_one.inputs, functional_one.outputs[0]),
        keras.Sequential([layers.Conv2D(4, 3), pooled]),
        Subclassed(means),
        pooled,
    ):
        check_encoder(encoder)
        assert supcon_tf.SupConModel(encoder)(VIEWS).shape[:2] == (8, 2)
        assert encode_all(encoder, (X, Y))[0].shape[0] == 8


def test_a_callback_flattens_maps_and_refuses_a_dict():
    callback = supcon_tf.KNNCallback((X, Y), (X[:4], Y[:4]), neighbors=1)
    callback.set_model(functional(lambda x: x))
    callback.on_train_begin()
    representations, _ = callback._encode((X, Y))
    assert representations.shape == (8, 144)
    callback.set_model(functional(lambda x: {"f": x}))
    with pytest.raises(ValueError, match="`model` must return"):
        callback.on_train_begin()


def test_a_model_of_keras_2_is_refused():
    tf_keras = pytest.importorskip("tf_keras")
    model = tf_keras.Sequential([tf_keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=KERAS_2):
        check_encoder(model)


def test_an_encoder_that_divides_by_255_itself_is_refused_uint8():
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.Flatten()]
    )
    for encoder in (inner, keras.Sequential([keras.Input((8, 8, 3)), inner])):
        for door in (
            lambda e: encode_all(e, (X, Y)),
            lambda e: supcon_tf.SupConModel(e).encode(np.uint8(X)),
            lambda e: supcon_tf.LinearClassifier(e, 2)(np.uint8(X)),
        ):
            with pytest.raises(ValueError, match=r"encoders\.from_keras"):
                door(encoder)
    refuse_own_scaling(supcon_tf.encoders.from_keras(inner))
    refuse_own_scaling(keras.Sequential([layers.Rescaling(2.0, -1.0)]))
