"""What SupConModel and ClassificationModel share: views, representations."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import images, small_encoder

from supcon_tf import (
    ClassificationModel,
    ProjectionHead,
    SupConLoss,
    SupConModel,
)


def test_each_view_is_projected_as_a_batch_of_it_would_be():
    model = SupConModel(small_encoder(), ProjectionHead((5, 3)))
    x = images(6, 2, 4, 4, 3)
    projections = model(x)
    assert projections.shape == (6, 2, 3)
    for view in (0, 1):
        np.testing.assert_allclose(
            projections[:, view],
            model.projection_head(model.encoder(x[:, view])),
            rtol=1e-5,
        )


def test_a_batch_without_a_views_axis_is_one_view():
    model = SupConModel(small_encoder(), ProjectionHead((5, 3)))
    x = images(6, 4, 4, 3)
    assert model(x).shape == (6, 1, 3)
    np.testing.assert_allclose(model(x), model(x[:, None]), rtol=1e-6)


@pytest.mark.parametrize("shape", [(9,), (5, 9), (2, 3, 4, 3)])
def test_inputs_of_any_rank_get_a_views_axis(shape):
    model = SupConModel(small_encoder(shape))
    assert model(images(3, 2, *shape)).shape == (3, 2, 6)
    assert model(images(3, *shape)).shape == (3, 1, 6)


def test_an_encoder_without_known_rank_takes_the_views_axis():
    class Encoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(6)

        def call(self, x):
            return self.dense(x)

    model = SupConModel(Encoder())
    assert model(images(3, 2, 5)).shape == (3, 2, 6)


def test_the_shape_of_its_images_is_known():
    model = ClassificationModel(small_encoder(), 3)
    assert model.input_shape == model.encoder.input_shape
    assert SupConModel(small_encoder((9,))).input_shape == (None, 9)


def test_images_of_another_rank_are_refused():
    model = SupConModel(small_encoder())
    with pytest.raises(ValueError, match="Images must have the encoder's"):
        model(images(4, 4, 3))


def test_encode_gives_the_representation_in_inference_mode():
    encoder = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dropout(0.9), keras.layers.Dense(3)]
    )
    model = SupConModel(encoder, ProjectionHead((4,)))
    x = images(6, 5)
    np.testing.assert_array_equal(model.encode(x), encoder(x))
    assert model.encode(x).shape == (6, 3)


def test_normalize_representation_is_in_front_of_the_head_and_in_encode():
    encoder = small_encoder()
    model = SupConModel(
        encoder, ProjectionHead((3,)), normalize_representation=True
    )
    x = images(6, 4, 4, 3)
    unit = encoder(x) / np.linalg.norm(encoder(x), axis=1, keepdims=True)
    np.testing.assert_allclose(model.encode(x), unit, rtol=1e-5)
    np.testing.assert_allclose(model.representation_model()(x), unit, rtol=1e-5)
    np.testing.assert_allclose(
        model(x)[:, 0], model.projection_head(unit), rtol=1e-5
    )


def test_without_normalisation_the_representation_model_is_the_encoder():
    encoder = small_encoder()
    assert SupConModel(encoder).representation_model() is encoder


def test_under_mixed_precision_the_encoder_gets_the_images_as_they_are():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Rescaling(1.0, dtype="float32"),
            ]
        )
        model = SupConModel(encoder)
    finally:
        keras.config.set_dtype_policy("float32")
    x = images(6, 2, 4)
    np.testing.assert_array_equal(model(x), x)


def test_a_representation_of_0_has_a_finite_gradient():
    model = SupConModel(keras.layers.Identity(), normalize_representation=True)
    x = tf.zeros([3, 2, 4])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = SupConLoss()(np.arange(3), model(x))
    assert not np.any(tape.gradient(loss, x))


@pytest.mark.parametrize(
    "make",
    [SupConModel, lambda encoder: ClassificationModel(encoder, 3)],
    ids=["SupConModel", "ClassificationModel"],
)
def test_a_loss_of_each_image_is_refused_whatever_the_model(make):
    model = make(small_encoder())
    model.compile(
        loss=keras.losses.CategoricalCrossentropy(reduction="none"),
    )
    with pytest.raises(ValueError, match="a loss that is reduced"):
        model.fit(images(4, 4, 4, 3), np.array([0, 1, 2, 0]), verbose=0)
    model.compile(loss="categorical_crossentropy")
    with pytest.raises(ValueError, match=r"keras\.losses\.Loss, such as loss="):
        model.fit(images(4, 4, 4, 3), np.array([0, 1, 2, 0]), verbose=0)
