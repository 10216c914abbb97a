"""README's table of other packages' arguments: the numbers map."""

import numpy as np
import pytest
from equations import supcon_by_loops

from supcon_tf import SupConLoss, supcon_loss
from supcon_tf.metrics.geometry import anchors_without_positives
from supcon_tf.metrics.loss_values import collapsed_loss

LABELS = np.array([0, 1, 0, 2, 1, 0])
# The input of the recorded numbers, which any package can be given.
Z = np.cos(np.arange(1, 6 * 2 * 3 + 1, dtype=np.float64) ** 2).reshape(6, 2, 3)


@pytest.mark.parametrize(
    ("temperature", "recorded"),
    [(0.1, 8.548227413294912), (0.07, 11.884551571837342)],
)
def test_pytorch_metric_learning_gives_the_same_number(temperature, recorded):
    """Recorded from version 2.9.0: SupConLoss(temperature=temperature) of
    Z.reshape(12, 3) with each label twice, in float64."""
    loss = SupConLoss(temperature, dtype="float64")
    np.testing.assert_allclose(loss(LABELS, Z), recorded, rtol=1e-12)


def test_pytorch_metric_learning_leaves_out_anchors_without_positives():
    """Recorded from version 2.9.0, for the first views alone."""
    one_view = Z[:, 0]
    total = SupConLoss(reduction="sum", dtype="float64")(LABELS, one_view)
    valid = len(LABELS) - anchors_without_positives(LABELS, one_view)
    np.testing.assert_allclose(
        total / float(valid), 4.85973194091631, rtol=1e-12
    )


def test_nt_xent_of_pytorch_metric_learning_is_ours_without_labels():
    """Recorded from version 2.9.0: NTXentLoss(temperature=0.07)."""
    loss = SupConLoss(0.07, dtype="float64")
    np.testing.assert_allclose(loss(None, Z), 13.164845029809468, rtol=1e-12)


@pytest.mark.parametrize(
    ("batch", "views", "reported"),
    [(64, 2, 6.920), (256, 2, 8.909)],
)
def test_supcontrast_multiplies_by_temperature_over_base_temperature(
    batch, views, reported
):
    """Losses that users reported as stuck (its issues 42 and 3): temperature
    0.1 over a base temperature of 0.07, all projections identical."""
    collapse = collapsed_loss(None, np.ones((batch, views, 1)))
    np.testing.assert_allclose(collapse * 0.1 / 0.07, reported, atol=2e-3)


def test_supcontrast_with_equal_temperatures_is_ours():
    """Its issue 21: 4 images, 2 views, 1.9459."""
    collapse = collapsed_loss([0, 1, 2, 3], np.ones((4, 2, 1)))
    np.testing.assert_allclose(collapse, 1.9459, atol=1e-4)


def supcontrast_by_loops(labels, z, temperature, base_temperature, one_view):
    """What SupContrast computes for normalised features, in our own words."""
    z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    batch, views, _ = z.shape
    rows = [(b, v) for v in range(views) for b in range(batch)]
    total = []
    for b, v in rows[:batch] if one_view else rows:
        logits = {
            row: z[b, v] @ z[row] / temperature for row in rows if row != (b, v)
        }
        log_sum = np.log(sum(np.exp(list(logits.values()))))
        positives = [row for row in logits if labels[row[0]] == labels[b]]
        log_probs = [logits[row] - log_sum for row in positives]
        total.append(-(temperature / base_temperature) * np.mean(log_probs))
    return np.mean(total)


@pytest.mark.parametrize("anchors", ["all", "first"])
def test_supcontrast_maps_with_its_contrast_mode(anchors):
    theirs = supcontrast_by_loops(LABELS, Z, 0.1, 0.07, anchors == "first")
    ours = SupConLoss(0.1, anchors=anchors, dtype="float64")(LABELS, Z)
    np.testing.assert_allclose(ours * 0.1 / 0.07, theirs, rtol=1e-12)


def test_the_official_code_multiplies_by_the_temperature():
    """Its first release by temperature / 0.07, as SupContrast does: the value
    in its test fell from 23.936932 to 1.6755852, by 0.07."""
    scaled = supcon_loss(LABELS, Z, scale_by_temperature=True, temperature=0.5)
    plain = supcon_by_loops(LABELS, Z, temperature=0.5)
    np.testing.assert_allclose(scaled, 0.5 * plain, rtol=1e-12)
    np.testing.assert_allclose(1.6755852 / 0.07, 23.936932, rtol=1e-6)
