"""Tests of hub_export/tracing.py; most of it is seen in a SavedModel."""

import keras
import pytest
from keras import layers

from hub_export.tracing import image_shape, ready_to_trace, training_of


def new_encoder(size=8, **options):
    return keras.Sequential(
        [
            layers.Input((size, size, 3)),
            layers.Conv2D(4, 3, **options),
            layers.BatchNormalization(synchronized=True),
            layers.GlobalAveragePooling2D(),
        ]
    )


@pytest.mark.parametrize("error", [None, KeyError])
def test_flags_are_set_and_put_back(error):
    encoder = new_encoder(dtype="mixed_bfloat16")
    encoder.trainable = False
    conv, norm = encoder.layers[:2]

    def flags():
        return (
            conv.compute_dtype,
            conv.trainable,
            conv.kernel.trainable,
            norm.synchronized,
        )

    before = flags()
    assert before == ("bfloat16", False, False, True)
    try:
        with ready_to_trace(encoder):
            assert flags() == ("float32", True, True, False)
            if error:
                raise error
    except KeyError:
        pass
    assert flags() == before


def test_training_of_tells_what_is_exported_otherwise():
    expected = {"synchronized": True, "precision": "mixed_bfloat16"}
    assert training_of(new_encoder(dtype="mixed_bfloat16")) == expected
    assert training_of(new_encoder())["precision"] == "float32"


def test_any_size_is_found_by_trying():
    assert image_shape(new_encoder(8)) == (None, None, None, 3)
    fixed = keras.Sequential([layers.Input((4, 4, 3)), layers.Flatten()])
    assert image_shape(fixed) == (None, 4, 4, 3)
