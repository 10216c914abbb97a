"""One rule of pixels at every door: uint8 / 255, floats in [0, 1]."""

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from small_models import conv_encoder, images, small_encoder

import supcon_tf
from supcon_tf.augmentations.pixels import check_pixels, in_unit_range
from supcon_tf.data.image_batches import image_batches
from supcon_tf.evaluation.encode import encode_all

X = images(12, 8, 8, 3)
PIXELS = np.uint8(np.round(255 * X))
FLOATS = PIXELS / np.float32(255)
LABELS = np.arange(12) % 4
WRONG = {
    "0 to 255": 255 * X,
    "-1 to 1": 2 * X - 1,
    "float16": np.float16(255 * X),
    "bfloat16": (255 * X).astype(ml_dtypes.bfloat16),
    "NaN": np.where(X > 0.99, np.nan, X),
}


def views_of(x):
    return np.stack([x, x[:, :, ::-1]], axis=1)


def model_of(encoder=None, **options):
    model = supcon_tf.SupConModel(encoder or conv_encoder())
    model.compile("sgd", supcon_tf.SupConLoss(), **options)
    return model


def same(one, other):
    # TensorFlow's graph multiplies by 1 / 255 where NumPy divides.
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def pairs(x, labels=LABELS):
    return tf.data.Dataset.from_tensor_slices((x, labels))


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "bfloat16"])
def test_floats_in_the_range_are_taken_in_every_precision(dtype):
    ends = np.array([0, 1 / 3, 1])
    if dtype == "bfloat16":
        dtype = ml_dtypes.bfloat16
    check_pixels(ends.astype(dtype))
    check_pixels(tf.constant(ends, dtype))
    check_pixels(np.float32([-1e-6, 1 + 1e-6]))  # rounded by a resizing
    check_pixels(np.zeros((0, 4, 4, 3)))


def test_a_uint8_is_divided_by_255_and_a_float_is_left_alone():
    np.testing.assert_array_equal(in_unit_range(PIXELS), FLOATS)
    assert in_unit_range(FLOATS) is FLOATS


@pytest.mark.parametrize("name", WRONG)
def test_a_dataset_is_held_to_the_range_of_an_array(name):
    encoder, x = conv_encoder(), WRONG[name]
    for source in ((x, LABELS), pairs(x)):
        for door in (
            lambda s: encode_all(encoder, s),
            lambda s: image_batches(s, image_size=4),
            lambda s: supcon_tf.linear_probe(encoder, s),
            lambda s: supcon_tf.KNNCallback(s, s, neighbors=1),
            lambda s: supcon_tf.view_batches(
                s,
                supcon_tf.augmentations.crop_flip,
                num_views=2,
                batch_size=4,
                image_size=8,
                seed=0,
            ),
        ):
            with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
                door(source)


@pytest.mark.slow
def test_images_of_many_sizes_and_decoded_ones_are_held_to_it_too():
    def many(high):
        return tf.data.Dataset.from_generator(
            lambda: ((np.full((n, 2, 3), high), 0) for n in (3, 4)),
            output_signature=(
                tf.TensorSpec([None, 2, 3], tf.float32),
                tf.TensorSpec([], tf.int64),
            ),
        )

    def decoded(high):
        return supcon_tf.LabelledImages(
            np.array(["a", "b"]),
            np.array([0, 1]),
            ("a", "b"),
            decode=lambda name: tf.fill([4, 4, 3], high),
        )

    for source in (many, decoded):
        make = lambda high, source=source: supcon_tf.view_batches(  # noqa: E731
            source(high),
            supcon_tf.augmentations.crop_flip,
            num_views=1,
            batch_size=2,
            image_size=4,
            seed=0,
        )
        make(0.5)
        with pytest.raises(ValueError, match="Received: floats from 200"):
            make(200.0)


def test_integers_of_another_dtype_are_refused():
    for source in ((PIXELS.astype(int), LABELS), pairs(PIXELS.astype("int32"))):
        with pytest.raises(ValueError, match="integers of another dtype"):
            encode_all(conv_encoder(), source)
    with pytest.raises(ValueError, match="integers of another dtype"):
        model_of().fit(PIXELS.astype("int32"), LABELS)


