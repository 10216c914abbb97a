"""A pretraining that is killed, and the losses that it wrote."""

import csv
import os
import signal
import subprocess
import sys
import time


def killed_after(flags, workdir, file):
    """Runs the command, and kills it as soon as a file is there."""
    code = (
        "import sys, tiny_encoder; from supcon_tf.pretrain import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, *flags, f"--workdir={workdir}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.time() + 150
    while not (workdir / file).exists() and run.poll() is None:
        assert time.time() < deadline
        time.sleep(0.002)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()


def losses(workdir):
    with (workdir / "history.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]
