"""The cases of benchmarks.family: each loss in tiles, and as one writes it.

The formulas are those of the papers with arrays of all pairs, in TensorFlow,
with automatic gradients.
"""

import json
import statistics
import time

from benchmarks.loss_cases import DIM, tensorflow_call
from benchmarks.machine import peak_mb

CLASSES = 100
LEVELS = 20
TARGETS = 100.0
T = 0.1

# name: tile passes forward, loss of the package, formula
CASES = {
    "SupCon": (1, lambda: _new("SupConLoss", T), "_supcon"),
    "SINCERE": (2, lambda: _new("SINCERELoss", T), "_sincere"),
    "DCL, supervised": (1, lambda: _new("DecoupledLoss", T), "_decoupled"),
    "hard negatives": (
        2,
        lambda: _new("HardNegativeLoss", T, hardness=1.0, class_prior=0),
        "_hard_negatives",
    ),
    "focal": (2, lambda: _new("FocalSupConLoss", T), "_focal"),
    "class balance": (1, lambda: _new("BalancedSupConLoss", T), "_balanced"),
    "several labels, cosine": (1, lambda: _soft("Cosine"), "_cosine"),
    "several labels, Jaccard": (
        1,
        lambda: _soft("Jaccard", 0.3, positives_mean="count"),
        "_jaccard",
    ),
    "targets, Gaussian kernel": (
        1,
        lambda: _soft("GaussianKernel", 5.0),
        "_kernel",
    ),
    "levels": (1, lambda: _soft("SharedLevels"), "_levels"),
}
KINDS = {
    "several labels, cosine": "sets",
    "several labels, Jaccard": "sets",
    "targets, Gaussian kernel": "targets",
    "levels": "levels",
}


# The package, the package compiled by XLA, and the formula.
WAYS = ("tiles", "tiles, XLA", "formula")


def measure(case, way, size, repeats):
    """Prints one line of JSON: seconds, memory and value of one case.

    Args:
      case: a key of `CASES`.
      way: one of `WAYS`.
      size: N, int >= 2.
      repeats: how many calls are timed, after one that is not, in turns with
        SupCon computed the same way; or 0 for one call, with what it takes to
        trace it, and no other.
    """
    passes, make, formula = CASES[case]
    is_formula, is_xla = way == "formula", way == "tiles, XLA"
    labels, z = _problem(KINDS.get(case, "classes"), size)
    loss = globals()[formula] if is_formula else make()
    call = tensorflow_call(loss, labels, z, xla=is_xla)
    before = peak_mb()
    first, value = _timed(call)
    extra_mb = peak_mb() - before
    seconds, ratios = [], []
    if repeats:
        classes, z = _problem("classes", size)
        supcon = tensorflow_call(CASES["SupCon"][1](), classes, z, xla=is_xla)
        supcon()
    for _ in range(repeats):
        seconds.append(_timed(call)[0])
        ratios.append(seconds[-1] / _timed(supcon)[0])
    row = {
        "case": case,
        "way": way,
        "n": size,
        "passes": passes,
        "median_s": statistics.median(seconds or [first]),
        "seconds": seconds or [first],
        "to_supcon": statistics.median(ratios) if ratios else None,
        "extra_mb": extra_mb,
        "loss": value,
    }
    print(json.dumps(row))


def _timed(call):
    start = time.perf_counter()
    value = call()
    return time.perf_counter() - start, value


def _problem(kind, size):
    """Labels of a kind and `[N, D]` float32 projections, always the same."""
    import numpy as np

    rng = np.random.default_rng(0)
    classes = rng.permutation(size).astype("int32") % CLASSES
    labels = {
        "classes": classes,
        "sets": (rng.random((size, 20)) < 0.1).astype("float32"),
        "targets": (TARGETS * rng.random(size)).astype("float32"),
        "levels": np.stack([classes % LEVELS, classes], axis=1),
    }[kind]
    if kind == "sets":
        labels[np.arange(size), rng.integers(0, 20, size)] = 1  # none is empty
    return labels, rng.standard_normal((size, DIM), dtype="float32")


def _new(name, *args, **options):
    import supcon_tf

    return getattr(supcon_tf, name)(*args, implementation="tiled", **options)


def _soft(name, *args, positives_mean="weights"):
    from supcon_tf import similarities

    similarity = getattr(similarities, name)(*args)
    return _new("SoftSupConLoss", similarity, T, positives_mean=positives_mean)


