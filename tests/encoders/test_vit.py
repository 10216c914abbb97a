import math
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from often import often

from hub_export.comparison import compare
from hub_export.saved_model import write_saved_model
from supcon_tf.encoders import ENCODERS
from supcon_tf.encoders.vit import vit
from supcon_tf.losses.supcon import SupConLoss
from supcon_tf.models.heads import ProjectionHead
from supcon_tf.models.momentum_encoder import MomentumEncoder
from supcon_tf.models.supcon_model import SupConModel

MEAN, STD = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)


def make_encoder(**options):
    """A ViT of two blocks for images of 8 x 12 pixels."""
    sizes = {
        "patch_size": 4,
        "hidden_size": 6,
        "depth": 2,
        "num_heads": 3,
        "mlp_size": 10,
    }
    return vit((8, 12, 3), **{**sizes, "mean": MEAN, "std": STD, **options})


def randomized(encoder):
    """The encoder with weights of which none is 0 or 1."""
    rng = np.random.default_rng(0)
    encoder.set_weights([rng.normal(size=w.shape) for w in encoder.weights])
    return encoder


def make_images(batch=2):
    return np.random.default_rng(1).random((batch, 8, 12, 3), "float32")


def forward(encoder, image, num_heads=3, patch_size=4):
    """Dosovitskiy et al. 2021, Eq. 1 to 4, of one image, from the weights."""
    weights = {w.path: np.asarray(w, "float64") for w in encoder.weights}

    def linear(x, name):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
        return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]

    def gelu(x):
        return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2

    def attention(x, name):
        result = np.zeros_like(x) + weights[f"{name}/attention_output/bias"]
        for head in range(num_heads):
            query, key, value = (
                x @ weights[f"{name}/{part}/kernel"][:, head]
                + weights[f"{name}/{part}/bias"][head]
                for part in ("query", "key", "value")
            )
            scores = np.exp(query @ key.T / math.sqrt(query.shape[-1]))
            scores /= scores.sum(-1, keepdims=True)
            output = weights[f"{name}/attention_output/kernel"][head]
            result += scores @ value @ output
        return result

    image = (np.asarray(image, "float64") - MEAN) / STD
    kernel = weights["patch_embedding/kernel"]
    tokens = [weights["class_token/kernel"][0]]
    for top in range(0, image.shape[0], patch_size):
        for left in range(0, image.shape[1], patch_size):
            patch = image[top : top + patch_size, left : left + patch_size]
            token = np.tensordot(patch, kernel, axes=3)
            tokens.append(token + weights["patch_embedding/bias"])
    x = np.stack(tokens) + weights["position_embedding/kernel"]
    for block in ("block1", "block2"):
        x = x + attention(norm(x, f"{block}_norm1"), f"{block}_attention")
        y = linear(norm(x, f"{block}_norm2"), f"{block}_dense1")
        x = x + linear(gelu(y), f"{block}_dense2")
    return norm(x, "representation")[0]


@pytest.mark.slow
def test_the_representation_is_that_of_the_papers_equations():
    encoder = randomized(make_encoder())
    images = make_images()
    expected = [forward(encoder, image) for image in images]
    np.testing.assert_allclose(encoder(images), expected, rtol=1e-4, atol=1e-5)


# torchvision's vit_b_16 has 86,567,656 parameters, 769,000 of them in the head.
# The others by the same sum, D = 384 and 192:
#   16*16*3*D + D + D + 197*D + 12 * (12*D*D + 13*D) + 2*D.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters", "features"),
    [
        ("vit_ti16", 5_524_416, 192),
        pytest.param("vit_s16", 21_665_664, 384, marks=pytest.mark.release),
        pytest.param("vit_b16", 85_798_656, 768, marks=pytest.mark.release),
    ],
)
def test_the_encoders_have_the_known_numbers_of_parameters(
    name, parameters, features
):
    encoder = ENCODERS[name]((224, 224, 3))
    assert encoder.count_params() == parameters
    assert encoder.output_shape == (None, features)
    assert encoder.name == name


@pytest.mark.slow
def test_the_patch_size_sets_the_number_of_positions():
    encoder = ENCODERS["vit_ti16"]((32, 48, 3), patch_size=8)
    positions = encoder.get_layer("position_embedding").kernel
    assert positions.shape == (1 + 4 * 6, 192)


