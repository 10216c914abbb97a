"""Two views in other ways: tf.image, the layers of Keras and KerasCV.

By tf.image it is the same work as ours, with the same strengths: windows of the
same shares, resized with antialiasing, and the four colour operations in an
order of each view's own. The layers do less: those of KerasCV have one order,
and Keras' brightness is added, not multiplied.
"""

import functools

import tensorflow as tf

SHUFFLE = 1024


def tf_image(images, *, image_size, batch_size, decode=None, simclr=True):
    """Views by tf.image, example by example in Dataset.map.

    Args:
      images: `[n, H, W, 3]` uint8, or `[n]` strings, the contents of files.
      image_size: int, side of the views.
      batch_size: int, images in a batch.
      decode: None for images; "whole" or "window", what is decoded of a file.
      simclr: whether colours are changed, too; else only crop and flip.

    Returns:
      A `tf.data.Dataset` of `[B, 2, image_size, image_size, 3]` float32.
    """

    def view(image, seed):
        seeds = tf.unstack(tf.random.split(seed, 10))
        pixels = _random_crop(image, seeds[0], image_size, decode)
        pixels = tf.image.stateless_random_flip_left_right(pixels, seeds[1])
        if simclr:
            pixels = _jitter_gray_blur(pixels, seeds[2:], image_size)
        return tf.clip_by_value(pixels, 0.0, 1.0)

    def two_views(image, number):
        if decode == "whole":
            image = tf.io.decode_jpeg(image, channels=3)
        seeds = [tf.stack([number, tf.constant(v, tf.int64)]) for v in (0, 1)]
        return tf.stack([view(image, seed) for seed in seeds])

    dataset = _shuffled(images)
    dataset = tf.data.Dataset.zip(dataset, tf.data.Dataset.counter())
    dataset = dataset.map(two_views, num_parallel_calls=tf.data.AUTOTUNE)
    return _batches(dataset.batch(batch_size, drop_remainder=True))


def layers_of_keras(images, *, image_size, batch_size):
    """Views by the layers of Keras on batches.

    There is no random resized crop among them. The nearest is RandomZoom, into
    the centre.

    Args:
      images: as for `tf_image`, uint8.
      image_size: as for `tf_image`, the side of the images, too.
      batch_size: as for `tf_image`.

    Returns:
      As `tf_image`.
    """
    from keras import layers

    del image_size
    value_range = {"value_range": (0, 1)}
    return _by_layers(
        [
            layers.Rescaling(1 / 255),
            layers.RandomZoom((0.2**0.5 - 1, 0.0)),
            layers.RandomFlip("horizontal"),
            layers.RandomColorJitter(
                brightness_factor=0.4,
                contrast_factor=0.4,
                saturation_factor=(0.3, 0.7),
                hue_factor=0.1,
                **value_range,
            ),
            layers.RandomGrayscale(0.2),
        ],
        images,
        batch_size,
    )


def layers_of_keras_cv(images, *, image_size, batch_size):
    """Views by three layers of KerasCV on batches: nothing grey.

    Args:
      images: as for `tf_image`, uint8.
      image_size: as for `tf_image`.
      batch_size: as for `tf_image`.

    Returns:
      As `tf_image`.
    """
    from keras import layers as keras_layers
    from keras_cv import layers

    return _by_layers(
        [
            layers.RandomCropAndResize(
                (image_size, image_size),
                crop_area_factor=(0.2, 1.0),
                aspect_ratio_factor=(3 / 4, 4 / 3),
            ),
            layers.RandomFlip("horizontal"),
            layers.RandomColorJitter(
                value_range=(0, 255),
                brightness_factor=0.4,
                contrast_factor=0.4,
                saturation_factor=(0.3, 0.7),
                hue_factor=0.1,
            ),
            keras_layers.Rescaling(1 / 255),
        ],
        images,
        batch_size,
    )


