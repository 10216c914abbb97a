"""What a config describes."""

import dataclasses

import keras
import numpy as np
import pytest
from often import often

from supcon_tf import AUGMENTATIONS, ENCODERS
from supcon_tf.config import PretrainConfig
from supcon_tf.recipes import RECIPES
from supcon_tf.training.build import (
    build_encoder,
    build_model,
    compile_model,
    make_augmentation,
    synchronize_batch_norm,
)

TINY = dataclasses.replace(
    RECIPES["digits"], width=1 / 16, projection_units=(8, 4)
)


def images():
    return np.random.default_rng(0).random((4, 8, 8, 3), "float32")


def batch_norms(model):
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


@pytest.mark.slow
def test_the_seed_decides_the_weights():
    first, again = build_model(TINY, 10), build_model(TINY, 10)
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    other = build_model(dataclasses.replace(TINY, seed=1), 10)
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "precision",
    often(["mixed_bfloat16", "mixed_float16"], "mixed_bfloat16"),
)
def test_a_mixed_precision_computes_in_half_and_keeps_float32(precision):
    before = keras.config.dtype_policy()
    config = dataclasses.replace(TINY, precision=precision, queue_size=8)
    model = build_model(config, 10)
    assert keras.config.dtype_policy() is before
    convolution = model.encoder.get_layer("stem_conv")
    assert convolution.compute_dtype == precision.removeprefix("mixed_")
    dense = next(
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Dense)
    )
    assert dense.compute_dtype == precision.removeprefix("mixed_")
    assert {weight.dtype for weight in model.encoder.weights} == {"float32"}
    assert {w.dtype for w in model.trainable_weights} == {"float32"}
    representations = model.encode(images())
    assert keras.backend.standardize_dtype(representations.dtype) == "float32"
    expected = build_model(TINY, 10).encode(images())
    np.testing.assert_allclose(representations, expected, atol=0.1)


@pytest.mark.slow
def test_float16_scales_the_loss():
    config = dataclasses.replace(TINY, precision="mixed_float16")
    model = build_model(config, 10)
    compile_model(model, config, steps_per_epoch=10)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


def test_the_policy_of_others_survives_an_error():
    before = keras.config.dtype_policy()
    with pytest.raises(ValueError, match="`stem` must be one of"):
        build_model(
            dataclasses.replace(TINY, precision="mixed_float16", stem="vgg"), 10
        )
    assert keras.config.dtype_policy() is before


@pytest.mark.slow
def test_the_policy_of_others_has_no_part_in_the_model():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model(TINY, 10)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.encoder.get_layer("stem_conv").compute_dtype == "float32"


def test_an_unknown_precision_lists_the_known():
    with pytest.raises(ValueError, match="`precision` must be one of") as error:
        build_model(dataclasses.replace(TINY, precision="float16"), 10)
    assert "mixed_bfloat16" in str(error.value)


@pytest.mark.slow
def test_queue_momentum_and_microbatches_reach_the_model():
    model = build_model(
        dataclasses.replace(
            TINY, queue_size=32, encoder_momentum=0.5, num_microbatches=2
        ),
        10,
    )
    assert model.queue.size == 32
    assert model.momentum_encoder.momentum == 0.5
    assert model.num_microbatches == 2


@pytest.mark.slow
def test_on_one_replica_batch_norm_is_not_synchronised():
    model = build_model(dataclasses.replace(TINY, sync_batch_norm=True), 10)
    assert not any(layer.synchronized for layer in batch_norms(model))


@pytest.mark.slow
def test_batch_norm_of_encoder_head_and_copy_can_be_synchronised():
    model = build_model(
        dataclasses.replace(TINY, queue_size=8, encoder_momentum=0.5), 10
    )
    layers = batch_norms(model)
    assert len(layers) == 2 * (20 + 1)  # the encoder's and the head's
    synchronize_batch_norm(model, True)
    assert all(layer.synchronized for layer in layers)
    synchronize_batch_norm(model, False)
    assert not any(layer.synchronized for layer in layers)


