"""Measures how far float32 moves the gradient of a ResNet, on 1 and 2 devices.

    python -m benchmarks.rounding --data_dir=D --json=runs/rounding.json

One step of SGD is computed from the same weights and the same views of CIFAR-10
images: on one device in float64, which is taken for the truth, and in float32,
on one device and on two replicas. A difference is the length of the difference
of the two gradients over the length of the true one. With BatchNormalization of
each replica alone the step is another one, and no rounding.
"""

import sys
import tempfile

from benchmarks.machine import describe, last_line_of, versions_in
from benchmarks.options import parser_of, write_report

BATCH = 128
WIDTH = 0.25
CASES = {
    "float32, one device": ("float32", 1, True),
    "float32, two replicas": ("float32", 2, True),
    "float64, two replicas": ("float64", 2, True),
    "float64, two replicas, BatchNormalization of each alone": (
        "float64",
        2,
        False,
    ),
}


def main(argv=None):
    """Measures, prints a table and writes JSON; returns the exit status."""
    parser = parser_of("rounding", __doc__)
    parser.add_argument("--data_dir", metavar="PATH")
    parser.add_argument("--batch_size", type=int, default=BATCH)
    parser.add_argument("--width", type=float, default=WIDTH)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:

        def gradient(*case):
            return _in_process(folder, options, *case)

        truth = gradient("float64", 1, True)
        differences = {
            name: _relative_difference(gradient(*case), truth)
            for name, case in CASES.items()
        }
    for name, difference in differences.items():
        print(f"{name:60} {difference:.1e}")
    if options.json:
        report = {
            "machine": describe(
                versions_in(sys.executable, ("tensorflow", "keras"))
            ),
            "batch_size": options.batch_size,
            "width": options.width,
            "differences": differences,
        }
        write_report(options.json, report)
    return 0


def _in_process(folder, options, *case):
    """The gradient of a case, `[P]` float64.

    Collectives of two dtypes do not go together in one process.
    """
    import numpy as np

    path = f"{folder}/gradient.npy"
    arguments = (path, options.data_dir, options.batch_size, options.width)
    last_line_of(
        sys.executable,
        "from benchmarks.rounding import save_gradient\n"
        f"save_gradient(*{(*arguments, *case)!r})\nprint('null')",
        str(case),
    )
    return np.load(path)


def save_gradient(
    path, data_dir, batch_size, width, dtype, replicas, is_synchronised
):
    """Writes the gradient of one step by all weights, `[P]` float64.

    Args:
      path: of the .npy file.
      data_dir: as for `datasets.load_dataset`.
      batch_size: images of the step.
      width: of the ResNet-18.
      dtype: `"float32"` or `"float64"`.
      replicas: int, 1 or 2.
      is_synchronised: whether BatchNormalization is over all replicas.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    # TensorFlow takes this only before its first operation.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    views, labels = _views(data_dir, batch_size)
    # The weights of all cases are those of float32.
    keras.utils.set_random_seed(0)
    first = _made_model(width, "float32", 1, is_synchronised)
    model = _made_model(width, dtype, replicas, is_synchronised)
    start = [w.numpy() for w in first.trainable_weights]
    for weight, value in zip(model.trainable_weights, start, strict=True):
        weight.assign(value)
    data = tf.data.Dataset.from_tensor_slices((views.astype(dtype), labels))
    model.fit(data.batch(batch_size), verbose=0)
    parts = [
        np.ravel(value.astype("float64") - weight.numpy())
        for value, weight in zip(start, model.trainable_weights, strict=True)
    ]
    np.save(path, np.concatenate(parts))


def _views(data_dir, batch_size):
    """`[B, 2, 32, 32, 3]` and `[B]`: the first batch of SupCon."""
    from supcon_tf import view_batches
    from supcon_tf.data.datasets import load_dataset

    train, _ = load_dataset(
        "cifar10", data_dir=data_dir, max_samples=4 * batch_size
    )
    batches = view_batches(
        train,
        "simclr",
        num_views=2,
        batch_size=batch_size,
        image_size=32,
        seed=0,
    )
    views, labels = next(iter(batches))
    return views.numpy(), labels.numpy()


def _made_model(width, dtype, replicas, is_synchronised):
    """A `SupConModel` that is compiled for one step of plain SGD."""
    import keras
    import tensorflow as tf

    from supcon_tf import ProjectionHead, SupConLoss, SupConModel
    from supcon_tf.encoders import resnet18

    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    devices = [f"CPU:{i}" for i in range(replicas)]
    strategy = tf.distribute.OneDeviceStrategy(devices[0])
    if replicas > 1:
        strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        encoder = resnet18(
            (32, 32, 3),
            width=width,
            stem="small_image",
            zero_gamma=False,
            sync_batch_norm=is_synchronised,
        )
        model = SupConModel(encoder, ProjectionHead((64, 64)))
        model.build((None, 2, 32, 32, 3))
        model.compile(keras.optimizers.SGD(1.0), SupConLoss(0.1))
    return model


def _relative_difference(found, expected):
    import numpy as np

    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


if __name__ == "__main__":
    sys.exit(main())
