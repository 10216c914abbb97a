"""What an evaluation tells of corrupted images."""

import numpy as np
import pytest
import tensorflow as tf
from prepared_tfds import prepared_corruptions
from small_models import dark_classifier, grey_images

from supcon_tf import LabelledImages
from supcon_tf.evaluation.robustness.errors import (
    error_shares,
    standard_error_of_mce,
    wrong_answers,
)
from supcon_tf.evaluation.robustness.results import (
    corruption_results,
    relative_results,
)

TEST = grey_images([0.1, 0.3, 0.42, 0.9], [0, 0, 0, 0])


def test_the_errors_are_listed_with_their_mean():
    arguments = {
        "image_size": 8,
        "kinds": ("brightness", "contrast"),
        "severities": (1, 3),
    }
    results, wrong = corruption_results(dark_classifier(), TEST, **arguments)
    again = wrong_answers(dark_classifier(), TEST, **arguments)
    clean, errors = error_shares(again)
    assert results["clean_error"] == clean == 0.25
    assert results["errors"] == {k: list(v) for k, v in errors.items()}
    assert results["errors"]["brightness"] == [0.25, 0.5]
    assert wrong["brightness", 3].tolist() == [False, False, True, True]
    expected = np.mean([errors["brightness"], errors["contrast"]])
    assert results["mean_error"] == pytest.approx(expected)


@pytest.mark.slow
def test_published_images_take_the_place_of_those_made_here(tmp_path):
    prepared_corruptions(tmp_path)
    results, _ = corruption_results(
        dark_classifier(),
        TEST,
        image_size=8,
        kinds=("fog",),
        severities=(1, 3),
        published="cifar10",
        data_dir=tmp_path,
    )
    assert results["clean_error"] == 0.25
    # All are dark; labels 0 1 2 3 and 0 1 2 3 4 0.
    assert results["errors"] == {"fog": [3 / 4, 4 / 6]}


@pytest.mark.slow
def test_clean_images_are_cut_as_the_published_ones_were(tmp_path):
    # Tall images, dark but for the left and the right sixteenth of the width,
    # which 224 / 256 of the width does not show.
    images = np.zeros((4, 96, 64, 3), np.uint8)
    images[:, :, :4] = images[:, :, -4:] = 255
    test = LabelledImages(images, np.ones(4, int), ("dark", "light"))
    classifier = dark_classifier(0.05, (16, 16))
    errors = {}
    for name, split in (("cifar10", "test"), ("imagenet2012", "validation")):
        prepared_corruptions(tmp_path, name, split)
        results, _ = corruption_results(
            classifier,
            test,
            image_size=16,
            kinds=("fog",),
            severities=(1,),
            published=name,
            data_dir=tmp_path,
        )
        errors[name] = results["clean_error"]
    assert errors == {"cifar10": 0.0, "imagenet2012": 1.0}


@pytest.mark.parametrize(
    ("published", "words"),
    [
        ("digits", "`dataset` must be one whose corrupted images are publish"),
        ("cifar10", "has prepared 'cifar10_corrupted/fog_1'"),
    ],
)
def test_published_images_must_be_there_before_a_clean_one_is_read(
    published, words, tmp_path
):
    unreadable = LabelledImages(
        np.array(["none"]), [0], ["a", "b"], read=tf.io.read_file
    )
    with pytest.raises(ValueError, match=words):
        corruption_results(
            dark_classifier(),
            unreadable,
            image_size=8,
            kinds=("fog",),
            severities=(1,),
            published=published,
            data_dir=tmp_path,
        )


def of_each(*wrong):
    """Wrong answers to fog of two severities, of three images."""
    return {
        ("fog", s): np.array(of_s, bool)
        for s, of_s in zip((1, 2), wrong, strict=True)
    }


WRONG = of_each([0, 1, 0], [0, 1, 1])
BASELINE_WRONG = of_each([1, 1, 0], [1, 1, 1])
OWN = {"clean_error": 0.1, "errors": {"fog": [0.2, 0.3]}}
BASELINE = {"clean_error": 0.1, "errors": {"fog": [0.4, 0.6]}}


def test_both_mean_corruption_errors_are_relative_to_the_baseline():
    results = relative_results(OWN, BASELINE, WRONG, BASELINE_WRONG)
    assert results == {
        "mean_corruption_error": pytest.approx(50),
        "relative_mean_corruption_error": pytest.approx(100 * 0.3 / 0.8),
        "mean_corruption_error_standard_error": pytest.approx(
            standard_error_of_mce(WRONG, BASELINE_WRONG)
        ),
        "notes": [],
    }


@pytest.mark.parametrize("pair", [(None, None), (OWN, None), (None, BASELINE)])
def test_without_one_of_them_there_are_none(pair):
    assert relative_results(*pair, None, None) == {
        "mean_corruption_error": None,
        "relative_mean_corruption_error": None,
        "mean_corruption_error_standard_error": None,
        "notes": [],
    }


@pytest.mark.parametrize(
    ("baseline", "wrong", "mce", "missing"),
    [
        (
            {"clean_error": 0.6, "errors": {"fog": [0.4, 0.6]}},
            BASELINE_WRONG,
            50,
            ["relative_mean_corruption_error"],
        ),
        (
            {"clean_error": 0.0, "errors": {"fog": [0, 0]}},
            of_each([0, 0, 0], [0, 0, 0]),
            None,
            [
                "mean_corruption_error",
                "relative_mean_corruption_error",
                "mean_corruption_error_standard_error",
            ],
        ),
    ],
)
def test_a_note_says_why_there_is_no_value(baseline, wrong, mce, missing):
    results = relative_results(OWN, baseline, WRONG, wrong)
    assert results["mean_corruption_error"] == (mce and pytest.approx(mce))
    assert results["relative_mean_corruption_error"] is None
    for name, note in zip(missing, results["notes"], strict=True):
        begin = f"{name} has no value: `baseline` must make errors of each kind"
        assert note.startswith(begin)
