import dataclasses

import pytest
from absl import flags

from supcon_tf import sweep
from supcon_tf.config.command_line import define_flags, given_settings
from supcon_tf.config.pretrain import PretrainConfig
from supcon_tf.recipes import RECIPES
from supcon_tf.studies.grids import plan
from supcon_tf.training.unused_settings import with_flags


def configs(study, recipe, *arguments, **options):
    values = flags.FlagValues()
    define_flags(PretrainConfig, values)
    values(["command", *arguments])
    given = given_settings(RECIPES[recipe], values)
    runs = plan(study, RECIPES[recipe], overrides=given, **options)
    return sweep.configs_of(RECIPES[recipe], runs, values)


def as_pretrained(recipe, *arguments):
    """The config of supcon-pretrain with these flags."""
    values = flags.FlagValues()
    define_flags(PretrainConfig, values)
    values(["command", *arguments])
    return with_flags(RECIPES[recipe], values)


def test_a_run_is_its_recipe_with_what_the_study_and_the_flags_say():
    made = configs("epochs", "digits", "--width=0.5", values=[3, 4], seeds=[7])
    assert made == [
        as_pretrained(recipe, "--width=0.5", f"--epochs={epochs}", "--seed=7")
        for recipe in ("digits", "cross_entropy_digits")
        for epochs in (3, 4)
    ]
    assert made[0] == dataclasses.replace(
        RECIPES["digits"], width=0.5, epochs=3, seed=7
    )


def test_a_flag_is_left_out_of_the_runs_for_which_it_means_nothing():
    supcon, cross_entropy = configs(
        "epochs",
        "digits",
        "--temperature=0.5",
        "--label_smoothing=0.1",
        values=[3],
    )
    assert (supcon.temperature, supcon.label_smoothing) == (0.5, 0.0)
    assert (cross_entropy.temperature, cross_entropy.label_smoothing) == (
        0.1, 0.1,
    )  # fmt: skip


def test_a_flag_that_means_nothing_for_all_is_refused():
    with pytest.raises(ValueError, match="`temperature` must be left out with"):
        configs(
            "epochs",
            "digits",
            "--temperature=0.5",
            objectives=["cross_entropy"],
        )
    with pytest.raises(ValueError, match="`patch_size` must be left out with"):
        configs("epochs", "digits", "--patch_size=4")


def test_the_learning_rates_of_a_study_take_the_place_of_a_fixed_one():
    made = configs("hyperparameters", "supcon_cifar10_vit_b16")
    own = [config for config in made if config.optimizer == "adamw"]
    peaks = {config.peak_learning_rate for config in own}
    assert sorted(peaks) == pytest.approx([1.25e-4, 5e-4, 2e-3])
    made = configs(
        "epochs", "supcon_cifar10_vit_b16", "--base_learning_rate=0.1"
    )
    assert {config.base_learning_rate for config in made} == {0.1}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_study_can_be_laid_around_every_recipe(recipe):
    for study in ("temperature", "batch_size", "epochs", "training_set_size"):
        if study == "batch_size" and RECIPES[recipe].samples_per_class:
            continue  # which has to divide them
        for config in configs(study, recipe):
            assert config.epochs > config.warmup_epochs
            images = config.max_samples
            assert images is None or images >= config.batch_size
    assert len(configs("hyperparameters", recipe)) >= 10


@pytest.mark.slow
def test_a_study_is_laid_around_what_the_flags_say():
    sizes = {
        config.max_samples
        for config in configs("training_set_size", "digits", "--batch_size=512")
    }
    assert sizes == {512, 1024, 2048, 4096, None}
    epochs = configs("epochs", "digits", "--epochs=80", objectives=["supcon"])
    assert [config.epochs for config in epochs] == [10, 20, 40, 80, 160]
    peaks = {
        config.peak_learning_rate
        for config in configs("hyperparameters", "digits", "--batch_size=256")
        if config.optimizer == "adam"
    }
    assert sorted(peaks) == pytest.approx([0.0005, 0.002, 0.008])


def test_where_a_run_starts_from_is_found_from_elsewhere_too(
    tmp_path, monkeypatch
):
    (tmp_path / "encoder.keras").touch()
    monkeypatch.chdir(tmp_path)
    made = configs("epochs", "digits", "--initial_encoder=encoder.keras")
    assert {config.initial_encoder for config in made} == {
        str(tmp_path / "encoder.keras")
    }
