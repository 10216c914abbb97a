"""A training step: SupCon beside cross-entropy; memory against the batch.

    python -m benchmarks.training_step --json=runs/training_step.json

1. Seconds of a step of a ResNet-18 of a quarter width on the same number of
   images of 32 pixels: two views each of half of them for SupCon, and one each
   for cross-entropy, by ClassificationModel and by plain Keras. The three take
   turns in one process, so that what slows the machine slows all of them.
2. Memory and seconds of a SupCon step against the batch: the loss with the
   matrix of all similarities, the loss in tiles, and tiles with the batch in
   microbatches (gradient cache). Each case in a process of its own.
3. Where a SupCon step of 128 images spends its time: with Keras' own
   BatchNormalization, in bfloat16, compiled by XLA, with eight steps an
   execution, and without the optimizer's momentum. They take turns again.
"""

import json
import statistics
import sys
import time

from benchmarks.machine import describe, last_line_of, peak_mb, versions_in
from benchmarks.options import parsed, parser_of, write_report

OBJECTIVES = ("supcon", "cross_entropy", "keras")
IMAGES = (128, 512, 2048)  # each view is one
GOAL = (512, 1.05)  # images, SupCon's seconds beside plain Keras'
# name: implementation of the loss, images in a microbatch or None
MEMORY = {
    "all similarities": ("dense", None),
    "tiles": ("tiled", None),
    "tiles, microbatches of 256": ("tiled", 256),
}
BATCHES = (256, 1024, 4096)  # images, of two views each
# name: what differs from the first, see `_variant`
VARIANTS = {
    "as it is": {},
    "Keras' BatchNormalization": {"is_fused": False},
    "bfloat16": {"precision": "mixed_bfloat16"},
    "bfloat16, Keras' BatchNormalization": {
        "precision": "mixed_bfloat16",
        "is_fused": False,
    },
    "XLA": {"jit_compile": True},
    "8 steps an execution": {"steps_per_execution": 8},
    "no momentum": {"momentum": 0.0},
}
VARIANT_IMAGES = 128
STEPS = 8  # of a turn


def main(argv=None):
    """The command; returns its exit status."""
    parser = parser_of("training_step", __doc__)
    parser.add_argument("--repeats", type=int, default=15)
    options = parsed(parser, argv)
    versions = versions_in(sys.executable, ("tensorflow", "keras"))
    report = {
        "machine": describe(versions),
        "steps": {},
        "memory": {},
        "variants": {},
    }
    print(report["machine"])
    for images in IMAGES:
        rows = _in_a_process(
            f"measure_steps({images}, {options.repeats})", f"{images} images"
        )
        report["steps"][images] = rows
        _print_steps(images, rows)
    report["variants"] = _in_a_process(
        f"measure_variants({options.repeats})", "variants"
    )
    _print_variants(report["variants"])
    for name in MEMORY:
        report["memory"][name] = {}
        for batch_size in BATCHES:
            row = _in_a_process(f"measure_memory({name!r}, {batch_size})", name)
            report["memory"][name][batch_size] = row
            print(
                f"{name:28} {batch_size:6} images of 2 views "
                f"{row['extra_mb']:6.0f} MB {row['median_s']:7.2f} s",
                flush=True,
            )
    write_report(options.json, report)
    return 0


