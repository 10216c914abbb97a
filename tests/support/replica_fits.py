"""Fits on several replicas beside the same fits on one device.

    python tests/support/replica_fits.py R float64 CASE ...
    python tests/support/replica_fits.py workers float64 CASE ...

As a program, for other numbers of replicas than the two of pytest's process, it
prints one JSON line for each case.
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
    ClassificationModel,
    JointModel,
    ProjectionHead,
    SupConLoss,
    SupConModel,
)

# name: images, global batch, and what else the fit has. With 97 images a
# replica has none of the last batch.
PLAIN = {
    "dense": {"implementation": "dense"},
    "tiled": {"implementation": "tiled", "images": 97},
    "sum": {"reduction": "sum"},
    "weighted mean": {"reduction": "mean_with_sample_weight"},
    "no labels": {},
    "local batch norm": {},  # is not equal
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
    "empty replica, local batch norm": {"images": 97},  # is not equal
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


def compare(case, strategy):
    """The same fit on one device and on the replicas of a strategy.

    Returns:
      Dict of `case`; `moved`, how far the weights moved; `weights` and `logs`,
      how far the weights and each logged value of the two fits are apart.
    """
    before, expected, history = fit(case, None)
    _, weights, logs = fit(case, strategy)

    def largest(a, b):
        pairs = zip(a, b, strict=True)
        return max(float(np.abs(x - y).max()) for x, y in pairs)

    return {
        "case": case,
        "moved": largest(expected, before),
        "weights": largest(expected, weights),
        "logs": {
            name: largest(np.array(history[name]), np.array(logs[name]))
            for name in history
        },
    }


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
    options = dict((PLAIN | MODEL)[case])
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
            loss = SupConLoss(temperature=0.3, **options)
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
        print(json.dumps(compare(case, strategy)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
