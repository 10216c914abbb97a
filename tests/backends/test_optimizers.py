"""Optimizers and metrics have TensorFlow's numbers on every backend."""

import keras
import numpy as np
import pytest
from keras import ops
from sheet import X2, yA

from supcon_tf import SupConLoss, metrics
from supcon_tf.optimizers import OPTIMIZERS, make_optimizer

pytestmark = pytest.mark.release  # on TensorFlow; elsewhere all of them run

# Two kernels after three steps, as on TensorFlow.
STEPS = {
    "sgd": [0.949661, -2.089464, 3.134195, 0.308456, -0.063323, 0.809119],
    "nesterov": [0.923228, -2.13746, 3.20619, 0.206985, -0.307527, 1.051501],
    "lars": [0.999788, -2.000367, 3.000551, 0.499202, 0.499777, 0.250221],
    "rmsprop": [0.944286, -2.098134, 3.144516, 0.299803, -0.062646, 0.80912],
    "adam": [0.853333, -2.145595, 3.14559, 0.353771, 0.200012, 0.549988],
    "adamw": [0.850996, -2.140015, 3.137018, 0.352492, 0.198804, 0.548948],
}
METRICS = {
    "alignment": 1.0185183,
    "uniformity": -1.6269317,
    "tolerance": 0.4907408,
    "contrastive_top_1": 1.0,
    "anchors_without_positives": 0.0,
    "collapsed_loss": 1.9459102,
    "loss_floor": 1.1227398,
}


def test_each_optimizer_is_tried():
    assert set(STEPS) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", STEPS)
def test_an_optimizer_takes_the_steps_of_tensorflow(name):
    """With weight decay, momentum, and a lower rate of the first kernel."""
    optimizer = make_optimizer(
        name, 0.1, l2=0.01, lower_variables=1, lower_rate=0.5
    )
    first = keras.Variable(np.array([[1, -2], [3, 0.5]], "float32"))
    second = keras.Variable(np.array([[0.5, 0.25]], "float32"))
    gradient = np.array([[0.1, 0.2], [-0.3, 0.4]], "float32")
    for step in (1, 2, 3):
        gradients = gradient * step, np.array([[1, -1]], "float32")
        gradients = [ops.convert_to_tensor(x) for x in gradients]
        optimizer.apply(gradients, [first, second])
    found = [ops.convert_to_numpy(x).ravel() for x in (first, second)]
    np.testing.assert_allclose(
        np.concatenate(found), STEPS[name], rtol=0, atol=2e-6
    )


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_the_value_of_tensorflow(name):
    more = [SupConLoss(0.5)] if name.endswith(("_loss", "_floor")) else []
    found = getattr(metrics, name)(yA, X2.astype("float32"), *more)
    assert float(ops.convert_to_numpy(found)) == pytest.approx(
        METRICS[name], abs=2e-6
    )
