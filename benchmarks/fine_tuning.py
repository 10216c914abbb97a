"""A pretrained encoder on few photographs: frozen, and fine-tuned three ways.

    python -m benchmarks.fine_tuning --data_dir=PHOTOS --encoder=E.keras
        --json=runs/fine_tuning.json

PHOTOS has train/CLASS/*.jpg and test/CLASS/*.jpg. It runs --recipe=photos with
8, 16, 50 and 120 images a class, three seeds: the encoder as it is, with a
linear probe; and trained by cross-entropy, by SupCon, and by both. The two
contrastive ones see two views of an image, and cross-entropy as many images in
twice the epochs. The learning rate of each is the best of a grid on a fifth of
the training images, at 120 a class. Each finished run is kept in the JSON.
"""

import dataclasses
import sys
import tempfile
import time

from benchmarks.kept_runs import KeptRuns, options_of
from benchmarks.objectives import spread

PER_CLASS = (8, 16, 50, 120)
SEEDS = (0, 1, 2)
LEARNING_RATES = (3e-4, 1e-3, 3e-3)
OBJECTIVES = {
    "cross_entropy": {"num_views": 1, "epochs": 20},
    "supcon": {"num_views": 2, "epochs": 10},
    "supcon_cross_entropy": {"num_views": 2, "epochs": 10},
}
HELD_OUT = 0.2


@dataclasses.dataclass(frozen=True)
class Run:
    """One training, or the frozen encoder, whose learning rate is None."""

    objective: str
    per_class: int
    learning_rate: float | None
    seed: int
    is_held_out: bool

    @property
    def name(self):
        """Returns its name in the JSON."""
        part = "held-out" if self.is_held_out else "test"
        rate = ""
        if self.learning_rate is not None:
            rate = f"learning rate {self.learning_rate:g}, "
        return (
            f"{self.objective}, {self.per_class} a class, {rate}"
            f"seed {self.seed}, {part}"
        )


def main(argv=None):
    """The command; returns its exit status."""
    options = options_of(
        argv, "fine_tuning", __doc__, encoder="an encoder's file"
    )
    kept = KeptRuns(options.json, options.jobs)

    def keep(runs):
        calls = {}
        for run in runs:
            facts = dataclasses.asdict(run)
            where = {"data_dir": options.data_dir, "encoder": options.encoder}
            calls[run.name] = ("benchmarks.fine_tuning", facts | where, facts)
        kept.keep(calls)

    keep(grid())
    best = best_learning_rates(kept.runs.values())
    keep(final_runs(best))
    print(table(kept.results))
    return 0


def grid():
    """The runs that choose the learning rates."""
    return [
        Run(objective, max(PER_CLASS), rate, 0, True)
        for rate in LEARNING_RATES
        for objective in OBJECTIVES
    ]


def best_learning_rates(runs):
    """Dict of objectives to their learning rate with the best held-out top-1.

    Args:
      runs: dicts as in the JSON.
    """
    held_out = [run for run in runs if run["is_held_out"]]
    return {
        objective: max(
            (run for run in held_out if run["objective"] == objective),
            key=lambda run: run["top_1_accuracy"],
        )["learning_rate"]
        for objective in OBJECTIVES
    }


def final_runs(best):
    """The runs for the test images, the largest number of images first.

    Args:
      best: what `best_learning_rates` returned.
    """
    return [
        Run(objective, per_class, best.get(objective), seed, False)
        for per_class in sorted(PER_CLASS, reverse=True)
        for seed in SEEDS
        for objective in ("frozen", *OBJECTIVES)
    ]