def _pairs(labels, z):
    """Similarities `[N, N]`, which are to others, and which of one class."""
    import tensorflow as tf

    z = tf.math.l2_normalize(z, axis=1)
    similarities = tf.matmul(z, z, transpose_b=True) / T
    is_other = ~tf.eye(tf.shape(z)[0], dtype=tf.bool)
    is_positive = None
    if labels is not None:
        is_positive = (labels[:, None] == labels[None, :]) & is_other
    return similarities, is_other, is_positive


def _log_sums(similarities, mask):
    import tensorflow as tf

    return tf.reduce_logsumexp(
        tf.where(mask, similarities, -1e38), axis=1, keepdims=True
    )


def _mean(losses, weights):
    """The mean over anchors of means over positives, with weights."""
    import tensorflow as tf

    losses = tf.where(weights > 0, losses * weights, 0.0)
    sums = tf.reduce_sum(losses, axis=1)
    return tf.reduce_mean(sums / tf.reduce_sum(weights, axis=1))


def _of_weights(labels, z, weights):
    """SupCon with weights `[N, N]` of the positives."""
    import tensorflow as tf

    s, is_other, _ = _pairs(None, z)
    weights = tf.where(is_other, weights, 0.0)
    return _mean(_log_sums(s, is_other) - s, weights)


def _supcon(labels, z):
    import tensorflow as tf

    s, is_other, is_positive = _pairs(labels, z)
    losses = _log_sums(s, is_other) - s
    return _mean(losses, tf.cast(is_positive, s.dtype))


def _sincere(labels, z):
    import tensorflow as tf

    s, is_other, is_positive = _pairs(labels, z)
    log_sums = _log_sums(s, is_other & ~is_positive)
    losses = tf.math.softplus(log_sums - s)
    return _mean(losses, tf.cast(is_positive, s.dtype))


def _decoupled(labels, z):
    import tensorflow as tf

    s, is_other, is_positive = _pairs(labels, z)
    losses = _log_sums(s, is_other & ~is_positive) - s
    return _mean(losses, tf.cast(is_positive, s.dtype))


def _hard_negatives(labels, z):
    import tensorflow as tf

    s, is_other, is_positive = _pairs(labels, z)
    is_negative = is_other & ~is_positive
    number = tf.reduce_sum(tf.cast(is_negative, s.dtype), 1, keepdims=True)
    log_sums = _log_sums(2 * s, is_negative) - _log_sums(s, is_negative)
    losses = tf.math.softplus(log_sums + tf.math.log(number) - s)
    return _mean(losses, tf.cast(is_positive, s.dtype))


def _focal(labels, z):
    import tensorflow as tf

    s, is_other, is_positive = _pairs(labels, z)
    logs = s - _log_sums(s, is_other)
    losses = -(1 - tf.exp(logs)) * logs
    return _mean(losses, tf.cast(is_positive, s.dtype))


def _balanced(labels, z):
    import tensorflow as tf

    s, is_other, is_positive = _pairs(labels, z)
    positive = tf.cast(is_positive, s.dtype)
    sizes = tf.reduce_sum(positive, axis=1) + 1
    below = s - tf.math.log(sizes[None, :] - positive)
    return _mean(_log_sums(below, is_other) - s, positive)


def _cosine(labels, z):
    import tensorflow as tf

    y = tf.math.l2_normalize(labels, axis=1)
    return _of_weights(labels, z, tf.matmul(y, y, transpose_b=True))


def _jaccard(labels, z):
    """MultiSupCon: the weights are summed, and divided by their number."""
    import tensorflow as tf

    s, is_other, _ = _pairs(None, z)
    both = tf.matmul(labels, labels, transpose_b=True)
    sizes = tf.reduce_sum(labels, axis=1)
    index = both / (sizes[:, None] + sizes[None, :] - both)
    weights = tf.where(is_other & (index >= 0.3 - 1e-6), index, 0.0)
    sums = tf.reduce_sum(weights * (_log_sums(s, is_other) - s), axis=1)
    counts = tf.reduce_sum(tf.cast(weights > 0, s.dtype), axis=1)
    return tf.reduce_mean(tf.math.divide_no_nan(sums, counts))


def _kernel(labels, z):
    import tensorflow as tf

    squares = tf.square(labels[:, None] - labels[None, :])
    return _of_weights(labels, z, tf.exp(-squares / 50.0))


def _levels(labels, z):
    import tensorflow as tf

    same = labels[:, None] == labels[None, :]
    weights = tf.reduce_mean(tf.cast(same, z.dtype), axis=2)
    return _of_weights(labels, z, weights)
