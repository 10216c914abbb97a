"""Tests of hub_export/comparison.py, and of the program read_back.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from hub_export.comparison import (
    compare,
    compare_in_new_process,
    example_pixels,
)
from hub_export.saved_model import write_saved_model
from supcon_tf.models.heads import ProjectionHead
from supcon_tf.models.linear_classifier import LinearClassifier


@pytest.fixture(scope="module")
def encoder():
    images = layers.Input((16, 16, 3))
    x = layers.Conv2D(6, 3, strides=2)(images)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(name="group1_block1_out")(x)
    encoder = keras.Model(images, layers.GlobalAveragePooling2D()(x))
    encoder.layers[1].bias.assign(np.full(6, 3.0))  # not cut off by the ReLU
    return encoder


@pytest.fixture(scope="module")
def parts(encoder):
    head = ProjectionHead((7, 5), batch_norm=True)
    head.build((None, 6))
    classifier = LinearClassifier(encoder, 3)
    classifier(np.zeros((1, 16, 16, 3), np.float32))
    return {"projection_head": head, "classifier": classifier}


@pytest.fixture(scope="module")
def folder(encoder, parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    write_saved_model(encoder, folder / "saved_model", **parts)
    return folder


@pytest.fixture
def loaded(folder):
    return tf.saved_model.load(folder / "saved_model")


@pytest.mark.slow
def test_a_savedmodel_equals_its_encoder(encoder, parts, loaded):
    differences = compare(encoder, loaded, **parts)
    assert differences["inference"] < 1e-5
    assert differences["training"] < 1e-3


@pytest.mark.release
def test_another_process_finds_it_equal(encoder, parts, folder):
    pixels = example_pixels(encoder, (None, None, None, 3))
    before = [v.numpy() for v in encoder.variables]
    differences = compare_in_new_process(encoder, folder, pixels, **parts)
    assert differences["inference"] < 1e-5
    assert differences["training"] < 1e-3
    with np.load(folder / "answers.npz") as answers:
        names = set(answers.files)
    for index in (0, 1):
        for mode in ("inference", "training"):
            for dtype in ("float32", "uint8"):
                for name in (
                    "block_group1",
                    "features",
                    "features of the plain call",
                    "projection",
                    "projection of the features",
                    "probabilities",
                    "state 0",
                ):
                    assert f"{index}/{mode}/{name}/{dtype}" in names
    for old, new in zip(before, encoder.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "change"),
    [
        pytest.param("kernel", 0.05, marks=pytest.mark.release),
        ("kernel", np.nan),
        ("statistics", 0.05),
        pytest.param("head", 0.05, marks=pytest.mark.release),
        ("dense", 0.05),
    ],
)
def test_a_changed_variable_is_found(encoder, parts, loaded, where, change):
    variable = {
        "kernel": loaded.trainable_variables[0],
        "statistics": next(v for v in loaded.variables if not v.trainable),
        "head": next(
            v for v in loaded.projection_head.variables if v.shape == (7, 5)
        ),
        "dense": loaded.classifier.variables[-1],
    }[where]
    value = variable.numpy()
    # (Of class scores a constant would change nothing.)
    variable.assign(value + change * np.arange(value.size).reshape(value.shape))
    differences = compare(encoder, loaded, **parts)
    assert not differences["inference"] <= 1e-5
    if where != "statistics":
        assert not differences["training"] <= 1e-5


@pytest.mark.slow
def test_comparing_leaves_the_savedmodel_as_it_was(encoder, parts, loaded):
    variables = loaded.projection.variables
    before = [v.numpy() for v in variables]
    compare(encoder, loaded, **parts)
    for old, new in zip(before, variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


@pytest.mark.slow
def test_a_single_feature_that_differs_is_seen(encoder, loaded, parts):
    bias = encoder.layers[2].beta
    before = np.array(bias)
    changed = before.copy()
    changed[3] += 0.5
    bias.assign(changed)
    try:
        differences = compare(encoder, loaded, **parts)
    finally:
        bias.assign(before)
    assert differences["inference"] > 0.01


@pytest.mark.slow
def test_a_savedmodel_with_other_parts_is_refused(encoder, loaded):
    with pytest.raises(ValueError, match="must return what the encoder does"):
        compare(encoder, loaded)


@pytest.mark.release
def test_a_process_that_fails_is_told_in_one_line(encoder, tmp_path):
    pixels = example_pixels(encoder, (None, None, None, 3))
    with pytest.raises(RuntimeError, match="by a new process") as caught:
        compare_in_new_process(encoder, tmp_path, pixels)
    assert "saved_model" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("size", "exported", "expected"),
    [
        (16, (None, None), [(16, 16), (16, 20)]),
        (16, (16, 16), [(16, 16)]),
        (None, (None, None), [(96, 96), (96, 120)]),
    ],
)
def test_images_are_of_the_sizes_that_it_takes(size, exported, expected):
    inputs = keras.Input((size, size, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    encoder = keras.Model(inputs, pooled)
    pixels = example_pixels(encoder, (None, *exported, 3))
    assert [images.shape for images in pixels] == [
        (4, *size, 3) for size in expected
    ]
    assert {images.dtype.name for images in pixels} == {"uint8"}
