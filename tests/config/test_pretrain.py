import dataclasses

import pytest

from supcon_tf.config import LinearEvalConfig, PretrainConfig


def test_the_peak_learning_rate_scales_with_the_images_of_a_batch():
    config = PretrainConfig(
        base_learning_rate=0.5, batch_size=1024, num_views=4
    )
    assert config.peak_learning_rate == 2.0
    config = dataclasses.replace(config, learning_rate=0.3)
    assert config.peak_learning_rate == 0.3


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("temperature", 0.0, "> 0"),
        ("temperature", -1.0, "> 0"),
        ("batch_size", 0, ">= 1"),
        ("epochs", 0, ">= 1"),
        ("num_views", 0, ">= 1"),
        ("image_size", 0, ">= 1"),
        ("small_views", -1, ">= 0"),
        ("small_view_size", 0, ">= 1"),
        ("small_crop_area", (0.5, 0.1), "two floats, 0 < low <= high <= 1"),
        ("views", "gpu", "host or device"),
        ("width", 0.0, "> 0 and <= 16"),
        ("learning_rate", 0.0, "> 0"),
        ("momentum", 1.0, "in [0, 1)"),
        ("validation_fraction", 1.0, "in (0, 1)"),
        ("validation_fraction", 0.0, "in (0, 1)"),
        ("seed", -1, "in [0, 2**32)"),
        ("projection_units", (), "one or more ints >= 1"),
        ("projection_units", (8, 0), "one or more ints >= 1"),
        ("temperature", float("inf"), "a finite number"),
        ("learning_rate", float("nan"), "a finite number"),
        ("epochs", 2.5, "an integer"),
        ("epochs", True, "an integer"),
        ("encoder", 18, "str"),
        ("std", (1.0, float("nan"), 1.0), "a finite number or a tuple of them"),
        ("warmup_epochs", 100.0, "< epochs=100"),
        ("weight_decay", -1e-4, ">= 0"),
        ("warmup_epochs", -1.0, ">= 0"),
        ("mean", (0.5,), "three floats, R, G and B"),
        ("queue_size", -1, ">= 0"),
        ("encoder_momentum", 1.0, "in [0, 1)"),
        ("encoder_momentum", -0.1, "in [0, 1)"),
        ("encoder_momentum", 0.9, "None without a queue, queue_size=0"),
        ("num_microbatches", 0, ">= 1"),
        ("sync_batch_norm", 1, "bool"),
        ("max_samples", 0, ">= 1"),
        ("max_pixels", 0, ">= 1"),
        ("label_noise", 1.0, "in [0, 1)"),
        ("cutmix_alpha", 0.01, "0 or >= 0.05"),
        ("margin", 2.0, "in [0, 2)"),
        ("decay_rate", 0.0, "in (0, 1]"),
        ("blur_probability", 1.5, "in [0, 1]"),
    ],
)
def test_values_out_of_range_are_named_with_what_is_allowed(
    name, value, allowed
):
    with pytest.raises(ValueError) as error:
        PretrainConfig(**{name: value})
    assert str(error.value) == (
        f"`{name}` must be {allowed}. Received: {name}={value!r}"
    )


def test_a_queue_and_a_cap_of_positives_do_not_go_together():
    PretrainConfig(queue_size=64, encoder_momentum=0.0)
    with pytest.raises(ValueError, match="`positives_cap` must be None with a"):
        PretrainConfig(queue_size=64, positives_cap=2)


def test_small_views_need_a_size_and_count_in_a_cap_of_positives():
    with pytest.raises(ValueError, match=r"small_views=2\. Received: small_vi"):
        PretrainConfig(small_views=2)
    small = {"small_views": 2, "small_view_size": 16}
    assert PretrainConfig(**small, positives_cap=8).all_views == 4
    with pytest.raises(ValueError, match=r"a multiple of num_views=2 \+ 2\."):
        PretrainConfig(**small, positives_cap=6)


def test_samples_per_class_divide_the_batch():
    PretrainConfig(batch_size=64, samples_per_class=4)
    with pytest.raises(ValueError, match="`samples_per_class` must divide"):
        PretrainConfig(batch_size=64, samples_per_class=5)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("l2", (), "one or more > 0"),
        ("l2", (1.0, 0.0), "one or more > 0"),
        ("base_learning_rates", (-1.0,), "one or more > 0"),
        ("method", "best", "fast or augmented"),
        ("validation_fraction", 0.0, "in (0, 1)"),
    ],
)
def test_settings_of_linear_evaluation_are_checked(name, value, allowed):
    with pytest.raises(ValueError) as error:
        LinearEvalConfig(**{name: value})
    assert str(error.value) == (
        f"`{name}` must be {allowed}. Received: {name}={value!r}"
    )


@pytest.mark.parametrize(
    "settings", [{"epochs": 5}, {"optimizer": "lars"}, {"weight_decay": 0.1}]
)
def test_the_fast_linear_evaluation_refuses_what_it_does_not_use(settings):
    with pytest.raises(ValueError, match="must be left out with method='fast'"):
        LinearEvalConfig(**settings)
    LinearEvalConfig(method="augmented", **settings)


def test_cutmix_stays_on_the_host():
    with pytest.raises(ValueError, match="must be 0 with views=device"):
        PretrainConfig(views="device", cutmix_alpha=1.0)
