import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from often import often

from supcon_tf.augmentations import EncodedImage, center_crop, from_keras

SEEDS = np.stack([np.full(12, 5), np.arange(12)], axis=1)
LAYERS = {
    "RandomFlip": lambda: layers.RandomFlip("horizontal"),
    "RandomCrop": lambda: layers.RandomCrop(24, 20),
    "RandomRotation": lambda: layers.RandomRotation(0.2),
    "RandomZoom": lambda: layers.RandomZoom(0.4),
    "RandomBrightness": lambda: layers.RandomBrightness(
        0.5, value_range=(0, 1)
    ),
    "RandomContrast": lambda: layers.RandomContrast(0.5, value_range=(0, 1)),
    "RandomColorJitter": lambda: layers.RandomColorJitter(
        value_range=(0, 1),
        brightness_factor=0.4,
        contrast_factor=0.4,
        saturation_factor=0.6,
        hue_factor=0.2,
    ),
    "RandomGrayscale": lambda: layers.RandomGrayscale(0.5),
    "RandomErasing": lambda: layers.RandomErasing(
        factor=1.0, value_range=(0, 1)
    ),
    "RandomGaussianBlur": lambda: layers.RandomGaussianBlur(
        factor=1.0, kernel_size=5, sigma=(0.3, 1.0), value_range=(0, 1)
    ),
    "RandAugment": lambda: layers.RandAugment(value_range=(0, 1)),
    "several": lambda: [
        layers.RandomFlip(),
        layers.RandomCrop(24, 24),
        layers.RandomGrayscale(0.5),
    ],
    "Sequential": lambda: keras.Sequential(
        [layers.RandomFlip(), layers.RandomTranslation(0.2, 0.2)]
    ),
}

FEW = ("RandomFlip", "RandomZoom", "RandomColorJitter")


def images(count=12, height=32, width=36):
    numbers = np.random.default_rng(0)
    return numbers.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("name", often(list(LAYERS), *FEW))
