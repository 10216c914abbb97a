import math

import keras
import numpy as np
import pytest

from supcon_tf.encoders import ENCODERS, resnet18


def num_trainable(model):
    return sum(math.prod(v.shape) for v in model.trainable_variables)


# torchvision's ResNets without their last layer have these numbers (imagenet
# stem): 11,689,512 - 513,000 for resnet18, and so on.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stem", "parameters"),
    [
        ("resnet34", "imagenet", 21_284_672),
        ("resnet50", "imagenet", 23_508_032),
        ("resnet18", "small_image", 11_168_832),
    ]
    + [
        pytest.param(*case, marks=pytest.mark.release)
        for case in (
            ("resnet18", "imagenet", 11_176_512),
            ("resnet101", "imagenet", 42_500_160),
            ("resnet152", "imagenet", 58_143_808),
            ("resnet200", "imagenet", 62_624_832),
            ("resnet50", "small_image", 23_500_352),
        )
    ],
)
def test_the_encoders_have_the_known_numbers_of_parameters(
    name, stem, parameters
):
    encoder = ENCODERS[name]((32, 32, 3), stem=stem)
    assert num_trainable(encoder) == parameters
    features = 512 if name in ("resnet18", "resnet34") else 2048
    assert encoder.output_shape == (None, features)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stem", "size", "sizes"),
    [
        ("imagenet", 224, [56, 28, 14, 7]),
        ("small_image", 32, [32, 16, 8, 4]),
    ],
)
def test_each_group_after_the_first_halves_the_map(stem, size, sizes):
    encoder = resnet18((size, size, 3), stem=stem, width=0.25)
    maps = [
        encoder.get_layer(f"group{group}_block2_out").output.shape[1]
        for group in (1, 2, 3, 4)
    ]
    assert maps == sizes


@pytest.mark.slow
def test_a_bottleneck_has_its_stride_on_the_3x3_convolution():
    encoder = ENCODERS["resnet50"]((64, 64, 3), width=0.25)
    strides = [
        encoder.get_layer(f"group2_block1_conv{i}").strides[0]
        for i in (1, 2, 3)
    ]
    assert strides == [1, 2, 1]


def test_the_last_batch_norm_of_each_block_starts_at_0():
    encoder = resnet18((32, 32, 3), width=0.25)
    zero = [
        layer.name
        for layer in encoder.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and not np.any(layer.gamma)
    ]
    assert zero == [
        f"group{g}_block{b}_bn2" for g in (1, 2, 3, 4) for b in (1, 2)
    ]


def test_without_zero_gamma_every_batch_norm_starts_at_1():
    encoder = resnet18((32, 32, 3), width=0.25, zero_gamma=False)
    for layer in encoder.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            np.testing.assert_array_equal(layer.gamma, 1)


@pytest.mark.slow
def test_a_saved_encoder_needs_no_other_file(tmp_path):
    encoder = resnet18((16, 16, 3), stem="small_image", width=0.25)
    images = np.random.default_rng(0).random((4, 16, 16, 3), "float32")
    encoder(images, training=True)
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras", safe_mode=True)
    np.testing.assert_array_equal(again(images), encoder(images))


@pytest.mark.slow
def test_sync_batch_norm_synchronises_every_batch_norm():
    encoder = resnet18((32, 32, 3), width=0.25, sync_batch_norm=True)
    assert all(
        layer.synchronized
        for layer in encoder.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    )


@pytest.mark.slow
def test_under_mixed_precision_the_representation_is_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder = resnet18((16, 16, 3), stem="small_image", width=0.25)
    finally:
        keras.config.set_dtype_policy("float32")
    assert encoder.get_layer("stem_conv").compute_dtype == "bfloat16"
    assert encoder.output.dtype == "float32"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stem": "cifar"}, "`stem` must be one of ['imagenet', 'small_im"),
        ({"width": 0.001}, "`width` must be finite and at least 1/64"),
        ({"std": (0.2, 0.0, 0.2)}, "`mean` and `std` must be three floats"),
        ({"input_shape": (32, 32)}, "`input_shape` must be (height, width, 3)"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        resnet18(**{"input_shape": (32, 32, 3), **arguments})
    assert message in str(error.value)
