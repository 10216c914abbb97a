import math

import keras
import numpy as np
import pytest

from supcon_tf.optimizers.lars import LARS


def apply(optimizer, gradients, values, dtype="float32"):
    """The variables after one step for each list of gradients."""
    variables = [keras.Variable(np.array(v), dtype=dtype) for v in values]
    for step in gradients:
        step = [keras.ops.convert_to_tensor(np.array(g), dtype) for g in step]
        optimizer.apply(step, variables)
    return [variable.numpy() for variable in variables]


# The official code's test, there of vectors: learning rate 3, no decay.
@pytest.mark.parametrize(
    ("weight", "gradient", "norm"),
    [([1.0, 2.0], 0.1, math.sqrt(5)), ([3.0, 4.0], 0.01, 5.0)],
)
def test_one_step_has_the_official_values(weight, gradient, norm):
    (moved,) = apply(LARS(3.0), [[[[gradient] * 2]]], [[weight]])
    expected = np.array([weight]) - 3 * 0.001 * norm / math.sqrt(2)
    np.testing.assert_allclose(moved, expected, rtol=1e-6)


@pytest.mark.parametrize("l2", [0.0, 0.1])
# (Keras rounds it to float32, which 0.875 is.)
@pytest.mark.parametrize("momentum", [0.0, 0.875])
def test_many_steps_are_those_of_the_formula(l2, momentum):
    generator = np.random.default_rng(0)
    shapes = [(3, 3, 2, 4), (5, 3), (4,), ()]
    values = [generator.normal(size=shape) for shape in shapes]
    gradients = [
        [generator.normal(size=shape) for shape in shapes] for _ in range(20)
    ]
    expected, velocities = [v.copy() for v in values], [0] * len(shapes)
    for step in gradients:
        for i, g in enumerate(step):
            w, trust = expected[i], 1
            if w.ndim > 1:
                g = g + l2 * w
                trust = 0.02 * np.linalg.norm(w) / np.linalg.norm(g)
            velocities[i] = momentum * velocities[i] + 0.5 * trust * g
            expected[i] = w - velocities[i]
    optimizer = LARS(0.5, momentum=momentum, trust_coefficient=0.02, l2=l2)
    moved = apply(optimizer, gradients, values, "float64")
    for actual, value in zip(moved, expected, strict=True):
        np.testing.assert_allclose(actual, value, rtol=1e-12)


def test_the_learning_rate_is_part_of_the_momentum():
    # Where it falls to 0, what is left of the momentum still moves w.
    rates = keras.optimizers.schedules.PiecewiseConstantDecay([0], [1.0, 0.0])
    (moved,) = apply(LARS(rates), [[[[0.0, 1.0]]]] * 2, [[[0.0, 2.0]]])
    np.testing.assert_allclose(moved, [[0, 2 - 0.002 - 0.9 * 0.002]], rtol=1e-6)


def test_a_vector_takes_a_plain_momentum_step():
    gradients = [[[0.3, 0.1]], [[-0.2, 0.4]]]
    (moved,) = apply(LARS(0.5, l2=0.1), gradients, [[1.0, -2.0]])
    (plain,) = apply(
        keras.optimizers.SGD(0.5, momentum=0.9), gradients, [[1.0, -2.0]]
    )
    np.testing.assert_array_equal(moved, plain)


@pytest.mark.parametrize(
    ("weight", "gradient"),
    [([[0.0, 0.0]], [[0.3, 0.1]]), ([[1.0, 2.0]], [[0.0, 0.0]])],
)
def test_a_norm_of_0_means_trust_1(weight, gradient):
    (moved,) = apply(LARS(0.5), [[gradient]], [weight])
    expected = np.array(weight) - 0.5 * np.array(gradient)
    np.testing.assert_allclose(moved, expected, rtol=1e-6)


def test_the_step_is_the_same_whatever_the_scale_of_the_gradient():
    (one,) = apply(LARS(0.5), [[[[0.3, 0.1]]]], [[[1.0, -2.0]]])
    (other,) = apply(LARS(0.5), [[[[3e-9, 1e-9]]]], [[[1.0, -2.0]]])
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_norms_of_float16_variables_are_float32():
    # (1e-4)^2 is 0 in float16, and 300^2 infinite.
    weight = np.full((2, 2), 300.0)
    gradient = np.array([[1e-4, 1e-4], [1e-4, 1e-4]])
    optimizer = LARS(1.0, trust_coefficient=0.1)
    (moved,) = apply(optimizer, [[gradient]], [weight], "float16")
    assert moved.dtype == np.float16
    np.testing.assert_allclose(moved, weight - 30, rtol=2e-3)


def test_a_loss_scale_does_not_change_the_step():
    values, gradients = [[[1.0, -2.0]]], [[np.array([[0.3, 0.1]])]]
    (expected,) = apply(LARS(0.5, l2=0.1), gradients, values)
    scaled = keras.optimizers.LossScaleOptimizer(
        LARS(0.5, l2=0.1), initial_scale=1024.0
    )
    (moved,) = apply(scaled, [[1024 * gradients[0][0]]], values)
    np.testing.assert_allclose(moved, expected, rtol=1e-6)
    (same,) = apply(
        keras.optimizers.LossScaleOptimizer(LARS(0.5, l2=0.1)),
        [[np.array([[np.inf, 0.1]])]],
        values,
    )
    np.testing.assert_array_equal(same, values[0])


def test_clipping_comes_before_l2_and_trust():
    # The gradient's norm is 5 and becomes 1; the trust is that of the sum.
    (moved,) = apply(
        LARS(1.0, l2=0.5, clipnorm=1.0), [[[[3.0, 4.0]]]], [[[1.0, 2.0]]]
    )
    total = np.array([[0.6 + 0.5, 0.8 + 1.0]])
    step = 0.001 * math.sqrt(5) * total / np.linalg.norm(total)
    np.testing.assert_allclose(moved, [[1.0, 2.0]] - step, rtol=1e-6)


def test_it_is_what_its_config_says():
    optimizer = LARS(0.5, momentum=0.8, trust_coefficient=0.02, l2=1e-4)
    config = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(config)
    assert type(again) is LARS
    assert again.get_config() == optimizer.get_config()
    assert again.trust_coefficient == 0.02
    assert again.momentum == 0.8
    assert again.l2 == 1e-4


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_bad_trust_coefficient_is_refused(value):
    with pytest.raises(
        ValueError, match="`trust_coefficient` must be a finite number > 0"
    ):
        LARS(0.1, trust_coefficient=value)
