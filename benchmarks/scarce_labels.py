"""Few labels, wrong labels, unequal classes: SupCon, cross-entropy, and both.

    python -m benchmarks.scarce_labels --data_dir=D \
        --json=benchmarks/results/scarce_labels.json

CIFAR-10 with 10, 25, 100 or 500 images a class; with 10,000 images, of whose
labels 0.2 or 0.4 are drawn anew; and with classes that shrink evenly, in the
logarithm, from 3,500 images to a fiftieth. The recipe is `cifar10_cnn`, with
one view for all objectives and as many epochs for all of a row. For each row
and objective the learning rate is the best of the same three on 5,000 training
images that no training sees, seed 0. Only then the test images are looked at,
with three seeds, which also draw the images. Each finished run is kept in the
JSON and not run again.
"""

import dataclasses
import sys
import time

from benchmarks.kept_runs import KeptRuns, options_of
from benchmarks.objectives import SEEDS, spread

OBJECTIVES = ("supcon", "supcon_cross_entropy", "cross_entropy")
LEARNING_RATES = (0.1, 0.3, 1.0)  # of 256 images
# name: (images a class, share of labels that are drawn anew, ratio of the
# largest class to the smallest, epochs)
ROWS = {
    "10 a class": (10, 0.0, 1, 200),
    "25 a class": (25, 0.0, 1, 200),
    "100 a class": (100, 0.0, 1, 100),
    "500 a class": (500, 0.0, 1, 40),
    "labels 0.2 anew": (1000, 0.2, 1, 20),
    "labels 0.4 anew": (1000, 0.4, 1, 20),
    "3,500 to 70 a class": (3500, 0.0, 50, 20),
}
HELD_OUT = 0.1
SCORES = ("top_1_accuracy", "own_top_1_accuracy", "map_at_r")


def main(argv=None):
    """The command; returns its exit status."""
    options = options_of(
        argv,
        "scarce_labels",
        __doc__,
        precision="that of the training, float32 by default",
    )
    how = {
        "data_dir": options.data_dir,
        "precision": options.precision or "float32",
    }
    kept = KeptRuns(options.json, options.jobs)
    kept.keep(
        _calls(
            (row, objective, rate, 0, True)
            for row in ROWS
            for objective in OBJECTIVES
            for rate in LEARNING_RATES
        )(how)
    )
    best = best_learning_rates(kept.runs.values())
    kept.keep(
        _calls(
            (row, objective, best[row, objective], seed, False)
            for row in ROWS
            for objective in OBJECTIVES
            for seed in SEEDS
        )(how)
    )
    print(table(kept.results, best))
    return 0


def best_learning_rates(runs):
    """The rates with the best held-out top-1 of the linear probe.

    Args:
      runs: dicts as in the JSON.

    Returns:
      Dict of pairs of a row and an objective to learning rates.
    """
    best = {}
    for run in runs:
        key = run["row"], run["objective"]
        if run["is_held_out"] and (
            key not in best
            or run["top_1_accuracy"] > best[key]["top_1_accuracy"]
        ):
            best[key] = run
    return {key: run["learning_rate"] for key, run in best.items()}


def table(results, best):
    """The results as lines of text: the mean and deviation over the seeds.

    Args:
      results: what the JSON holds.
      best: what `best_learning_rates` returned.
    """
    groups = {}
    for run in results["runs"].values():
        if not run["is_held_out"]:
            key = run["row"], run["objective"]
            groups.setdefault(key, []).append(run)
    lines = [f"{results['machine']}"]
    for (row, objective), runs in groups.items():
        scores = ", ".join(
            f"{name} {spread([run[name] for run in runs])}"
            for name in SCORES
            if runs[0][name] is not None
        )
        rate = best[row, objective]
        lines.append(f"{row}, {objective}, learning rate {rate:g}: {scores}")
    return "\n".join(lines)


def train(
    row, objective, learning_rate, seed, is_held_out, data_dir, precision
):
    """One run.

    Returns:
      Dict of `SCORES`, of which `own_top_1_accuracy` is that of the classifier
      that was trained with the encoder, or None, and of `seconds`, those of the
      training.
    """
    import numpy as np

    from supcon_tf import evaluation, metrics
    from supcon_tf.data.datasets import load_dataset
    from supcon_tf.evaluation.encode import encode_all
    from supcon_tf.evaluation.retrieval import retrieval_scores
    from supcon_tf.recipes import RECIPES
    from supcon_tf.training.batches import views_of
    from supcon_tf.training.build import build_model, compile_model
    from supcon_tf.training.objectives import OBJECTIVES as OBJECTIVE_ROWS
    from supcon_tf.training.objectives import for_objective

    per_class, noise, ratio, epochs = ROWS[row]
    images, test = load_dataset(
        "cifar10",
        data_dir=data_dir,
        validation_fraction=HELD_OUT if is_held_out else None,
        label_noise=noise,
        seed=seed,
    )
    images = images.take(_drawn(images.labels, per_class, ratio, seed))
    twin = RECIPES["cross_entropy_cifar10_cnn"]
    is_alone = objective == "cross_entropy"
    config = dataclasses.replace(
        twin if is_alone else RECIPES["cifar10_cnn"],
        objective=objective,
        label_smoothing=0.0 if objective == "supcon" else twin.label_smoothing,
        batch_size=min(twin.batch_size, len(images)),
        epochs=epochs,
        base_learning_rate=learning_rate,
        precision=precision,
        seed=seed,
        strategy="one_device",
    )
    num_classes, steps = 10, len(images) // config.batch_size
    model = build_model(config, num_classes)
    compile_model(model, config, steps)
    batches = for_objective(config, num_classes)(views_of(config, images)())
    start = time.perf_counter()
    model.fit(batches, epochs=epochs, steps_per_epoch=steps, verbose=0)
    seconds = round(time.perf_counter() - start)
    encoder = model.representation_model()
    features, labels = encode_all(encoder, test)
    own = None
    if OBJECTIVE_ROWS[objective].is_classifier:
        scores = np.asarray(model.classifier(features))
        own = metrics.top_1_accuracy(labels, scores)
    classifier = evaluation.linear_probe(encoder, images, verbose=0)
    return {
        "top_1_accuracy": metrics.top_1_accuracy(
            labels, classifier.dense(features)
        ),
        "own_top_1_accuracy": own,
        "map_at_r": retrieval_scores(features, labels)["map_at_r"],
        "seconds": seconds,
    }


def _drawn(labels, largest, ratio, seed):
    """Positions of images, so many of each class, drawn at random, sorted."""
    import numpy as np

    rng = np.random.default_rng(seed)
    classes = np.unique(labels)
    shares = np.linspace(0, 1, len(classes))
    sizes = np.round(largest * float(ratio) ** -shares).astype(int)
    chosen = [
        rng.permutation(np.flatnonzero(labels == label))[:size]
        for label, size in zip(classes, sizes, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def _calls(runs):
    """A function that tells `KeptRuns.keep` of runs, given how they run."""
    names = ("row", "objective", "learning_rate", "seed", "is_held_out")
    facts = [dict(zip(names, run, strict=True)) for run in runs]

    def calls(how):
        return {
            _name(each): ("benchmarks.scarce_labels", each | how, each)
            for each in facts
        }

    return calls


def _name(run):
    part = "held-out" if run["is_held_out"] else "test"
    return (
        f"{run['row']}, {run['objective']}, learning rate "
        f"{run['learning_rate']:g}, seed {run['seed']}, {part}"
    )


if __name__ == "__main__":
    sys.exit(main())
