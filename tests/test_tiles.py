import numpy as np
import pytest

from supcon_tf.tiles import Tiles


@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 9, 100])
@pytest.mark.parametrize("tile_size", [1, 3, 8, 1000])
def test_blocks_hold_all_rows_with_less_than_a_row_of_padding_each(
    size, tile_size
):
    tiles = Tiles(size, tile_size=tile_size)
    rows = np.arange(2.0 * size).reshape(size, 2)
    blocks = tiles.cut(rows)
    assert blocks.shape == (tiles.count, tiles.rows, 2)
    assert tiles.rows <= tile_size
    assert tiles.count * tiles.rows - size < tiles.count or size == 0
    np.testing.assert_array_equal(tiles.join(blocks), rows)
    assert not blocks.numpy().reshape(-1, 2)[size:].any()


@pytest.mark.parametrize("tile_size", [1, 2, 3, 10])
def test_accumulate_meets_each_pair_of_rows_once_from_each_side(tile_size):
    size = 7
    tiles = Tiles(size, tile_size=tile_size)
    numbers = tiles.cut(10.0 ** np.arange(size)[:, None])

    def tile(i, j, diagonal):
        rows, columns = numbers[i], numbers[j]
        return rows * 0 + columns.numpy().sum(), (
            columns * 0 + rows.numpy().sum()
        )

    totals = tiles.accumulate(
        tile, lambda a, b: a + b, tiles.filled(0.0, 1, "float64")
    )
    np.testing.assert_array_equal(tiles.join(totals)[:, 0], [1111111] * size)


def test_parts_are_all_pairs_and_those_of_a_group():
    tiles = Tiles(3, np.array([4, 9, 4], "int32"))
    values = np.arange(9.0).reshape(3, 3) + 1
    everything, same_group = tiles.parts(values, 0.0, 0, 0, diagonal=True)
    np.testing.assert_array_equal(everything, [[0, 2, 3], [4, 0, 6], [7, 8, 0]])
    np.testing.assert_array_equal(same_group, [[0, 0, 3], [0, 0, 0], [7, 0, 0]])
