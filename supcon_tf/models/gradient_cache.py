"""Gradients of a loss of the whole batch, with one piece of it in memory."""

import itertools

import keras
from keras import ops

from supcon_tf.distribution.collectives import sum_over_replicas
from supcon_tf.errors import check_int
from supcon_tf.frameworks.backends import tf


def cached_gradients(
    call, inputs, loss_of, *, trainable, state, num_microbatches
):
    """Gradients of a loss of the whole batch, computed piece by piece.

    A contrastive loss needs the outputs of all rows at once, but not what lies
    between inputs and outputs. The batch is therefore cut into k pieces, and

        1. outputs_i = call(inputs_i), keeping nothing else;
        2. loss = loss_of(outputs), and its gradient g with respect to outputs;
        3. outputs_i = call(inputs_i) again, and its gradients with respect to
           the variables, weighted by g_i; summed over the pieces.

    This takes the memory of one piece and gives the gradients of the whole
    batch, at the cost of a second forward pass. Layers that look at other rows,
    such as BatchNormalization, see the rows of their piece. If they are
    synchronised, they see those of the pieces of all replicas that run at the
    same time, which are not the rows that they would see on one device.

    The state is kept as if `call` had run once. Each piece starts from the same
    floats, and they end as the mean over the pieces of what each one left. A
    moving average is therefore updated once, with the mean of the pieces'
    statistics. Random states (integers) go on from piece to piece. The second
    forward pass of a piece starts from the random state of its first one, so
    that it drops the same units.

    Args:
      call: function `[b, ...]` inputs -> `[b, ...]` float outputs, or a dict of
        such outputs, such as a model in training mode. It runs twice for each
        piece. Losses that it adds with `add_loss`, such as activity
        regularisers, are not part of the loss.
      inputs: `[B, ...]`, or a dict of such arrays; inside a `tf.function` B
        may be unknown.
      loss_of: function `[B, ...]` outputs, or a dict of them -> scalar loss,
        which runs once. It may also use the variables, as weight regularisers
        do, and what other replicas have.
      trainable: list of Keras variables to differentiate with respect to.
      state: list of the other Keras variables that `call` may change, such as
        moving averages and states of seed generators.
      num_microbatches: int k >= 1, number of pieces, whose sizes differ by at
        most one. Where B < k some are empty, and change nothing but the random
        states. If only some replicas have fewer rows than k, a row that stands
        in for an empty piece counts in the statistics of the other replicas'
        piece; gradients and state stay finite.

    Returns:
      The loss, the `[B, ...]` outputs of the first forward pass, or a dict of
      them, and a list of gradients in the order of `trainable`, which are zeros
      where the loss does not depend on a variable. On several replicas they are
      the gradients of the replica, as from a tape.

    Raises:
      ValueError: if `num_microbatches` is not an int >= 1.

    Example:
      >>> model.build(views.shape)
      >>> loss, outputs, gradients = cached_gradients(
      ...     lambda views: model(views, training=True),
      ...     views,
      ...     lambda projections: ops.mean(supcon_loss(labels, projections)),
      ...     trainable=model.trainable_variables,
      ...     state=model.non_trainable_variables,
      ...     num_microbatches=4,
      ... )
      >>> outputs.shape
      TensorShape([8, 2, 4])
      >>> model.optimizer.apply(gradients, model.trainable_variables)

    Reference:
      Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory
      Limited Setup", 2021, https://arxiv.org/abs/2101.06983
    """
    pieces = _Pieces(call, inputs, state, num_microbatches)
    outputs, starts = pieces.first_forwards()

    flat = tf.nest.flatten(outputs)
    with tf.GradientTape() as tape:
        tape.watch(flat)
        loss = loss_of(outputs)
    gradients = _gradients(tape, loss, [*flat, *trainable])
    of_outputs, gradients = gradients[: len(flat)], gradients[len(flat) :]

    done = of_outputs
    for (begin, end), start in zip(pieces.bounds, starts, strict=True):
        with tf.GradientTape() as tape:
            again = tf.nest.flatten(pieces.forward(begin, end, start, done))
        weights = [gradient[begin:end] for gradient in of_outputs]
        of_piece = _gradients(tape, again, trainable, weights)
        gradients = done = [
            total + gradient
            for total, gradient in zip(gradients, of_piece, strict=True)
        ]
    pieces.set_state()
    return loss, outputs, gradients


def outputs_in_pieces(call, inputs, *, state, num_microbatches):
    """The outputs alone, with the state kept in the same way.

    The arguments are as for `cached_gradients`. `call` runs once for each
    piece.
    """
    pieces = _Pieces(call, inputs, state, num_microbatches)
    outputs, _ = pieces.first_forwards()
    pieces.set_state()
    return outputs


