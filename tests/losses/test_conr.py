"""ConR: where it is SupCon, and where it is 0."""

import keras
import numpy as np
import pytest
from family import IDS, WITH_PREDICTIONS, Z

from supcon_tf import ConRLoss, SupConLoss


@pytest.mark.parametrize("implementation", ["dense", "tiled"])
def test_with_classes_and_one_prediction_for_all_it_is_supcon(implementation):
    labels = np.stack([IDS, np.zeros(6), np.zeros(6)], axis=1)
    options = {"reduction": None, "dtype": "float64"}
    loss = ConRLoss(0, 0.5, slope=0, implementation=implementation, **options)
    np.testing.assert_allclose(
        loss(labels, Z), SupConLoss(0.5, **options)(IDS, Z), rtol=1e-12
    )


def test_an_anchor_without_negatives_has_the_loss_0():
    labels = np.stack([IDS, 10 * IDS, 10 * IDS], axis=1)  # predicted apart
    assert not np.any(ConRLoss(0.5, reduction=None)(labels, Z))


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_another_number_of_predictions_than_views_is_refused(columns):
    with pytest.raises(ValueError, match=r"`labels` must have shape \[B, 3\]"):
        ConRLoss()(np.ones((6, columns)), Z)


def test_it_computes_with_float64_as_the_default_of_keras():
    expected = ConRLoss(5.0, 0.5, dtype="float64")(WITH_PREDICTIONS, Z)
    floatx = keras.backend.floatx()
    keras.backend.set_floatx("float64")
    try:
        found = ConRLoss(5.0, 0.5)(WITH_PREDICTIONS, Z)
    finally:
        keras.backend.set_floatx(floatx)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
