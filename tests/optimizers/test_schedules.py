import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.optimizers.keras_optimizers import SGD
from supcon_tf.optimizers.schedules import (
    SCHEDULES,
    Staircase,
    WarmUp,
    learning_rate_schedule,
)

# Enough for each schedule.
DECAY = {
    "steps_per_epoch": 100,
    "decay_rate": 0.9,
    "epochs_per_decay": 1.5,
    "decay_epochs": (2, 4),
}


# The official code's test: 10 epochs of 100 steps, 5 of them warm-up, peak 1.
@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.0), (250, 0.5), (500, 1.0), (750, 0.5), (1000, 0.0), (1001, 0.0)],
)
def test_cosine_after_warm_up_has_the_official_values(step, rate):
    schedule = learning_rate_schedule(
        "cosine", 1.0, total_steps=1000, warmup_steps=500
    )
    np.testing.assert_allclose(schedule(step), rate, atol=1e-6)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 1.0), (250, (1 + math.cos(math.pi / 4)) / 2), (500, 0.5), (1000, 0)],
)
def test_cosine_without_warm_up_has_the_official_values(step, rate):
    schedule = learning_rate_schedule("cosine", 1.0, total_steps=1000)
    np.testing.assert_allclose(schedule(step), rate, atol=1e-6)


def test_constant_stays_after_the_warm_up():
    schedule = learning_rate_schedule(
        "constant", 0.5, total_steps=100, warmup_steps=10
    )
    assert [float(schedule(s)) for s in (0, 5, 10, 99)] == [0, 0.25, 0.5, 0.5]


# The official code's test, as above.
@pytest.mark.parametrize(
    ("decay_rate", "epochs_per_decay", "last"),
    [(0.97, 2.4, 0.97**2), (0.97, 3.4, 0.97), (0.99, 2.4, 0.99**2)],
)
def test_exponential_after_warm_up_has_the_official_values(
    decay_rate, epochs_per_decay, last
):
    schedule = learning_rate_schedule(
        "exponential",
        1.0,
        total_steps=1000,
        warmup_steps=500,
        steps_per_epoch=100,
        decay_rate=decay_rate,
        epochs_per_decay=epochs_per_decay,
    )
    rates = [float(schedule(step)) for step in (0, 250, 500, 1000)]
    np.testing.assert_allclose(rates, [0, 0.5, 1, last], rtol=1e-7)


def test_exponential_drops_at_the_step_that_ends_an_interval():
    schedule = learning_rate_schedule(
        "exponential",
        1.0,
        total_steps=1000,
        **{**DECAY, "epochs_per_decay": 2.4},
    )
    # 2.4 * 100 is 240, without the float32 code's delay of a step.
    rates = [float(schedule(step)) for step in (239, 240, 479, 480, 960)]
    np.testing.assert_allclose(rates, [1, 0.9, 0.9, 0.81, 0.9**4], rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("epochs_per_decay", "steps_per_epoch"),
    # An interval of 104.5 steps; of 1 as 0.1 * 10, whose triple is above 3.
    [(0.5, 209), (0.1, 10), (2.4, 100), (1 / 3, 7), (7, 13)],
)
def test_exponential_equals_its_formula_at_every_step(
    epochs_per_decay, steps_per_epoch
):
    schedule = learning_rate_schedule(
        "exponential",
        2.0,
        total_steps=1000,
        warmup_steps=10,
        steps_per_epoch=steps_per_epoch,
        decay_rate=0.97,
        epochs_per_decay=epochs_per_decay,
    )
    steps = np.arange(990)
    interval = round(epochs_per_decay * steps_per_epoch * 6) / 6
    # (A thousandth of a step for the rounding of the division.)
    drops = np.floor((steps + 1e-3) / interval)
    # (In a graph: 990 calls one by one take a quarter of a minute.)
    at_all = tf.function(lambda steps: tf.map_fn(schedule, steps))
    rates = at_all(tf.constant(steps + 10.0, tf.float32))
    np.testing.assert_allclose(rates, 2 * 0.97**drops, rtol=1e-6)


