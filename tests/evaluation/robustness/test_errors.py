"""Errors on corrupted images, mCE and relative mCE."""

import numpy as np
import pytest
import tensorflow as tf
from often import often
from PIL import Image
from seeded_images import random_images
from small_models import dark_classifier, grey_images

from supcon_tf import augmentations, load_dataset
from supcon_tf.corruptions import CORRUPTIONS, corrupted
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.evaluation.robustness.errors import (
    error_shares,
    mean_corruption_error,
    relative_mean_corruption_error,
    standard_error_of_mce,
    wrong_answers,
)


def corruption_errors(*arguments, **options):
    """The clean error, and the others by kind."""
    return error_shares(wrong_answers(*arguments, **options))


def test_the_errors_of_a_classifier_by_brightness_are_those_by_hand():
    # Brightness adds 0.05, 0.1, 0.15, 0.2 and 0.3 to a grey: one more of the
    # dark images at each severity reaches the threshold, 0.5.
    test = grey_images(
        [0.1, 0.22, 0.33, 0.37, 0.42, 0.47, 0.6, 0.9], [0] * 6 + [1] * 2
    )
    clean, errors = corruption_errors(
        dark_classifier(), test, image_size=8, kinds=("brightness",)
    )
    assert clean == 0
    assert errors == {"brightness": (1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8)}


def test_the_clean_error_is_that_of_the_images_as_they_are():
    test = grey_images([0.1, 0.2, 0.3, 0.9], [0, 0, 1, 0])
    clean, errors = corruption_errors(
        dark_classifier(),
        test,
        image_size=8,
        kinds=("contrast", "brightness"),
        severities=(5, 1),
    )
    assert clean == 2 / 4
    assert list(errors) == ["contrast", "brightness"]
    assert [len(of_kind) for of_kind in errors.values()] == [2, 2]


def expected_errors(classifier, images, labels, kinds, severities, size):
    for kind in kinds:
        for severity in severities:
            answers = []
            for index, image in enumerate(images):
                harmed = corrupted(
                    image[None], kind, severity, seed=3, offset=index
                )
                view = augmentations.center_crop(harmed, None, size)
                answers.append(np.argmax(classifier(view)))
            yield np.mean(np.array(answers) != labels)


KINDS = ("gaussian_noise", "impulse_noise", "zoom_blur", "contrast", "pixelate")


@pytest.mark.slow
def test_pixels_are_corrupted_as_they_are_and_then_resized_in_batches():
    # More images than a batch has, so that offsets matter.
    images = (
        random_images(300, 9, 12) // 2
        + np.arange(300, dtype=np.uint8)[:, None, None, None] // 3
    )
    labels = np.arange(300) % 2
    classifier = dark_classifier(0.45, (6, 6))
    _, errors = corruption_errors(
        classifier,
        LabelledImages(images, labels, ["a", "b"]),
        image_size=6,
        kinds=KINDS[:1],
        severities=(5,),
        seed=3,
    )
    expected = expected_errors(classifier, images, labels, KINDS[:1], (5,), 6)
    assert [e for (e,) in errors.values()] == list(expected)


@pytest.mark.release
@pytest.mark.parametrize("form", often(["files", "decode", "stream"], "files"))
def test_images_in_files_of_many_sizes_are_corrupted_one_by_one(form, tmp_path):
    images = [
        random_images(1, 10 + i % 3, 12 + i % 4, seed=i)[0] // (1 + i % 2)
        for i in range(20)
    ]
    labels = np.arange(20) % 2
    if form == "files":
        paths = []
        for index, image in enumerate(images):
            paths.append(str(tmp_path / f"{index:02}.png"))
            Image.fromarray(image).save(paths[-1])
        test = LabelledImages(
            np.array(paths), labels, ["a", "b"], read=tf.io.read_file
        )
    else:
        strings = [tf.io.encode_png(image).numpy() for image in images]
        test = LabelledImages(
            np.array(strings, object),
            labels,
            ["a", "b"],
            decode=tf.io.decode_png,
        )
    if form == "stream":
        path = str(tmp_path / "images.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for string, label in zip(strings, labels, strict=True):
                writer.write(bytes([label]) + string)

        def parse(record):
            label = tf.io.decode_raw(tf.strings.substr(record, 0, 1), tf.uint8)
            return tf.strings.substr(record, 1, -1), tf.cast(label[0], tf.int64)

        test = StreamedImages([path], (20,), parse, ["a", "b"])
    classifier = dark_classifier(0.4)
    _, errors = corruption_errors(
        classifier,
        test,
        image_size=8,
        kinds=KINDS,
        severities=(4,),
        seed=3,
    )
    expected = expected_errors(classifier, images, labels, KINDS, (4,), 8)
    assert [e for (e,) in errors.values()] == list(expected)


def test_the_seed_decides_the_noise():
    images = np.full((50, 8, 8, 3), 127, np.uint8)
    test = LabelledImages(images, np.zeros(50, int), ["a", "b"])

    def errors(seed):
        return corruption_errors(
            dark_classifier(), test, image_size=8, kinds=KINDS[:2], seed=seed
        )

    assert errors(0) == errors(0) != errors(1)


def test_every_kind_is_there_by_default():
    _, test = load_dataset("digits")
    _, errors = corruption_errors(
        dark_classifier(), test.take(np.arange(3)), image_size=8
    )
    assert list(errors) == list(CORRUPTIONS)
    assert all(len(of_kind) == 5 for of_kind in errors.values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kinds": ("fog",)}, "`name` must be one of .* which is left out"),
        ({"severities": (0,)}, "`severity` must be an int from 1 to 5"),
        ({"seed": -1}, "`seed` must be an int >= 0"),
    ],
)
def test_what_there_is_not_is_refused_before_an_image_is_read(arguments, words):
    test = LabelledImages(
        np.array(["none"]), [0], ["a", "b"], read=tf.io.read_file
    )
    with pytest.raises(ValueError, match=words):
        corruption_errors(dark_classifier(), test, image_size=8, **arguments)


