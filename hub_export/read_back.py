"""What a SavedModel answers, as a program of its own.

    python read_back.py FOLDER

Reads FOLDER/saved_model and FOLDER/pixels.npz, writes FOLDER/answers.npz.
Nothing of the exporter is imported, nor Keras: here is what a consumer has.
"""

import contextlib
import pathlib
import sys

import numpy as np
import tensorflow as tf


def answers(loaded, pixels):
    """What a Reusable SavedModel of `write_saved_model` computes of images.

    Args:
      loaded: what `tf.saved_model.load` returned.
      pixels: list of `[B, H, W, 3]` uint8 arrays, of any sizes it takes.

    Returns:
      Dict of arrays. A key is `INDEX/MODE/NAME/DTYPE`: the index of the images,
      `inference` or `training`, what was computed, and of which type the images
      were. NAME is an endpoint, `features` among them; `projection`;
      `probabilities`; or `state I`, the I-th variable that is moved but not
      trained (batch statistics, random seeds), after the call. They are put
      back.
    """
    results = {}
    for index, values in enumerate(pixels):
        values = tf.constant(values)
        images = tf.image.convert_image_dtype(values, tf.float32)
        for inputs in (images, values):
            for mode, training in (("inference", False), ("training", True)):
                for name, array in _outputs(loaded, inputs, training):
                    dtype = inputs.dtype.name
                    results[f"{index}/{mode}/{name}/{dtype}"] = array
    return results


def moved_variables(module):
    """The variables of a SavedModel, or a Keras model, that are not trained."""
    trained = module.trainable_variables
    return [
        variable
        for variable in module.variables
        if not any(variable is other for other in trained)
    ]


@contextlib.contextmanager
def put_back(variables):
    """Gives variables their values again afterwards."""
    before = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def _outputs(loaded, images, training):
    """Yields name and array of all that is computed of a batch."""
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
    """The program."""
    folder = pathlib.Path(folder)
    with np.load(folder / "pixels.npz") as file:
        pixels = [file[name] for name in file.files]
    loaded = tf.saved_model.load(str(folder / "saved_model"))
    np.savez(folder / "answers.npz", **answers(loaded, pixels))


if __name__ == "__main__":
    main(sys.argv[1])
