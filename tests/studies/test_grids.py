"""The studies: which runs they have."""

import dataclasses

import pytest

from supcon_tf.recipes import RECIPES
from supcon_tf.studies import STUDIES, Run, plan, recipe_of

DIGITS = RECIPES["digits"]


def test_a_run_has_a_readable_name_and_says_what_it_overrides():
    run = Run("supcon", {"temperature": 0.1}, 2)
    assert run.name == "supcon-temperature-0.1-seed-2"
    assert run.overrides == {
        "objective": "supcon",
        "temperature": 0.1,
        "seed": 2,
    }
    assert Run("simclr", {"max_samples": None}, 0).name == (
        "simclr-max_samples-all-seed-0"
    )


def test_what_has_no_temperature_is_run_once_beside_the_temperatures():
    *runs, baseline = plan("temperature", DIGITS)
    assert {run.objective for run in runs} == {"supcon"}
    values = [run.settings["temperature"] for run in runs]
    assert values == [0.02, 0.05, 0.07, 0.1, 0.2, 0.5, 1.0]
    assert baseline == Run("cross_entropy", {}, 0)
    assert baseline.name == "cross_entropy-seed-0"
    assert plan(
        "temperature",
        DIGITS,
        objectives=["max_margin", "simclr"],
        values=[0.5],
        seeds=[3, 4],
    ) == [
        Run("max_margin", {}, 3),
        Run("max_margin", {}, 4),
        Run("simclr", {"temperature": 0.5}, 3),
        Run("simclr", {"temperature": 0.5}, 4),
    ]


def test_the_default_values_lie_around_the_recipe():
    values = {
        study: [
            tuple(run.settings.values())
            for run in plan(study, DIGITS, objectives=["supcon"])
        ]
        for study in STUDIES
    }
    assert values["batch_size"] == [(16,), (32,), (64,), (128,), (256,), (512,)]
    assert values["epochs"] == [(4,), (8,), (15,), (30,), (60,)]
    assert values["training_set_size"] == [
        (64,), (128,), (256,), (512,), (None,),
    ]  # fmt: skip
    assert values["hyperparameters"] == [
        (augmentation, optimizer, rate)
        for augmentation in ("crop", "simclr")
        for optimizer, rates in (
            ("sgd", (0.05, 0.2, 0.8)),
            ("adam", (0.002, 0.008, 0.032)),
        )
        for rate in rates
    ]


@pytest.mark.parametrize("study", [s for s in STUDIES if s != "temperature"])
def test_supcon_and_cross_entropy_are_compared_on_the_same_values(study):
    runs = plan(study, DIGITS)
    supcon, cross_entropy = (
        [run.settings for run in runs if run.objective == objective]
        for objective in ("supcon", "cross_entropy")
    )
    assert supcon == cross_entropy
    assert 10 <= len(runs) <= 25


def test_the_sizes_of_a_training_set_end_with_the_recipes():
    limited = dataclasses.replace(DIGITS, max_samples=200)
    runs = plan("training_set_size", limited, objectives=["supcon"])
    assert [run.settings["max_samples"] for run in runs] == [64, 128, 200]


def test_each_run_is_planned_once():
    runs = plan(
        "epochs", DIGITS, seeds=(3, 4, 3), values=(5, 5), objectives=["simclr"]
    )
    assert [run.name for run in runs] == [
        "simclr-epochs-5-seed-3",
        "simclr-epochs-5-seed-4",
    ]


@pytest.mark.slow
def test_the_names_of_the_runs_of_a_study_are_different():
    for study in STUDIES:
        for recipe in RECIPES.values():
            names = [run.name for run in plan(study, recipe, seeds=(0, 1))]
            assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("recipe", "objective", "twin"),
    [
        ("digits", "supcon", "digits"),
        ("digits", "cross_entropy", "cross_entropy_digits"),
        ("simclr_digits", "supcon", "digits"),
        ("cifar10_cpu", "cross_entropy", "cross_entropy_cifar10_cpu"),
        ("cifar10_cnn", "cross_entropy", "cross_entropy_cifar10_cnn"),
        (
            "supcon_cifar10_resnet50",
            "cross_entropy",
            "cross_entropy_cifar10_resnet50",
        ),
        (
            "cross_entropy_imagenet_vit_b16",
            "supcon",
            "supcon_imagenet_vit_b16",
        ),
    ],
)
def test_a_baseline_is_the_recipe_for_the_same_data_and_encoder(
    recipe, objective, twin
):
    assert recipe_of(RECIPES[recipe], objective) == RECIPES[twin]


def test_a_recipe_without_twin_is_changed_as_the_objective_needs_it():
    folder = RECIPES["folder"]
    changed = recipe_of(folder, "cross_entropy")
    assert changed == dataclasses.replace(
        folder,
        objective="cross_entropy",
        num_views=1,
        projection_units=(2048, 128),  # the default: it has no head
        projection_batch_norm=False,
    )
    one_view = dataclasses.replace(
        RECIPES["cross_entropy_cifar10_cpu"], width=3.0, label_smoothing=0.1
    )
    changed = recipe_of(one_view, "simclr")
    assert (changed.num_views, changed.label_smoothing) == (2, 0.0)
    joint = recipe_of(folder, "supcon_cross_entropy")
    assert joint == dataclasses.replace(
        folder, objective="supcon_cross_entropy"
    )
    queue = RECIPES["supcon_imagenet_resnet50_queue"]
    changed = recipe_of(dataclasses.replace(queue, width=3.0), "max_margin")
    assert (changed.queue_size, changed.encoder_momentum) == (0, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study": "size"}, "`study` must be one of ['batch_size', 'epochs'"),
        ({"study": None}, "Received: study=None"),
        ({"objectives": ["supcon", "ce"]}, "Received: objectives='ce'"),
        ({"objectives": []}, "`objectives` must be one or more"),
        ({"seeds": []}, "`seeds` must be one or more"),
        ({"values": []}, "`values` must be one or more"),
        (
            {"study": "hyperparameters", "values": [1]},
            "`values` must be left out with study='hyperparameters', which "
            "varies augmentation, optimizer, base_learning_rate",
        ),
    ],
)
def test_what_is_no_study_is_refused(changes, message):
    with pytest.raises(ValueError) as error:
        plan(**({"study": "epochs", "recipe": DIGITS} | changes))
    assert message in str(error.value)
