"""The device makes the views of TensorFlow on every backend of Keras."""

import numpy as np
import pytest
from keras import ops

from supcon_tf import DeviceViews

pytestmark = pytest.mark.release  # on TensorFlow; elsewhere all of them run

# Mean, standard deviation and one pixel of the views, as on TensorFlow.
VIEWS = {
    "simclr": (0.47517395, 0.16836599, 0.63819450),
    "crop_flip": (0.49494085, 0.17038348, 0.77666974),
    "crop": (0.49345660, 0.17718320, 0.16998799),
    "center_crop": (0.49539331, 0.15456662, 0.53455877),
    "resize_then_crop": (0.49539331, 0.15456662, 0.53455877),
}
SMALL = (0.50406438, 0.13590173)


def images():
    pixels = np.random.default_rng(3).integers(0, 256, (4, 20, 24, 3))
    return pixels.astype("uint8")


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_those_of_tensorflow(name):
    """It would find random numbers that a backend draws otherwise, or a crop
    whose sides are exchanged."""
    views = DeviceViews(name, num_views=2, image_size=16, seed=7)
    found = ops.convert_to_numpy(views(images(), np.arange(4)))
    assert found.shape == (4, 2, 16, 16, 3)
    np.testing.assert_allclose(
        [found.mean(), found.std(), found[3, 1, 5, 6, 0]],
        VIEWS[name],
        rtol=0,
        atol=1e-5,
    )


def test_small_views_are_those_of_tensorflow():
    views = DeviceViews(
        "simclr", num_views=2, image_size=16, seed=7,
        small_views=3, small_view_size=8,
    )  # fmt: skip
    found = ops.convert_to_numpy(views(images(), np.arange(4))["small_views"])
    assert found.shape == (4, 3, 8, 8, 3)
    np.testing.assert_allclose(
        [found.mean(), found.std()], SMALL, rtol=0, atol=1e-5
    )
