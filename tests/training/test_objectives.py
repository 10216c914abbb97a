"""What an encoder is trained for."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf import (
    AdditiveMarginLoss,
    ClassificationModel,
    JointModel,
    SupConLoss,
    SupConModel,
)
from supcon_tf.config.pretrain import PretrainConfig
from supcon_tf.recipes import RECIPES
from supcon_tf.studies.grids import recipe_of
from supcon_tf.training.build import build_model, compile_model
from supcon_tf.training.objectives import (
    OBJECTIVE_SETTINGS,
    OBJECTIVES,
    for_objective,
)
from supcon_tf.training.unused_settings import refuse_unused_settings

TINY = dataclasses.replace(
    RECIPES["digits"], encoder="tiny", projection_units=(8, 4)
)


def config(objective, **changes):
    return dataclasses.replace(
        recipe_of(TINY, objective), num_views=2, **changes
    )


def batches(size=8):
    generator = np.random.default_rng(0)
    views = generator.random((4 * size, 2, 8, 8, 3), "float32")
    labels = generator.integers(0, 10, 4 * size)
    dataset = tf.data.Dataset.from_tensor_slices((views, labels))
    return dataset.batch(size, drop_remainder=True)


def names_of(model):
    return {metric.name for metric in model.metrics}


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_objective_trains_its_model(objective):
    settings = config(objective)
    model = build_model(settings, 10)
    compile_model(model, settings, steps_per_epoch=4)
    row = OBJECTIVES[objective]
    assert (
        type(model)
        is {
            (True, False): SupConModel,
            (False, True): ClassificationModel,
            (True, True): JointModel,
        }[row.is_contrastive, row.is_classifier]
    )
    assert ("contrastive_loss" in names_of(model)) == row.is_contrastive
    assert ("top_1_accuracy" in names_of(model)) == row.is_classifier
    before = model.encoder.get_weights()
    data = for_objective(settings, 10)(batches(), 0)
    logs = model.fit(data, epochs=1, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    changed = [
        not np.array_equal(a, b)
        for a, b in zip(before, model.encoder.get_weights(), strict=True)
    ]
    assert all(changed)


def test_the_losses_have_the_settings():
    loss = OBJECTIVES["supcon"].make_loss(config("supcon", temperature=0.7))
    assert loss.temperature == 0.7
    loss = OBJECTIVES["cross_entropy"].make_loss(
        config("cross_entropy", label_smoothing=0.2)
    )
    assert isinstance(loss, keras.losses.CategoricalCrossentropy)
    assert loss.get_config()["label_smoothing"] == 0.2
    assert loss.get_config()["from_logits"]
    loss = OBJECTIVES["max_margin"].make_loss(
        config("max_margin", margin=0.1, logit_scale=5.0)
    )
    assert isinstance(loss, AdditiveMarginLoss)
    assert (loss.margin, loss.scale) == (0.1, 5.0)
    losses = OBJECTIVES["supcon_cross_entropy"].make_loss(
        config("supcon_cross_entropy", temperature=0.7, label_smoothing=0.2)
    )
    assert isinstance(losses["projections"], SupConLoss)
    assert losses["projections"].temperature == 0.7
    assert losses["logits"].get_config()["label_smoothing"] == 0.2


def test_the_joint_model_has_the_head_and_the_weight_of_the_settings():
    settings = config("supcon_cross_entropy", contrast_weight=0.25)
    model = build_model(settings, 7)
    assert model.contrast_weight == 0.25
    assert model.projection_head.units == (8, 4)
    assert model.classifier.units == 7


def test_simclr_gets_no_labels():
    data = for_objective(config("simclr"), 10)(batches(), 0)
    assert data.element_spec.shape[1:] == (2, 8, 8, 3)


@pytest.mark.slow
def test_cutmix_mixes_whole_batches_and_a_restart_mixes_them_again():
    changed = for_objective(config("cross_entropy", cutmix_alpha=1.0), 10)
    all_four = list(changed(batches(), 0).as_numpy_iterator())
    for (views, labels), (plain, classes) in zip(
        all_four, batches().as_numpy_iterator(), strict=True
    ):
        assert labels.shape == (8, 10)
        np.testing.assert_allclose(labels.sum(1), 1, rtol=1e-6)
        kept = (views == plain).all(axis=(1, 4))  # [B, H, W]
        share = labels[np.arange(8), classes]
        assert (share >= kept.mean(axis=(1, 2)) - 1e-6).all()
    shares = np.concatenate([labels.max(1) for _, labels in all_four])
    assert shares.min() < 0.8
    later = list(changed(batches().skip(2), 2).as_numpy_iterator())
    for a, b in zip(all_four[2:], later, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.slow
def test_two_workers_mix_with_other_seeds():
    changed = for_objective(config("cross_entropy", cutmix_alpha=1.0), 10)
    first, second = (
        next(iter(changed(batches(), 0, shard)))[0].numpy() for shard in (0, 1)
    )
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("objective", "changes", "message"),
    [
        ("simclr", {"num_views": 1}, "`num_views` must be >= 2 with obj"),
        ("cross_entropy", {"queue_size": 8}, "`queue_size` must be left out"),
        ("supcon", {"label_smoothing": 0.1}, "`label_smoothing` must be left"),
        ("max_margin", {"label_smoothing": 0.1}, "`label_smoothing` must be "),
        ("simclr", {"cutmix_alpha": 1.0}, "`cutmix_alpha` must be left out"),
        ("simclr", {"label_noise": 0.1}, "`label_noise` must be left out"),
        ("cross_entropy", {"temperature": 0.2}, "`temperature` must be left"),
        ("supcon", {"contrast_weight": 0.5}, "`contrast_weight` must be left"),
        (
            "cross_entropy",
            {"contrast_weight": 0.5},
            "`contrast_weight` must be left",
        ),
        (
            "supcon_cross_entropy",
            {"queue_size": 8},
            "`queue_size` must be left out",
        ),
        (
            "supcon_cross_entropy",
            {"cutmix_alpha": 1.0},
            "`cutmix_alpha` must be left out",
        ),
    ],
)
def test_what_an_objective_cannot_use_is_refused(objective, changes, message):
    # (Its recipe for the digits sets what only a head has.)
    recipe = PretrainConfig(objective=objective, **changes)
    with pytest.raises(ValueError, match=message):
        refuse_unused_settings(recipe)


def test_every_setting_of_an_objective_is_a_setting():
    fields = {field.name for field in dataclasses.fields(PretrainConfig)}
    assert fields >= OBJECTIVE_SETTINGS
    for row in OBJECTIVES.values():
        assert len(set(row.settings)) == len(row.settings)
