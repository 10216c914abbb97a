import numpy as np
import pytest

from supcon_tf.losses.pairs.tiles import Blocks, Tiles


@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 9, 100])
@pytest.mark.parametrize("tile_size", [1, 3, 8, 1000])
def test_blocks_hold_all_rows_with_less_than_a_row_of_padding_each(
    size, tile_size
):
    tiles = Blocks(size, tile_size=tile_size)
    rows = np.arange(2.0 * size).reshape(size, 2)
    blocks = tiles.cut(rows)
    assert blocks.shape == (tiles.count, tiles.rows, 2)
    assert tiles.rows <= tile_size
    assert tiles.count * tiles.rows - size < tiles.count or size == 0
    np.testing.assert_array_equal(tiles.join(blocks), rows)
    assert not blocks.numpy().reshape(-1, 2)[size:].any()


@pytest.mark.parametrize("tile_size", [1, 2, 3, 10])
@pytest.mark.parametrize("rest_size", [None, 0, 1, 4])
def test_accumulate_meets_each_pair_of_rows_once_from_each_side(
    tile_size, rest_size
):
    size = 7
    tiles = Tiles(size, rest_size, tile_size=tile_size)
    own = {"x": tiles.own.cut(10.0 ** np.arange(size)[:, None])}
    rest = None
    if rest_size is not None:
        numbers = 10.0 ** (7 + np.arange(rest_size))[:, None]
        rest = {"x": tiles.rest.cut(numbers)}

    def tile(rows, columns, place):
        rows, columns = rows["x"], columns["x"]
        return (
            rows * 0 + columns.numpy().sum(),
            lambda: columns * 0 + rows.numpy().sum(),
        )

    totals = tiles.accumulate(
        tile,
        lambda a, b: a + b,
        tiles.own.filled(0.0, 1, "float64"),
        own,
        rest,
    )
    all_ones = int("1" * (size + (rest_size or 0)))
    np.testing.assert_array_equal(tiles.own.join(totals)[:, 0], [all_ones] * 7)


@pytest.mark.parametrize("size", [0, 5, 7])
def test_padding_may_repeat_the_last_row(size):
    blocks = Blocks(size, tile_size=3)
    rows = np.arange(size)[:, None]
    padded = np.ravel(blocks.cut_with_last(rows))
    np.testing.assert_array_equal(padded[:size], rows[:, 0])
    assert set(padded[size:]) <= {max(size - 1, 0)}
