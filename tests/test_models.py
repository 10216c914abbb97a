import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf import (
    ProjectionHead,
    SupConLoss,
    SupConModel,
    supcon_loss,
)


def small_encoder(shape=(4, 4, 3), units=6, **kwargs):
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(units, **kwargs),
        ],
        name="encoder",
    )


def images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, "float32")


def test_the_head_gives_float32_projections_of_unit_length():
    head = ProjectionHead((16, 3), dtype="mixed_bfloat16")
    projections = head(images(7, 4))
    assert projections.dtype == "float32"
    np.testing.assert_allclose(
        np.linalg.norm(projections, axis=1), np.ones(7), rtol=1e-5
    )


def test_the_head_is_dense_relu_dense():
    head = ProjectionHead((5, 3))
    x = images(7, 4) - 0.5
    head(x)
    first, bias, last = head.get_weights()
    expected = np.maximum(x @ first + bias, 0) @ last
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(head(x), expected, rtol=1e-4, atol=1e-6)


def test_the_default_head_is_the_papers():
    head = ProjectionHead()
    head.build((None, 512))
    assert [w.shape for w in head.weights] == [
        (512, 2048),
        (2048,),
        (2048, 128),
    ]


def test_batch_norm_in_the_head_follows_the_hidden_layers():
    head = ProjectionHead((5, 4, 3), batch_norm=True)
    head.build((None, 8))
    assert [w.path.split("/")[-2] for w in head.trainable_weights] == [
        "dense_0",
        "bn_0",
        "bn_0",
        "dense_1",
        "bn_1",
        "bn_1",
        "projection",
    ]


@pytest.mark.parametrize("units", [(), (0,), (8, -1), (2.5,)])
def test_a_head_without_positive_units_is_refused(units):
    with pytest.raises(ValueError, match="`units` must be one or more ints"):
        ProjectionHead(units)


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


def test_the_model_learns_and_logs_the_loss_beside_that_of_collapse():
    model = SupConModel(small_encoder(), ProjectionHead((8, 4)))
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=SupConLoss())
    x, labels = images(32, 2, 4, 4, 3) - 0.5, np.arange(32) % 4
    x[np.arange(32), :, labels] += 1  # a bright row for each class
    history = model.fit(x, labels, batch_size=16, epochs=20, verbose=0).history
    np.testing.assert_allclose(history["collapsed_loss"], np.log(31), rtol=1e-6)
    assert history["contrastive_loss"][-1] < history["contrastive_loss"][0]
    assert history["contrastive_loss"][-1] < np.log(31) - 0.5


def test_the_contrastive_loss_is_logged_without_regularisers():
    encoder = small_encoder(kernel_regularizer=keras.regularizers.L2(0.1))
    model = SupConModel(encoder)
    model.compile(optimizer="sgd", loss=SupConLoss())
    x, labels = images(8, 2, 4, 4, 3), np.arange(8) % 3
    logs = model.evaluate(x, labels, batch_size=8, verbose=0, return_dict=True)
    expected = np.mean(supcon_loss(labels, model(x)))
    np.testing.assert_allclose(logs["contrastive_loss"], expected, rtol=1e-5)
    penalty = 0.1 * np.sum(np.square(encoder.layers[-1].kernel))
    np.testing.assert_allclose(logs["loss"], expected + penalty, rtol=1e-5)


@pytest.mark.parametrize("loss", [None, "mse", lambda labels, z: z])
def test_a_compiled_loss_that_is_no_loss_object_is_refused(loss):
    model = SupConModel(small_encoder())
    model.compile(optimizer="sgd", loss=loss)
    with pytest.raises(ValueError, match=r"must be compiled with a keras"):
        model.fit(images(4, 2, 4, 4, 3), np.arange(4), verbose=0)


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_saved_model_goes_on_as_it_was(tmp_path):
    model = SupConModel(
        small_encoder(),
        ProjectionHead((5, 3), batch_norm=True),
        normalize_representation=True,
    )
    model.compile(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        loss=SupConLoss(0.2),
    )
    x, labels = images(16, 2, 4, 4, 3), np.arange(16) % 3
    model.fit(x, labels, batch_size=8, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(x), model(x))
    for each in (model, again):
        each.fit(x, labels, batch_size=8, shuffle=False, verbose=0)
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum"])
@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"denominator": "one_positive"},
        {"denominator": "only_negatives", "scale_by_temperature": True},
    ],
)
def test_a_constant_encoder_sits_at_collapse_with_regularisers_on(
    reduction, variant
):
    encoder = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(
                5,
                kernel_initializer="zeros",
                bias_initializer="ones",
                kernel_regularizer=keras.regularizers.L2(0.1),
                bias_regularizer=keras.regularizers.L2(0.1),
            ),
        ]
    )
    model = SupConModel(encoder)
    loss = SupConLoss(0.2, reduction=reduction, **variant)
    model.compile(optimizer="sgd", loss=loss)
    x, labels = images(8, 2, 4, 4, 3), np.arange(8) % 3
    logs = model.evaluate(x, labels, batch_size=8, verbose=0, return_dict=True)
    assert logs["loss"] > logs["contrastive_loss"] + 0.4
    np.testing.assert_allclose(
        logs["contrastive_loss"], logs["collapsed_loss"], rtol=1e-6
    )
    np.testing.assert_allclose(logs["loss_position"], 1, rtol=1e-5)
    weighted = model.evaluate(
        x, labels, sample_weight=np.full(8, 0.5), verbose=0, return_dict=True
    )
    for name in ("contrastive_loss", "collapsed_loss", "loss_position"):
        np.testing.assert_allclose(weighted[name], logs[name], rtol=1e-6)


def test_a_loss_of_ones_own_has_no_value_of_collapse():
    class Mine(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean(keras.ops.square(y_pred), axis=(1, 2))

    model = SupConModel(small_encoder())
    model.compile(optimizer="sgd", loss=Mine())
    logs = model.fit(images(4, 2, 4, 4, 3), np.arange(4), verbose=0).history
    assert set(logs) == {"loss", "contrastive_loss"}