@pytest.mark.slow
def test_a_model_computes_the_same_of_uint8_as_of_floats():
    model = model_of()
    for x, y in ((PIXELS, FLOATS), (views_of(PIXELS), views_of(FLOATS))):
        expected = model.predict(y, verbose=0)
        same(model.predict(x, verbose=0), expected)
        same(model(x), expected)
        dataset = tf.data.Dataset.from_tensors(x)
        same(model.predict(dataset, verbose=0), expected)
        same(
            model.evaluate(x, LABELS, verbose=0),
            model.evaluate(y, LABELS, verbose=0),
        )
    np.testing.assert_array_equal(model.encode(PIXELS), model.encode(FLOATS))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"num_microbatches": 2}, marks=pytest.mark.release),
        pytest.param(
            {"queue_size": 24, "encoder_momentum": 0.5},
            marks=pytest.mark.release,
        ),
    ],
    ids=str,
)
def test_a_model_trains_on_uint8_as_on_floats(options):
    weights = []
    for x in (views_of(PIXELS), views_of(FLOATS)):
        keras.utils.set_random_seed(0)
        model = supcon_tf.SupConModel(small_encoder((8, 8, 3)), **options)
        model.compile("sgd", supcon_tf.SupConLoss())
        model.fit(x, LABELS, batch_size=6, epochs=2, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        same(one, other)


@pytest.mark.slow
def test_a_classifier_takes_in_predict_what_the_probe_was_given(tmp_path):
    encoder = conv_encoder()
    classifier = supcon_tf.linear_probe(encoder, (PIXELS, LABELS), verbose=0)
    classifier.save(tmp_path / "classifier.keras")
    loaded = keras.saving.load_model(tmp_path / "classifier.keras")
    for c in (classifier, loaded):
        same(
            c.evaluate(PIXELS, LABELS, verbose=0),
            c.evaluate(FLOATS, LABELS, verbose=0),
        )
        same(c.predict(PIXELS, verbose=0), c.predict(FLOATS, verbose=0))
        with pytest.raises(ValueError, match="must lie in"):
            c.predict(255 * X)
        with pytest.raises(ValueError, match="must lie in"):
            c.evaluate(pairs(255 * X).batch(4))
        with pytest.raises(ValueError, match="must lie in"):
            c(255 * X)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_models_refuse_floats_that_are_no_images_in_their_range(name):
    model, x = model_of(), WRONG[name].astype("float32")
    views = views_of(x)

    def generator():
        yield views[:4], LABELS[:4]

    for door in (
        lambda: model.fit(views, LABELS),
        lambda: model.fit(pairs(views).batch(4)),
        lambda: model.fit(generator()),
        lambda: model.fit(X, LABELS, validation_data=(x, LABELS)),
        lambda: model.evaluate(x, LABELS),
        lambda: model.predict(tf.constant(x)),
        lambda: model.predict([x, x]),
        lambda: model.train_on_batch(x, LABELS),
        lambda: model.encode(x),
        lambda: model(views),
        lambda: model({"views": views, "small_views": views}),
    ):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            door()


@pytest.mark.slow
def test_vectors_maps_of_other_channels_and_bools_may_have_any_values():
    for shape, dtype in (
        ((5,), "float32"),
        ((6, 3), "float32"),
        ((4, 4, 5), "float32"),
        ((4, 4, 1), "bool"),
        ((5,), "uint8"),
    ):
        x = (9 * images(8, 2, *shape) - 4).astype(dtype)
        model = model_of(small_encoder(shape), run_eagerly=True)
        model.fit(x, np.arange(8) % 2, batch_size=4, verbose=0)
        assert np.isfinite(model.predict(x, verbose=0)).all()
        np.testing.assert_allclose(
            model.encode(x[:, 0]),
            model.encoder(x[:, 0].astype("float32")),
            rtol=1e-5,
        )


@pytest.mark.slow
def test_a_generator_loses_no_batch_to_the_check():
    seen = []

    def batches():
        for first in (0, 4, 8):
            seen.append(first)
            yield X[first : first + 4], LABELS[first : first + 4]

    model_of(run_eagerly=True).fit(batches(), verbose=0)
    assert seen == [0, 4, 8]


SEEDS = np.stack([np.zeros(12, np.int64), np.arange(12)], axis=1)
ON_DEVICE = supcon_tf.DeviceViews("crop", num_views=2, image_size=8, seed=0)


@pytest.mark.parametrize("wrong", [255 * X, 2 * X - 1, X * np.nan])
@pytest.mark.parametrize(
    "make",
    [
        lambda x: supcon_tf.augmentations.simclr(x, SEEDS, 8),
        lambda x: supcon_tf.augmentations.center_crop(tf.constant(x), None, 8),
        lambda x: ON_DEVICE(x, np.arange(12)),
        lambda x: ON_DEVICE.batches(x, LABELS, batch_size=4),
    ],
)
def test_views_are_made_of_images_in_their_range_alone(make, wrong):
    """They were clipped: 99.9 % of the pixels of 0 to 255 became white."""
    with pytest.raises(ValueError, match="must lie in"):
        make(wrong)
    make(X)
