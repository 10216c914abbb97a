"""Each loss has its recorded value and gradient on every backend of Keras.

`make test-backends` runs this file where that backend alone is installed. It
catches a custom gradient that a backend calls otherwise, an operation that one
lacks, and labels that lose bits.
"""

import keras
import numpy as np
import pytest
from family import FAMILY, IDS, Z
from gradients import value_and_gradient
from keras import ops
from recorded_losses import VALUES
from sheet import measured

from supcon_tf import SupConLoss
from supcon_tf.losses.pairs import tiles

pytestmark = pytest.mark.release  # on TensorFlow; elsewhere all of them run

TAKE_QUEUE = ["supcon", "one_positive", "cosine"]
NOT_RECORDED = ["one_positive", "focal", "dot", "rank-n-contrast", "groco"]
# Each loss in tiles, and one of each class of them dense.
ONE_EACH = {type(loss): case for case, (loss, *_) in VALUES.items()}.values()
CASES = [
    *((case, "tiled", 3) for case in VALUES),
    *((case, "dense", 896) for case in ONE_EACH),
]
IMPLEMENTATIONS = pytest.mark.parametrize(
    ("implementation", "tile_size"), [("dense", 896), ("tiled", 3)]
)


def number(x):
    return float(ops.convert_to_numpy(x))


@pytest.mark.parametrize(("case", "implementation", "tile_size"), CASES)
def test_loss_has_the_recorded_value_and_gradient(
    monkeypatch, case, implementation, tile_size
):
    monkeypatch.setattr(tiles, "TILE_SIZE", tile_size)
    loss, labels, x, value, slopes, norm = VALUES[case]
    config = loss.get_config() | {"implementation": implementation}
    loss = type(loss).from_config(config)
    found = measured(lambda z: loss(labels, z), x, dtype="float32")
    assert found[0] == pytest.approx(value, abs=2e-6)
    if slopes is not None:
        np.testing.assert_allclose(found[1], slopes, rtol=0, atol=1e-6)
        assert found[2] == pytest.approx(norm, abs=2e-6)


@pytest.mark.parametrize("name", NOT_RECORDED)
def test_the_gradient_of_a_loss_is_that_of_its_value(monkeypatch, name):
    monkeypatch.setattr(tiles, "TILE_SIZE", 3)
    member = FAMILY[name]
    loss = member.made(implementation="tiled")
    z = np.asarray(Z, "float32")
    direction = np.random.default_rng(0).normal(size=z.shape).astype("float32")

    def at(t):
        return value_and_gradient(
            lambda z: loss(member.labels, z), z + np.float32(t) * direction
        )

    (low, _), (_, gradient), (high, _) = at(-0.01), at(0.0), at(0.01)
    slope = (gradient * direction).sum()
    assert slope == pytest.approx((high - low) / 0.02, rel=2e-2, abs=1e-3)
    assert abs(slope) > 1e-3


@pytest.mark.parametrize("name", TAKE_QUEUE)
def test_a_loss_with_a_queue_is_the_same_dense_and_in_tiles(monkeypatch, name):
    monkeypatch.setattr(tiles, "TILE_SIZE", 3)
    member = FAMILY[name]
    z = np.asarray(Z, "float32")
    queue = (member.labels, z[:, 0], np.array([True] * 4 + [False] * 2))

    def with_queue(implementation):
        loss = member.made(implementation=implementation)
        return value_and_gradient(
            lambda z: loss(member.labels, z, queue=queue), z[::-1].copy()
        )

    dense, tiled = with_queue("dense"), with_queue("tiled")
    assert dense[0] == pytest.approx(tiled[0], rel=2e-6)
    np.testing.assert_allclose(dense[1], tiled[1], rtol=0, atol=2e-6)


def test_a_loss_is_the_same_compiled_and_not(monkeypatch):
    monkeypatch.setattr(tiles, "TILE_SIZE", 3)
    loss, z = SupConLoss(0.5), np.asarray(Z, "float32")
    compiled, eager = (
        value_and_gradient(lambda z: loss(IDS, z), z, compiled=compiled)
        for compiled in (True, False)
    )
    assert compiled[0] == pytest.approx(eager[0], rel=2e-6)
    np.testing.assert_allclose(compiled[1], eager[1], rtol=0, atol=2e-6)


@IMPLEMENTATIONS
def test_a_temperature_that_trains_has_its_gradient(
    monkeypatch, implementation, tile_size
):
    monkeypatch.setattr(tiles, "TILE_SIZE", tile_size)
    loss = SupConLoss(0.5, implementation=implementation)
    z = np.asarray(Z, "float32")

    def at(t):
        return value_and_gradient(
            lambda t: loss(IDS, z, temperature=t), np.float32(t)
        )

    (low, _), (_, slope), (high, _) = at(0.49), at(0.5), at(0.51)
    assert slope == pytest.approx((high - low) / 0.02, rel=1e-2)


def test_large_labels_stay_apart():
    """float32, to which Keras casts labels, holds 16777217 as 16777216."""
    labels = np.array([16777216, 16777217, 16777216, 16777217, 5, 5])
    ids = np.array([0, 1, 0, 1, 2, 2])
    z, loss = np.asarray(Z, "float32"), SupConLoss(0.5)
    assert number(loss(labels, z)) == pytest.approx(
        number(loss(ids, z)), rel=1e-6
    )


def test_labels_that_the_backend_cannot_hold_are_refused():
    labels = np.array([0, 2**40, 0, 1, 2, 2])
    z = np.asarray(Z, "float32")
    if keras.backend.backend() == "tensorflow":
        assert np.isfinite(number(SupConLoss(0.5)(labels, z)))
        return
    with pytest.raises(ValueError, match="must be int32 on this backend"):
        SupConLoss(0.5)(labels, z)
