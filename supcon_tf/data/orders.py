"""In which order images pass by: pure functions of a seed and an epoch.

All sort random numbers. (`tf.random.experimental.index_shuffle` would need no
table, but TensorFlow 2.21 reads the lowest byte of a seed alone: the order of
epoch 256 is that of epoch 0, and that of seed 256 that of seed 0.)
"""

import numpy as np
import tensorflow as tf


def permutation(size, seed):
    """The numbers below `size` in random order, all orders equally likely.

    Args:
      size: int >= 0 or scalar integer tensor n.
      seed: `[2]` int64.

    Returns:
      `[n]` int64.

    Example:
      >>> permutation(5, [0, 1])  # of epoch 1
    """
    return tf.cast(tf.argsort(_bits([size], seed, tf.int64)), tf.int64)


def shuffled_order(size, *, batch_size, seed):
    """Every image once an epoch, but for those that fill no whole batch.

    Args:
      size: int n, number of images.
      batch_size: int B, 1 <= B <= n.
      seed: int or scalar int64 tensor.

    Returns:
      A function of TensorFlow, epoch (scalar int64) -> `[n // B, B]` int64,
      the images of each of its batches.

    Example:
      >>> shuffled_order(10, batch_size=3, seed=0)(epoch=4).shape
      TensorShape([3, 3])
    """
    steps = size // batch_size

    def order(epoch):
        images = permutation(size, tf.stack([tf.cast(seed, tf.int64), epoch]))
        return tf.reshape(images[: steps * batch_size], [steps, batch_size])

    return order


def balanced_order(
    labels, *, batch_size, samples_per_class, seed, class_names=()
):
    """Batches of P classes with K images of each, P = B / K.

    An epoch consists of rounds of `C // P` batches, for which the C classes are
    dealt out without replacement; those left over (C mod P) sit the round out.
    So each class is drawn equally often, however many images it has, and a
    small class's images come more often. Those of a class pass by in random
    order, K at a time, and in another order when they have; the fewer than K
    left over at the end of a pass sit this one out. The images of a batch
    stand in random order, for replicas that each take a part of it.

    Args:
      labels: `[n]` integers.
      batch_size: int B, 1 <= B <= n, divisible by K.
      samples_per_class: int K >= 1.
      seed: int or scalar int64 tensor.
      class_names: names of the classes, for messages; may be empty.

    Returns:
      As `shuffled_order` does.

    Raises:
      ValueError: if B is not divisible by K, there are fewer than P classes,
        or a class has fewer than K images.

    Example:
      >>> order = balanced_order(labels, batch_size=256, samples_per_class=16,
      ...     seed=0)
      >>> labels[order(epoch=0)[0]]  # 16 labels, each 16 times

    Reference:
      The P x K batches of Hermans et al., In Defense of the Triplet Loss for
      Person Re-Identification, 2017, Sec. 2.
    """
    if samples_per_class < 1 or batch_size % samples_per_class:
        raise ValueError(
            "`samples_per_class` must be >= 1 and divide batch_size. Received: "
            f"samples_per_class={samples_per_class}, batch_size={batch_size}"
        )
    present, classes, counts = np.unique(
        labels, return_inverse=True, return_counts=True
    )
    num_drawn = batch_size // samples_per_class  # P
    if len(present) < num_drawn:
        raise ValueError(
            "`batch_size` must be at most samples_per_class times the number "
            f"of classes, {samples_per_class} x {len(present)}. "
            f"Received: batch_size={batch_size}"
        )
    if counts.min() < samples_per_class:
        smallest = present[counts.argmin()]
        name = class_names[smallest] if class_names else int(smallest)
        raise ValueError(
            "`samples_per_class` must be at most the number of images of each "
            f"class. Received: samples_per_class={samples_per_class}, and "
            f"{counts.min()} images of class {name!r}"
        )
    steps = len(labels) // batch_size
    round_batches = len(present) // num_drawn
    num_rounds = -(-steps // round_batches)
    passes, groups = _passes(classes, counts, num_rounds, samples_per_class)
    segments = np.repeat(np.arange(len(passes)), [len(p) for p in passes])
    with tf.device("CPU"):
        segments = tf.constant(segments << 32, tf.int64)
        images = tf.constant(np.concatenate(passes), tf.int64)
        groups = tf.constant(groups, tf.int64)  # [C, rounds, K]

    def order(epoch):
        epoch_seed = tf.stack([tf.cast(seed, tf.int64), epoch])
        fold_in = tf.random.experimental.stateless_fold_in
        bits = _bits(tf.shape(images), fold_in(epoch_seed, 0), tf.uint32)
        # Sorted by segment, within a segment at random.
        within = tf.argsort(segments + tf.cast(bits, tf.int64))
        dealt = tf.argsort(
            _bits([num_rounds, len(present)], fold_in(epoch_seed, 1), tf.int64)
        )[:, : round_batches * num_drawn]
        rounds = tf.broadcast_to(tf.range(num_rounds)[:, None], tf.shape(dealt))
        drawn = tf.gather_nd(groups, tf.stack([dealt, rounds], axis=-1))
        drawn = tf.gather(images, tf.gather(within, drawn))
        batches = tf.reshape(drawn, [-1, batch_size])[:steps]
        rows = tf.argsort(
            _bits([steps, batch_size], fold_in(epoch_seed, 2), tf.int64)
        )
        return tf.gather(batches, rows, batch_dims=1)

    return order


def _passes(classes, counts, num_rounds, samples_per_class):
    """The images of each pass through a class, and which a round takes.

    Returns:
      A list of `[count]` arrays, one a pass, classes one after the other; and
      `[C, rounds, K]` positions in their concatenation.
    """
    members = np.split(np.argsort(classes, kind="stable"), np.cumsum(counts))
    passes, groups, start = [], [], 0
    for images in members[: len(counts)]:
        per_pass = len(images) // samples_per_class
        number, group = np.divmod(np.arange(num_rounds), per_pass)
        first = start + number * len(images) + group * samples_per_class
        groups.append(first[:, None] + np.arange(samples_per_class))
        passes += [images] * (number[-1] + 1)
        start += (number[-1] + 1) * len(images)
    return passes, np.stack(groups)


def _bits(shape, seed, dtype):
    """Random integers over the whole range of their dtype."""
    return tf.random.stateless_uniform(
        shape, seed, None, None, dtype, alg="philox"
    )
