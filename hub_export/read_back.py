"""Runs a SavedModel on images, as a program of its own.

    python read_back.py FOLDER

Reads FOLDER/saved_model and FOLDER/pixels.npz, and writes FOLDER/answers.npz.
It imports neither the exporter nor Keras, so that it has what a consumer has.
"""

import contextlib
import pathlib
import sys

import numpy as np
import tensorflow as tf


def answers(loaded, pixels):
    """Runs a Reusable SavedModel of `write_saved_model` on images.

    Args:
      loaded: what `tf.saved_model.load` returned.
      pixels: list of `[B, H, W, 3]` uint8 arrays of sizes that it takes.

    Returns:
      A dict of arrays with the keys `INDEX/MODE/NAME/DTYPE`. INDEX is that of
      the images in the list, MODE is `inference` or `training`, NAME says what
      was computed, and DTYPE is the type of the images, uint8 or float32.

      NAME is an endpoint such as `features`, `features of the plain call`,
      `projection`, `projection of the features`, `probabilities` or `state I`.
      The last is the value after the call of the I-th variable that is moved
      but not trained, such as batch statistics and random seeds. These
      variables are put back after each call. With `preprocess` there are also
      `preprocessed`, what it makes of the images, and `preprocessed file`, of
      the first one as a PNG file. With `distance` there are `similarity`, one
      minus the distances, and `threshold`.
    """
    results = {}
    for index, values in enumerate(pixels):
        values = tf.constant(values)
        if hasattr(loaded, "preprocess"):
            name = f"{index}/inference/preprocessed"
            results[f"{name}/uint8"] = loaded.preprocess(values).numpy()
            file = tf.io.encode_png(values[0])
            results[f"{name} file/uint8"] = loaded.preprocess(file).numpy()
        images = tf.image.convert_image_dtype(values, tf.float32)
        for inputs in (images, values):
            if hasattr(loaded, "distance"):
                name, dtype = f"{index}/inference", inputs.dtype.name
                similarity = 1 - loaded.distance(inputs).numpy()
                results[f"{name}/similarity/{dtype}"] = similarity
                threshold = loaded.threshold().numpy()
                results[f"{name}/threshold/{dtype}"] = threshold
            for mode, training in (("inference", False), ("training", True)):
                for name, array in _outputs(loaded, inputs, training):
                    dtype = inputs.dtype.name
                    results[f"{index}/{mode}/{name}/{dtype}"] = array
    return results


def moved_variables(module):
    """Lists the variables of a SavedModel or Keras model that are not trained.

    Args:
      module: object with `variables` and `trainable_variables`.

    Returns:
      A list of variables.

    Example:
      >>> layer = keras.layers.BatchNormalization()
      >>> layer.build((None, 8))
      >>> [variable.name for variable in moved_variables(layer)]
      ['moving_mean', 'moving_variance']
    """
    trained = module.trainable_variables
    return [
        variable
        for variable in module.variables
        if not any(variable is other for other in trained)
    ]


@contextlib.contextmanager
def put_back(variables):
    """Gives variables their earlier values again when the block ends.

    Args:
      variables: list of TensorFlow or Keras variables.

    Yields:
      None.

    Example:
      >>> count = tf.Variable(1.0)
      >>> with put_back([count]):
      ...     _ = count.assign(2.0)
      >>> float(count)
      1.0
    """
    before = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def _outputs(loaded, images, training):
    """Yields the name and the array of everything that a batch gives."""
    with put_back(moved := moved_variables(loaded)):
        endpoints = loaded(images, training=training, return_endpoints=True)
        state = {f"state {i}": value for i, value in enumerate(moved)}
        for name, output in {**endpoints, **state}.items():
            yield name, output.numpy()
    with put_back(moved):
        features = loaded(images, training=training)
    yield "features of the plain call", features.numpy()
    for part, name in (
        ("projection", "projection"),
        ("classifier", "probabilities"),
    ):
        if hasattr(loaded, part):
            function = getattr(loaded, part)
            with put_back(moved_variables(function)):
                yield name, function(images, training=training).numpy()
    if hasattr(loaded, "projection_head"):
        head = loaded.projection_head
        with put_back(moved_variables(head)):
            projection = head(features, training=training)
        yield "projection of the features", projection.numpy()


def main(folder):
    """Runs the program in a folder."""
    folder = pathlib.Path(folder)
    with np.load(folder / "pixels.npz") as file:
        pixels = [file[name] for name in file.files]
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    np.savez(folder / "answers.npz", **answers(loaded, pixels))


if __name__ == "__main__":
    main(sys.argv[1])
