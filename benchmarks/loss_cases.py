"""The cases of benchmarks.loss, each measured in a process of its own.

A case imports TensorFlow or PyTorch, never both, and only when it is called.
"""

import json
import math
import statistics
import time

from benchmarks.machine import peak_mb

DIM = 128
TEMPERATURE = 0.1
MOST_CLASSES = 100

# What each case runs. From labels and projections, a function without arguments
# that computes loss and gradient and returns the loss (None for `gemm`).
CASES = {
    "gemm": lambda y, z: _gemm(z),
    "dense formula": lambda y, z: tensorflow_call(_dense_formula, y, z),
    "dense formula, XLA": lambda y, z: tensorflow_call(
        _dense_formula, y, z, xla=True
    ),
    "dense formula, N unknown": lambda y, z: tensorflow_call(
        _dense_formula, y, z, n_unknown=True
    ),
    "supcon_tf dense": lambda y, z: _supcon_tf("dense", y, z),
    "supcon_tf tiled": lambda y, z: _supcon_tf("tiled", y, z),
    "supcon_tf tiled, N unknown": lambda y, z: _supcon_tf(
        "tiled", y, z, n_unknown=True
    ),
    "supcon_tf tiled, XLA": lambda y, z: _supcon_tf("tiled", y, z, xla=True),
    "supcon_tf auto": lambda y, z: _supcon_tf("auto", y, z),
    "supcon_tf L_in tiled": lambda y, z: _supcon_tf(
        "tiled", y, z, summation="inside"
    ),
    "supcon_tf dense, first of 2 views": lambda y, z: _supcon_tf(
        "dense", *_in_two_views(y, z), anchors="first"
    ),
    "supcon_tf tiled, first of 2 views": lambda y, z: _supcon_tf(
        "tiled", *_in_two_views(y, z), anchors="first"
    ),
    "supcon_tf dense, t = 0.02": lambda y, z: _supcon_tf(
        "dense", y, z, temperature=0.02
    ),
    "supcon_tf tiled, t = 0.02": lambda y, z: _supcon_tf(
        "tiled", y, z, temperature=0.02
    ),
    "SupContrast's formula, PyTorch": lambda y, z: _pytorch(
        _supcontrast_formula, y, z
    ),
    "pytorch-metric-learning": lambda y, z: _pytorch(
        _pytorch_metric_learning(), y, z
    ),
}

TORCH_CASES = ("SupContrast's formula, PyTorch", "pytorch-metric-learning")
LARGE_CASE = "supcon_tf tiled"
NOT_EQ_2 = (
    "gemm",
    "supcon_tf L_in tiled",
    "supcon_tf dense, first of 2 views",
    "supcon_tf tiled, first of 2 views",
    "supcon_tf dense, t = 0.02",
    "supcon_tf tiled, t = 0.02",
)


def measure(case, size, repeats):
    """Prints one line of JSON: seconds, memory and value of one case.

    Args:
      case: a key of `CASES`.
      size: N, int >= 2.
      repeats: how many calls are timed, after two that are not.
    """
    call = CASES[case](*problem(size))
    before = peak_mb()
    for _ in range(2):
        loss = call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        loss = call()
        seconds.append(time.perf_counter() - start)
    row = {
        "case": case,
        "n": size,
        "median_s": statistics.median(seconds),
        "seconds": seconds,
        "extra_mb": None if case == "gemm" else peak_mb() - before,
        "loss": loss,
    }
    print(json.dumps(row))


