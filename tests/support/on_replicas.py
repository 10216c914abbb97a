"""Fits on R logical CPUs beside the same fits on one device, as a program.

    python tests/support/on_replicas.py R float64 CASE ...
    python tests/support/on_replicas.py workers float64 CASE ...

Prints one JSON line for each case: how far weights and logged values of the two
fits are apart, and how far the weights moved. One program has one R: the
replicas' collectives are laid out once in a process.
"""

import contextlib
import json
import os
import subprocess
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

from supcon_tf import (
    AdditiveMarginLoss,
    AlignmentUniformityLoss,
    BalancedSupConLoss,
    CACRLoss,
    ClassificationModel,
    ConRLoss,
    CrossViewLoss,
    DecoupledLoss,
    FocalSupConLoss,
    GroCoLoss,
    HardNegativeLoss,
    HierarchicalSupConLoss,
    JointModel,
    MultiViewLoss,
    ProjectionHead,
    RankNContrastLoss,
    SINCERELoss,
    SoftSupConLoss,
    SpreadLoss,
    SupConLoss,
    SupConModel,
    similarities,
)
from supcon_tf.losses.pairs import contrasts, tiles

# name: images, global batch, and what else the fit has
PLAIN = {
    "dense": {"implementation": "dense"},
    "tiled": {"implementation": "tiled"},
    "tiled, small temperature": {
        "implementation": "tiled",
        "temperature": 0.02,
    },
    "many tiles": {"implementation": "tiled"},
    "many tiles, inside": {"implementation": "tiled", "summation": "inside"},
    "first": {"anchors": "first"},
    "one_positive": {"denominator": "one_positive"},
    "only_negatives": {"denominator": "only_negatives"},
    "cap": {"positives_cap": 2},
    "unlabeled": {"unlabeled_label": 0},
    "sum": {"reduction": "sum"},
    "weighted mean": {"reduction": "mean_with_sample_weight"},
    "no labels": {},
    # With 97 images a replica has none of the last batch.
    "rank-n-contrast": {"loss": RankNContrastLoss, "images": 97},
    "groco": {"loss": GroCoLoss, "num_negatives": 3, "images": 97},
    # What must not be equal:
    "no gather": {},
    "stopped gradient": {"implementation": "dense"},
    "local batch norm": {},
}


def no_labels(classes):
    """Nothing."""


def shares(classes):
    """Soft labels of 4 classes."""
    others = (classes + np.arange(len(classes)) % 3 + 1) % 4
    return 0.7 * np.eye(4)[classes] + 0.3 * np.eye(4)[others]


def targets(classes):
    """Targets of a regression, some of them equal."""
    return 5.0 * classes + np.arange(len(classes)) % 3


def with_predictions(classes):
    """Targets, and predictions of both views."""
    y = targets(classes)
    return np.stack([y, y[::-1], y + 4], axis=1)


