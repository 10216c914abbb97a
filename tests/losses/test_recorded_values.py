"""Each loss has the value and the gradient recorded from its equation."""

import pytest
from recorded_losses import VALUES
from sheet import assert_measured

from supcon_tf.losses.pairs import tiles


@pytest.mark.slow
@pytest.mark.parametrize("case", list(VALUES))
@pytest.mark.parametrize(
    ("implementation", "tile_size"), [("dense", 896), ("tiled", 3)]
)
def test_loss_has_the_recorded_value_and_gradient(
    monkeypatch, case, implementation, tile_size
):
    monkeypatch.setattr(tiles, "TILE_SIZE", tile_size)
    loss, labels, x, value, slopes, norm = VALUES[case]
    config = loss.get_config()
    config |= {"implementation": implementation, "dtype": "float64"}
    loss = type(loss).from_config(config)
    assert_measured(lambda z: loss(labels, z), x, value, slopes, norm)
