"""Prints the facts of a run before it trains."""

import dataclasses
import json
import math
import textwrap

from supcon_tf.distribution.workers import num_workers
from supcon_tf.training.objectives import is_contrastive


def print_facts(config, num_images, first_epoch, workdir, strategy):
    """Prints the settings, what a batch is, the peak learning rate.

    Args:
      config: `PretrainConfig`.
      num_images: int, of the training set.
      first_epoch: int, how many epochs are finished already.
      workdir: `pathlib.Path`.
      strategy: `tf.distribute.Strategy`.
    """
    print(_settings(config, workdir / "config.json"))
    if config.starts_from is not None:
        print(f"starts from {config.starts_from}, which is the encoder")
    print(
        f"{num_images} images, batches of {config.batch_size} images x "
        f"{config.num_views} views{_small(config)}{_collapse(config)}"
    )
    num_replicas = strategy.num_replicas_in_sync
    if num_replicas > 1:
        print(
            f"{num_replicas} replicas in {num_workers(strategy)} processes, "
            f"{config.batch_size // num_replicas} images of a batch on each"
        )
    print(
        f"learning rate: peak {config.peak_learning_rate:g}"
        + (
            ""
            if config.learning_rate is not None
            else f" = {config.base_learning_rate:g} x {config.batch_size} / 256"
        )
    )
    if first_epoch:
        print(f"{workdir}: goes on after epoch {first_epoch}")


def _settings(config, path):
    """The settings that are not the defaults, and where the others stand."""
    values = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    }
    own = " ".join(
        f"{name}={json.dumps(value, separators=(',', ':'))}"
        for name, value in values.items()
    )
    indent = {"initial_indent": "  ", "subsequent_indent": "  "}
    lines = textwrap.fill(
        own, 80, break_long_words=False, break_on_hyphens=False, **indent
    )
    return f"Settings that are not the defaults (all: {path}):\n{lines}"


def _small(config):
    """The small views, where there are some."""
    if not config.small_views:
        return ""
    size = config.small_view_size
    return f" and {config.small_views} small views of {size} x {size} pixels"


def _collapse(config):
    """The loss of identical projections, where it is as simple as that."""
    if (
        not is_contrastive(config)
        or config.loss != "supcon"
        or config.denominator != "all"
        or config.positives_cap is not None
        or config.queue_size
    ):
        return ""
    number = config.all_views * config.batch_size
    scale, times = 1.0, ""
    if config.scale_by_temperature:
        scale, times = config.temperature, f" x {config.temperature:g}"
    loss = scale * math.log(max(number - 1, 1))
    return (
        f"; N = {number} identical projections have the loss "
        f"ln(N - 1){times} = {loss:.4f}"
    )