def test_same_seed_same_view_in_any_batch_eagerly_and_in_a_dataset(name):
    augmentation, stack = from_keras(LAYERS[name]()), images()
    views = augmentation(stack, SEEDS, (24, 20)).numpy()
    assert views.shape == (12, 24, 20, 3) and views.dtype == np.float32
    assert views.min() >= 0 and views.max() <= 1

    dataset = tf.data.Dataset.from_tensor_slices((stack, SEEDS)).batch(5)
    dataset = dataset.map(lambda i, s: augmentation(i, s, (24, 20)))
    assert dataset.element_spec.shape.as_list() == [None, 24, 20, 3]
    for _ in range(2):
        mapped = tf.concat(list(dataset), axis=0)
        np.testing.assert_allclose(mapped, views, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", often(list(LAYERS), *FEW))
def test_each_image_draws_its_own_view(name):
    stack = np.repeat(images(1), 32, axis=0)
    seeds = np.stack([np.full(32, 5), np.arange(32)], axis=1)
    run = tf.function(from_keras(LAYERS[name]()))
    views = run(stack, seeds, 24).numpy()
    different = len(np.unique(views.reshape(32, -1), axis=0))
    few = {"RandomFlip": 2, "RandomGrayscale": 2}
    assert different == few[name] if name in few else different > 8


@pytest.mark.slow
def test_a_new_layer_draws_the_same_whatever_its_own_seed():
    first = from_keras(layers.RandomRotation(0.5, seed=1))
    second = from_keras(layers.RandomRotation(0.5, seed=2))
    np.testing.assert_array_equal(
        first(images(), SEEDS, 32), second(images(), SEEDS, 32)
    )


@pytest.mark.slow
def test_the_layers_run_on_the_range_that_they_expect():
    seen = []

    class Recorder(keras.layers.Layer):
        def call(self, inputs, training=None):
            assert training is True

            def record(values):
                seen.append((values.min(), values.max()))
                return values

            return tf.numpy_function(record, [inputs], tf.float32)

    stack = images(1)
    stack[0, 0, :2] = [[0, 0, 0], [255, 255, 255]]
    for value_range in [(0, 1), (0, 255), (-1, 1)]:
        augmentation = from_keras(Recorder(), value_range=value_range)
        for given in (stack, stack / np.float32(255)):
            views = augmentation(given, SEEDS[:1], (32, 36))
            np.testing.assert_allclose(views, stack / 255, atol=1e-6)
            np.testing.assert_allclose(seen[-1], value_range, atol=1e-4)


@pytest.mark.slow
def test_what_has_another_size_is_centre_cropped():
    views = from_keras(layers.Identity())(images(), SEEDS, 16)
    np.testing.assert_allclose(
        views, center_crop(images(), None, 16), atol=1e-6
    )


@pytest.mark.slow
def test_a_file_is_decoded_whole():
    contents = tf.io.encode_png(images(1)[0])
    augmentation = from_keras(layers.RandomRotation(0.2))
    expected = augmentation(np.repeat(images(1), 12, axis=0), SEEDS, 20)
    dataset = tf.data.Dataset.from_tensors((contents, SEEDS)).map(
        lambda c, s: augmentation(EncodedImage(c), s, 20)
    )
    (views,) = dataset
    np.testing.assert_allclose(views, expected, atol=1e-5)


@pytest.mark.slow
def test_images_of_many_sizes_are_brought_to_one_first():
    augmentation = from_keras(layers.RandomCrop(20, 20), source_size=24)
    expected = augmentation(images(), SEEDS, 20)
    smaller = from_keras(layers.RandomCrop(20, 20))
    np.testing.assert_allclose(
        smaller(center_crop(images(), None, 24), SEEDS, 20), expected, atol=1e-6
    )

    def generate():
        for height, width in [(30, 40), (25, 24)]:
            yield images(12, height, width)

    signature = tf.TensorSpec([12, None, None, 3], tf.uint8)
    dataset = tf.data.Dataset.from_generator(
        generate, output_signature=signature
    ).map(lambda i: augmentation(i, SEEDS, 20))
    for views, stack in zip(dataset, generate(), strict=True):
        np.testing.assert_allclose(
            views, augmentation(stack, SEEDS, 20), atol=1e-5
        )
    file = EncodedImage(tf.io.encode_png(images(1)[0]))
    np.testing.assert_allclose(
        augmentation(file, SEEDS, 20),
        augmentation(np.repeat(images(1), 12, axis=0), SEEDS, 20),
        atol=1e-5,
    )


@pytest.mark.slow
def test_other_draws_of_keras_and_tensorflow_are_as_before():
    augmentation = from_keras(layers.RandomFlip())
    generator = keras.random.SeedGenerator(3)
    expected = keras.random.uniform((3,), seed=keras.random.SeedGenerator(3))
    kept = tf.random.uniform, tf.random.Generator.uniform
    augmentation(images(), SEEDS, 24)
    np.testing.assert_array_equal(
        keras.random.uniform((3,), seed=generator), expected
    )
    assert kept == (tf.random.uniform, tf.random.Generator.uniform)


def test_draws_of_other_threads_are_as_before():
    drawn = []

    class Slow(keras.layers.Layer):
        def call(self, inputs):
            other = threading.Thread(
                target=lambda: drawn.append(
                    keras.random.uniform(
                        (3,), seed=keras.random.SeedGenerator(3)
                    )
                )
            )
            other.start()
            other.join()
            return inputs

    from_keras(Slow())(images(1), SEEDS[:1], 24)
    expected = keras.random.uniform((3,), seed=keras.random.SeedGenerator(3))
    np.testing.assert_array_equal(drawn[0], expected)


def keras_cv_layers():
    preprocessing = pytest.importorskip("keras_cv").layers
    return {
        "RandomFlip": preprocessing.RandomFlip("horizontal"),
        "RandAugment": preprocessing.RandAugment(value_range=(0, 255)),
        "RandomCropAndResize": preprocessing.RandomCropAndResize(
            (24, 24), (0.3, 1.0), (0.75, 1.33)
        ),
        "RandomColorJitter": preprocessing.RandomColorJitter(
            value_range=(0, 255),
            brightness_factor=(-0.2, 0.2),
            contrast_factor=(0.3, 0.7),
            saturation_factor=(0.3, 0.7),
            hue_factor=0.1,
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    often(
        [
            *("RandomFlip", "RandAugment"),
            *("RandomCropAndResize", "RandomColorJitter"),
        ],
        "RandomCropAndResize",
    ),
)
def test_layers_of_keras_cv_draw_from_the_seeds_too(name):
    augmentation = from_keras(keras_cv_layers()[name], value_range=(0, 255))
    stack = np.repeat(images(1), 12, axis=0)
    views = augmentation(stack, SEEDS, 24).numpy()
    assert views.min() >= 0 and views.max() <= 1
    different = len(np.unique(views.reshape(12, -1), axis=0))
    assert different == 2 if name == "RandomFlip" else different > 6
    dataset = tf.data.Dataset.from_tensor_slices((stack, SEEDS)).batch(5)
    dataset = dataset.map(lambda i, s: augmentation(i, s, 24))
    for _ in range(2):
        mapped = tf.concat(list(dataset), axis=0)
        np.testing.assert_allclose(mapped, views, atol=1e-4)


@pytest.mark.slow
def test_what_draws_in_a_loop_is_refused():
    keras_cv = pytest.importorskip("keras_cv")
    with pytest.raises(ValueError, match=r"keras.layers.AugMix.*KerasCV"):
        from_keras(keras_cv.layers.AugMix(value_range=(0, 255)))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: tf.random.truncated_normal([]),
        lambda: tf.random.poisson([], 2.0),
        lambda: tf.random.categorical([[0.0, 0.0]], 1, dtype=tf.int32),
    ],
)
def test_draws_that_no_seed_reaches_are_refused(draw):
    class Noise(keras.layers.Layer):
        def call(self, inputs):
            return inputs + tf.cast(tf.reduce_max(draw()), tf.float32)

    with pytest.raises(ValueError, match=r"by keras\.random.*Received: "):
        from_keras(Noise())(images(), SEEDS, 24)


@pytest.mark.parametrize(
    "given, options, message",
    [
        (5, {}, "`layers` .*Keras layers.*int"),
        ([layers.RandomFlip(), "flip"], {}, "`layers` .*str"),
        ([], {}, r"`layers` .*a layer or more.*layers=\[\]"),
        (layers.RandomFlip(), {"value_range": (1, 0)}, r"`value_range` .*\(1,"),
        (
            layers.RandomFlip(),
            {"source_size": 0},
            "`source_size` .*source_size=0",
        ),
    ],
)
def test_wrong_layers_are_refused_in_one_line(given, options, message):
    with pytest.raises(ValueError, match=message) as error:
        from_keras(given, **options)
    assert "\n" not in str(error.value)


def test_a_layer_that_fails_leaves_nothing_behind():
    class Failing(keras.layers.Layer):
        def call(self, images):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        from_keras(Failing())(np.zeros((2, 8, 8, 3)), np.zeros((2, 2), int), 8)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        assert tf.distribute.has_strategy()
