"""A command of the package on devices of one's choice, as a program.

    python tests/support/on_devices.py '{"cpus": 2}' pretrain --recipe=digits

The options, JSON, are those of `start`.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import numpy as np


def start(command, *flags, cluster=None, index=0, **options):
    """Starts a command in a process of its own.

    Args:
      command: `"pretrain"` or `"linear_eval"`.
      *flags: of the command.
      cluster: None, or what TF_CONFIG calls so.
      index: number of the worker in it.
      **options: `cpus`, how many logical CPUs; `float64`, whether
        --precision=float64 is allowed, in which different roundings do not add
        up to different weights; `dies_in`, the epoch, from 1, in which the
        process kills itself; `encoder`, a file for the weights of the encoder
        that `pretrain` returns; `views`, one for the first batch of views that
        this worker makes of its share; `shape`, one for the static shape of
        the views in a replica's step.

    Returns:
      A `subprocess.Popen`.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("TF_CONFIG", None)
    if cluster is not None:
        task = {"type": "worker", "index": index}
        environment["TF_CONFIG"] = json.dumps(
            {"cluster": cluster, "task": task}
        )
    return subprocess.Popen(
        [sys.executable, __file__, json.dumps(options), command, *flags],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, timeout=300):
    """Waits for a started command.

    Returns:
      Its status, what it printed, and the lines of stderr that are not
      TensorFlow's, from before it has read its log level.
    """
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    lines = [
        line
        for line in err.splitlines()
        if not line.startswith(("I0000", "WARNING: All log messages before"))
    ]
    return process.returncode, out, lines


def free_cluster(size):
    """A cluster of workers on ports of this machine that nobody uses."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(size)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return {
            "worker": [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
        }


def _killing(stop_if_diverged, last_epoch):
    """A callback that kills the process in the midst of an epoch."""

    class Killing(stop_if_diverged):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch + 1

        def on_train_batch_begin(self, batch, logs=None):
            if (self.epoch, batch) == (last_epoch, 2):
                os.kill(os.getpid(), signal.SIGKILL)

    return Killing


def _saving_encoder(prepare, path):
    def saving(config, workdir):
        run = prepare(config, workdir)

        def run_and_save():
            encoder = run()
            np.savez(path, *encoder.get_weights())

        return run_and_save

    return saving


def _saving_views(view_batches, path):
    def saving(*args, **kwargs):
        views = view_batches(*args, **kwargs)
        if "shard" in kwargs:
            images, labels = next(iter(views))
            np.savez(path, images=images, labels=labels)
        return views

    return saving


def _saving_shape(train_step, path):
    def saving(self, data):
        path.write_text(json.dumps(data[0].shape.as_list()))
        return train_step(self, data)

    return saving


def main(options, command, *flags):
    """Runs the command; returns its status."""
    import keras
    import tensorflow as tf
    import tiny_encoder  # noqa: F401, registers ENCODERS["tiny"]

    from supcon_tf import linear_eval, pretrain
    from supcon_tf.models.supcon_model import SupConModel
    from supcon_tf.runs import pretraining
    from supcon_tf.training import batches, build

    options = json.loads(options)
    if "cpus" in options:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * options["cpus"],
        )
    if options.get("float64"):
        keras.backend.set_floatx("float64")
        build.PRECISIONS = (*build.PRECISIONS, "float64")
    if "dies_in" in options:
        pretraining.StopIfDiverged = _killing(
            pretraining.StopIfDiverged, options["dies_in"]
        )
    if "encoder" in options:
        path = pathlib.Path(options["encoder"])
        pretrain.prepare = _saving_encoder(pretrain.prepare, path)
    if "views" in options:
        path = pathlib.Path(options["views"])
        batches.view_batches = _saving_views(batches.view_batches, path)
    if "shape" in options:
        path = pathlib.Path(options["shape"])
        SupConModel.train_step = _saving_shape(SupConModel.train_step, path)
    commands = {"pretrain": pretrain, "linear_eval": linear_eval}
    return commands[command].main(flags)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