def problem(size):
    """`[N]` int32 labels and `[N, D]` float32 projections, always the same.

    Each label is there twice or more: codes differ in what an anchor without
    positives does to the mean.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    classes = min(MOST_CLASSES, size // 2)
    labels = rng.permutation(size).astype("int32") % classes
    return labels, rng.standard_normal((size, DIM), dtype="float32")


def _gemm(z):
    """The 4 N^2 D flop that no algorithm of the loss avoids.

    They are those of similarities and of weighted sums, each of N^2 / 2 pairs
    (the matrix is symmetric) twice, in the tiles of `losses.pairs.tiled`.
    """
    import tensorflow as tf

    count = math.ceil(len(z) / 1024)
    rows = len(z) // count
    blocks = tf.reshape(z[: count * rows], (count, rows, DIM))
    _start_threads(tf.ones, tf.matmul, tf.exp)

    @tf.function
    def products(blocks):
        def step(index, total):
            columns = blocks[index % count]
            tile = tf.matmul(blocks[index // count], columns, transpose_b=True)
            return index + 1, total + tf.matmul(tile, columns)

        return tf.while_loop(
            lambda index, total: index < count**2,
            step,
            (0, tf.zeros_like(blocks[0])),
            parallel_iterations=2,
        )[1]

    def call():
        products(blocks).numpy()

    return call


def tensorflow_call(loss, labels, z, *, xla=False, n_unknown=False):
    """`loss(labels, z)`, a scalar, and its gradient as one tf.function."""
    import tensorflow as tf

    labels, z = tf.constant(labels), tf.constant(z)
    _start_threads(tf.ones, tf.matmul, tf.exp)
    signature = [
        tf.TensorSpec([None], labels.dtype),
        tf.TensorSpec([None, DIM], z.dtype),
    ]

    @tf.function(
        jit_compile=xla, input_signature=signature if n_unknown else None
    )
    def value_and_gradient(labels, z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = loss(labels, z)
        return value, tape.gradient(value, z)

    def call():
        value, gradient = value_and_gradient(labels, z)
        gradient.numpy()
        return float(value.numpy())

    return call


def _supcon_tf(
    implementation, labels, z, *, xla=False, n_unknown=False, **variant
):
    import tensorflow as tf

    from supcon_tf import supcon_loss

    variant = {
        "temperature": TEMPERATURE,
        "implementation": implementation,
        **variant,
    }

    def loss(labels, z):
        return tf.reduce_mean(supcon_loss(labels, z, **variant))

    return tensorflow_call(loss, labels, z, xla=xla, n_unknown=n_unknown)


def _in_two_views(labels, z):
    """The same N projections, as N / 2 images of two views."""
    return labels[::2], z.reshape(-1, 2, z.shape[1])


def _dense_formula(labels, z):
    """Eq. 2 as one writes it down, with arrays of all pairs."""
    import tensorflow as tf

    z = tf.math.l2_normalize(z, axis=1)
    logits = tf.matmul(z, z, transpose_b=True) / TEMPERATURE  # [N, N]
    is_self = tf.eye(tf.shape(z)[0], dtype=tf.bool)
    is_same = labels[:, None] == labels[None, :]
    is_positive = tf.cast(is_same & ~is_self, z.dtype)
    log_probabilities = logits - tf.reduce_logsumexp(
        tf.where(is_self, -1e38, logits), axis=1, keepdims=True
    )
    sums = tf.reduce_sum(is_positive * log_probabilities, axis=1)
    return -tf.reduce_mean(sums / tf.reduce_sum(is_positive, axis=1))


def _pytorch(loss, labels, z):
    """`loss(labels, z)`, a scalar, and its gradient by autograd."""
    import torch

    labels = torch.from_numpy(labels)
    z = torch.from_numpy(z).requires_grad_()
    _start_threads(torch.ones, torch.matmul, torch.exp)

    def call():
        z.grad = None
        value = loss(labels, z)
        value.backward()
        z.grad.numpy()
        return value.item()

    return call


def _supcontrast_formula(labels, z):
    """Eq. 2 by the steps of SupContrast's SupConLoss, for one view.

    https://github.com/HobbitLong/SupContrast, without its factor, which is 1
    for base_temperature = temperature.
    """
    import torch

    z = torch.nn.functional.normalize(z, dim=1)
    logits = z @ z.T / TEMPERATURE  # [N, N]
    logits = logits - logits.max(dim=1, keepdim=True).values.detach()
    is_other = 1 - torch.eye(len(z))
    is_positive = (labels[:, None] == labels[None, :]) * is_other
    exps = torch.exp(logits) * is_other
    log_probabilities = logits - torch.log(exps.sum(dim=1, keepdim=True))
    sums = (is_positive * log_probabilities).sum(dim=1)
    return -(sums / is_positive.sum(dim=1)).mean()


def _pytorch_metric_learning():
    from pytorch_metric_learning.losses import SupConLoss

    loss = SupConLoss(temperature=TEMPERATURE)
    return lambda labels, z: loss(z, labels)


def _start_threads(ones, matmul, exp):
    """A first operation: thread pools then exist before the first call."""
    matrix = ones((256, 256))
    exp(matmul(matrix, matrix))
