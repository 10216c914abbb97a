"""Errors on corrupted images that tensorflow-datasets has prepared."""

import importlib

import numpy as np
import pytest
import tensorflow_datasets as tfds
from prepared_tfds import STEP, prepared_corruptions, write
from small_models import dark_classifier

from supcon_tf.evaluation.robustness.published import (
    PUBLISHED,
    published_corruptions,
    published_wrong_answers,
)


@pytest.mark.slow
def test_the_errors_are_those_of_the_images_that_are_there(tmp_path):
    image = tfds.features.Image(shape=(32, 32, 3))
    prepared_corruptions(tmp_path, image=image)
    # Images from 3.5 steps on are called 1, the others 0.
    classifier = dark_classifier(3.5 * STEP / 255, (32, 32))
    wrong = published_wrong_answers(
        classifier,
        "cifar10",
        image_size=32,
        kinds=("fog",),
        severities=(1, 3),
        data_dir=tmp_path,
    )
    # Labels 0 1 2 3, answers 0 0 0 0; labels 0 1 2 3 4 0, answers 0 0 0 0 1 1.
    assert {key: list(of_key) for key, of_key in wrong.items()} == {
        ("fog", 1): [False, True, True, True],
        ("fog", 3): [False, True, True, True, True, True],
    }


@pytest.mark.slow
def test_images_in_files_are_cropped(tmp_path, monkeypatch):
    prepared_corruptions(tmp_path, "imagenet2012", "validation")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    classifier = dark_classifier(0.5, (16, 16))
    wrong = published_wrong_answers(
        classifier,
        "imagenet2012",
        image_size=16,
        kinds=("fog", "shot_noise"),
        severities=(1,),
    )
    # All are dark; labels 0 1 2 3 and 0 1 2 3 4 0 1 2.
    assert {key: of_key.sum() for key, of_key in wrong.items()} == {
        ("fog", 1): 3,
        ("shot_noise", 1): 6,
    }


def test_the_newest_version_is_read(tmp_path):
    for version, count in (("9.0.0", 3), ("10.0.0", 5)):
        config = "cifar10_corrupted/fog_1"
        write(tmp_path, config, {"test": [count]}, version=version)
    (dataset,) = published_corruptions(
        "cifar10", kinds=("fog",), severities=(1,), data_dir=tmp_path
    ).values()
    labels = [int(label) for _, label in dataset]
    np.testing.assert_array_equal(labels, np.arange(5))


def test_the_kinds_are_those_of_the_benchmark(tmp_path):
    for name, module in (
        ("cifar10", "image_classification.cifar10_corrupted"),
        (
            "imagenet2012",
            "datasets.imagenet2012_corrupted."
            "imagenet2012_corrupted_dataset_builder",
        ),
    ):
        known = importlib.import_module(f"tensorflow_datasets.{module}")
        assert PUBLISHED[name].kinds == tuple(known.BENCHMARK_CORRUPTIONS)
        with pytest.raises(
            ValueError, match=f"{name}_corrupted/gaussian_noise"
        ):
            published_corruptions(name, severities=(2,), data_dir=tmp_path)


@pytest.mark.slow
def test_a_config_that_is_not_there_is_named(tmp_path):
    prepared_corruptions(tmp_path)
    with pytest.raises(ValueError) as error:
        published_corruptions(
            "cifar10",
            kinds=("fog", "shot_noise"),
            severities=(1, 3),
            data_dir=tmp_path,
        )
    assert "has prepared 'cifar10_corrupted/shot_noise_3'. Rec" in str(
        error.value
    )


def test_other_data_sets_have_none(tmp_path):
    with pytest.raises(ValueError, match=r"\['cifar10', 'imagenet2012'\]. Rec"):
        published_corruptions(
            "digits", kinds=("fog",), severities=(1,), data_dir=tmp_path
        )
