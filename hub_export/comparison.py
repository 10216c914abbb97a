"""Whether a SavedModel computes what the encoder does that it was made from."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import tensorflow as tf

from hub_export import read_back
from hub_export.tracing import check_encoder, own_shape, ready_to_trace
from supcon_tf.encoders.endpoints import with_endpoints


def compare(encoder, loaded, *, projection_head=None, classifier=None):
    """Largest differences of a loaded SavedModel from its encoder.

    Both are given the same random images, as uint8 and as float32: four of the
    encoder's own size, or 96 x 96 where it takes any, and four of another size
    if the SavedModel takes any. Compared are the endpoints, features among
    them, projections and probabilities, and the batch statistics after the
    call. Each difference is relative to the largest magnitude of what is
    compared: 1e-5 means five equal digits of the largest feature.

    Encoder and loaded SavedModel are left as they were: batch statistics and
    random seeds, which a call in training mode moves, are put back.

    Args:
      encoder: the `keras.Model` that `write_saved_model` was given.
      loaded: what `tf.saved_model.load` returned.
      projection_head: the projection head that it was given, if any.
      classifier: the classifier that it was given, if any.

    Returns:
      `{"inference": float, "training": float}`. NaN if either model returned
      one.

    Raises:
      ValueError: if the encoder is not a built Keras model of images, or the
        two do not return the same.

    Example:
      >>> compare(encoder, tf.saved_model.load("encoder_saved_model"))
      {'inference': 1.9e-07, 'training': 3.1e-07}
    """
    check_encoder(encoder)
    images = loaded.signatures["serving_default"].inputs[0]
    pixels = example_pixels(encoder, images.shape)
    expected = _expected(encoder, projection_head, classifier, pixels)
    return _differences(expected, read_back.answers(loaded, pixels))


def compare_in_new_process(
    encoder, folder, pixels, *, projection_head=None, classifier=None
):
    """As `compare`, for a SavedModel that another process loads.

    In this process everything is there that the SavedModel may want. In that
    one there is TensorFlow and no more, and it runs on the CPU.

    Args:
      encoder: as for `compare`.
      folder: path of a folder in which the SavedModel is `saved_model`. What
        the processes tell each other is written there, too.
      pixels: list of `[B, H, W, 3]` uint8 arrays, such as `example_pixels`.
      projection_head: as for `compare`.
      classifier: as for `compare`.

    Returns:
      As `compare`.

    Raises:
      RuntimeError: if the other process could not load or call it.
    """
    folder = pathlib.Path(folder)
    np.savez(folder / "pixels.npz", *pixels)
    done = subprocess.run(
        # -P: the folder of the program is not where its imports are.
        [sys.executable, "-P", read_back.__file__, str(folder)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise RuntimeError(
            "The SavedModel must be loaded and called by a new process. "
            f"Received: {last}"
        )
    with np.load(folder / "answers.npz") as file:
        received = {name: file[name] for name in file.files}
    with tf.device("CPU:0"):
        expected = _expected(encoder, projection_head, classifier, pixels)
    return _differences(expected, received)


def example_pixels(encoder, image_shape):
    """Random images to compare by.

    Args:
      encoder: as for `compare`.
      image_shape: `[None, H, W, 3]` that the SavedModel takes, None for any.

    Returns:
      List of one or two `[4, H, W, 3]` uint8 arrays: the second, where any size
      is taken, is a quarter wider.
    """
    height, width = (size or 96 for size in own_shape(encoder)[1:3])
    sizes = [(height, width)]
    if image_shape[1] is None and image_shape[2] is None:
        sizes.append((height, width + width // 4))
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (4, *size, 3), dtype=np.uint8) for size in sizes
    ]


def _expected(encoder, projection_head, classifier, pixels):
    """What `read_back.answers` should be, by the encoder itself."""
    parts = [encoder, projection_head, classifier and classifier.dense]
    parts = [part for part in parts if part is not None]
    with ready_to_trace(*parts):
        network = with_endpoints(encoder)

        # As a graph, like the loaded one: it rounds otherwise than eager layers
        # do, and batch statistics of a few images can amplify that to 1e-3 in a
        # deep network (measured: ResNet-50 whose last maps are 1 x 1). Of free
        # H and W, as Keras itself holds a model to the size it was built for.
        @tf.function(autograph=False)
        def compute(images, training):
            outputs = dict(network(images, training=training))
            features = outputs["features"]
            outputs["features of the plain call"] = features
            if projection_head is not None:
                projection = projection_head(features, training=training)
                outputs["projection"] = projection
                outputs["projection of the features"] = projection
            if classifier is not None:
                outputs["probabilities"] = classifier.dense(features)
            return outputs

        moved = read_back.moved_variables(encoder)
        all_moved = [v for x in parts for v in read_back.moved_variables(x)]
        sizes = {values.shape for values in pixels}
        shape = (4, None, None, 3) if len(sizes) > 1 else pixels[0].shape
        results = {}
        for mode, training in (("inference", False), ("training", True)):
            function = compute.get_concrete_function(
                tf.TensorSpec(shape, tf.float32), training
            )
            for index, values in enumerate(pixels):
                images = tf.image.convert_image_dtype(values, tf.float32)
                with read_back.put_back(all_moved):
                    outputs = function(images)
                    state = {f"state {i}": v for i, v in enumerate(moved)}
                    for name, output in {**outputs, **state}.items():
                        results[f"{index}/{mode}/{name}"] = output.numpy()
        return results


def _differences(expected, received):
    """The largest relative difference of each mode."""
    names = {name.rpartition("/")[0] for name in received}
    if names != set(expected):
        raise ValueError(
            "The SavedModel must return what the encoder does: "
            f"{sorted(expected)}. Received: {sorted(names)}"
        )
    largest = {"inference": 0.0, "training": 0.0}
    for name, array in received.items():
        name = name.rpartition("/")[0]
        left = expected[name].astype(np.float64)
        right = array.astype(np.float64)
        if left.shape != right.shape:
            raise ValueError(
                f"The SavedModel's {name} must be of shape {left.shape}. "
                f"Received: {right.shape}"
            )
        scale = np.max(np.abs(left)) or 1.0  # all zero: the plain difference
        difference = np.max(np.abs(left - right)) / scale
        mode = name.split("/")[1]
        largest[mode] = float(np.maximum(largest[mode], difference))  # or NaN
    return largest