def test_the_crop_area_reaches_the_augmentation():
    pixels = np.random.default_rng(0).integers(
        0, 256, (4, 8, 8, 3), dtype=np.uint8
    )
    seeds = np.arange(8).reshape(4, 2)
    config = dataclasses.replace(TINY, crop_area=(0.1, 0.2))
    np.testing.assert_array_equal(
        make_augmentation(config)(pixels, seeds, 8),
        AUGMENTATIONS["crop"](pixels, seeds, 8, area=(0.1, 0.2)),
    )


def test_unknown_names_list_the_known():
    with pytest.raises(ValueError) as error:
        build_model(dataclasses.replace(TINY, encoder="resnet19"), 10)
    for name in ENCODERS:
        assert name in str(error.value)
    with pytest.raises(ValueError) as error:
        make_augmentation(dataclasses.replace(TINY, augmentation="none"))
    for name in AUGMENTATIONS:
        assert name in str(error.value)


def test_an_initial_encoder_of_another_size_is_refused_by_the_flags_name(
    tmp_path,
):
    encoder = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    encoder.save(tmp_path / "encoder.keras")
    config = dataclasses.replace(
        RECIPES["digits"],
        initial_encoder=str(tmp_path / "encoder.keras"),
        image_size=16,
    )
    with pytest.raises(ValueError) as error:
        build_encoder(config)
    assert str(error.value) == (
        "`image_size` must be that of (8, 8, 3), which the model was made "
        "for. Received: image_size=16"
    )


SMALL = {"small_views": 3, "small_view_size": 7}


@pytest.mark.slow
def test_small_views_have_an_encoder_of_any_size():
    config = dataclasses.replace(TINY, encoder="tiny", **SMALL)
    model = build_model(config, 10)
    assert model.encoder.input_shape == (None, None, None, 3)
    assert build_encoder(config).input_shape == (None, None, None, 3)
    views = np.zeros((4, 2, 8, 8, 3), "float32")
    x = {"views": views, "small_views": views[:, :1, :7, :7]}
    assert model(x).shape == (4, 3, 4)
    # The weights are those of the encoder of one size.
    plain = build_model(dataclasses.replace(config, **NO_SMALL), 10)
    assert plain.encoder.input_shape == (None, 8, 8, 3)
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


NO_SMALL = {"small_views": 0, "small_view_size": None}


@pytest.mark.slow
def test_a_resnet_takes_small_views():
    model = build_model(dataclasses.replace(TINY, **SMALL), 10)
    assert model.encoder.input_shape == (None, None, None, 3)


@pytest.mark.slow
def test_small_views_with_an_encoder_of_one_size_are_one_line(tmp_path):
    vit = dataclasses.replace(
        PretrainConfig(), encoder="vit_ti16", patch_size=4, **SMALL
    )
    path = tmp_path / "encoder.keras"
    ENCODERS["tiny"]((8, 8, 3)).save(path)
    saved = dataclasses.replace(
        PretrainConfig(), image_size=8, initial_encoder=str(path), **SMALL
    )
    for config, name in ((vit, "vit_ti16"), (saved, str(path))):
        with pytest.raises(ValueError) as error:
            build_model(config, 10)
        assert str(error.value) == (
            "`small_views` must be 0 with an encoder that takes images of one "
            f"size alone, {name}. Received: small_views=3"
        )
    # What else is wrong is told as such.
    wrong = dataclasses.replace(saved, initial_encoder=str(tmp_path / "none"))
    with pytest.raises(ValueError, match="`initial_encoder` must be a"):
        build_model(wrong, 10)


def test_a_pipeline_that_the_device_has_not_is_refused_by_name():
    config = dataclasses.replace(
        TINY, encoder="tiny", views="device", augmentation="randaugment"
    )
    with pytest.raises(ValueError, match=r"crop_flip, .*simclr.*randaugment"):
        build_model(config, 10)


def test_the_device_gets_the_options_of_the_augmentation():
    config = dataclasses.replace(
        TINY,
        encoder="tiny",
        views="device",
        strength=0.25,
        crop_area=(0.3, 1.0),
        augmentation="simclr",
    )
    views = build_model(config, 10).views
    assert views.options == {"strength": 0.25, "area": (0.3, 1.0)}
    assert (views.seed, views.image_size) == (config.seed, (8, 8))
