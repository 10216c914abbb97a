"""SupCon, cross-entropy and both on CIFAR-10, measured in every way.

    python -m benchmarks.evidence --data_dir=D --output=DIR \
        --json=benchmarks/results/evidence.json

The recipe is `cifar10_cnn` for all three: one view of each image and as many
epochs, so that the cost is equal; both that train a classifier smooth the
labels. --precision=mixed_bfloat16 is quicker on a CPU that has it. With each of
three seeds: the top-1 of the linear probe and of the model's own classifier,
nearest neighbours, MAP@R, calibration, errors on all 10,000 test images under
twelve corruptions, images of CIFAR-100 and of noise as unknown classes, and the
linear probe on CIFAR-100 with 1,000 and 50,000 images. Each finished run is
kept in the JSON and not run again; one that is stopped goes on, since its
checkpoints are in DIR. DIR also keeps which corrupted images are wrong, for the
standard error of mCE.
"""

import dataclasses
import pathlib
import statistics
import sys
import time

from benchmarks.kept_runs import KeptRuns, options_of

OBJECTIVES = ("supcon", "supcon_cross_entropy", "cross_entropy")
BASELINE = "cross_entropy"
SEEDS = (0, 1, 2)
EPOCHS = 32
TRANSFER_SIZES = (1_000, 50_000)
NOISE_IMAGES = 10_000
# What the table shows: a title, and where the number is in a run's scores.
ROWS = {
    "linear probe, top-1": ("linear_probe", "top_1_accuracy"),
    "its own classifier, top-1": ("own_classifier", "top_1_accuracy"),
    "k-NN, top-1": ("knn", "top_1_accuracy"),
    "MAP@R": ("retrieval", "map_at_r"),
    "ECE of the probe": ("linear_probe", "expected_calibration_error"),
    "ECE of its own classifier": (
        "own_classifier",
        "expected_calibration_error",
    ),
    "mean error, corrupted": ("corruption", "mean_error"),
    "CIFAR-100 as unknown, AUROC": ("open_set", "auroc"),
    "CIFAR-100 as unknown, FPR95": ("open_set", "fpr_at_95_tpr"),
    "noise as unknown, AUROC": ("noise", "auroc"),
    "noise as unknown, FPR95": ("noise", "fpr_at_95_tpr"),
    "CIFAR-100, probe of 1,000 images": ("transfer", "1000"),
    "CIFAR-100, probe of 50,000 images": ("transfer", "50000"),
}


def main(argv=None):
    """The command; returns its exit status."""
    options = options_of(
        argv,
        "evidence",
        __doc__,
        output="folder of the checkpoints and the wrong answers",
        precision="that of the training, float32 by default",
    )
    if options.output is None:
        sys.exit("benchmarks.evidence: --output=DIR is needed")
    kept = KeptRuns(options.json, options.jobs)
    how = {
        "data_dir": options.data_dir,
        "output": options.output,
        "precision": options.precision or "float32",
    }
    kept.keep(
        {
            _name(objective, EPOCHS, seed): _call(objective, EPOCHS, seed, how)
            for seed in SEEDS
            for objective in OBJECTIVES
        }
    )
    print(table(kept.results))
    for line in relative_errors(kept.runs, pathlib.Path(options.output)):
        print(line)
    return 0


def table(results):
    """The results as lines of text, with the difference to cross-entropy.

    Args:
      results: what the JSON holds.

    Returns:
      A string: for each row and objective the mean and the standard deviation
      of the seeds, and the mean difference to cross-entropy with the same seed
      with its standard error.
    """
    runs = {
        objective: {
            run["seed"]: run["scores"]
            for run in results["runs"].values()
            if run["objective"] == objective
        }
        for objective in OBJECTIVES
    }
    lines = [f"{results['machine']}"]
    for title, path in ROWS.items():
        cells = []
        for objective in OBJECTIVES:
            values = _values(runs[objective], path)
            cell = _with_spread(list(values.values()))
            base = _values(runs[BASELINE], path)
            both = [values[s] - base[s] for s in values if s in base]
            if objective != BASELINE and both:
                cell += f" ({_difference(both)})"
            cells.append(f"{objective} {cell}")
        lines.append(f"{title}: {'; '.join(cells)}")
    return "\n".join(lines)


def relative_errors(runs, output):
    """Yields lines of the mCE of each run, beside cross-entropy of its seed.

    Args:
      runs: dict from a name to a run, as in the JSON.
      output: `pathlib.Path` of the folder that `train` wrote to. Where a file
        of wrong answers is missing there is no standard error.
    """
    from supcon_tf.evaluation.robustness.errors import (
        mean_corruption_error,
        standard_error_of_mce,
    )

    for run in runs.values():
        base = runs.get(_name(BASELINE, run["epochs"], run["seed"]))
        if run["objective"] == BASELINE or base is None:
            continue
        pair = [each["scores"]["corruption"]["errors"] for each in (run, base)]
        line = (
            f"{run['objective']}, {run['epochs']} epochs, seed {run['seed']}: "
            f"mCE {mean_corruption_error(*pair):.1f} %"
        )
        paths = [_wrong_file(_workdir(output, each)) for each in (run, base)]
        if all(path.exists() for path in paths):
            error = standard_error_of_mce(*map(_read_wrong, paths))
            line += f" +- {error:.1f}"
        yield line