def test_float_images_are_refused():
    test = (np.zeros((3, 8, 8, 3), "float32"), [0, 1, 1])
    with pytest.raises(ValueError, match="`images` must be uint8"):
        corruption_errors(dark_classifier(), test, image_size=8)


ERRORS = {"snow": (0.1, 0.2, 0.6), "fog": (0.2, 0.2, 0.2)}
BASELINE = {"snow": (0.2, 0.4, 0.6), "fog": (0.1, 0.3, 0.4)}


def test_the_mean_corruption_error_is_that_by_hand():
    # snow: 0.9 / 1.2; fog: 0.6 / 0.8; by sums, not ratio by ratio.
    assert mean_corruption_error(ERRORS, BASELINE) == pytest.approx(75)
    # snow alone: (0.9 / 1.2), not (1/2 + 1/2 + 1) / 3.
    snow = [{"snow": e["snow"]} for e in (ERRORS, BASELINE)]
    assert mean_corruption_error(*snow) == pytest.approx(75)
    # Reversed: 1.2 / 0.9 and 0.8 / 0.6.
    assert mean_corruption_error(BASELINE, ERRORS) == pytest.approx(400 / 3)


def test_the_relative_mean_corruption_error_is_that_by_hand():
    # snow: (0.9 - 0.3) / (1.2 - 0.15); fog: (0.6 - 0.3) / (0.8 - 0.15).
    value = relative_mean_corruption_error(ERRORS, 0.1, BASELINE, 0.05)
    assert value == pytest.approx(50 * (0.6 / 1.05 + 0.3 / 0.65))


def test_a_baseline_compared_with_itself_has_100():
    assert mean_corruption_error(BASELINE, BASELINE) == pytest.approx(100)
    value = relative_mean_corruption_error(BASELINE, 0.1, BASELINE, 0.1)
    assert value == pytest.approx(100)


@pytest.mark.parametrize(
    ("errors", "baseline"),
    [
        (ERRORS, {"snow": BASELINE["snow"]}),
        (ERRORS, BASELINE | {"fog": (0.1, 0.3)}),
        ({}, {}),
    ],
)
def test_kinds_and_severities_must_be_the_same(errors, baseline):
    with pytest.raises(ValueError, match="must have the kinds and severities"):
        mean_corruption_error(errors, baseline)


def test_a_baseline_without_errors_is_no_yardstick():
    with pytest.raises(ValueError, match="a sum of 0 for 'snow'"):
        mean_corruption_error(ERRORS, BASELINE | {"snow": (0, 0, 0)})
    # Whose sum is 0, and 5e-17 in float64.
    equal = {"snow": (0.174, 0.175, 0.171, 0.167, 0.173)}
    with pytest.raises(ValueError, match="a sum of 0 for 'snow'"):
        relative_mean_corruption_error(equal, 0.1, equal, 0.172)
    with pytest.raises(ValueError, match=r"a sum of -0\.1 for 'fog'"):
        relative_mean_corruption_error(ERRORS, 0.1, BASELINE, 0.3)


def drawn_answers(random, ease, share):
    """Wrong answers on images some of which are harder than others."""
    return {
        (kind, severity): random.random(len(ease)) < share * severity * ease
        for kind in ("fog", "snow")
        for severity in (1, 2)
    }


def test_the_standard_error_of_mce_is_that_of_a_bootstrap():
    random = np.random.default_rng(0)
    ease = random.random(400)
    own, baseline = (drawn_answers(random, ease, s) for s in (0.4, 0.5))

    def mce(chosen):
        errors = [
            {
                kind: [wrong[kind, s][chosen].mean() for s in (1, 2)]
                for kind in ("fog", "snow")
            }
            for wrong in (own, baseline)
        ]
        return mean_corruption_error(*errors)

    draws = [mce(random.integers(0, 400, 400)) for _ in range(2000)]
    error = standard_error_of_mce(own, baseline)
    assert error == pytest.approx(np.std(draws), rel=0.06)
    more = [{k: np.tile(v, 4) for k, v in w.items()} for w in (own, baseline)]
    assert standard_error_of_mce(*more) == pytest.approx(error / 2, rel=0.01)


def test_the_standard_error_needs_two_images_and_errors_of_the_baseline():
    one = {("fog", 1): np.array([True])}
    with pytest.raises(ValueError, match="two or more images"):
        standard_error_of_mce(one, one)
    right = {("fog", 1): np.array([False, False])}
    with pytest.raises(ValueError, match="errors of each kind"):
        standard_error_of_mce(right, right)
