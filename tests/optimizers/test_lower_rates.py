"""The first variables move less, each optimizer alike."""

import keras
import numpy as np
import pytest

from supcon_tf.optimizers import OPTIMIZERS, make_optimizer


def moved(name, **options):
    """How far each of three weights moves in two steps."""
    weights = [keras.Variable(np.full((2, 2), 3.0)) for _ in range(3)]
    optimizer = make_optimizer(name, 0.1, **options)
    gradient = keras.ops.convert_to_tensor(np.full((2, 2), 0.5, "float32"))
    for _ in range(2):
        optimizer.apply([gradient] * 3, weights)
    return [3 - float(weight[0, 0]) for weight in weights]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_first_variables_move_by_a_part_of_the_step(name):
    first, second, third = moved(name, lower_variables=2, lower_rate=0.25)
    (whole, *_) = moved(name)
    assert whole > 1e-4
    # (The trust ratio of LARS goes by the size of the weight.)
    close = {"rtol": 1e-3 if name == "lars" else 1e-5}
    np.testing.assert_allclose([first, second], [whole / 4] * 2, **close)
    np.testing.assert_allclose(third, whole, rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_is_made_again_from_its_config(name):
    optimizer = make_optimizer(name, 0.1, lower_variables=2, lower_rate=0.25)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert (again.lower_variables, again.lower_rate) == (2, 0.25)


@pytest.mark.slow
def test_two_replicas_know_their_copies_of_the_variables(two_replicas):
    with two_replicas.scope():
        weights = [keras.Variable(3.0), keras.Variable(3.0)]
        optimizer = make_optimizer(
            "sgd", 1.0, lower_variables=1, lower_rate=0.1, momentum=0.0
        )
        optimizer.build(weights)

    def step():
        gradient = keras.ops.convert_to_tensor(0.5)
        optimizer.apply([gradient] * 2, weights)

    two_replicas.run(step)
    np.testing.assert_allclose([float(w.numpy()) for w in weights], [2.9, 2.0])


@pytest.mark.parametrize(
    "options",
    [
        {"lower_variables": -1, "lower_rate": 0.5},
        {"lower_variables": 1, "lower_rate": 0.0},
        {"lower_variables": 1, "lower_rate": 1.5},
    ],
)
def test_what_is_out_of_range_is_refused(options):
    with pytest.raises(ValueError, match="`lower_"):
        make_optimizer("sgd", 0.1, **options)
