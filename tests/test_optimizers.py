import math

import keras
import numpy as np
import pytest

from supcon_tf.optimizers import SGD, WarmUp, learning_rate_schedule


def test_l2_is_added_to_the_gradient_before_the_momentum():
    matrix = keras.Variable(np.array([[1.0, -2.0]], "float32"))
    optimizer = SGD(0.5, l2=0.1, momentum=0.9)
    optimizer.build([matrix])
    gradients = np.array([[0.3, 0.1]]), np.array([[-0.2, 0.4]])
    weight, momentum = np.array([[1.0, -2.0]]), 0
    for gradient in gradients:
        optimizer.apply([keras.ops.cast(gradient, "float32")], [matrix])
        momentum = 0.9 * momentum - 0.5 * (gradient + 0.1 * weight)
        weight = weight + momentum
    np.testing.assert_allclose(matrix, weight, rtol=1e-6)


def test_vectors_are_not_decayed():
    vector = keras.Variable(np.array([1.0, -2.0], "float32"))
    optimizer = SGD(0.5, l2=0.1)
    optimizer.build([vector])
    optimizer.apply([keras.ops.zeros((2,))], [vector])
    np.testing.assert_array_equal(vector, [1.0, -2.0])


def test_the_optimizer_is_serialisable():
    schedule = learning_rate_schedule(
        "cosine", 0.5, total_steps=100, warmup_steps=10
    )
    optimizer = SGD(schedule, l2=1e-4, momentum=0.9)
    config = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(config)
    assert again.l2 == 1e-4
    assert again.momentum == 0.9
    assert float(again.learning_rate) == float(optimizer.learning_rate) == 0


def test_a_negative_l2_is_refused():
    with pytest.raises(ValueError, match="`l2` must be >= 0"):
        SGD(0.1, l2=-1)


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


def test_the_warm_up_is_serialisable():
    schedule = WarmUp(keras.optimizers.schedules.CosineDecay(0.5, 90), 10)
    again = WarmUp.from_config(schedule.get_config())
    for step in (3, 10, 50):
        assert float(again(step)) == float(schedule(step))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "linear"}, "`schedule` must be one of ['cosine', 'constant"),
        ({"warmup_steps": 10}, "The warm-up must leave steps to train"),
    ],
)
def test_bad_schedules_are_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        learning_rate_schedule(
            **{"name": "cosine", "peak": 1.0, "total_steps": 10, **arguments}
        )
    assert message in str(error.value)
