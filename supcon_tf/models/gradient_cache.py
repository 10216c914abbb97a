"""Gradients of a loss of the whole batch, with one piece of it in memory."""

import itertools

import keras
import tensorflow as tf
from keras import ops

from supcon_tf.distribution.collectives import sum_over_replicas
from supcon_tf.errors import check_int


def cached_gradients(
    call, inputs, loss_of, *, trainable, state, num_microbatches
):
    """Gradients of a loss of the whole batch, computed piece by piece.

    A contrastive loss needs the outputs of all rows at once, but not what lies
    between inputs and outputs. So, with the batch cut into k pieces:

        1. outputs_i = call(inputs_i), keeping nothing else;
        2. loss = loss_of(outputs), and its gradient g with respect to outputs;
        3. outputs_i = call(inputs_i) again, and its gradients with respect to
           the variables, weighted by g_i; summed over the pieces.

    Memory is that of one piece, the gradients are those of the whole batch, and
    the price is a second forward. Layers that look at other rows, as
    BatchNormalization does, see those of their piece; a synchronised one those
    of the pieces of all replicas that run at the same time, and so others than
    on one device.

    State is kept as if `call` had run once. Each piece starts from the same
    floats, and they end as the mean over the pieces of what each one left: a
    moving average is updated once, with the mean of the pieces' statistics.
    Random states (integers) go on from piece to piece, and the second forward
    of a piece starts from where its first one did: it drops the same units.

    Args:
      call: function `[b, ...]` inputs -> `[b, ...]` float outputs, such as a
        model in training mode. It runs twice for each piece. What it adds with
        `add_loss`, activity regularisers as well, is no part of the loss.
      inputs: `[B, ...]`; inside a `tf.function` B may be unknown.
      loss_of: function `[B, ...]` outputs -> scalar loss, which runs once. It
        may use the variables, too, as weight regularisers do, and what other
        replicas have.
      trainable: list of Keras variables to differentiate with respect to.
      state: list of the other Keras variables that `call` may change: moving
        averages, states of seed generators.
      num_microbatches: int k >= 1, number of pieces, whose sizes differ by one
        at most. Those that are empty, where B < k, change nothing but the
        random states. (Where only some replicas have fewer rows than k, a row
        that stands in for nothing counts in the statistics of the others'
        piece; gradients and state stay finite.)

    Returns:
      The loss, the `[B, ...]` outputs (of the first forward), and a list of
      gradients in the order of `trainable`, zeros where the loss does not
      depend on a variable. On several replicas, those of the replica, as from
      a tape.

    Raises:
      ValueError: if `num_microbatches` is not an int >= 1.

    Example:
      >>> loss, projections, gradients = cached_gradients(
      ...     lambda x: model(x, training=True),
      ...     images,
      ...     lambda z: ops.mean(supcon_loss(labels, z)),
      ...     trainable=model.trainable_variables,
      ...     state=model.non_trainable_variables,
      ...     num_microbatches=8,
      ... )
      >>> optimizer.apply(gradients, model.trainable_variables)

    Reference:
      Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory
      Limited Setup", 2021, https://arxiv.org/abs/2101.06983
    """
    pieces = _Pieces(call, inputs, state, num_microbatches)
    outputs, starts = pieces.first_forwards()

    with tf.GradientTape() as tape:
        tape.watch(outputs)
        loss = loss_of(outputs)
    of_outputs, *gradients = _gradients(tape, loss, [outputs, *trainable])

    done = [of_outputs]
    for (begin, end), start in zip(pieces.bounds, starts, strict=True):
        with tf.GradientTape() as tape:
            again = pieces.forward(begin, end, start, done)
        of_piece = _gradients(tape, again, trainable, of_outputs[begin:end])
        gradients = done = [
            total + gradient
            for total, gradient in zip(gradients, of_piece, strict=True)
        ]
    pieces.set_state()
    return loss, outputs, gradients


def outputs_in_pieces(call, inputs, *, state, num_microbatches):
    """The outputs alone, computed and with the state kept in the same way.

    Args:
      call: as for `cached_gradients`; it runs once for each piece.
      inputs: as for `cached_gradients`.
      state: as for `cached_gradients`.
      num_microbatches: as for `cached_gradients`.

    Returns:
      The `[B, ...]` outputs.
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
        self.inputs = ops.convert_to_tensor(inputs)
        self.state = state
        rows = ops.shape(self.inputs)[0]
        ends = [
            i * rows // num_microbatches for i in range(num_microbatches + 1)
        ]
        self.bounds = list(itertools.pairwise(ends))
        self.before = _values(state)
        self.after = []

    def forward(self, begin, end, start, done):
        """Outputs of a piece from the state `start`, once `done` is there."""
        piece, *start = _after(done, [_rows(self.inputs, begin, end), *start])
        _assign(self.state, start)
        return self.call(piece)[: end - begin]

    def first_forwards(self):
        """Outputs of all, and a list of the states that they started from."""
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
            outputs.append(self.forward(begin, end, starts[-1], outputs[-1:]))
            self.after.append(_values(self.state))
        return tf.concat(outputs, axis=0), starts

    def set_state(self):
        """Sets the state to what the first forwards have left."""
        sizes = tf.stack([end - begin for begin, end in self.bounds])
        sizes = sum_over_replicas(sizes)
        _assign(self.state, _merged(self.before, self.after, sizes))


def _rows(inputs, begin, end):
    """`inputs[begin:end]`, or a row that stands in where that is empty.

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
    """`values`, but nothing that needs them starts before `done` is computed.

    Otherwise TensorFlow runs several pieces at once, and XLA, which has no
    control dependencies, finds that both forwards of a piece are the same and
    keeps all activations of the first for the second. So the values depend on
    data that only looks as if it could change them.
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
    is_true = probe == probe  # as only NaN is not
    return [tf.where(is_true, x, tf.zeros_like(x)) for x in values]


def _gradients(tape, target, sources, weights=None):
    """Dense gradients of `target`, zeros where it does not depend on one."""
    gradients = tape.gradient(target, sources, weights)
    return [
        # (That of an embedding is made of slices.)
        ops.zeros_like(source) if g is None else tf.convert_to_tensor(g)
        for g, source in zip(gradients, sources, strict=True)
    ]


def _merged(before, ends, sizes):
    """The state after all pieces.

    Args:
      before: list of the values of the state.
      ends: for each of k pieces, a list of the values that it left.
      sizes: `[k]` integers, rows of the piece on all replicas. (On all, as a
        synchronised moving average must stay the same on all.)

    Returns:
      A list of values.
    """
    merged = []
    for old, *left in zip(before, *ends, strict=True):
        value = left[-1]
        if _is_float(old):
            # Changes, so that what no piece changed stays to the last bit.
            is_counted = tf.cast(sizes > 0, old.dtype)  # [k]
            changes = tf.stack(left) - old  # [k, ...]
            total = tf.tensordot(is_counted, changes, axes=1)
            value = old + total / tf.reduce_sum(is_counted)
        merged.append(tf.where(tf.reduce_any(sizes > 0), value, old))
    return merged


def _values(variables):
    # (ops.convert_to_tensor would return the variable, not its value now.)
    return [tf.convert_to_tensor(variable) for variable in variables]


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _is_float(x):
    return keras.backend.is_float_dtype(x.dtype)
