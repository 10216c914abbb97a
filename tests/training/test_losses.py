"""The losses that --loss chooses from."""

import dataclasses
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import supcon_tf
from supcon_tf.config.pretrain import PretrainConfig
from supcon_tf.losses import similarities
from supcon_tf.recipes import RECIPES
from supcon_tf.training.build import build_model, compile_model
from supcon_tf.training.losses import (
    LOSS_SETTINGS,
    LOSSES,
    make_contrastive_loss,
)
from supcon_tf.training.objectives import (
    OBJECTIVES,
    contrast_table,
    for_objective,
    words_of,
)
from supcon_tf.training.unused_settings import refuse_unused_settings

TINY = dataclasses.replace(
    RECIPES["digits"], encoder="tiny", projection_units=(8, 4), batch_size=8
)
# What each loss is with other settings than its defaults.
CHANGED = {
    "supcon": {"scale_by_temperature": True},
    "sincere": {"loss_margin": 0.25},
    "decoupled": {"loss_sigma": 0.5},
    "hard_negatives": {"loss_class_prior": 0.2, "loss_hardness": 2.0},
    "focal": {"loss_focus": 2.0},
    "balanced": {"loss_power": 0.5},
    "spread": {"loss_alpha": 0.25},
    "soft_supcon": {"loss_positives_mean": "count"},
    "groco": {"loss_num_negatives": 2, "loss_detach_contrasts": True},
    "cross_view": {"anchors": "first"},
    "multi_view": {"loss_kind": "infonce"},
    "alignment_uniformity": {"loss_t": 1.0, "loss_weights": (1.0, 0.5)},
    "cacr": {"loss_beta": 0.5, "loss_weights_have_gradient": False},
}
# Arguments that are no settings.
COMMON = {"self", "name", "options", "reduction", "dtype", "implementation"}
COMMON |= {"unlabeled_label", "normalize", "similarity", "contrast_weights"}


def config(loss, **changes):
    """A config of the loss for the first objective that it serves."""
    objective = "supcon" if LOSSES[loss].takes_labels else "simclr"
    changes = {"objective": objective, "loss": loss} | changes
    return dataclasses.replace(TINY, **changes)


def batches(size=8):
    generator = np.random.default_rng(0)
    views = generator.random((2 * size, 2, 8, 8, 3), "float32")
    labels = generator.integers(0, 10, 2 * size)
    dataset = tf.data.Dataset.from_tensor_slices((views, labels))
    return dataset.batch(size, drop_remainder=True)


def value_and_gradient(loss, labels):
    generator = np.random.default_rng(0)
    projections = keras.Variable(generator.normal(size=(6, 2, 4)))
    with tf.GradientTape() as tape:
        value = loss(labels, projections.value)
    return value.numpy(), tape.gradient(value, projections.value).numpy()


@pytest.mark.parametrize("name", LOSSES)
def test_a_row_has_the_arguments_and_the_defaults_of_its_class(name):
    row = LOSSES[name]
    signature = inspect.signature(getattr(supcon_tf, row.class_name))
    defaults = {n: p.default for n, p in signature.parameters.items()}
    for option, default in row.options.items():
        assert defaults[option] == default
    untold = defaults.keys() - row.options.keys() - {*row.arguments} - COMMON
    # CLIP has no weights to take a mean of.
    assert untold == ({"positives_mean"} if name == "cross_view" else set())


def test_each_setting_of_a_loss_is_a_setting_that_a_loss_has():
    fields = {field.name for field in dataclasses.fields(PretrainConfig)}
    assert fields >= LOSS_SETTINGS
    assert {f for f in fields if f.startswith("loss_")} <= LOSS_SETTINGS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "with_labels"),
    [
        (name, with_labels)
        for name, row in LOSSES.items()
        for with_labels in (True, False)
        if row.serves(with_labels)
    ],
)
def test_each_loss_is_made_of_a_config(name, with_labels):
    row = LOSSES[name]
    labels = np.array([0, 1, 0, 2, 1, 0]) if with_labels else None
    if row.takes_mixed_labels:
        labels = 0.5 * np.eye(3)[labels] + 0.5 * np.eye(3)[labels[::-1]]
        labels = labels.astype("float32")
    values = []
    for changes in ({}, CHANGED[name]):
        settings = config(name, temperature=0.4, **changes)
        loss = make_contrastive_loss(settings, with_labels)
        assert type(loss) is getattr(supcon_tf, row.class_name)
        own = loss.get_config()
        if "temperature" in row.arguments:
            assert own["temperature"] == 0.4
        for setting, value in changes.items():
            option = setting.removeprefix("loss_")
            if not (with_labels and option in row.fixed_by_labels):
                assert own[option] == value
        value, gradient = value_and_gradient(loss, labels)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        assert np.any(gradient != 0)
        values.append(value)
    if not (with_labels and name == "decoupled"):
        assert values[0] != pytest.approx(values[1], rel=1e-4)