def levels(classes):
    """A hierarchy of two levels."""
    return np.stack([classes // 2, classes], axis=1)


def mixed(classes):
    """Each image is mixed with the next one of its batch of 16."""
    numbers = np.arange(len(classes))
    others = np.minimum(numbers // 16 * 16 + (numbers + 1) % 16, numbers[-1])
    return np.stack([0.5 + classes / 8, numbers, others], axis=1)


# The losses of the family, each with what makes its labels of the classes.
# They have small tiles, and a replica has none of the last batch.
FAMILY = {
    "sincere": (lambda: SINCERELoss(0.3, margin=0.1), None),
    "decoupled": (lambda: DecoupledLoss(0.3), None),
    "decoupled, sigma": (lambda: DecoupledLoss(0.3, sigma=0.5), no_labels),
    "hard negatives": (lambda: HardNegativeLoss(0.3), no_labels),
    "focal": (lambda: FocalSupConLoss(0.3), None),
    "balanced": (lambda: BalancedSupConLoss(0.3), None),
    "jaccard": (
        lambda: SoftSupConLoss(similarities.Jaccard(0.2), 0.3),
        shares,
    ),
    "cosine": (lambda: SoftSupConLoss(similarities.Cosine(), 0.3), shares),
    "dot": (lambda: SoftSupConLoss(similarities.Dot(), 0.3), shares),
    "supremix": (
        lambda: SoftSupConLoss(
            similarities.Within(1),
            0.3,
            contrast_weights=similarities.Distance(),
            denominator="one_positive",
        ),
        targets,
    ),
    "shared levels": (
        lambda: SoftSupConLoss(similarities.SharedLevels(), 0.3),
        levels,
    ),
    "hierarchical": (lambda: HierarchicalSupConLoss(None, 0.3), levels),
    "clip": (lambda: CrossViewLoss(None, 0.3), no_labels),
    "clip, first": (
        lambda: CrossViewLoss(None, 0.3, anchors="first"),
        no_labels,
    ),
    "mixco": (
        lambda: CrossViewLoss(similarities.Mixed(), 0.3, positives_mean="one"),
        mixed,
    ),
    "spread": (lambda: SpreadLoss(0.5, 0.3), None),
    "mv-infonce": (lambda: MultiViewLoss("infonce", 0.3), no_labels),
    "mv-dhel": (lambda: MultiViewLoss("dhel", 0.3), no_labels),
    "alignment and uniformity": (AlignmentUniformityLoss, no_labels),
    "cacr": (CACRLoss, no_labels),
    "conr": (lambda: ConRLoss(3.0, 0.3), with_predictions),
}
SUPCON = {
    "model": {},
    "empty replica": {"images": 97},
    "first batch": {"images": 90, "batch_size": 15},
    "head": {"head": True},
    "global_clipnorm": {"clip": {"global_clipnorm": 0.01}},
    "clipnorm": {"clip": {"clipnorm": 0.01}},
    "clipvalue": {"clip": {"clipvalue": 0.001}},
    "scaled loss": {"clip": {"clipnorm": 0.05, "loss_scale_factor": 128.0}},
    "eagerly": {"images": 17},
    "queue": {"queue_size": 40},
    "momentum encoder": {"queue_size": 200, "encoder_momentum": 0.9},
    "microbatches": {"num_microbatches": 3, "batch_norm": False},
    "small views": {"small_views": 3},
    "temperature": {"learn_temperature": True, "queue_size": 40},
    "empty replica, local batch norm": {"images": 97},
}
CLASSIFICATION = {
    "cross_entropy": {"classes": 4},
    "cross_entropy, empty replica": {"classes": 4, "images": 97},
    "max_margin": {"classes": 4, "cosine": True},
}
JOINT = {
    "joint": {"classes": 4, "head": True},
    "joint, empty replica": {"classes": 4, "head": True, "images": 97},
    "joint, microbatches": {
        "classes": 4,
        "head": True,
        "num_microbatches": 3,
        "batch_norm": False,
    },
    "joint, temperature": {
        "classes": 4,
        "head": True,
        "learn_temperature": True,
    },
}
MODEL = {**SUPCON, **CLASSIFICATION, **JOINT}


def on_logical_cpus(count, floatx, *cases):
    """What this program prints: one result a case."""
    done = subprocess.run(
        [sys.executable, __file__, str(count), floatx, *cases],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["case"] for result in results] == list(cases)
    return results


def encoder(synchronized, batch_norm=True):
    """Without biases before BatchNormalization: their gradient is 0."""
    normalization = keras.layers.BatchNormalization(synchronized=synchronized)
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(
                16,
                use_bias=False,
                kernel_regularizer=keras.regularizers.L2(0.01),
            ),
            *([normalization] if batch_norm else []),
            keras.layers.ReLU(),
            keras.layers.Dense(12, use_bias=False),
        ]
    )


def fit(case, strategy):
    """Weights before and after, and the history."""
    keras.utils.set_random_seed(1)
    floatx = keras.backend.floatx()
    generator = np.random.default_rng(0)
    options = dict((PLAIN | MODEL).get(case, {"images": 97}))
    size = options.pop("images", 91)
    batch_size = options.pop("batch_size", 16)
    small_views = options.pop("small_views", 0)
    labels = generator.integers(0, 4, size)
    scope = strategy.scope() if strategy else contextlib.nullcontext()
    with scope:
        network = encoder(
            strategy and not case.endswith("local batch norm"),
            options.pop("batch_norm", True),
        )
        optimizer = keras.optimizers.Adam(0.01)
        if "clip" in options:
            optimizer = keras.optimizers.SGD(0.1, **options.pop("clip"))
        if case in MODEL:
            head = ProjectionHead((8, 6)) if options.pop("head", 0) else None
            classes = options.pop("classes", None)
            if head and classes:
                model = JointModel(network, head, classes, **options)
            elif classes:
                model = ClassificationModel(network, classes, **options)
            else:
                model = SupConModel(network, head, **options)
            loss = _loss(head, classes, options.get("cosine"))
            images = generator.normal(size=(size, 2, 8))
        else:
            network.add(keras.layers.Reshape((2, 6)))
            model = network
            images = generator.normal(size=(size, 8))
            make, labels_of = FAMILY.get(case, (None, None))
            make = make or options.pop("loss", SupConLoss)
            if make is SupConLoss:
                options = {"temperature": 0.3, **options}
            loss = make(**options)
            if labels_of is not None:
                labels = labels_of(labels)
        model.compile(optimizer=optimizer, loss=loss)
    model.run_eagerly = case == "eagerly"
    images = images.astype(floatx)
    shape = images.shape
    if small_views:
        small = generator.normal(size=(size, small_views, 8)).astype(floatx)
        images = {"views": images, "small_views": small}
        shape = {name: views.shape for name, views in images.items()}
    if not model.built:
        model.build(shape)
    before = model.get_weights()
    if case == "no labels":
        labels = None
    weights = None
    if case == "weighted mean":
        weights = generator.uniform(0.1, 2, size).astype(floatx)
    history = model.fit(
        images,
        labels,
        sample_weight=weights,
        batch_size=batch_size,
        epochs=2,  # 12 steps
        shuffle=False,
        verbose=0,
        validation_data=(
            (images[:33], labels[:33])
            if case in ("model", "empty replica, local batch norm")
            else None
        ),
    ).history
    return before, model.get_weights(), history


def _loss(head, classes, cosine):
    if not classes:
        return SupConLoss(0.3)
    if cosine:
        return AdditiveMarginLoss()
    cross_entropy = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.1
    )
    if not head:
        return cross_entropy
    return {"projections": SupConLoss(0.3), "logits": cross_entropy}


