"""Strategies by name: the devices and machines that train together."""

import contextlib
import functools
import json
import os
import signal
import threading

from supcon_tf.distribution.workers import JOBS, reporting_stopped_workers
from supcon_tf.frameworks.backends import check_tensorflow, is_tensorflow, tf


def make_strategy(name, *, one_machine=False):
    """A `tf.distribute` strategy by name, always the same one in a process.

    The names are

        "one_device"    TensorFlow's default.
        "mirrored"      All GPUs of this machine or, if it has none, all its
                        logical CPUs.
        "multi_worker"  The workers that the environment variable TF_CONFIG
                        names. It must be made before anything else that
                        TensorFlow does, and waits for all workers.
        "tpu"           The TPU that TPU_NAME names, or this machine's.
        "auto"          multi_worker if TF_CONFIG names several workers, else
                        tpu if there is one, else mirrored if there are several
                        GPUs, else one_device.

    With a single worker, "multi_worker" is "auto" without TF_CONFIG. The other
    backends have "one_device" alone, which is "auto" there.

    Args:
      name: one of these names.
      one_machine: whether multi_worker is left out, for work that is done once.

    Returns:
      A `tf.distribute.Strategy`, or off TensorFlow `OneDevice`.

    Raises:
      ValueError: if the name is unknown, or if there are no such devices.
      NeedsTensorFlowError: off TensorFlow, with another name than those two.
      WorkerStoppedError: if another worker stops while this one waits for it.

    Example:
      >>> strategy = make_strategy("mirrored")
      >>> with strategy.scope():
      ...     model = SupConModel(encoder, ProjectionHead())
    """
    allowed = ["auto", *_STRATEGIES]
    why = ""
    if one_machine:
        allowed.remove("multi_worker")
        why = " (it is done once, on one machine)"
    if name not in allowed:
        raise ValueError(
            f"`strategy` must be one of {allowed}{why}. "
            f"Received: strategy={name!r}"
        )
    if not is_tensorflow():
        if name not in ("auto", "one_device"):
            check_tensorflow(
                f"strategy={name!r}", "take 'one_device'", as_backend=True
            )
        return OneDevice()
    if name == "auto":
        name = _best_there_is(one_machine)
    return _STRATEGIES[name]()


class OneDevice:
    """Takes the place of a strategy where the backend is not TensorFlow."""

    num_replicas_in_sync = 1

    def scope(self):
        """An empty context."""
        return contextlib.nullcontext()


def _best_there_is(one_machine):
    if not one_machine and _num_workers(_tf_config()) > 1:
        return "multi_worker"
    if os.environ.get("TPU_NAME") or tf.config.list_physical_devices("TPU"):
        return "tpu"
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return "mirrored"
    return "one_device"


@functools.cache
def _mirrored():
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _multi_worker():
    config = _tf_config()
    task = config.get("task", {})
    addresses = config.get("cluster", {}).get(task.get("type"), [])
    index = task.get("index")
    if (
        task.get("type") not in JOBS
        or not isinstance(index, int)
        or not 0 <= index < len(addresses)
    ):
        raise _tf_config_error()
    if _num_workers(config) == 1:
        return make_strategy("auto", one_machine=True)
    return _join_workers()


@functools.cache
def _join_workers():
    try:
        with reporting_stopped_workers(), _default_signals():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise ValueError(
            "`strategy` must be made before anything else that TensorFlow "
            f"does, if it is multi_worker. Received: {error}"
        ) from error
    except tf.errors.OpError as error:  # for example, a port is in use
        reason = error.message.splitlines()[0]
        raise _tf_config_error(f", with which it cannot start: {reason}") from (
            error
        )


@functools.cache
def _tpu():
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            os.environ.get("TPU_NAME", "")
        )
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, OSError, tf.errors.OpError) as error:
        raise ValueError(
            "`strategy` must be another one where there is no TPU. "
            f"Received: strategy='tpu', {' '.join(str(error).split())[:200]}"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


_STRATEGIES = {
    "one_device": lambda: tf.distribute.get_strategy(),
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
    "tpu": _tpu,
}


def _tf_config():
    """The content of TF_CONFIG, an empty dict where it is not set."""
    try:
        config = json.loads(os.environ.get("TF_CONFIG") or "{}")
        config.get("task", {}).get("type")
        for addresses in config.get("cluster", {}).values():
            if not all(isinstance(address, str) for address in addresses):
                raise TypeError
    except (ValueError, TypeError, AttributeError):
        raise _tf_config_error() from None
    return config


def _num_workers(config):
    cluster = config.get("cluster", {})
    return sum(len(cluster.get(job, ())) for job in JOBS)


def _tf_config_error(reason=""):
    return ValueError(
        'TF_CONFIG must be JSON such as {"cluster": {"worker": ["host0:2222", '
        '"host1:2222"]}, "task": {"type": "worker", "index": 0}}. '
        f"Received: {os.environ.get('TF_CONFIG') or 'none'}{reason}"
    )


@contextlib.contextmanager
def _default_signals():
    """Lets Ctrl-C end the wait for other workers, and SIGTERM what follows.

    Python does not see Ctrl-C while TensorFlow waits. TensorFlow takes SIGTERM
    for an announcement.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
