"""Every recipe: a training step of its own, and what its file says."""

import dataclasses
import pathlib

import numpy as np
import prepared_tfds
import pytest
import tensorflow_datasets as tfds
from often import often

import supcon_tf.recipes
from supcon_tf import load_dataset, view_batches
from supcon_tf.data.datasets import WITHOUT_FOLDER
from supcon_tf.recipes import MODULES, RECIPES, recipe_table
from supcon_tf.recipes.linear import LINEAR_RECIPES
from supcon_tf.training.build import (
    build_model,
    compile_model,
    make_augmentation,
)
from supcon_tf.training.objectives import for_objective

FOLDER = pathlib.Path(supcon_tf.recipes.__file__).parent
BATCH = 4  # images
# Their own encoders, with these exceptions; and photographs start from weights
# that are downloaded.
SMALLER = {
    "resnet101": {"width": 0.125, "image_size": 64},
    "resnet200": {"width": 0.125, "image_size": 64},
    "resnet50": {"image_size": 64},
}


AS_THEY_ARE = ("supcon_cifar10_resnet50", "supcon_cifar10_vit_b16")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    small = tfds.features.Image(shape=(32, 32, 3))
    for name, classes in (("cifar10", 10), ("cifar100", 100)):
        prepared_tfds.write(
            folder,
            name,
            {"train": [30], "test": [10]},
            version="3.0.2",
            num_classes=classes,
            image=small,
        )
    prepared_tfds.write(
        folder, "imagenet2012", {"train": [20, 20], "validation": [10]}
    )
    return folder


def smaller(name):
    """The recipe with few images a step, at most 64 pixels."""
    config = RECIPES[name]
    changes = {"batch_size": BATCH, "samples_per_class": None}
    if config.num_views == 1 and config.objective == "supcon":
        changes["batch_size"] = 4 * BATCH  # so that images have positives
    # One ResNet-50 and one ViT-B are stepped as they are.
    if config.encoder.startswith("resnet") and name not in AS_THEY_ARE:
        changes["width"] = 1 / 16
    if config.encoder.startswith("vit") and name not in AS_THEY_ARE:
        changes["encoder"] = "vit_ti16"
    if config.dataset in ("imagenet2012", "folder"):
        changes |= SMALLER.get(config.encoder, {})
    if config.initial_encoder:
        changes |= {"initial_encoder": None, "stem": "imagenet"}
    if config.precision == "mixed_float16":  # may skip steps, to find a scale
        changes["precision"] = "mixed_bfloat16"
    if config.queue_size:
        changes["queue_size"] = 64
    if config.dataset == "npz":  # of the same images, in a file of the user's
        changes |= {"dataset": "cifar10", "views": "host"}
    return dataclasses.replace(config, **changes)


# The first of each objective.
FIRST = {config.objective: name for name, config in reversed(RECIPES.items())}


@pytest.mark.slow
@pytest.mark.parametrize("name", often(list(RECIPES), *FIRST.values()))
def test_a_recipe_takes_a_training_step_with_a_tiny_encoder(name, data_dir):
    config = smaller(name)
    size = min(config.image_size, 64)
    takes_a_training_step(
        dataclasses.replace(config, encoder="tiny", image_size=size), data_dir
    )


@pytest.mark.release
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_a_training_step(name, data_dir):
    takes_a_training_step(smaller(name), data_dir)