@contextlib.contextmanager
def as_named(case):
    """The tiles, or the mistake in the gather, that the case is named after."""
    gather, first_row = contrasts.concat_over_replicas, contrasts.first_row
    tile_size = tiles.TILE_SIZE
    if case.startswith("many tiles") or case in FAMILY:
        tiles.TILE_SIZE = 5
    if case == "no gather":
        contrasts.concat_over_replicas = lambda x: x
        contrasts.first_row = lambda size: 0
    if case == "stopped gradient":
        contrasts.concat_over_replicas = lambda x: tf.stop_gradient(gather(x))
    yield
    contrasts.concat_over_replicas, contrasts.first_row = gather, first_row
    tiles.TILE_SIZE = tile_size


def main(replicas, floatx, *cases):
    """Runs the cases."""
    keras.backend.set_floatx(floatx)
    if replicas == "workers":  # as TF_CONFIG says
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * int(replicas),
        )
        strategy = tf.distribute.MirroredStrategy(
            [f"CPU:{i}" for i in range(int(replicas))]
        )
    for case in cases:
        before, expected, history = fit(case, None)
        with as_named(case):
            _, weights, logs = fit(case, strategy)

        def largest(a, b):
            pairs = zip(a, b, strict=True)
            return max(float(np.abs(x - y).max()) for x, y in pairs)

        result = {
            "case": case,
            "moved": largest(expected, before),
            "weights": largest(expected, weights),
            "logs": {
                name: largest(np.array(history[name]), np.array(logs[name]))
                for name in history
            },
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
