"""Similarities of the views of an image."""

import numpy as np
import pytest
import tensorflow as tf
from family import Z

from supcon_tf.losses.pairs.contrasts import contrasts_of
from supcon_tf.losses.pairs.views import similarities_of_views


@pytest.mark.parametrize("temperature", [0.2, tf.constant(0.2, tf.float64)])
def test_the_views_of_each_image_are_compared(temperature):
    z = Z / np.linalg.norm(Z, axis=2, keepdims=True)
    expected = z @ z.transpose(0, 2, 1)
    contrasts = contrasts_of(None, tf.constant(Z), temperature=temperature)
    similarities, cosines = similarities_of_views(contrasts)
    np.testing.assert_allclose(cosines, expected, rtol=1e-12)
    np.testing.assert_allclose(similarities, expected / 0.2, rtol=1e-12)