@pytest.mark.slow
def test_matrices_start_with_glorots_variance():
    encoder = ENCODERS["vit_ti16"]((32, 32, 3))
    attention = encoder.get_layer("block1_attention")
    for part in ("query", "key", "value", "output"):
        kernel = getattr(attention, f"{part}_dense").kernel
        assert np.std(kernel) == pytest.approx(192**-0.5, rel=0.02)
    query, key = attention.query_dense.kernel, attention.key_dense.kernel
    assert not np.array_equal(query, key)


def test_dropout_is_in_training_mode_only():
    encoder = randomized(make_encoder(dropout=0.5))
    images = make_images()
    np.testing.assert_array_equal(encoder(images), encoder(images))
    first, second = (encoder(images, training=True) for _ in range(2))
    assert not np.allclose(first, second)


def test_an_empty_batch_has_no_representations():
    assert make_encoder()(make_images()[:0]).shape == (0, 6)


WITHOUT_PACKAGE = """
import sys
import keras, numpy as np
encoder = keras.saving.load_model(sys.argv[1] + "/encoder.keras")
images = np.load(sys.argv[1] + "/images.npy")
np.save(sys.argv[1] + "/features.npy", encoder(images))
assert "supcon_tf" not in sys.modules
"""


@pytest.mark.release
def test_a_saved_encoder_needs_nothing_of_this_package(tmp_path):
    encoder = randomized(make_encoder())
    encoder.save(tmp_path / "encoder.keras")
    np.save(tmp_path / "images.npy", make_images())
    command = [sys.executable, "-c", WITHOUT_PACKAGE, str(tmp_path)]
    subprocess.run(command, check=True, cwd=tmp_path)
    features = np.load(tmp_path / "features.npy")
    np.testing.assert_array_equal(features, encoder(make_images()))


@pytest.mark.slow
def test_a_momentum_encoder_copies_it():
    encoder = randomized(make_encoder())
    copy = MomentumEncoder(0.9)
    copy.follow([encoder])
    images = make_images()
    np.testing.assert_array_equal(copy(images), encoder(images))


@pytest.mark.release
def test_it_is_exported_for_its_own_size(tmp_path):
    encoder = randomized(make_encoder(dropout=0.1))
    write_saved_model(encoder, tmp_path)
    loaded = tf.saved_model.load(str(tmp_path))
    images = loaded.signatures["serving_default"].inputs[0]
    assert tuple(images.shape) == (None, 8, 12, 3)
    assert compare(encoder, loaded)["inference"] < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    "policy", often(["float32", "mixed_bfloat16"], "mixed_bfloat16")
)
def test_a_step_of_supcon_model_changes_every_weight(policy):
    keras.config.set_dtype_policy(policy)
    try:
        encoder = randomized(make_encoder())
        model = SupConModel(encoder, ProjectionHead((6, 4)))
    finally:
        keras.config.set_dtype_policy("float32")
    before = encoder.get_weights()
    model.compile(keras.optimizers.SGD(1.0), loss=SupConLoss())
    views = np.random.default_rng(2).random((4, 2, 8, 12, 3), "float32")
    model.fit(views, np.array([0, 1, 0, 1]), verbose=0)
    for old, weight in zip(before, encoder.weights, strict=True):
        new = np.asarray(weight)
        assert np.all(np.isfinite(new))
        # A key's bias adds the same to all scores: its gradient is rounding.
        if "key/bias" not in weight.path:
            assert not np.array_equal(new, old), weight.path


def test_under_mixed_precision_the_representation_is_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder = make_encoder()
    finally:
        keras.config.set_dtype_policy("float32")
    assert encoder.get_layer("block1_dense1").compute_dtype == "bfloat16"
    full = make_encoder()
    full.set_weights(encoder.get_weights())
    features = encoder(make_images())
    assert features.dtype == "float32"
    np.testing.assert_allclose(features, full(make_images()), atol=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch_size": 5}, "the first two multiples of patch_size=5. Receiv"),
        ({"input_shape": (None, None, 3)}, "`input_shape` must be (height, w"),
        ({"input_shape": (8, 8)}, "`input_shape` must be (height, width, 3)"),
        ({"num_heads": 4}, "`hidden_size` must be a multiple of num_heads=4"),
        ({"depth": 0}, "`depth` must be an int >= 1. Received: depth=0"),
        ({"std": (0.2, 0.0, 0.2)}, "`mean` and `std` must be three floats"),
        ({"dropout": 1.0}, "`dropout` must be in [0, 1). Received: dropout=1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    sizes = {"hidden_size": 6, "depth": 1, "num_heads": 3, "mlp_size": 8}
    with pytest.raises(ValueError) as error:
        vit(**{"input_shape": (16, 16, 3), **sizes, **arguments})
    assert message in str(error.value)
