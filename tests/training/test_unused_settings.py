"""Settings that mean nothing are refused where given, and dropped elsewhere."""

import pytest
from absl import flags

from supcon_tf.config import PretrainConfig
from supcon_tf.config.command_line import define_flags
from supcon_tf.recipes import RECIPES
from supcon_tf.training.unused_settings import (
    refuse_unused_settings,
    with_flags,
)


def config(recipe, *arguments):
    values = flags.FlagValues()
    define_flags(PretrainConfig, values)
    values(["command", *arguments])
    return with_flags(RECIPES[recipe], values)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_sets_nothing_that_it_does_not_use(name):
    recipe = RECIPES[name]
    assert config(name) == recipe
    refuse_unused_settings(recipe)


def test_what_a_recipe_sets_for_another_encoder_is_dropped():
    changed = config("digits", "--encoder=vit_ti16", "--patch_size=4")
    assert (changed.width, changed.zero_gamma) == (1.0, True)
    assert changed.patch_size == 4
    kept = config("digits", "--encoder=resnet34")
    assert (kept.width, kept.zero_gamma) == (0.25, False)


def test_what_a_recipe_sets_for_another_augmentation_is_dropped():
    changed = config("supcon_cifar10_resnet50", "--augmentation=autoaugment")
    assert changed.strength is None
    assert changed.blur_probability is None
    assert changed.crop_area == (0.2, 1.0)


def test_a_queue_is_dropped_with_an_objective_that_has_none():
    changed = config(
        "supcon_imagenet_resnet50_queue", "--objective=cross_entropy"
    )
    assert (changed.queue_size, changed.encoder_momentum) == (0, None)
    changed = config("cross_entropy_imagenet_resnet50", "--objective=supcon")
    assert changed.label_smoothing == 0
    changed = config(
        "supcon_imagenet_resnet50_queue", "--objective=supcon_cross_entropy"
    )
    assert (changed.queue_size, changed.encoder_momentum) == (0, None)
    assert changed.projection_units == (128,)


@pytest.mark.parametrize("objective", ["simclr", "supcon_cross_entropy"])
def test_small_views_are_further_views_of_a_contrastive_objective(objective):
    arguments = ["--small_views=2", "--small_view_size=4", "--num_views=1"]
    changed = config("digits", f"--objective={objective}", *arguments)
    refuse_unused_settings(changed)
    assert (changed.small_views, changed.small_view_size) == (2, 4)
    assert changed.small_crop_area == (0.05, 0.14)


def test_a_base_learning_rate_takes_the_place_of_a_learning_rate():
    changed = config("supcon_imagenet_vit_b16", "--base_learning_rate=0.1")
    assert changed.learning_rate is None
    assert changed.peak_learning_rate == 0.1 * 4096 / 256


def test_none_unsets_a_setting():
    changed = config("photos", "--initial_encoder=none", "--encoder=resnet50")
    assert changed.starts_from is None
    assert changed.encoder == "resnet50"
    changed = config("photos", "--samples_per_class=none", "--crop_area=none")
    assert changed.samples_per_class is None
    assert changed.crop_area is None


@pytest.mark.parametrize(
    ("arguments", "name", "reason"),
    [
        (["--encoder=vit_s16", "--width=2"], "width", "encoder='vit_s16'"),
        (["--patch_size=4"], "patch_size", "encoder='resnet18'"),
        (["--strength=1"], "strength", "augmentation='crop'"),
        (["--margin=0.1"], "margin", "objective='supcon'"),
        (["--contrast_weight=2"], "contrast_weight", "objective='supcon'"),
        (
            ["--objective=supcon_cross_entropy", "--encoder_momentum=0.9"],
            "encoder_momentum",
            "objective='supcon_cross_entropy'",
        ),
        (
            ["--objective=cross_entropy", "--temperature=0.2"],
            "temperature",
            "objective='cross_entropy'",
        ),
        (
            ["--optimizer=adam", "--momentum=0.5"],
            "momentum",
            "optimizer='adam'",
        ),
        (["--epsilon=0.1"], "epsilon", "optimizer='sgd'"),
        (["--decay_rate=0.1"], "decay_rate", "schedule='cosine'"),
        (
            ["--schedule=steps", "--epochs_per_decay=2"],
            "epochs_per_decay",
            "schedule='steps'",
        ),
        (
            ["--initial_encoder=W", "--encoder=resnet50"],
            "encoder",
            "initial_encoder='W'",
        ),
        (
            ["--encoder=keras_cv:X", "--width=2"],
            "width",
            "encoder='keras_cv:X'",
        ),
        (["--small_view_size=4"], "small_view_size", "small_views=0"),
        (["--small_crop_area=0.1,1"], "small_crop_area", "small_views=0"),
        (
            ["--objective=cross_entropy", "--small_views=2"],
            "small_views",
            "objective='cross_entropy'",
        ),
        (
            [
                "--augmentation=center_crop",
                "--small_views=2",
                "--small_view_size=4",
                "--small_crop_area=0.1,1",
            ],
            "small_crop_area",
            "augmentation='center_crop'",
        ),
        (
            ["--learning_rate=1", "--base_learning_rate=2"],
            "base_learning_rate",
            "learning_rate=1.0",
        ),
    ],
)
def test_what_was_given_and_means_nothing_is_refused(arguments, name, reason):
    with pytest.raises(ValueError) as error:
        config("digits", *arguments)
    assert str(error.value).startswith(
        f"`{name}` must be left out with {reason}, which has no such thing. "
        f"Received: {name}="
    )
