import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.recipes import RECIPES
from supcon_tf.training.facts import print_facts

STRATEGY = tf.distribute.get_strategy()


def printed(capsys, config, first_epoch=0):
    print_facts(config, 1437, first_epoch, pathlib.Path("W"), STRATEGY)
    return capsys.readouterr().out


def test_the_facts_name_the_batch_the_collapse_and_the_rate(capsys):
    out = printed(capsys, RECIPES["digits"])
    assert "1437 images, batches of 64 images x 2 views; N = 128 ident" in out
    assert f"the loss ln(N - 1) = {np.log(127):.4f}" in out
    assert "learning rate: peak 0.05 = 0.2 x 64 / 256" in out
    assert "goes on after" not in out


def test_the_settings_that_are_not_the_defaults_are_few_lines(capsys):
    """All 108 of them were two pages, before the first useful line."""
    head, *lines = (
        printed(capsys, RECIPES["digits"]).split("64 images")[0].split("\n")
    )
    assert head == "Settings that are not the defaults (all: W/config.json):"
    assert "  dataset=" in lines[0] or "batch_size=64" in lines[0]
    assert len(lines) < 8 and max(map(len, lines)) <= 80
    config = dataclasses.replace(RECIPES["digits"], temperature=0.25)
    assert "temperature=0.25" in printed(capsys, config)
    assert "label_smoothing" not in printed(capsys, config)


def test_the_facts_count_the_small_views(capsys):
    config = dataclasses.replace(
        RECIPES["digits"], small_views=6, small_view_size=4
    )
    out = printed(capsys, config)
    assert (
        "64 images x 2 views and 6 small views of 4 x 4 pixels; N = 512" in out
    )


@pytest.mark.parametrize(
    "change", [{"queue_size": 8}, {"denominator": "one_positive"}]
)
def test_a_collapse_that_is_not_as_simple_is_not_told(capsys, change):
    config = dataclasses.replace(RECIPES["digits"], **change)
    assert "identical projections" not in printed(capsys, config)


def test_a_classifier_alone_has_no_collapse(capsys):
    for objective, has in (
        ("cross_entropy", False),
        ("supcon_cross_entropy", True),
    ):
        config = dataclasses.replace(RECIPES["digits"], objective=objective)
        out = printed(capsys, config)
        assert ("identical projections have" in out) == has


def test_a_resumed_run_says_after_which_epoch(capsys):
    config = dataclasses.replace(RECIPES["digits"], learning_rate=0.3)
    out = printed(capsys, config, first_epoch=5)
    assert "W: goes on after epoch 5" in out
    assert "learning rate: peak 0.3\n" in out
