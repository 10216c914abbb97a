"""Compares a SavedModel with the encoder that it was made from."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import tensorflow as tf

from hub_export import read_back
from hub_export.tracing import check_encoder, own_shape, ready_to_trace
from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.encoders.endpoints import with_endpoints


def compare(
    encoder,
    loaded,
    *,
    projection_head=None,
    classifier=None,
    preprocessing=None,
    known=None,
):
    """Computes the largest differences of a loaded SavedModel from its encoder.

    Both are given the same random images, as uint8 and as float32. There are
    four images of the encoder's own size, or 96 x 96 pixels if it takes any
    size, and four of another size if the SavedModel takes any. The endpoints,
    which include the features, the projections, the probabilities and the batch
    statistics after the call are compared. A difference is relative to the
    largest magnitude of what is compared. For example, 1e-5 means that five
    digits of the largest feature are equal.

    The encoder and the loaded SavedModel are left as they were. Batch
    statistics and random seeds, which a call in training mode moves, are put
    back.

    Args:
      encoder: the `keras.Model` that `write_saved_model` was given.
      loaded: what `tf.saved_model.load` returned.
      projection_head: the projection head that `write_saved_model` was given,
        or None.
      classifier: the classifier that `write_saved_model` was given, or None.
      preprocessing: likewise.
      known: likewise.

    Returns:
      `{"inference": float, "training": float}`, the largest difference in each
      mode. It is NaN if one of the models returned NaN.

    Raises:
      ValueError: if the encoder is not a built Keras model of images, or if the
        names or the shapes of the outputs differ.

    Example:
      >>> from hub_export import write_saved_model
      >>> facts = write_saved_model(encoder, "saved_model")
      >>> differences = compare(encoder, tf.saved_model.load("saved_model"))
      >>> all(value < 1e-5 for value in differences.values())
      True
    """
    check_encoder(encoder)
    images = loaded.signatures["serving_default"].inputs[0]
    pixels = example_pixels(encoder, images.shape)
    expected = _expected(encoder, projection_head, classifier, pixels)
    expected |= _preprocessed(preprocessing, pixels)
    expected |= _of_known(known, expected, len(pixels))
    return _differences(expected, read_back.answers(loaded, pixels))


def compare_in_new_process(
    encoder,
    folder,
    pixels,
    *,
    projection_head=None,
    classifier=None,
    preprocessing=None,
    known=None,
):
    """Compares as `compare` does, but another process loads the SavedModel.

    That process has nothing but TensorFlow, and runs on the CPU. `folder` holds
    the SavedModel as `saved_model`, and the files that the processes exchange.
    """
    folder = pathlib.Path(folder)
    np.savez(folder / "pixels.npz", *pixels)
    done = subprocess.run(
        # With -P, the folder of the program is not searched for its imports.
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
        expected |= _preprocessed(preprocessing, pixels)
        expected |= _of_known(known, expected, len(pixels))
    return _differences(expected, received)


def example_pixels(encoder, image_shape):
    """Makes random images on which a SavedModel and its encoder are compared.

    Args:
      encoder: as in `compare`.
      image_shape: `[None, H, W, 3]`, the shape that the SavedModel takes. A
        side is None if any size is taken.

    Returns:
      A list of `[4, H, W, 3]` uint8 arrays. There is one array, and a second
      one of a quarter more width if both sides may have any size.

    Example:
      >>> pixels = example_pixels(encoder, (None, None, None, 3))
      >>> [images.shape for images in pixels]
      [(4, 32, 32, 3), (4, 32, 40, 3)]
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
    """Computes with the encoder itself what `read_back.answers` should be."""
    parts = [encoder, projection_head, classifier and classifier.dense]
    parts = [part for part in parts if part is not None]
    with ready_to_trace(*parts):
        network = with_endpoints(encoder)

        # It runs as a graph, like the loaded one, since eager layers round in
        # another way. The batch statistics of a few images can amplify such
        # rounding to 1e-3 in a deep network (measured on a ResNet-50 whose last
        # maps are 1 x 1). H and W are free, since Keras itself would hold a
        # model to the size that it was built for.
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


def _preprocessed(preprocessing, pixels):
    """Prepares images as evaluation does, under the names of `read_back`."""
    if preprocessing is None:
        return {}
    crop = AUGMENTATIONS[preprocessing["resizing"]]
    results = {}
    for index, values in enumerate(pixels):
        images = crop(values, None, preprocessing["image_size"]).numpy()
        name = f"{index}/inference/preprocessed"
        results |= {name: images, f"{name} file": images[:1]}
    return results


def _of_known(known, expected, count):
    """How near each array's features are to the known, as in `read_back`."""
    results = {}
    for name in (
        f"{index}/inference" for index in range(count if known else 0)
    ):
        distances = known.distances(expected[f"{name}/features"])
        results[f"{name}/similarity"] = 1 - distances
        results[f"{name}/threshold"] = np.float32(known.threshold)
    return results


def _differences(expected, received):
    """Returns the largest relative difference of each mode."""
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
        # If all values are zero, the difference itself is taken.
        scale = np.max(np.abs(left)) or 1.0
        difference = np.max(np.abs(left - right)) / scale
        mode = name.split("/")[1]
        # Unlike `max`, `np.maximum` keeps NaN.
        largest[mode] = float(np.maximum(largest[mode], difference))
    return largest