def test_a_loss_of_the_config_is_the_loss_of_its_class():
    labels = np.array([0, 1, 0, 2, 1, 0])
    made = make_contrastive_loss(config("sincere", loss_margin=0.25))
    expected = supcon_tf.SINCERELoss(TINY.temperature, margin=0.25)
    for a, b in zip(
        value_and_gradient(made, labels),
        value_and_gradient(expected, labels),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    soft = make_contrastive_loss(config("soft_supcon"))
    assert type(soft.similarity) is similarities.Cosine


def fitted(settings):
    """Logs of one epoch, of a model that the config describes."""
    model = build_model(settings, 10)
    compile_model(model, settings, steps_per_epoch=2)
    before = model.encoder.get_weights()
    data = for_objective(settings, 10)(batches(), 0)
    logs = model.fit(data, epochs=1, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    for a, b in zip(before, model.encoder.get_weights(), strict=True):
        assert not np.array_equal(a, b)
    return logs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "changes"),
    [
        ("sincere", {"loss_margin": 0.25, "queue_size": 16}),
        ("soft_supcon", {"num_microbatches": 2}),
        (
            "soft_supcon",
            {"objective": "supcon_cross_entropy", "cutmix_alpha": 1.0},
        ),
    ]
    + [
        pytest.param(*case, marks=pytest.mark.release)
        for case in (
            ("cacr", {}),
            ("soft_supcon", {"cutmix_alpha": 1.0}),
            ("focal", {"objective": "supcon_cross_entropy"}),
        )
    ],
)
def test_a_chosen_loss_trains_its_model(loss, changes):
    fitted(config(loss, **changes))


@pytest.mark.slow
def test_soft_supcon_without_cutmix_is_supcon():
    logs = [fitted(config(name))["loss"] for name in ("supcon", "soft_supcon")]
    np.testing.assert_allclose(*logs, rtol=1e-5)


def test_soft_labels_are_one_hot_and_with_cutmix_mixed():
    settings = config("soft_supcon")
    (_, plain), *_ = for_objective(settings, 10)(batches(), 0)
    (_, classes), *_ = batches()
    np.testing.assert_array_equal(plain, np.eye(10)[classes])
    settings = config("soft_supcon", cutmix_alpha=1.0)
    (_, mixed), *_ = for_objective(settings, 10)(batches(), 0)
    np.testing.assert_allclose(np.sum(mixed, 1), 1, rtol=1e-6)
    assert np.max(mixed, 1).min() < 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "none"}, "`loss` must be one of ['alignment_uniformity', "),
        (
            {"loss": "cacr"},
            "`loss` must be one of ['balanced', 'decoupled', 'focal', 'groco', "
            "'hard_negatives', 'sincere', 'soft_supcon', 'spread', 'supcon'] "
            "with objective='supcon'. Received: loss='cacr'",
        ),
        (
            {"loss": "spread", "objective": "simclr"},
            "'supcon'] with objective='simclr'. Received: loss='spread'",
        ),
        (
            {"loss": "spread", "num_views": 1},
            "`num_views` must be >= 2 with loss='spread', which compares",
        ),
        (
            {"loss": "focal", "loss_margin": 0.1},
            "`loss_margin` must be left out with loss='focal', which has no",
        ),
        (
            {"loss": "sincere", "summation": "inside"},
            "`summation` must be left out with loss='sincere', which has no",
        ),
        (
            {"loss": "groco", "temperature": 0.2},
            "`temperature` must be left out with loss='groco', which has no",
        ),
        (
            {"loss": "spread", "queue_size": 8},
            "`queue_size` must be left out with loss='spread', which has no",
        ),
        (
            {"loss": "soft_supcon", "queue_size": 8},
            "`queue_size` must be left out with loss='soft_supcon', which has",
        ),
        (
            {"cutmix_alpha": 1.0},
            "`cutmix_alpha` must be left out with loss='supcon', which has no",
        ),
        (
            {"loss": "decoupled", "loss_sigma": 0.5},
            "`loss_sigma` must be left out with objective='supcon', which has",
        ),
        (
            {"objective": "cross_entropy", "loss": "sincere"},
            "`loss` must be left out with objective='cross_entropy', which has",
        ),
        (
            {"objective": "cross_entropy", "loss_margin": 0.1},
            "`loss_margin` must be left out with objective='cross_entropy', wh",
        ),
        (
            {
                "loss": "soft_supcon",
                "cutmix_alpha": 1.0,
                "small_views": 2,
                "small_view_size": 4,
            },
            "`cutmix_alpha` must be 0 with views of two sizes, small_views=2. ",
        ),
        ({"loss_focus": 0.5}, "`loss_focus` must be >= 1. Received: loss_foc"),
        ({"loss_kind": "x"}, "`loss_kind` must be dhel or infonce. Received"),
        ({"loss_weights": (1.0,)}, "`loss_weights` must be two floats >= 0. R"),
    ],
)
def test_what_a_loss_cannot_use_is_refused_in_one_line(settings, message):
    with pytest.raises(ValueError) as error:
        refuse_unused_settings(PretrainConfig(**settings))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_list_tells_of_each_loss_what_it_is_and_takes():
    blocks = dict(
        block.split("\n", 1) for block in contrast_table().split("\n\n")
    )
    assert list(blocks) == list(LOSSES)
    for name, block in blocks.items():
        row = LOSSES[name]
        for words in (row.summary, row.paper, row.url):
            assert words in block
        for setting in row.settings:
            assert f"--{setting}=" in block
    assert "--loss_weights=1,1" in blocks["alignment_uniformity"]
    assert "objectives: simclr\n" in blocks["cacr"]
    assert "objectives: supcon, supcon_cross_entropy\n" in blocks["focal"]
    prior = "--loss_class_prior=0.1 (without labels; with them 0)"
    assert prior in blocks["hard_negatives"]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_loss_other_than_supcon_is_named_with_its_paper(objective):
    usual = words_of(objective)
    assert words_of(objective, "supcon") == usual
    assert "{" not in usual[1]
    method, loss = words_of(objective, "sincere")
    if not OBJECTIVES[objective].is_contrastive:
        assert (method, loss) == usual
        return
    assert method.endswith("(SINCERE)")
    assert "SINCERE of [Feeney & Hughes 2023](https://arxiv.org/abs/2" in loss
    assert "Khosla" not in loss
