"""Losses for classes of unequal size, and for labels of two levels, on CIFAR.

    python -m benchmarks.label_structure --data_dir=D --json=runs/labels.json

The encoder, views, epochs and learning rate are those of SupCon in
benchmarks.objectives. `imbalanced` takes CIFAR-10 with classes that shrink
evenly, in the logarithm, to a fiftieth, and trains SupConLoss and
BalancedSupConLoss. `levels` takes 10,000 images of CIFAR-100 and trains SupCon
with the fine classes, SupCon with the coarse ones, and SoftSupConLoss with
both. The test images are balanced, and looked at with three seeds; no setting
was chosen by them. Each finished run is kept in the JSON and not run again.
"""

import dataclasses
import sys
import time

from benchmarks.kept_runs import KeptRuns, options_of
from benchmarks.objectives import EPOCHS, MAX_SAMPLES, SEEDS, spread

LEARNING_RATE = 1.0  # of 256 images, SupCon's in benchmarks.objectives
LARGEST_CLASS = 3500
RATIO = 50
LOSSES = {
    "imbalanced": ("SupConLoss", "BalancedSupConLoss"),
    "levels": ("fine classes", "coarse classes", "both, SharedLevels"),
}


def main(argv=None):
    """The command; returns its exit status."""
    options = options_of(argv, "label_structure", __doc__)
    kept = KeptRuns(options.json, options.jobs)
    kept.keep(
        {
            f"{part}, {loss}, {EPOCHS} epochs, seed {seed}": _call(
                part, loss, EPOCHS, seed, options.data_dir
            )
            for seed in SEEDS
            for part, losses in LOSSES.items()
            for loss in losses
        }
    )
    print(table(kept.results))
    return 0


def table(results):
    """The results as lines of text: the mean and deviation over the seeds.

    Args:
      results: what the JSON holds.
    """
    groups = {}
    for run in results["runs"].values():
        groups.setdefault((run["part"], run["loss"]), []).append(run)
    lines = [f"{results['machine']}"]
    for (part, loss), runs in groups.items():
        scores = ", ".join(
            f"{name} {spread([run['scores'][name] for run in runs])}"
            for name in runs[0]["scores"]
        )
        lines.append(f"{part}, {loss}: {scores}")
    return "\n".join(lines)


def train(part, loss, epochs, seed, data_dir):
    """One run.

    Returns:
      Dict of `scores`, a dict from a name to a number in [0, 1], and of the
      `seconds` of the training.
    """
    import keras

    from supcon_tf.data.views import view_batches
    from supcon_tf.recipes import RECIPES
    from supcon_tf.training.build import (
        build_model,
        compile_model,
        make_augmentation,
    )

    config = dataclasses.replace(
        RECIPES["cifar10_cpu"],
        augmentation="simclr",
        crop_area=None,
        num_views=2,
        epochs=epochs,
        base_learning_rate=LEARNING_RATE,
        seed=seed,
        strategy="one_device",
    )
    keras.utils.set_random_seed(seed)
    images, test, labels_of = _data(part, loss, data_dir, seed)
    batches = view_batches(
        images,
        make_augmentation(config),
        num_views=2,
        batch_size=config.batch_size,
        image_size=config.image_size,
        seed=seed,
    ).map(lambda views, labels: (views, labels_of(labels)))
    steps = len(images) // config.batch_size
    model = build_model(config, len(images.class_names))
    compile_model(model, config, steps)
    model.compile(model.optimizer, _loss(loss, config.temperature))
    start = time.perf_counter()
    model.fit(batches, epochs=epochs, steps_per_epoch=steps, verbose=0)
    seconds = round(time.perf_counter() - start)
    scores = _scores(part, model.encoder, images, test, data_dir)
    return {"scores": scores, "seconds": seconds}


def _call(part, loss, epochs, seed, data_dir):
    facts = {"part": part, "loss": loss, "epochs": epochs, "seed": seed}
    return "benchmarks.label_structure", facts | {"data_dir": data_dir}, facts


def _loss(name, temperature):
    import supcon_tf

    if name == "BalancedSupConLoss":
        return supcon_tf.BalancedSupConLoss(temperature)
    if name == "both, SharedLevels":
        similarity = supcon_tf.similarities.SharedLevels()
        return supcon_tf.SoftSupConLoss(similarity, temperature)
    return supcon_tf.SupConLoss(temperature)


def _data(part, loss, data_dir, seed):
    """Training images, test images, and a function of the fine labels."""
    import numpy as np
    import tensorflow as tf

    from supcon_tf.data.datasets import load_dataset

    if part == "imbalanced":
        images, test = load_dataset("cifar10", data_dir=data_dir)
        shares = np.linspace(0, 1, len(images.class_names))
        sizes = np.round(LARGEST_CLASS * RATIO**-shares).astype(int)
        chosen = [
            np.flatnonzero(images.labels == label)[:size]
            for label, size in enumerate(sizes)
        ]
        return images.take(np.concatenate(chosen)), test, tf.identity
    images, test = load_dataset(
        "cifar100", data_dir=data_dir, max_samples=MAX_SAMPLES, seed=seed
    )
    coarse = tf.constant(_coarse_classes(data_dir))
    labels_of = {
        "fine classes": tf.identity,
        "coarse classes": lambda fine: tf.gather(coarse, fine),
        "both, SharedLevels": lambda fine: tf.stack(
            [tf.gather(coarse, fine), tf.cast(fine, coarse.dtype)], axis=1
        ),
    }
    return images, test, labels_of[loss]


def _coarse_classes(data_dir):
    """The coarse class of each fine class of CIFAR-100, `[100]` int64."""
    import numpy as np
    import tensorflow_datasets as tfds

    dataset = tfds.load("cifar100", split="test", data_dir=data_dir)
    coarse = np.zeros(100, "int64")
    for example in dataset:
        coarse[int(example["label"])] = int(example["coarse_label"])
    return coarse


def _scores(part, encoder, images, test, data_dir):
    import numpy as np

    from supcon_tf import evaluation
    from supcon_tf.evaluation.encode import encode_all
    from supcon_tf.evaluation.retrieval import retrieval_scores

    classifier = evaluation.linear_probe(encoder, images, verbose=0)
    features, labels = encode_all(encoder, test)
    found = np.argmax(np.asarray(classifier.dense(features)), axis=1)
    is_right = found == labels
    scores = {
        "top_1_accuracy": float(is_right.mean()),
        "map_at_r": retrieval_scores(features, labels)["map_at_r"],
    }
    if part == "levels":
        coarse = _coarse_classes(data_dir)[labels]
        coarse_scores = retrieval_scores(features, coarse)
        scores["map_at_r of coarse classes"] = coarse_scores["map_at_r"]
    if part == "imbalanced":
        names = ("largest_classes", "middle_classes", "smallest_classes")
        for name, classes in zip(
            names, np.split(np.arange(10), (3, 7)), strict=True
        ):
            of_classes = np.isin(labels, classes)
            scores[name] = float(is_right[of_classes].mean())
    return scores


if __name__ == "__main__":
    sys.exit(main())
