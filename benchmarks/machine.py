"""Describes the machine, runs Python in processes, and reads their memory."""

import datetime
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def describe(versions):
    """Describes what the numbers depend on, before the first is measured.

    That others keep the cores busy costs some cases little, and PyTorch, whose
    threads wait for each other in a loop, a factor of up to a hundred.

    Args:
      versions: dict of packages and their versions.

    Returns:
      A dict for JSON.
    """
    cpu = platform.processor()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        **versions,
    }


def versions_in(python, packages):
    """Version of each package in that Python; None where it is not."""
    code = (
        "import importlib.metadata as m, json, sys; print(json.dumps("
        "{p: next((d.version for d in m.distributions(name=p)), None) "
        "for p in sys.argv[1:]}))"
    )
    return json.loads(
        subprocess.check_output([python, "-c", code, *packages], text=True)
    )


def last_line_of(python, code, what, backend="tensorflow"):
    """The last line that a program prints, as JSON; on the CPU.

    Args:
      python: interpreter.
      code: the program.
      what: its name, for the message if it fails.
      backend: that of Keras.

    Returns:
      What the line holds.
    """
    process = subprocess.run(
        [python, "-c", code],
        cwd=ROOT,
        env={
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "-1",
            "KERAS_BACKEND": backend,
        },
        capture_output=True,
        text=True,
    )
    if process.returncode:
        raise SystemExit(
            f"{process.stderr}\nbenchmarks: error: {what} ended with status "
            f"{process.returncode}"
        )
    return json.loads(process.stdout.splitlines()[-1])


def peak_mb():
    """Peak resident memory of this process so far."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # (What getrusage tells starts at the parent's peak.)
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