def measure_steps(num_images, repeats):
    """Prints one line of JSON: seconds of a step of each objective."""
    import numpy as np

    rng = np.random.default_rng(0)
    views = rng.random((num_images // 2, 2, 32, 32, 3), "float32")
    images = views.reshape(num_images, 32, 32, 3)
    labels = rng.integers(0, 10, num_images)
    batches = {
        "supcon": (views, labels[::2]),
        "cross_entropy": (images[:, None], labels),
        "keras": (images, labels),
    }
    models = {name: _model(name) for name in OBJECTIVES}
    seconds = {name: [] for name in OBJECTIVES}
    for _ in range(repeats + 2):
        for name, model in models.items():
            start = time.perf_counter()
            model.train_on_batch(*batches[name])
            seconds[name].append(time.perf_counter() - start)
    result = {
        name: {"median_s": statistics.median(times[2:]), "seconds": times[2:]}
        for name, times in seconds.items()
    }
    print(json.dumps(result))


def measure_variants(repeats):
    """Prints one line of JSON: seconds of a step of each of VARIANTS."""
    import numpy as np
    import tensorflow as tf

    from supcon_tf.data.pipelines import prefetched

    rng = np.random.default_rng(0)
    views = rng.random((VARIANT_IMAGES // 2, 2, 32, 32, 3), "float32")
    labels = rng.integers(0, 10, len(views))
    batches = prefetched(tf.data.Dataset.from_tensors((views, labels)).repeat())
    models = {name: _variant(**options) for name, options in VARIANTS.items()}
    seconds = {name: [] for name in VARIANTS}
    for _ in range(repeats + 1):
        for name, model in models.items():
            start = time.perf_counter()
            model.fit(batches, steps_per_epoch=STEPS, verbose=0)
            seconds[name].append((time.perf_counter() - start) / STEPS)
    result = {
        name: {"median_s": statistics.median(times[1:]), "seconds": times[1:]}
        for name, times in seconds.items()
    }
    print(json.dumps(result))


def measure_memory(name, batch_size):
    """Prints one line of JSON: memory and seconds of a SupCon step."""
    import numpy as np

    implementation, microbatch = MEMORY[name]
    rng = np.random.default_rng(0)
    views = rng.random((batch_size, 2, 32, 32, 3), "float32")
    labels = rng.integers(0, 10, batch_size)
    num_microbatches = max(1, batch_size // (microbatch or batch_size))
    model = _model("supcon", implementation, num_microbatches)
    model.build(views.shape)
    before = peak_mb()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        model.train_on_batch(views, labels)
        seconds.append(time.perf_counter() - start)
    row = {
        "median_s": statistics.median(seconds[1:]),
        "extra_mb": peak_mb() - before,
    }
    print(json.dumps(row))


def _model(objective, implementation="auto", num_microbatches=1):
    """A compiled model; all have the same encoder and optimizer."""
    import keras

    import supcon_tf
    from supcon_tf.optimizers.keras_optimizers import SGD

    encoder = supcon_tf.encoders.resnet18(
        (32, 32, 3), width=0.25, stem="small_image"
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if objective == "supcon":
        model = supcon_tf.SupConModel(
            encoder,
            supcon_tf.ProjectionHead((128, 128)),
            num_microbatches=num_microbatches,
        )
        loss = supcon_tf.SupConLoss(implementation=implementation)
    elif objective == "cross_entropy":
        model = supcon_tf.ClassificationModel(encoder, 10)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    else:
        model = keras.Sequential([encoder, keras.layers.Dense(10)])
    model.compile(SGD(0.1, momentum=0.9), loss)
    return model


def _variant(
    *, precision="float32", is_fused=True, momentum=0.9, **compile_options
):
    """A SupConModel as of `_model`, but for what is given."""
    from unittest import mock

    import keras

    from supcon_tf.optimizers.keras_optimizers import SGD

    class OfKeras(keras.layers.BatchNormalization):
        """A subclass, which is not fused."""

    layer = keras.layers.BatchNormalization if is_fused else OfKeras
    keras.config.set_dtype_policy(precision)
    with mock.patch.object(keras.layers, "BatchNormalization", layer):
        model = _model("supcon")
    keras.config.set_dtype_policy("float32")
    model.compile(SGD(0.1, momentum=momentum), model.loss, **compile_options)
    return model


def _in_a_process(call, name):
    code = f"from benchmarks import training_step as b; b.{call}"
    return last_line_of(sys.executable, code, name)


def _print_steps(images, rows):
    supcon = rows["supcon"]["median_s"]
    for name in OBJECTIVES:
        seconds = rows[name]["median_s"]
        print(
            f"{images:6} images  {name:14} {1e3 * seconds:8.0f} ms  "
            f"supcon / it {supcon / seconds:5.2f}",
            flush=True,
        )
    goal_images, goal = GOAL
    if images == goal_images:
        ratio = supcon / rows["keras"]["median_s"]
        verdict = "PASS" if ratio <= goal else "MISS"
        print(
            f"goal at {images} images: at most {goal:g} times plain Keras' "
            f"cross-entropy; measured {ratio:.2f}: {verdict}"
        )


def _print_variants(rows):
    first = rows["as it is"]["median_s"]
    for name, row in rows.items():
        print(
            f"{VARIANT_IMAGES:6} images  {name:36} {1e3 * row['median_s']:6.0f}"
            f" ms  {row['median_s'] / first:5.2f}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
