"""SupCon, SimCLR and cross-entropy on 10,000 images of CIFAR-10.

    python -m benchmarks.objectives --data_dir=D --json=runs/objectives.json

ResNet-18 of a quarter width, SimCLR's augmentation for all, two views for the
contrastive objectives and one for cross-entropy, so that there is a row of
equal epochs and one of equal images seen. For each objective the learning rate
is the best of the same grid on 5,000 held-out training images, seed 0; then
the test images are looked at, with three seeds. The rest shows the trend over
the epochs. All runs take hours on two cores: each finished one is kept in the
JSON and is not run again.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import pathlib
import statistics
import sys
import tempfile
import time

from benchmarks.machine import describe, last_line_of, versions_in

OBJECTIVES = {
    "supcon": {"objective": "supcon", "num_views": 2},
    "simclr": {"objective": "simclr", "num_views": 2, "temperature": 0.5},
    "cross_entropy": {"objective": "cross_entropy", "num_views": 1},
}
LEARNING_RATES = (0.1, 0.3, 1.0, 3.0)  # of 256 images
EPOCHS = 10
SEEDS = (0, 1, 2)
MAX_SAMPLES = 10_000
HELD_OUT = 0.1


@dataclasses.dataclass(frozen=True)
class Run:
    """One training. Not held out: trained for the test images."""

    objective: str
    epochs: int
    learning_rate: float
    seed: int
    is_held_out: bool

    @property
    def name(self):
        """What the JSON calls it."""
        part = "held-out" if self.is_held_out else "test"
        return (
            f"{self.objective}, {self.epochs} epochs, learning rate "
            f"{self.learning_rate:g}, seed {self.seed}, {part}"
        )


def main(argv=None):
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.objectives",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data_dir", metavar="PATH")
    parser.add_argument("--json", type=pathlib.Path, metavar="PATH")
    parser.add_argument(
        "--jobs", type=int, default=1, help="runs at once, a thread each"
    )
    options = parser.parse_args(argv)
    results = {"machine": None, "runs": {}}
    if options.json and options.json.exists():
        results = json.loads(options.json.read_text())
    if results["machine"] is None:
        packages = ("tensorflow", "keras")
        results["machine"] = describe(versions_in(sys.executable, packages))

    def keep(runs):
        missing = [run for run in runs if run.name not in results["runs"]]
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            futures = {
                pool.submit(_in_process, run, options): run for run in missing
            }
            for future in concurrent.futures.as_completed(futures):
                run = futures[future]
                results["runs"][run.name] = {
                    **dataclasses.asdict(run),
                    **future.result(),
                }
                print(run.name, future.result(), flush=True)
                if options.json:
                    text = json.dumps(results, indent=2) + "\n"
                    options.json.write_text(text)

    keep(grid())
    best = best_learning_rates(results["runs"].values())
    keep(final_runs(best))
    print(table(results, best))
    return 0


def grid():
    """The runs that choose the learning rates."""
    return [
        Run(objective, EPOCHS, rate, 0, True)
        for rate in LEARNING_RATES
        for objective in OBJECTIVES
    ]


def best_learning_rates(runs):
    """The learning rate of each objective, by held-out top-1.

    Args:
      runs: dicts as in the JSON.

    Returns:
      Dict of objectives to learning rates.
    """
    chosen = {}
    for objective in OBJECTIVES:
        held_out = [
            run
            for run in runs
            if run["is_held_out"] and run["objective"] == objective
        ]
        best = max(held_out, key=lambda run: run["top_1_accuracy"])
        chosen[objective] = best["learning_rate"]
    return chosen


def final_runs(best):
    """The runs for the test images: equal epochs, equal images, the trend.

    Args:
      best: what `best_learning_rates` returned.
    """
    runs = [
        Run(objective, EPOCHS, best[objective], seed, False)
        for seed in SEEDS
        for objective in OBJECTIVES
    ]
    rate = best["cross_entropy"]
    runs += [
        Run("cross_entropy", 2 * EPOCHS, rate, seed, False) for seed in SEEDS
    ]
    runs += [
        Run(objective, epochs, best[objective], 0, False)
        for epochs in (EPOCHS // 2, 2 * EPOCHS)
        for objective in OBJECTIVES
    ]
    return list(dict.fromkeys(runs))


def table(results, best):
    """The results as lines of text.

    Args:
      results: what the JSON holds.
      best: what `best_learning_rates` returned.
    """
    lines = [
        f"CIFAR-10, {MAX_SAMPLES} images; {results['machine']}",
        "objective, epochs, images seen, learning rate: top-1 of the linear "
        "classifier (seeds); of its own",
    ]
    groups = {}
    for run in results["runs"].values():
        if not run["is_held_out"]:
            key = (run["epochs"], run["objective"])
            groups.setdefault(key, []).append(run)
    for (epochs, objective), runs in sorted(groups.items()):
        views = OBJECTIVES[objective]["num_views"] * MAX_SAMPLES * epochs
        lines.append(
            f"{objective}, {epochs}, {views}, {best[objective]:g}: "
            f"{_spread([run['top_1_accuracy'] for run in runs])}"
        )
        if objective == "cross_entropy":
            own = [run["classifier_top_1_accuracy"] for run in runs]
            lines[-1] += f"; {_spread(own)}"
    return "\n".join(lines)


def train(objective, epochs, learning_rate, seed, is_held_out, data_dir):
    """One run.

    Returns:
      Dict of `top_1_accuracy`, of a linear classifier on the frozen encoder;
      `classifier_top_1_accuracy`, of the one that was trained with it, or
      None; `seconds` of the training.
    """
    import keras

    from supcon_tf import evaluation, metrics
    from supcon_tf.data import datasets
    from supcon_tf.evaluation.encode import encode_all
    from supcon_tf.pretrain import pretrain
    from supcon_tf.recipes import RECIPES

    config = dataclasses.replace(
        RECIPES["cifar10_cpu"],
        **OBJECTIVES[objective],
        augmentation="simclr",
        crop_area=None,
        data_dir=data_dir,
        max_samples=MAX_SAMPLES,
        validation_fraction=HELD_OUT if is_held_out else None,
        epochs=epochs,
        base_learning_rate=learning_rate,
        seed=seed,
        strategy="one_device",
    )
    train_images, test_images = datasets.load_dataset(
        config.dataset,
        data_dir=data_dir,
        validation_fraction=config.validation_fraction,
        max_samples=MAX_SAMPLES,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as workdir:
        start = time.perf_counter()
        encoder = pretrain(config, workdir)
        seconds = round(time.perf_counter() - start)
        own = None
        if objective == "cross_entropy":
            model = keras.saving.load_model(
                f"{workdir}/classification_model.keras"
            )
            features, labels = encode_all(encoder, test_images)
            own = metrics.top_1_accuracy(labels, model.classifier(features))
    classifier = evaluation.linear_probe(encoder, train_images, verbose=0)
    features, labels = encode_all(encoder, test_images)
    return {
        "top_1_accuracy": metrics.top_1_accuracy(
            labels, classifier.dense(features)
        ),
        "classifier_top_1_accuracy": own,
        "seconds": seconds,
    }


def _in_process(run, options):
    arguments = dataclasses.asdict(run) | {"data_dir": options.data_dir}
    threads = "1" if options.jobs > 1 else "0"  # 0: as many as there are cores
    return last_line_of(
        sys.executable,
        "import json, os\n"
        f"os.environ['TF_NUM_INTRAOP_THREADS'] = {threads!r}\n"
        "from benchmarks.objectives import train\n"
        f"print(); print(json.dumps(train(**{arguments!r})))",
        run.name,
    )


def _spread(values):
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} +- {statistics.stdev(values):.3f}"


if __name__ == "__main__":
    sys.exit(main())
