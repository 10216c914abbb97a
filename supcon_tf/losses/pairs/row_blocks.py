"""Whole rows of an N x N array, of which few are in memory at once.

A loss that sorts the contrasts of an anchor, or takes the largest of them,
needs all of them at the same time. So it works on a few anchors at a time.
"""

from keras import ops

from supcon_tf.frameworks.backends import while_loop

# The most numbers of a block. 2^23 of float32 are 32 MiB, and a step holds a
# few arrays of that size.
LARGEST_BLOCK = 2**23


def over_row_blocks(function, arrays, *, outputs, totals=(), row_size):
    """Runs a function on one block of rows after the other.

    No gradient should flow through it, since that would keep all blocks in
    memory. Call it in `backends.custom_gradient` or on constants.

    Args:
      function: function `(blocks, totals)`. `blocks` is a tuple with the same
        rows `[r, ...]` of each array, padded with zeros in the last block. It
        returns `[r, W]` outputs of the rows and a tuple of new totals.
      arrays: tuple of `[n, W_k]` tensors, not necessarily of one dtype.
      outputs: pair of W and the dtype of the outputs.
      totals: tuple of tensors to start with. They keep their shapes.
      row_size: int or integer tensor, how many numbers the largest array of
        `function` has for one row.

    Returns:
      The outputs of all rows, `[n, W]`, and a tuple of the last totals.

    Example:
      >>> x = ops.convert_to_tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
      >>> def sums(blocks, totals):
      ...     return ops.sum(blocks[0], axis=1, keepdims=True), totals
      >>> found, _ = over_row_blocks(
      ...     sums, (x,), outputs=(1, "float32"), row_size=2)
      >>> found[:, 0].numpy()
      array([ 3.,  7., 11.], dtype=float32)
    """
    size = ops.shape(arrays[0])[0]
    most_rows = _at_least_1(LARGEST_BLOCK // _at_least_1(row_size))
    count = _at_least_1(-(-size // most_rows))
    rows = _at_least_1(-(-size // count))  # 1 of padding where there are none
    arrays = [_cut(array, count, rows) for array in arrays]
    if isinstance(count, int) and count == 1:
        blocks = tuple(array[0] for array in arrays)
        found, totals = function(blocks, tuple(totals))
        return found[:size], totals
    width, dtype = outputs
    found = ops.zeros((count, rows, width), dtype)

    def step(i, found, *totals):
        blocks = tuple(array[i] for array in arrays)
        outputs, totals = function(blocks, totals)
        index = ops.reshape(i, (1, 1))
        return i + 1, ops.scatter_update(found, index, outputs[None]), *totals

    start = ops.convert_to_tensor(0, "int32")
    _, found, *totals = while_loop(
        lambda i, *state: i < count, step, (start, found, *totals), at_once=1
    )
    return ops.reshape(found, (-1, width))[:size], tuple(totals)


def _cut(x, count, rows):
    """`[n, W]` -> `[count, rows, W]`, with zeros after the last row."""
    padding = count * rows - ops.shape(x)[0]
    if not (isinstance(padding, int) and padding == 0):
        x = ops.pad(x, [[0, padding], [0, 0]])
    return ops.reshape(x, (count, rows, ops.shape(x)[1]))


def _at_least_1(number):
    return max(1, number) if isinstance(number, int) else ops.maximum(1, number)
