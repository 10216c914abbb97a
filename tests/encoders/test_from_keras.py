import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import applications, layers

from hub_export.comparison import compare
from hub_export.saved_model import write_saved_model
from supcon_tf.encoders.from_keras import from_keras
from supcon_tf.losses.supcon import SupConLoss
from supcon_tf.models.heads import ProjectionHead
from supcon_tf.models.supcon_model import SupConModel

IMAGES = np.random.default_rng(0).random((4, 64, 64, 3), "float32")


def make_model(head=(), shape=(None, None, 3)):
    """A convolution, then `head`."""
    images = keras.Input(shape)
    x = layers.Conv2D(4, 3, activation="relu")(images)
    for layer in head:
        x = layer(x)
    return keras.Model(images, x, name="small")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "module"),
    [
        pytest.param(*pair, marks=pytest.mark.release)
        for pair in (
            (applications.ResNet50, applications.resnet50),
            (applications.DenseNet121, applications.densenet),
            (applications.EfficientNetB0, applications.efficientnet),
        )
    ]
    + [(applications.MobileNetV2, applications.mobilenet_v2)],
)
def test_it_equals_the_original_under_its_own_preprocessing(
    make, module, tmp_path
):
    model = make(weights=None, include_top=False, input_shape=(64, 64, 3))
    # Statistics of these images, or the features of a new network hardly depend
    # on them; the epsilon, or they amplify rounding where a map is constant.
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum, layer.epsilon = 0.0, 0.1
    model(module.preprocess_input(255 * IMAGES), training=True)
    encoder = from_keras(model, module.preprocess_input)
    expected = np.mean(model(module.preprocess_input(255 * IMAGES)), (1, 2))
    tolerance = 1e-4 * np.max(np.abs(expected))
    np.testing.assert_allclose(encoder(IMAGES), expected, atol=tolerance)
    assert not np.allclose(
        np.mean(model(IMAGES), (1, 2)), expected, atol=tolerance
    )
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(again(IMAGES), encoder(IMAGES))


def mode(name):
    def preprocess(images):
        return applications.imagenet_utils.preprocess_input(images, mode=name)

    return preprocess


@pytest.mark.parametrize(
    "preprocess",
    [
        mode("caffe"),
        mode("tf"),
        mode("torch"),
        lambda images: images,
        lambda images: images[..., [1, 2, 0]] / 100 - 1,
        layers.Rescaling(1 / 255),
    ],
    ids=["caffe", "tf", "torch", "identity", "order", "layer"],
)
def test_preprocessing_becomes_part_of_the_encoder(preprocess, tmp_path):
    model = make_model()
    encoder = from_keras(model, preprocess)
    expected = np.mean(model(preprocess(255 * IMAGES)), (1, 2))
    np.testing.assert_allclose(encoder(IMAGES), expected, rtol=1e-4, atol=1e-5)
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(again(IMAGES), encoder(IMAGES))
    assert len(encoder.weights) == len(model.weights)


def test_without_preprocessing_the_model_gets_images_to_255():
    model = make_model()
    np.testing.assert_allclose(
        from_keras(model)(IMAGES),
        np.mean(model(255 * IMAGES), (1, 2)),
        rtol=1e-4,
    )


def test_max_pooling_takes_the_maximum_of_the_map():
    model = make_model()
    np.testing.assert_allclose(
        from_keras(model, pooling="max")(IMAGES),
        np.max(model(255 * IMAGES), (1, 2)),
        rtol=1e-4,
    )


def test_features_are_not_pooled_again():
    model = make_model([layers.GlobalAveragePooling2D(), layers.Dense(5)])
    encoder = from_keras(model, input_shape=(64, 64, 3))
    assert encoder.input_shape == (None, 64, 64, 3)
    assert encoder.output_shape == (None, 5)
    np.testing.assert_allclose(
        encoder(IMAGES), model(255 * IMAGES), rtol=1e-4, atol=1e-4
    )


@pytest.mark.release
def test_it_is_trained_copied_and_exported(tmp_path):
    encoder = from_keras(make_model(), mode("caffe"), input_shape=(64, 64, 3))
    model = SupConModel(
        encoder, ProjectionHead((4,)), queue_size=4, encoder_momentum=0.5
    )
    model.compile(keras.optimizers.SGD(0.1), loss=SupConLoss())
    before = encoder.get_weights()
    model.fit(IMAGES, np.array([0, 1, 0, 1]), verbose=0)
    assert not np.array_equal(before[0], encoder.get_weights()[0])
    write_saved_model(encoder, tmp_path)
    loaded = tf.saved_model.load(str(tmp_path))
    assert compare(encoder, loaded)["inference"] < 1e-5


def test_it_trains_the_model_itself():
    model = make_model()
    encoder = from_keras(model)
    assert encoder.trainable_weights[0] is model.trainable_weights[0]


def test_under_mixed_precision_the_representation_is_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder = from_keras(make_model())
    finally:
        keras.config.set_dtype_policy("float32")
    assert encoder.get_layer("preprocessing").compute_dtype == "float32"
    assert encoder.output.dtype == "float32"


@pytest.mark.parametrize(
    "preprocess",
    [
        lambda images: images**2,
        lambda images: images - images.mean(),
        lambda images: images[:, 1:],
        lambda images: images.mean(axis=-1, keepdims=True),
    ],
    ids=["square", "mean", "crop", "grey"],
)
def test_preprocessing_of_another_kind_is_refused(preprocess):
    with pytest.raises(ValueError, match="`preprocess` must scale, shift or"):
        from_keras(make_model(), preprocess)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (make_model, {}, "`model` must be a keras.Model with known inputs"),
        (make_model(shape=(8, 8, 1)), {}, "`model` must take one tensor of"),
        (make_model([layers.Reshape((-1, 4))]), {}, "`model` must return one"),
        (make_model(), {"pooling": "sum"}, "`pooling` must be one of ['avg'"),
        (
            make_model(shape=(8, 8, 3)),
            {"input_shape": (16, 16, 3)},
            "`input_shape` must be (8, 8, 3), which the model was made for",
        ),
    ],
)
def test_bad_arguments_are_refused(model, options, message):
    with pytest.raises(ValueError) as error:
        from_keras(model, **options)
    assert message in str(error.value)
