"""How a pipeline of tf.data runs: its threads, and that nothing tunes it.

In TensorFlow 2.21 the thread that tunes a running pipeline may sleep through
its own end. `fit` then returns late, by up to as long as it ran, a minute at
most. Views at 32 and 224 pixels come as quickly without it.
"""

import os

from supcon_tf.frameworks.backends import tf


def parallel_calls():
    """As many calls of a map as this process has cores, as an int."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prefetched(dataset, *, one_thread_each=False):
    """Ends a pipeline: the next batches are made while one is used.

    Args:
      dataset: `tf.data.Dataset` of batches, without any AUTOTUNE.
      one_thread_each: whether an operation takes one thread. Many parallel
        calls would wait for each other with more: views of 224 pixels took
        twice the time.

    Returns:
      A `tf.data.Dataset`.

    Example:
      >>> dataset = prefetched(tf.data.Dataset.range(3))
      >>> dataset.options().autotune.enabled
      False
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    if one_thread_each:
        options.threading.max_intra_op_parallelism = 1
    return dataset.prefetch(2).with_options(options)
