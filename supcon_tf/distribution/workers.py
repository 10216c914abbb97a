"""Workers: processes that train together, one of which, the chief, writes."""

import contextlib
import functools
import io
import re

import numpy as np

from supcon_tf.errors import RunStoppedError
from supcon_tf.frameworks.backends import is_tensorflow, tf

# The names in TF_CONFIG of the jobs that train.
JOBS = ("chief", "worker")

# The most numbers in one message between workers, 64 MB.
_MESSAGE_SIZE = 2**24


class WorkerStoppedError(RunStoppedError):
    """Another worker has stopped, so that this one cannot go on."""


def num_workers(strategy):
    """The number of processes that train together, each with its own devices.

    Args:
      strategy: `tf.distribute.Strategy`.

    Returns:
      An int, 1 for a strategy of one process.

    Example:
      >>> num_workers(tf.distribute.get_strategy())
      1
    """
    if not is_tensorflow() or not isinstance(
        strategy, tf.distribute.MultiWorkerMirroredStrategy
    ):
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
    """Returns on every worker what `read()` returns on the chief.

    Workers need not share a file system: the chief sends to the others what it
    reads.

    Args:
      strategy: `tf.distribute.Strategy`.
      read: function that the chief calls. It returns a dict of NumPy arrays, or
        of values that NumPy can convert to arrays, such as an int.

    Returns:
      A dict of NumPy arrays.

    Raises:
      ValueError: on every worker, if `read` raises a ValueError or OSError.
      WorkerStoppedError: if another worker has stopped.

    Example:
      >>> from_chief(tf.distribute.get_strategy(), lambda: {"epoch": 3})
      {'epoch': array(3)}
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
    """Sets the weights of a model to those that it has on the chief.

    It returns once the chief has come to this place as well.

    Args:
      strategy: `tf.distribute.Strategy`.
      model: a built Keras model, made on each worker.

    Raises:
      WorkerStoppedError: if another worker has stopped.

    Example:
      >>> share_weights(tf.distribute.get_strategy(), encoder)
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
    """Raises one clear error if other workers stop and a step cannot go on.

    Args:
      strategy: `tf.distribute.Strategy`; None while it is being made.

    Yields:
      None.

    Raises:
      WorkerStoppedError: in place of TensorFlow's error, on several workers.

    Example:
      >>> strategy = tf.distribute.get_strategy()
      >>> with reporting_stopped_workers(strategy):
      ...     projections = model(views)
    """
    if not is_tensorflow():
        yield
        return
    try:
        yield
    except tf.errors.OpError as error:
        one_worker = strategy is not None and num_workers(strategy) == 1
        if one_worker or not _tells_of_others(error):
            raise
        # Two lines of it say which worker and why. The others say where in TF.
        text = re.sub(r".*aborted by: ", "", str(error), flags=re.DOTALL)
        reason = " ".join(text.splitlines()[:2])[:200]
        raise WorkerStoppedError(
            f"Another worker stopped ({type(error).__name__}: {reason}); start "
            "all workers again with the same command: the run goes on after "
            "the last finished epoch"
        ) from error


_REFUSAL = "refusal"


def _tells_of_others(error):
    """Whether an error is raised because of another worker.

    That worker no longer answers; or it has been started again, which the
    waiting worker sees as an error while they wait for each other; or it has
    not come up within an hour.
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
    """The sum of `[n]` int32 numbers over the workers."""
    values = _summing(strategy)(tf.constant(numbers))
    return strategy.experimental_local_results(values)[0].numpy()


@functools.cache
def _summing(strategy):
    local_replicas = strategy.num_replicas_in_sync // num_workers(strategy)

    def on_replica(numbers):
        context = tf.distribute.get_replica_context()
        # Only the first replica of a worker contributes the numbers.
        is_first = context.replica_id_in_sync_group % local_replicas == 0
        own = tf.where(is_first, numbers, tf.zeros_like(numbers))
        return context.all_reduce("SUM", own)

    return tf.function(
        lambda numbers: strategy.run(on_replica, (numbers,)),
        input_signature=[tf.TensorSpec([None], tf.int32)],
    )
