"""Makes pipelines of the image augmentation layers of Keras and KerasCV."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras

from supcon_tf.augmentations.checks import checked_images, checked_seeds
from supcon_tf.augmentations.crops import center_crop
from supcon_tf.augmentations.encoded_image import EncodedImage
from supcon_tf.augmentations.presets import checked_size
from supcon_tf.frameworks.backends import tf


def from_keras(
    layers: keras.layers.Layer | Sequence[keras.layers.Layer],
    *,
    value_range: tuple[float, float] = (0, 1),
    source_size: int | tuple[int, int] | None = None,
) -> Callable[..., Any]:
    """Makes a pipeline of one or more Keras or KerasCV layers.

    Each image goes through the layers alone, in training mode, and all draws
    come from its seed. So the same image and seed give the same view in any
    batch, eagerly and in tf.data. Layers that draw once per batch, such as
    `keras.layers.RandomCrop` and the operations of Keras' RandAugment, draw per
    image here. Layers that mix images, such as MixUp, mix nothing.

    Args:
      layers: a `keras.layers.Layer`, a `keras.Sequential`, or a list of them.
        Their own `seed` arguments have no effect. Layers of your own must
        draw by `keras.random`. KerasCV's AugMix is refused, since it draws
        inside a loop.
      value_range: (low, high), the values of black and white that the layers
        expect, as in the layers' own argument of this name. Use (0, 255) for
        KerasCV and for Keras layers left at their default.
      source_size: positive int, or (height, width), to which `center_crop`
        brings the images before the layers; None leaves them. Use it for
        images of many sizes with a layer that must know the size, such as
        RandomCrop.

    Returns:
      A function `(images, seeds, image_size) -> views`. It takes images (or an
      `EncodedImage`) and seeds as in `simclr`. The views are
      `[B, height, width, C]` float32, clipped to [0, 1]. If the layers leave
      another size than image_size, `center_crop` brings the views to it.

    Raises:
      ValueError: if there is no layer or one cannot be used, value_range is
        not a range, or source_size is not a size. The function raises it if
        its input is not as described.

    Example:
      >>> flip = from_keras(keras.layers.RandomFlip("horizontal"))
      >>> seeds = tf.stack([tf.zeros(8, tf.int32), tf.range(8)], axis=1)
      >>> flip(images, seeds, 24).shape
      TensorShape([8, 24, 24, 3])
    """
    layers = _flat(layers)
    low, high = (float(value) for value in value_range)
    if not low < high:
        raise ValueError(
            "`value_range` must be (low, high) with low < high. "
            f"Received: value_range={value_range}"
        )
    if source_size is not None:
        source_size = checked_size(source_size, "source_size")

    def view(image, seed, size):
        """Makes a view of `[H, W, C]`, uint8 or in [0, 1], by a seed `[2]`."""
        whole = 255.0 if image.dtype == tf.uint8 else 1.0
        image = tf.cast(image, tf.float32)[None] / whole
        image = low + image * (high - low)
        if not all(layer.built for layer in layers):
            # Building some layers draws, before the call would draw.
            _run(layers, image, seed)
        changed = (_run(layers, image, seed) - low) / (high - low)
        changed = tf.ensure_shape(changed, [1, None, None, image.shape[3]])
        return center_crop(tf.clip_by_value(changed, 0.0, 1.0), None, size)[0]

    # Always traced, since a graph draws for each choice that a layer has.
    @tf.function
    def views(images, seeds, size):
        def one(image_and_seed):
            return view(*image_and_seed, size)

        signature = tf.TensorSpec([*size, images.shape[3]], tf.float32)
        return _mapped(one, (images, seeds), signature)

    def augmentation(images, seeds, image_size):
        """Applies the layers of `from_keras` to each image."""
        images = checked_images(images)
        seeds = checked_seeds(seeds, images)
        size = checked_size(image_size)
        encoded = isinstance(images, EncodedImage)
        if source_size is not None:
            images = center_crop(images, None, source_size)
        elif encoded:
            images = images.decode()[None]
        if encoded:
            images = tf.repeat(images, tf.shape(seeds)[0], axis=0)
        return views(images, seeds, size)

    return augmentation


def _flat(layers):
    """Returns the layers as a list, those of a `keras.Sequential` one by one.

    A Sequential itself would be built for the size of the first image.
    """
    flat = []
    for layer in layers if isinstance(layers, (list, tuple)) else [layers]:
        if isinstance(layer, keras.Sequential):
            flat += _flat(layer.layers)
        elif not isinstance(layer, keras.layers.Layer):
            raise ValueError(
                "`layers` must be Keras layers. "
                f"Received: {type(layer).__name__}"
            )
        elif type(layer).__module__.startswith("keras_cv") and (
            type(layer).__name__ == "AugMix"
        ):
            raise ValueError(
                "`layers` must draw outside of loops: use keras.layers.AugMix. "
                "Received: AugMix of KerasCV"
            )
        else:
            flat.append(layer)
    if not flat:
        raise ValueError(
            f"`layers` must have a layer or more. Received: layers={layers}"
        )
    return flat


def _mapped(function, elements, signature):
    """Calls `tf.map_fn`, and cleans up after it if the function raises.

    TensorFlow 2.21 leaves a caching device in the variable scope then, and no
    strategy's scope can be entered any more.
    """
    scope = tf.compat.v1.get_variable_scope()
    before = scope.caching_device
    try:
        return tf.map_fn(function, elements, fn_output_signature=signature)
    finally:
        scope.set_caching_device(before)


def _run(layers, image, seed):
    with _draws_from(seed):
        for layer in layers:
            image = layer(image, training=True)
    for operation in tf.compat.v1.get_default_graph().get_operations():
        if operation.op_def.is_stateful and operation.type.startswith(
            ("Random", "Rng", "Stateful", "TruncatedNormal", "Multinomial")
        ):
            raise ValueError(
                "`layers` must draw by keras.random, else the seeds have no "
                f"effect. Received: {operation.type} of TensorFlow"
            )
    return tf.cast(image, tf.float32)


_LOCK = threading.RLock()


@contextlib.contextmanager
def _draws_from(seed):
    """Makes all draws of Keras and KerasCV in the block depend on `seed` `[2]`.

    There is no public way to give a layer a seed per call. The generators of
    Keras count up, and KerasCV's generators and sampled factors use the state
    of TensorFlow. So this replaces the functions that they call, for this
    thread alone.
    """
    seed = tf.cast(seed, tf.int64)
    count = 0

    def next_seed():
        nonlocal count
        count += 1
        return tf.random.experimental.stateless_fold_in(seed, count)

    # These have the arguments of what they replace, but their seed has no
    # effect.
    def uniform(
        shape, minval=0, maxval=None, dtype=tf.float32, seed=None, name=None
    ):
        return tf.random.stateless_uniform(
            shape, next_seed(), minval, maxval, dtype, name
        )

    def normal(
        shape, mean=0.0, stddev=1.0, dtype=tf.float32, seed=None, name=None
    ):
        return tf.random.stateless_normal(
            shape, next_seed(), mean, stddev, dtype, name
        )

    def shuffle(value, seed=None, name=None):
        return tf.random.experimental.stateless_shuffle(
            value, next_seed(), name=name
        )

    replacements = (
        (keras.random.SeedGenerator, "next", lambda *_, **__: next_seed()),
        (tf.random.Generator, "uniform", lambda _, *a, **k: uniform(*a, **k)),
        (tf.random.Generator, "normal", lambda _, *a, **k: normal(*a, **k)),
        (tf.random, "uniform", uniform),
        (tf.random, "normal", normal),
        (tf.random, "shuffle", shuffle),
    )
    with _LOCK, contextlib.ExitStack() as stack:
        for owner, name, draw in replacements:
            original = getattr(owner, name)
            stack.callback(setattr, owner, name, original)
            setattr(owner, name, _in_this_thread(draw, original))
        yield


def _in_this_thread(draw, original):
    """Returns `draw` for calls in the present thread, `original` for others."""
    thread = threading.get_ident()

    def either(*arguments, **options):
        here = threading.get_ident() == thread
        return (draw if here else original)(*arguments, **options)

    return either
