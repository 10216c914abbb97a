"""The order in which images pass by, as pure functions of a seed and an epoch.

Every order comes from sorting random numbers.
`tf.random.experimental.index_shuffle` would need no table, but TensorFlow 2.21
reads only the lowest byte of its seed: epoch 256 would have the order of
epoch 0, and seed 256 that of seed 0.
"""

import numpy as np

from supcon_tf.frameworks.backends import tf
from supcon_tf.labels import as_names


def permutation(size, seed):
    """The numbers below `size` in random order. All orders are equally likely.

    Args:
      size: n, an int >= 0 or a scalar integer tensor.
      seed: `[2]` int64, such as a seed and an epoch.

    Returns:
      `[n]` int64.

    Example:
      >>> permutation(5, [0, 1]).numpy().tolist()
      [3, 1, 4, 2, 0]
    """
    return tf.cast(tf.argsort(_bits([size], seed, tf.int64)), tf.int64)


def shuffled_order(size, *, batch_size, seed):
    """An order with every image once an epoch, except those left over.

    Returns a TensorFlow function from an epoch (scalar int64) to the images of
    its batches, `[n // B, B]` int64.

    Example:
      >>> order = shuffled_order(10, batch_size=3, seed=0)
      >>> order(tf.constant(4, tf.int64)).shape
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
    """An order with P classes in each batch and K images of each, P = B / K.

    Returns a function as `shuffled_order` does. An epoch consists of rounds of
    `C // P` batches. In a round, the C classes are dealt out to the batches
    without replacement, and the C mod P classes left over sit the round out.
    So each class is drawn equally often, however many images it has, and the
    images of a small class come more often.

    The images of a class pass by in random order, K at a time. Each pass has
    another order, and the fewer than K images left over at its end sit it out.
    The images of a batch stand in random order, since each replica takes a part
    of the batch. `class_names` are for error messages only.

    Example:
      >>> order = balanced_order(
      ...     labels, batch_size=4, samples_per_class=2, seed=0
      ... )
      >>> batches = order(tf.constant(0, tf.int64))
      >>> sorted(labels[batches.numpy()[0]].tolist())
      [0, 0, 2, 2]

    Reference:
      The P x K batches of Hermans et al., In Defense of the Triplet Loss for
      Person Re-Identification, 2017, Sec. 2.
    """
    is_int = hasattr(samples_per_class, "__index__")
    if not is_int or samples_per_class < 1 or batch_size % samples_per_class:
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
        names = as_names(class_names)
        few = [
            f"{count} images of class "
            f"{(names[label] if names else int(label))!r}"
            for label, count in zip(present, counts, strict=True)
            if count < samples_per_class
        ]
        raise ValueError(
            "`samples_per_class` must be at most the number of images of each "
            f"class. Received: samples_per_class={samples_per_class}, and "
            f"{', '.join(few)}"
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
        # The sort keeps the segments in order and shuffles within each.
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
    """The images of each pass through a class, and those that a round takes.

    Returns one `[count]` array per pass, class after class, and the positions
    `[C, rounds, K]` in their concatenation.
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