class _Pieces:
    """A batch in pieces, and the state before and after each of them."""

    def __init__(self, call, inputs, state, num_microbatches):
        check_int("num_microbatches", num_microbatches, 1)
        self.call = call
        self.inputs = tf.nest.map_structure(ops.convert_to_tensor, inputs)
        self.state = state
        rows = ops.shape(tf.nest.flatten(self.inputs)[0])[0]
        ends = [
            i * rows // num_microbatches for i in range(num_microbatches + 1)
        ]
        self.bounds = list(itertools.pairwise(ends))
        self.before = _values(state)
        self.after = []

    def forward(self, begin, end, start, done):
        """Outputs of a piece from the state `start`, once `done` is there."""
        piece = tf.nest.map_structure(
            lambda x: _rows(x, begin, end), self.inputs
        )
        piece, start = _after(done, (piece, start))
        _assign(self.state, start)
        return tf.nest.map_structure(
            lambda output: output[: end - begin], self.call(piece)
        )

    def first_forwards(self):
        """The outputs of all pieces, and the states that they started from."""
        starts, outputs = [], []
        for begin, end in self.bounds:
            starts.append(
                [
                    old if _is_float(old) else value
                    for old, value in zip(
                        self.before, _values(self.state), strict=True
                    )
                ]
            )
            done = tf.nest.flatten(outputs[-1:])
            outputs.append(self.forward(begin, end, starts[-1], done))
            self.after.append(_values(self.state))
        whole = tf.nest.map_structure(
            lambda *parts: tf.concat(parts, axis=0), *outputs
        )
        return whole, starts

    def set_state(self):
        """Sets the state to what the first forward passes have left."""
        sizes = tf.stack([end - begin for begin, end in self.bounds])
        sizes = sum_over_replicas(sizes)
        _assign(self.state, _merged(self.before, self.after, sizes))


def _rows(inputs, begin, end):
    """Returns `inputs[begin:end]`, or a stand-in row where that is empty.

    On CPUs convolutions of 0 rows have the wrong shape, and the mean of nothing
    is NaN.
    """
    if isinstance(begin, int) and begin < end:
        return inputs[begin:end]
    zeros = tf.zeros(
        tf.concat([[1], tf.shape(inputs)[1:]], axis=0), inputs.dtype
    )
    rows = tf.concat([inputs[begin:end], inputs[:1], zeros], axis=0)
    return rows[: tf.maximum(end - begin, 1)]


def _after(done, values):
    """Returns `values` so that nothing can use them before `done` is computed.

    Otherwise TensorFlow runs several pieces at once. XLA has no control
    dependencies. It finds that both forward passes of a piece are the same, and
    keeps all activations of the first for the second. The values are therefore
    made to depend on data that only looks as if it could change them.
    """
    if not done:
        return values
    probe = tf.add_n(
        [
            tf.reduce_sum(tf.cast(tf.reshape(x, [-1])[:1], "float32"))
            for x in done
        ]
    )
    probe = tf.where(tf.math.is_nan(probe), tf.zeros_like(probe), probe)
    is_true = probe == probe  # false only for NaN, which is replaced above
    return tf.nest.map_structure(
        lambda x: tf.where(is_true, x, tf.zeros_like(x)), values
    )


def _gradients(tape, target, sources, weights=None):
    """Dense gradients of `target`, zeros for sources it does not depend on."""
    gradients = tape.gradient(target, sources, weights)
    return [
        # The gradient of an embedding consists of slices.
        ops.zeros_like(source) if g is None else tf.convert_to_tensor(g)
        for g, source in zip(gradients, sources, strict=True)
    ]


def _merged(before, ends, sizes):
    """The state after all pieces, a list of values.

    `before` is a list of values, and `ends` has such a list for each of k
    pieces. `sizes` is `[k]`, the rows of a piece on all replicas. It counts all
    of them because a synchronised moving average must stay the same on all
    replicas.
    """
    merged = []
    for old, *left in zip(before, *ends, strict=True):
        value = left[-1]
        if _is_float(old):
            # It averages changes, so that a value that no piece changed stays
            # the same to the last bit.
            is_counted = tf.cast(sizes > 0, old.dtype)  # [k]
            changes = tf.stack(left) - old  # [k, ...]
            total = tf.tensordot(is_counted, changes, axes=1)
            value = old + total / tf.reduce_sum(is_counted)
        merged.append(tf.where(tf.reduce_any(sizes > 0), value, old))
    return merged


def _values(variables):
    # ops.convert_to_tensor would return the variable, not its current value.
    return [tf.convert_to_tensor(variable) for variable in variables]


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _is_float(x):
    return keras.backend.is_float_dtype(x.dtype)
