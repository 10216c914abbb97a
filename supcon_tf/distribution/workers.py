"""Workers: processes that train together, one of which writes, the chief."""

import contextlib
import functools
import io
import re

import numpy as np
import tensorflow as tf

from supcon_tf.errors import RunStoppedError

# What TF_CONFIG calls those that train.
JOBS = ("chief", "worker")

# Numbers of one message between workers, 64 MB.
_MESSAGE_SIZE = 2**24


class WorkerStoppedError(RunStoppedError):
    """Another worker has stopped, so that this one cannot go on."""


def num_workers(strategy):
    """How many processes train together, each with its own devices."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    cluster = strategy.cluster_resolver.cluster_spec().as_dict()
    return sum(len(cluster.get(job, ())) for job in JOBS) or 1


def is_chief(strategy):
    """Whether this process is the one that writes and prints."""
    if num_workers(strategy) == 1:
        return True
    resolver = strategy.cluster_resolver
    has_chief = "chief" in resolver.cluster_spec().jobs
    task = ("chief" if has_chief else "worker", 0)
    return (resolver.task_type, resolver.task_id) == task


def from_chief(strategy, read):
    """What `read()` returns on the chief, on every worker.

    Workers need not share a file system: what the chief reads is sent to the
    others.

    Args:
      strategy: `tf.distribute.Strategy`.
      read: function that the chief calls; it returns a dict of NumPy arrays,
        or of what becomes one, such as an int.

    Returns:
      A dict of NumPy arrays.

    Raises:
      ValueError: on every worker, if `read` raises a ValueError or OSError.
      WorkerStoppedError: if another worker has stopped.

    Example:
      >>> values = from_chief(strategy, lambda: np.load("values.npz"))
    """
    if num_workers(strategy) == 1:
        return {name: np.asarray(value) for name, value in read().items()}
    file = io.BytesIO()
    if is_chief(strategy):
        try:
            np.savez(file, **read())
        except (ValueError, OSError) as error:
            file = io.BytesIO()
            np.savez(file, **{_REFUSAL: str(error)})
    with reporting_stopped_workers(strategy):
        received = _bytes_from_chief(strategy, file.getvalue())
    with np.load(io.BytesIO(received)) as values:
        values = dict(values)
    if _REFUSAL in values:
        raise ValueError(str(values[_REFUSAL]))
    return values


def share_weights(strategy, model):
    """Gives a model the weights that it has on the chief, on every worker.

    Returns once the chief has come to this place as well.

    Args:
      strategy: `tf.distribute.Strategy`.
      model: a built Keras model, made on each worker.

    Raises:
      WorkerStoppedError: if another worker has stopped.
    """
    if num_workers(strategy) == 1:
        return
    values = from_chief(
        strategy,
        lambda: {str(i): w for i, w in enumerate(model.get_weights())},
    )
    model.set_weights([values[str(i)] for i in range(len(values))])


@contextlib.contextmanager
def reporting_stopped_workers(strategy=None):
    """Raises one error, in words, where others stop and a step cannot go on.

    Args:
      strategy: `tf.distribute.Strategy`; None while it is being made.

    Raises:
      WorkerStoppedError: in place of TensorFlow's error, on several workers.
    """
    try:
        yield
    except tf.errors.OpError as error:
        one_worker = strategy is not None and num_workers(strategy) == 1
        if one_worker or not _tells_of_others(error):
            raise
        # (Two lines of it say which worker and why, the others where in TF.)
        text = re.sub(r".*aborted by: ", "", str(error), flags=re.DOTALL)
        reason = " ".join(text.splitlines()[:2])[:200]
        raise WorkerStoppedError(
            f"Another worker stopped ({type(error).__name__}: {reason}); start "
            "all workers again with the same command: the run goes on after "
            "the last finished epoch"
        ) from error


_REFUSAL = "refusal"


def _tells_of_others(error):
    """Whether it is raised where another worker is the reason.

    It no longer answers; has been started again, which while they wait for each
    other is an error of the waiting; or has not come up within an hour.
    """
    kinds = (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.DeadlineExceededError,
    )
    return isinstance(error, kinds) or "Barrier failed" in str(error)


def _bytes_from_chief(strategy, sent):
    sent += bytes(-len(sent) % 4)  # as int32, which every device adds up
    numbers = np.frombuffer(sent, np.int32)
    (size,) = _sum(strategy, np.array([len(numbers)], np.int32))
    whole = np.zeros(size, np.int32)
    whole[: len(numbers)] = numbers
    messages = [
        _sum(strategy, whole[start : start + _MESSAGE_SIZE])
        for start in range(0, size, _MESSAGE_SIZE)
    ]
    return np.concatenate(messages).tobytes()


def _sum(strategy, numbers):
    """The sum over the workers of `[n]` int32 numbers."""
    values = _summing(strategy)(tf.constant(numbers))
    return strategy.experimental_local_results(values)[0].numpy()


@functools.cache
def _summing(strategy):
    local_replicas = strategy.num_replicas_in_sync // num_workers(strategy)

    def on_replica(numbers):
        context = tf.distribute.get_replica_context()
        # Of several replicas of a worker the first one brings its numbers.
        is_first = context.replica_id_in_sync_group % local_replicas == 0
        own = tf.where(is_first, numbers, tf.zeros_like(numbers))
        return context.all_reduce("SUM", own)

    return tf.function(
        lambda numbers: strategy.run(on_replica, (numbers,)),
        input_signature=[tf.TensorSpec([None], tf.int32)],
    )
