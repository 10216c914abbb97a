"""SupCon, SimCLR, cross-entropy, and SupCon with it, on CIFAR-10.

    python -m benchmarks.objectives --data_dir=D --json=runs/objectives.json

10,000 images, ResNet-18 of a quarter width, SimCLR's augmentation for all, two
views for the contrastive objectives and one for cross-entropy, so that there is
a row of equal epochs and one of equal images seen. For each objective the
learning rate is the best of the same grid on 5,000 held-out training images,
seed 0; and so is then the weight of the contrastive loss beside cross-entropy.
Only then the test images are looked at, with three seeds. The rest shows the
trend over the epochs. All runs take hours on two cores: each finished one is
kept in the JSON and is not run again.
"""

import dataclasses
import statistics
import sys
import tempfile
import time

from benchmarks.kept_runs import KeptRuns, options_of

OBJECTIVES = {
    "supcon": {"objective": "supcon", "num_views": 2},
    "simclr": {"objective": "simclr", "num_views": 2, "temperature": 0.5},
    "cross_entropy": {"objective": "cross_entropy", "num_views": 1},
    "supcon_cross_entropy": {
        "objective": "supcon_cross_entropy",
        "num_views": 2,
    },
}
JOINT = "supcon_cross_entropy"
LEARNING_RATES = (0.1, 0.3, 1.0, 3.0)  # of 256 images
CONTRAST_WEIGHTS = (0.1, 0.3, 1.0, 3.0)
EPOCHS = 10
SEEDS = (0, 1, 2)
MAX_SAMPLES = 10_000
HELD_OUT = 0.1


@dataclasses.dataclass(frozen=True)
class Run:
    """One training. Not held out: trained for the test images.

    `contrast_weight` is None for all objectives but `JOINT`.
    """

    objective: str
    epochs: int
    learning_rate: float
    seed: int
    is_held_out: bool
    contrast_weight: float | None = None

    @property
    def name(self):
        """Returns its name in the JSON."""
        part = "held-out" if self.is_held_out else "test"
        weight = ""
        if self.contrast_weight is not None:
            weight = f"contrast weight {self.contrast_weight:g}, "
        return (
            f"{self.objective}, {self.epochs} epochs, learning rate "
            f"{self.learning_rate:g}, {weight}seed {self.seed}, {part}"
        )


def main(argv=None):
    """The command; returns its exit status."""
    options = options_of(argv, "objectives", __doc__)
    kept = KeptRuns(options.json, options.jobs)
    runs = kept.runs

    def keep(wanted):
        calls = {run.name: _call(run, options.data_dir) for run in wanted}
        kept.keep(calls, is_stale=_lacks_map)

    keep(grid())
    best = best_learning_rates(runs.values())
    keep(weights(best))
    weight = best_contrast_weight(runs.values(), best)
    keep(final_runs(best, weight))
    print(table(kept.results, best, weight))
    return 0


def grid():
    """The runs that choose the learning rates."""
    return [
        Run(objective, EPOCHS, rate, 0, True, _weight_of(objective, 1.0))
        for rate in LEARNING_RATES
        for objective in OBJECTIVES
    ]


def weights(best):
    """The runs that choose the weight of the contrastive loss.

    Args:
      best: what `best_learning_rates` returned.
    """
    return [
        Run(JOINT, EPOCHS, best[JOINT], 0, True, weight)
        for weight in CONTRAST_WEIGHTS
    ]


def best_contrast_weight(runs, best):
    """The weight with the best held-out top-1 of the model's own classifier.

    Args:
      runs: dicts as in the JSON.
      best: what `best_learning_rates` returned.
    """
    tried = [
        run
        for run in runs
        if run["is_held_out"]
        and run["objective"] == JOINT
        and run["learning_rate"] == best[JOINT]
    ]
    chosen = max(tried, key=lambda run: run["classifier_top_1_accuracy"])
    return chosen["contrast_weight"]


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