def table(results):
    """The results as lines of text.

    Args:
      results: what the JSON holds.
    """
    lines = [str(results["machine"])]
    groups = {}
    for run in results["runs"].values():
        if not run["is_held_out"]:
            key = (run["per_class"], run["objective"])
            groups.setdefault(key, []).append(run)
    for (per_class, objective), runs in sorted(groups.items()):
        scores = [
            f"{key} {spread([run[key] for run in runs])}"
            for key in ("top_1_accuracy", "own_top_1", "precision_at_1")
            if runs[0][key] is not None
        ]
        maps = spread([run["map_at_r"] for run in runs])
        minutes = sum(run["seconds"] for run in runs) / len(runs) / 60
        lines.append(
            f"{per_class} a class, {objective}: {', '.join(scores)}, "
            f"map_at_r {maps}, {minutes:.1f} min"
        )
    return "\n".join(lines)


def train(
    objective, per_class, learning_rate, seed, is_held_out, data_dir, encoder
):
    """One run.

    Returns:
      Dict of `top_1_accuracy`, of a linear probe on the encoder; `own_top_1`,
      of the classifier that was trained with it, or None; `precision_at_1` and
      `map_at_r` of the representations of the tested images; `seconds`.
    """
    from supcon_tf import evaluation, metrics
    from supcon_tf.evaluation.encode import encode_all
    from supcon_tf.evaluation.retrieval import retrieval_scores
    from supcon_tf.recipes import RECIPES

    config = dataclasses.replace(
        RECIPES["photos"],
        data_dir=data_dir,
        initial_encoder=encoder,
        validation_fraction=HELD_OUT if is_held_out else None,
        seed=seed,
        strategy="one_device",
    )
    config, train_images, test_images = _part_of_images(config, per_class)
    start = time.perf_counter()
    network, own = _trained(objective, learning_rate, config, test_images)
    seconds = round(time.perf_counter() - start)
    features, labels = encode_all(network, test_images)
    probe = evaluation.linear_probe(network, train_images, verbose=0)
    scores = retrieval_scores(features, labels)
    return {
        "top_1_accuracy": metrics.top_1_accuracy(labels, probe.dense(features)),
        "own_top_1": own,
        "precision_at_1": scores["precision_at_1"],
        "map_at_r": scores["map_at_r"],
        "seconds": seconds,
    }


def _part_of_images(config, per_class):
    """The config of so many images a class, these images, and the tested."""
    from supcon_tf.data.datasets import load_dataset

    def loaded(max_samples=None):
        return load_dataset(
            "folder",
            data_dir=config.data_dir,
            validation_fraction=config.validation_fraction,
            max_samples=max_samples,
            seed=config.seed,
        )

    train_images, test_images = loaded()
    wanted = len(train_images.class_names) * per_class
    number = min(wanted, len(train_images))
    train_images, _ = loaded(number)
    config = dataclasses.replace(config, max_samples=number)
    return config, train_images, test_images


def _trained(objective, learning_rate, config, test_images):
    """The encoder after a run, and the top-1 of its own classifier or None."""
    import keras

    from supcon_tf import metrics
    from supcon_tf.evaluation.encode import encode_all
    from supcon_tf.pretrain import pretrain
    from supcon_tf.training.build import build_encoder
    from supcon_tf.training.objectives import OBJECTIVES as ROWS

    if objective == "frozen":
        return build_encoder(config), None
    config = dataclasses.replace(
        config,
        objective=objective,
        learning_rate=learning_rate,
        **_head(objective),
        **OBJECTIVES[objective],
    )
    with tempfile.TemporaryDirectory() as workdir:
        network = pretrain(config, workdir)
        if not ROWS[objective].is_classifier:
            return network, None
        model = keras.saving.load_model(
            f"{workdir}/{ROWS[objective].model_file}"
        )
    features, labels = encode_all(network, test_images)
    return network, metrics.top_1_accuracy(labels, model.classifier(features))


def _head(objective):
    """Cross-entropy has no projection head, nor a temperature."""
    if objective != "cross_entropy":
        return {}
    return {"projection_units": (2048, 128), "temperature": 0.1}


if __name__ == "__main__":
    sys.exit(main())