def takes_a_training_step(config, data_dir):
    dataset = "imagenet2012" if config.dataset == "folder" else config.dataset
    where = None if dataset in WITHOUT_FOLDER else str(data_dir)
    train, _ = load_dataset(dataset, data_dir=where)
    views = view_batches(
        train,
        make_augmentation(config),
        num_views=config.num_views,
        batch_size=config.batch_size,
        image_size=config.image_size,
        seed=config.seed,
    )
    num_classes = len(train.class_names)
    model = build_model(config, num_classes)
    compile_model(model, config, steps_per_epoch=2)
    model.run_eagerly = True  # a graph of 200 layers would take half a minute
    # As after the warm-up, which starts at a learning rate of 0.
    model.optimizer.iterations.assign(round(2 * config.warmup_epochs))
    before = model.get_weights()
    # Two: a block that starts as its shortcut learns from the second on.
    batches = for_objective(config, num_classes)(views, 0).take(2)
    logs = model.fit(batches, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    after = model.get_weights()
    assert all(np.isfinite(weight).all() for weight in after)
    is_changed = [
        not np.array_equal(a, b) for a, b in zip(before, after, strict=True)
    ]
    if config.freeze_batch_norm:
        is_changed = [
            changed
            for changed, weight in zip(is_changed, model.weights, strict=True)
            if weight.trainable
        ]
    # (A few change by less than they can hold, or hold counts.)
    assert np.mean(is_changed) > 0.8


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_where_its_number_is_from_and_how_to_run_it(name):
    text = MODULES[name].__doc__
    assert "Paper:" in text or "Authors:" in text
    assert "Measured:" in text or "Own" in text
    assert f"supcon-pretrain --recipe={name} " in text
    for line in text.splitlines():
        if "supcon-linear-eval --recipe=" in line:
            recipe = line.split("--recipe=")[1].split()[0]
            assert recipe in LINEAR_RECIPES


def test_every_recipe_file_is_in_the_table():
    files = {path.stem for path in FOLDER.glob("*.py")}
    assert files - {"__init__", "linear"} == set(MODULES)


@pytest.mark.parametrize("name", RECIPES)
def test_a_contrastive_recipe_says_which_scale_of_the_loss_it_assumes(name):
    config = RECIPES[name]
    text = " ".join(MODULES[name].__doc__.split())
    if config.objective not in ("supcon", "simclr"):
        return
    if config.scale_by_temperature:
        assert "rate assumes the loss times the temperature" in text
    else:
        assert "rate assumes the loss as it is" in text


def test_the_list_has_a_line_for_each_recipe():
    header, *lines = recipe_table().splitlines()
    assert header.split()[:2] == ["recipe", "data"]
    assert [line.split()[0] for line in lines] == list(RECIPES)
    by_name = {line.split()[0]: line for line in lines}
    line = by_name["supcon_imagenet_resnet50"].split()
    assert line[1:] == [
        "imagenet2012",
        "resnet50",
        "350",
        "6144",
        "78.7",
        "(paper)",
    ]


# The official scripts: peak learning rate, batch, epochs, warm-up, optimizer,
# weight decay, temperature, head, label smoothing, augmentation.
OFFICIAL = {
    "supcon_imagenet_resnet50": (
        *(9.6, 6144, 350, 12, "lars", 1e-3, 0.1, (128,), 0, "autoaugment"),
    ),
    "supcon_imagenet_resnet101": (
        *(6.4, 4096, 350, 12, "lars", 1e-4, 0.1, (128,), 0, "autoaugment"),
    ),
    "supcon_imagenet_resnet200": (
        *(3.2, 4096, 700, 12, "lars", 1e-4, 0.1, (128,), 0),
        "stacked_randaugment",
    ),
    "supcon_cifar10_resnet50": (
        *(8.0, 4096, 1000, 10, "sgd", 1e-4, 0.1, (2048, 128), 0, "simclr"),
    ),
    "simclr_imagenet_resnet50": (
        *(7.2, 6144, 100, 12, "lars", 1e-4, 0.1, (2048, 2048, 128), 0),
        "simclr",
    ),
    "simclr_cifar10_resnet50": (
        *(2.0, 1024, 400, 10, "sgd", 1e-4, 0.5, (2048, 2048, 128), 0),
        "simclr",
    ),
    "cross_entropy_imagenet_resnet50": (
        *(2.4, 6144, 200, 12, "nesterov", 1e-4, None, None, 0.05),
        "autoaugment",
    ),
    "cross_entropy_imagenet_resnet200": (
        *(1.6, 4096, 700, 12, "nesterov", 1e-4, None, None, 0.05),
        "stacked_randaugment",
    ),
    "cross_entropy_cifar10_resnet50": (
        *(0.4, 1024, 1000, 12, "nesterov", 5e-4, None, None, 0, "simclr"),
    ),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_the_official_presets_have_the_official_values(name):
    config = RECIPES[name]
    peak, *rest = OFFICIAL[name]
    assert config.peak_learning_rate == pytest.approx(peak)
    is_contrast = config.objective in ("supcon", "simclr")
    assert rest == [
        config.batch_size,
        config.epochs,
        config.warmup_epochs,
        config.optimizer,
        config.weight_decay,
        config.temperature if is_contrast else None,
        config.projection_units if is_contrast else None,
        config.label_smoothing,
        config.augmentation,
    ]
    assert config.schedule == "cosine"
    assert config.momentum == 0.9
    if is_contrast:
        is_simclr = config.objective == "simclr"
        assert config.scale_by_temperature != is_simclr
        assert config.projection_batch_norm == is_simclr
    is_imagenet = config.dataset == "imagenet2012"
    assert config.normalize_representation == (
        is_imagenet and config.objective == "supcon"
    )