def final_runs(best, weight):
    """The runs for the test images: equal epochs, equal images, the trend.

    Args:
      best: what `best_learning_rates` returned.
      weight: what `best_contrast_weight` returned.
    """

    def run(objective, epochs, seed):
        weight_or_none = _weight_of(objective, weight)
        rate = best[objective]
        return Run(objective, epochs, rate, seed, False, weight_or_none)

    runs = [
        run(objective, EPOCHS, seed)
        for seed in SEEDS
        for objective in OBJECTIVES
    ]
    runs += [run("cross_entropy", 2 * EPOCHS, seed) for seed in SEEDS]
    runs += [
        run(objective, epochs, 0)
        for epochs in (EPOCHS // 2, 2 * EPOCHS)
        for objective in OBJECTIVES
    ]
    return list(dict.fromkeys(runs))


def table(results, best, weight):
    """The results as lines of text.

    Args:
      results: what the JSON holds.
      best: what `best_learning_rates` returned.
      weight: what `best_contrast_weight` returned.
    """
    lines = [
        f"CIFAR-10, {MAX_SAMPLES} images; {results['machine']}",
        f"{JOINT} has the contrast weight {weight:g}",
        "objective, epochs, images seen, learning rate: top-1 of the linear "
        "classifier (seeds); of its own; MAP@R",
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
            f"{spread([run['top_1_accuracy'] for run in runs])}"
        )
        for key in ("classifier_top_1_accuracy", "map_at_r"):
            if runs[0].get(key) is not None:
                lines[-1] += f"; {spread([run[key] for run in runs])}"
    return "\n".join(lines)


def train(
    objective,
    epochs,
    learning_rate,
    seed,
    is_held_out,
    contrast_weight,
    data_dir,
):
    """One run.

    Returns:
      Dict of `top_1_accuracy`, of a linear classifier on the frozen encoder;
      `classifier_top_1_accuracy`, of the one that was trained with it, or
      None; `map_at_r` of the representations of the images that it is tested
      on; `seconds` of the training.
    """
    import keras

    from supcon_tf import evaluation, metrics
    from supcon_tf.data import datasets
    from supcon_tf.evaluation.encode import encode_all
    from supcon_tf.evaluation.retrieval import retrieval_scores
    from supcon_tf.pretrain import pretrain
    from supcon_tf.training.objectives import OBJECTIVES as ROWS

    config = dataclasses.replace(
        config_of(objective, contrast_weight),
        data_dir=data_dir,
        validation_fraction=HELD_OUT if is_held_out else None,
        epochs=epochs,
        base_learning_rate=learning_rate,
        seed=seed,
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
        features, labels = encode_all(encoder, test_images)
        own = None
        if ROWS[objective].is_classifier:
            model = keras.saving.load_model(
                f"{workdir}/{ROWS[objective].model_file}"
            )
            own = metrics.top_1_accuracy(labels, model.classifier(features))
    classifier = evaluation.linear_probe(encoder, train_images, verbose=0)
    return {
        "top_1_accuracy": metrics.top_1_accuracy(
            labels, classifier.dense(features)
        ),
        "classifier_top_1_accuracy": own,
        "map_at_r": retrieval_scores(features, labels)["map_at_r"],
        "seconds": seconds,
    }


def config_of(objective, contrast_weight=None):
    """The settings of an objective's runs, but for those that differ.

    Args:
      objective: key of `OBJECTIVES`.
      contrast_weight: float for `JOINT`, else None.

    Returns:
      `PretrainConfig`.
    """
    from supcon_tf.recipes import RECIPES

    is_alone = objective == "cross_entropy"
    recipe = "cross_entropy_cifar10_cpu" if is_alone else "cifar10_cpu"
    options = {}
    if contrast_weight is not None:
        options["contrast_weight"] = contrast_weight
    return dataclasses.replace(
        RECIPES[recipe],
        **OBJECTIVES[objective],
        **options,
        augmentation="simclr",
        crop_area=None,
        max_samples=MAX_SAMPLES,
        strategy="one_device",
    )


def _weight_of(objective, weight):
    return weight if objective == JOINT else None


def _lacks_map(run):
    """Whether a run is from before retrieval was measured, and needs it.

    SimCLR and the trend over the epochs are shown without.
    """
    equal_images = {
        "supcon": EPOCHS,
        "supcon_cross_entropy": EPOCHS,
        "cross_entropy": 2 * EPOCHS,
    }
    return (
        not run["is_held_out"]
        and "map_at_r" not in run
        and run["epochs"] in (EPOCHS, equal_images.get(run["objective"]))
        and run["objective"] in equal_images
    )


def _call(run, data_dir):
    """Describes a run for `KeptRuns.keep`."""
    facts = dataclasses.asdict(run)
    return "benchmarks.objectives", facts | {"data_dir": data_dir}, facts


def spread(values):
    """The mean and the standard deviation of a list of numbers."""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} +- {statistics.stdev(values):.3f}"


if __name__ == "__main__":
    sys.exit(main())