def train(objective, epochs, seed, data_dir, output, precision):
    """One run: trains, or goes on with it, and measures.

    Returns:
      Dict of `scores`, a dict of dicts as `ROWS` reads them, and `seconds` of
      the training.
    """
    from supcon_tf.data.datasets import load_dataset
    from supcon_tf.evaluation.measures import measure
    from supcon_tf.evaluation.robustness.results import corruption_results
    from supcon_tf.pretrain import pretrain
    from supcon_tf.recipes import RECIPES

    recipe = RECIPES["cifar10_cnn"]
    twin = RECIPES["cross_entropy_cifar10_cnn"]
    changes = {}
    if objective == "supcon_cross_entropy":
        changes["label_smoothing"] = twin.label_smoothing
    config = dataclasses.replace(
        twin if objective == "cross_entropy" else recipe,
        **changes,
        objective=objective,
        precision=precision,
        epochs=epochs,
        seed=seed,
        data_dir=data_dir,
        strategy="one_device",
    )
    facts = {"objective": objective, "epochs": epochs, "seed": seed}
    workdir = _workdir(pathlib.Path(output), facts)
    start = time.perf_counter()
    encoder = pretrain(config, workdir)
    seconds = round(time.perf_counter() - start)
    train_images, test = load_dataset("cifar10", data_dir=data_dir)
    others = load_dataset("cifar100", data_dir=data_dir)
    classifier, features, labels, scores = measure(
        encoder, train_images, test, unknown=others[1], neighbors=(1, 10, 50)
    )
    scores["corruption"], wrong = corruption_results(
        classifier,
        test,
        image_size=config.image_size,
        kinds=_kinds(),
        severities=(1, 2, 3, 4, 5),
    )
    _write_wrong(_wrong_file(workdir), wrong)
    scores["noise"] = _noise_scores(encoder, train_images, features)
    scores["own_classifier"] = _own_scores(workdir, objective, features, labels)
    scores["transfer"] = _transfer(encoder, *others)
    return {"scores": scores, "seconds": seconds}


def _noise_scores(encoder, train_images, features):
    """How well images of uniform noise are told from the test images."""
    import numpy as np

    from supcon_tf.evaluation.encode import encode_all
    from supcon_tf.evaluation.open_set import open_set_scores

    noise = np.random.default_rng(0).integers(
        0, 256, (NOISE_IMAGES, 32, 32, 3), "uint8"
    )
    unknown, _ = encode_all(encoder, (noise, np.zeros(NOISE_IMAGES, int)))
    known, _ = encode_all(encoder, train_images)
    return open_set_scores(known, features, unknown)


def _own_scores(workdir, objective, features, labels):
    """Of the classifier that was trained with the encoder; None without one."""
    import keras
    from scipy.special import softmax

    from supcon_tf import metrics
    from supcon_tf.training.objectives import OBJECTIVES as ROWS_OF

    if not ROWS_OF[objective].is_classifier:
        return None
    model = keras.saving.load_model(workdir / ROWS_OF[objective].model_file)
    logits = keras.ops.convert_to_numpy(model.classifier(features))
    return {
        "top_1_accuracy": metrics.top_1_accuracy(labels, logits),
        "expected_calibration_error": metrics.expected_calibration_error(
            labels, softmax(logits.astype("float64"), axis=1)
        ),
    }


def _transfer(encoder, train_images, test):
    """Top-1 on another data set by its first images, a dict by their number."""
    from supcon_tf import metrics
    from supcon_tf.evaluation.encode import encode_all
    from supcon_tf.evaluation.linear.fitting import probe_representations

    features, labels = encode_all(encoder, train_images)
    of_test, test_labels = encode_all(encoder, test)
    found = {}
    for size in TRANSFER_SIZES:
        classifier, _ = probe_representations(
            encoder,
            features[:size],
            labels[:size],
            class_names=train_images.class_names,
            l2=(0.01, 0.1, 1.0, 10.0),
        )
        scores = classifier.dense(of_test)
        found[str(size)] = metrics.top_1_accuracy(test_labels, scores)
    return found


def _kinds():
    from supcon_tf.corruptions import CORRUPTIONS

    return tuple(CORRUPTIONS)


def _name(objective, epochs, seed):
    return f"{objective}, {epochs} epochs, seed {seed}"


def _call(objective, epochs, seed, how):
    """What `KeptRuns.keep` wants to know of a run."""
    facts = {"objective": objective, "epochs": epochs, "seed": seed}
    kept = facts | {"precision": how["precision"]}
    return "benchmarks.evidence", facts | how, kept


def _workdir(output, run):
    return output / f"{run['objective']}_{run['epochs']}_seed_{run['seed']}"


def _wrong_file(workdir):
    return workdir / "wrong.npz"


def _write_wrong(path, wrong):
    import numpy as np

    arrays = {f"{kind} {severity}": x for (kind, severity), x in wrong.items()}
    np.savez_compressed(path, **arrays)


def _read_wrong(path):
    import numpy as np

    with np.load(path) as arrays:
        return {
            (None if kind == "None" else kind, int(severity)): arrays[name]
            for name in arrays
            for kind, severity in [name.rsplit(" ", 1)]
        }


def _values(runs, path):
    """Dict of seeds to a number; without those that a run does not have."""
    found = {}
    for seed, scores in runs.items():
        if scores[path[0]] is not None:
            found[seed] = scores[path[0]][path[1]]
    return found


def _with_spread(values):
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{statistics.mean(values):.4f} +- {statistics.stdev(values):.4f}"


def _difference(values):
    """The mean of differences, with its standard error over the seeds."""
    mean = statistics.mean(values)
    if len(values) == 1:
        return f"{mean:+.4f}"
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:+.4f}, standard error {error:.4f}"


if __name__ == "__main__":
    sys.exit(main())