# The official boundaries, 30, 60, 80 and 90 epochs, after 5 of warm-up.
@pytest.mark.parametrize("warmup_epochs", [0, 5])
def test_steps_drop_one_step_after_each_boundary(warmup_epochs):
    schedule = learning_rate_schedule(
        "steps",
        1.0,
        total_steps=10_000,
        warmup_steps=warmup_epochs * 100,
        steps_per_epoch=100,
        decay_rate=0.1,
        decay_epochs=(30, 60, 80, 90),
    )
    for drops, epoch in enumerate((30, 60, 80, 90)):
        boundary = (warmup_epochs + epoch) * 100
        rates = [float(schedule(boundary)), float(schedule(boundary + 1))]
        expected = [0.1**drops, 0.1 ** (drops + 1)]
        np.testing.assert_allclose(rates, expected, rtol=1e-7)


def test_steps_drop_in_the_middle_of_a_step_at_the_next_one():
    schedule = learning_rate_schedule(
        "steps",
        1.0,
        total_steps=100,
        steps_per_epoch=9,
        decay_rate=0.5,
        decay_epochs=(2.5, 3),  # 22.5 and 27 steps
    )
    rates = [float(schedule(step)) for step in (22, 23, 27, 28)]
    assert rates == [1, 0.5, 0.5, 0.25]


def test_a_staircase_without_drops_is_constant():
    assert float(Staircase(0.5, 0.1, [])(7)) == 0.5


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_what_its_config_says(name):
    schedule = learning_rate_schedule(
        name, 0.5, total_steps=1000, warmup_steps=10, **DECAY
    )
    config = keras.saving.serialize_keras_object(schedule)
    again = keras.saving.deserialize_keras_object(config)
    assert isinstance(again, WarmUp)
    for step in (0, 3, 10, 211, 500, 1000):
        assert float(again(step)) == float(schedule(step))


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_has_the_same_values_in_a_graph(name):
    schedule = learning_rate_schedule(
        name, 0.5, total_steps=1000, warmup_steps=10, **DECAY
    )
    graph = tf.function(schedule)
    compiled = tf.function(schedule, jit_compile=True)
    for step in (0, 3, 10, 160, 161, 211, 1000):
        step = tf.constant(step, tf.int64)
        np.testing.assert_allclose(graph(step), schedule(step), rtol=1e-6)
        np.testing.assert_allclose(compiled(step), schedule(step), rtol=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_an_optimizer_follows_the_schedule(name):
    schedule = learning_rate_schedule(
        name,
        0.5,
        total_steps=6,
        warmup_steps=2,
        **{**DECAY, "steps_per_epoch": 1},
    )
    optimizer = SGD(schedule)
    variable = keras.Variable(0.0)
    for step in range(6):
        before = float(variable.numpy())
        optimizer.apply([keras.ops.ones(())], [variable])
        moved = before - float(variable.numpy())
        np.testing.assert_allclose(moved, schedule(step), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "linear"}, "`schedule` must be one of ['cosine', 'constant"),
        ({"peak": 0.0}, "`peak` must be > 0. Received: peak=0.0"),
        ({"warmup_steps": 10}, "The warm-up must leave steps to train"),
        (
            {"name": "exponential", "decay_rate": None},
            "`decay_rate` must be in (0, 1] with schedule='exponential'. "
            "Received: decay_rate=None",
        ),
        (
            {"name": "steps", "decay_rate": 1.1},
            "`decay_rate` must be in (0, 1] with schedule='steps'",
        ),
        (
            {"name": "steps", "steps_per_epoch": None},
            "`steps_per_epoch` must be >= 1 with schedule='steps'. "
            "Received: steps_per_epoch=None",
        ),
        (
            {"name": "exponential", "epochs_per_decay": None},
            "`epochs_per_decay` must be > 0, at least one step of 100 an epoch",
        ),
        (
            {"name": "exponential", "epochs_per_decay": 0.009},
            "`epochs_per_decay` must be > 0, at least one step of 100 an epoch",
        ),
        (
            {"name": "steps", "decay_epochs": ()},
            "`decay_epochs` must be one or more increasing numbers > 0",
        ),
        (
            {"name": "steps", "decay_epochs": (30, 30)},
            "`decay_epochs` must be one or more increasing numbers > 0",
        ),
        (
            {"name": "steps", "decay_epochs": (0, 30)},
            "Received: decay_epochs=(0, 30)",
        ),
    ],
)
def test_bad_schedules_are_refused(arguments, message):
    good = {"name": "cosine", "peak": 1.0, "total_steps": 10, **DECAY}
    with pytest.raises(ValueError) as error:
        learning_rate_schedule(**{**good, **arguments})
    assert message in str(error.value)
    assert "\n" not in str(error.value)
