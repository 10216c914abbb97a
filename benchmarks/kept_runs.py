"""Trainings that take hours: each finished one is kept, and not run again."""

import concurrent.futures
import json
import sys

from benchmarks.machine import describe, last_line_of, versions_in
from benchmarks.options import parser_of, write_report


def options_of(argv, name, description, **more):
    """Parses the options of a command.

    Args:
      argv: list of strings, or None for those of the process.
      name: as for `parser_of`.
      description: as for `parser_of`.
      **more: names of options that it takes beside `data_dir`, `json` and
        `jobs`, and their help.
    """
    parser = parser_of(name, description)
    parser.add_argument("--data_dir", metavar="PATH")
    for option, text in more.items():
        parser.add_argument(f"--{option}", metavar="WHAT", help=text)
    parser.add_argument(
        "--jobs", type=int, default=1, help="runs at once, a thread each"
    )
    return parser.parse_args(argv)


class KeptRuns:
    """The results of runs, in a JSON file.

    Args:
      path: `pathlib.Path` of the JSON, which may exist; None keeps nothing.
      jobs: int >= 1, runs at once. With more than one each has one thread.

    Attributes:
      results: dict of `machine` and of `runs`, a dict from a name to a dict.
    """

    def __init__(self, path, jobs):
        self._path = path
        self._jobs = jobs
        self.results = {"machine": None, "runs": {}}
        if path and path.exists():
            self.results = json.loads(path.read_text())
        if self.results["machine"] is None:
            packages = ("tensorflow", "keras")
            self.results["machine"] = describe(
                versions_in(sys.executable, packages)
            )

    @property
    def runs(self):
        """Dict from the name of a run to its dict."""
        return self.results["runs"]

    def keep(self, calls, is_stale=lambda run: False):
        """Runs what is missing, each in a process of its own.

        Args:
          calls: dict from the name of a run to `(module, arguments, facts)`:
            the module whose `train(**arguments)` returns a dict, and a dict
            that is kept beside it.
          is_stale: function of the dict of a kept run that tells whether it is
            to be run again. The old one is kept until the new one is finished.

        Raises:
          SystemExit: if a run failed, after the others have ended and are kept.
        """
        missing = {
            name: call
            for name, call in calls.items()
            if name not in self.runs or is_stale(self.runs[name])
        }
        with concurrent.futures.ThreadPoolExecutor(self._jobs) as pool:
            futures = {
                pool.submit(self._in_process, name, *call[:2]): name
                for name, call in missing.items()
            }
            failed = []
            for future in concurrent.futures.as_completed(futures):
                name = futures[future]
                if error := future.exception():
                    print(error, file=sys.stderr, flush=True)
                    failed.append(name)
                    continue
                self.runs[name] = {**missing[name][2], **future.result()}
                print(name, future.result(), flush=True)
                write_report(self._path, self.results)
        if failed:
            sys.exit(f"benchmarks: error: {len(failed)} runs failed: {failed}")

    def _in_process(self, name, module, arguments):
        threads = "1" if self._jobs > 1 else "0"  # 0: as many as cores
        return last_line_of(
            sys.executable,
            "import json, os\n"
            f"os.environ['TF_NUM_INTRAOP_THREADS'] = {threads!r}\n"
            f"from {module} import train\n"
            f"print(); print(json.dumps(train(**{arguments!r})))",
            name,
        )
