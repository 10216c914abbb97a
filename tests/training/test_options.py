import dataclasses

from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.config import PretrainConfig
from supcon_tf.encoders import ENCODERS
from supcon_tf.training.options import options_of, options_of_any


def test_options_are_the_arguments_of_the_builder_that_are_settings():
    def builder(input_shape, *, width, area=None, dropout=0.0, mean=None):
        """Has two arguments that are no settings."""

    assert options_of(builder) == {
        "width": "width",
        "crop_area": "area",
        "mean": "mean",
    }


def test_the_encoders_and_augmentations_have_their_known_options():
    assert set(options_of(ENCODERS["resnet50"])) == {
        *("width", "stem", "zero_gamma", "mean", "std"),
    }
    assert set(options_of(ENCODERS["vit_b16"])) == {"patch_size", "mean", "std"}
    assert set(options_of(AUGMENTATIONS["simclr"])) == {
        *("strength", "crop_area", "blur_probability", "additive_brightness"),
    }
    assert options_of(AUGMENTATIONS["center_crop"]) == {}


def test_an_option_of_any_is_a_setting():
    fields = {field.name for field in dataclasses.fields(PretrainConfig)}
    for table in (ENCODERS, AUGMENTATIONS):
        assert options_of_any(table) <= fields