def randaugment_of_keras_cv(images, *, image_size, batch_size, decode=None):
    """RandAugment by KerasCV, after crop and flip by tf.image.

    Args:
      images: as for `tf_image`.
      image_size: as for `tf_image`.
      batch_size: as for `tf_image`.
      decode: as for `tf_image`.

    Returns:
      As `tf_image`.
    """
    from keras_cv import layers

    layer = layers.RandAugment(
        value_range=(0, 255), augmentations_per_image=2, magnitude=1 / 3
    )
    dataset = tf_image(
        images,
        image_size=image_size,
        batch_size=batch_size,
        decode=decode,
        simclr=False,
    )

    def augmented(views):
        pixels = tf.reshape(views, [-1, image_size, image_size, 3])
        pixels = layer(255 * pixels, training=True) / 255
        return tf.reshape(pixels, tf.shape(views))

    return _batches(dataset.map(augmented, num_parallel_calls=tf.data.AUTOTUNE))


def _by_layers(layers, images, batch_size):
    def views(batch):
        def view():
            pixels = tf.cast(batch, tf.float32)
            for layer in layers:
                pixels = layer(pixels, training=True)
            return pixels

        return tf.stack([view(), view()], axis=1)

    dataset = _shuffled(images).batch(batch_size, drop_remainder=True)
    return _batches(dataset.map(views, num_parallel_calls=tf.data.AUTOTUNE))


def _shuffled(images):
    dataset = tf.data.Dataset.from_tensor_slices(images)
    return dataset.shuffle(SHUFFLE).repeat()


def _batches(dataset):
    return dataset.prefetch(tf.data.AUTOTUNE)


def _random_crop(image, seed, size, decode):
    """Random resized crop of an image, or of a file; floats."""
    if decode == "window":
        shape = tf.io.extract_jpeg_shape(image)
    else:
        shape = tf.shape(image)
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape,
        tf.zeros([1, 0, 4]),
        seed,
        min_object_covered=0.0,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(0.2 if size <= 32 else 0.08, 1.0),
        use_image_if_no_bounding_boxes=True,
    )
    if decode == "window":
        window = tf.concat([begin[:2], extent[:2]], axis=0)
        crop = tf.image.decode_and_crop_jpeg(image, window, channels=3)
    else:
        crop = tf.slice(image, begin, extent)
    crop = tf.ensure_shape(crop, [None, None, 3])
    return tf.image.resize(crop, [size, size], antialias=True) / 255.0


def _jitter_gray_blur(image, seeds, size):
    strength = 0.5 if size <= 32 else 1.0
    spread = 0.8 * strength

    low, high = max(0.0, 1 - spread), 1 + spread
    operations = (
        lambda x: x * tf.random.stateless_uniform([], seeds[0], low, high),
        lambda x: tf.image.stateless_random_contrast(x, low, high, seeds[1]),
        lambda x: tf.image.stateless_random_saturation(x, low, high, seeds[2]),
        lambda x: tf.image.stateless_random_hue(x, 0.2 * strength, seeds[3]),
    )

    def jittered():
        pixels = image
        order = tf.argsort(tf.random.stateless_uniform([4], seeds[6]))
        for position in range(4):
            pixels = tf.switch_case(
                order[position],
                [functools.partial(x, pixels) for x in operations],
            )
            pixels = tf.clip_by_value(pixels, 0.0, 1.0)
        return pixels

    def gray():
        return tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(image))

    draws = tf.random.stateless_uniform([3], seeds[4])
    image = tf.cond(draws[0] < 0.8, jittered, lambda: image)
    image = tf.cond(draws[1] < 0.2, gray, lambda: image)
    if size <= 32:
        return image
    blurred = tf.cond(
        draws[2] < 0.5, lambda: _blurred(image, seeds[5], size), lambda: image
    )
    return tf.ensure_shape(blurred, [size, size, 3])


def _blurred(image, seed, size):
    radius = size // 10 // 2
    sigma = tf.random.stateless_uniform([], seed, 0.1, 2.0)
    distances = tf.range(-radius, radius + 1, dtype=tf.float32)
    kernel = tf.nn.softmax(-((distances / sigma) ** 2) / 2)
    kernel = tf.tile(kernel[:, None, None, None], [1, 1, 3, 1])
    image = image[None]
    for kernel_of_axis in (kernel, tf.transpose(kernel, [1, 0, 2, 3])):
        image = tf.nn.depthwise_conv2d(
            image, kernel_of_axis, [1, 1, 1, 1], "SAME"
        )
    return image[0]
