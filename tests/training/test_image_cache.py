import dataclasses
import math

import numpy as np
import pytest
from PIL import Image

from supcon_tf.config import EvaluateConfig, LinearEvalConfig, PretrainConfig
from supcon_tf.recipes import RECIPES
from supcon_tf.training.batches import training_images
from supcon_tf.training.image_cache import (
    copies_of,
    side_of_copies,
    with_absolute_cache,
    with_cache_of,
)


def folder(path, height=1000, width=1200):
    """Three photographs of two classes each, and a config that reads them."""
    for number, name in enumerate(("cat", "dog")):
        (path / name).mkdir(parents=True)
        for value in range(3):
            pixels = np.full((height, width), 60 * value + number, np.uint8)
            Image.fromarray(pixels).save(path / name / f"{value}.jpg")
    return dataclasses.replace(
        RECIPES["folder"], data_dir=str(path), image_size=16
    )


def plan(config, workdir, **more):
    images, _, _ = training_images(config)
    return images, copies_of(config, workdir, images, **more)


@pytest.mark.parametrize(
    ("settings", "side"),
    [
        # The share of the area that nine in ten crops have, by hand.
        ({"image_size": 224}, 224 / math.sqrt(0.08 + 0.1 * 0.92)),
        ({"image_size": 32}, 32 / math.sqrt(0.2 + 0.1 * 0.8)),
        ({"image_size": 160, "crop_area": (0.3, 1.0)}, 160 / math.sqrt(0.37)),
        ({"image_size": 64, "augmentation": "crop"}, 64 + 32),
        ({"image_size": 224, "augmentation": "center_crop"}, 224 + 32),
        (
            {
                "image_size": 64,
                "crop_area": (0.9, 1.0),
                "small_views": 2,
                "small_view_size": 48,
            },
            48 / math.sqrt(0.05 + 0.1 * 0.09),
        ),
    ],
)
def test_copies_are_as_large_as_nine_in_ten_crops_and_an_evaluation_need(
    settings, side
):
    found = side_of_copies(PretrainConfig(**settings))
    assert found % 16 == 0 and 0 <= found - side < 16


@pytest.mark.parametrize("name", ["folder", "photos"])
def test_a_share_of_the_crops_of_a_recipe_is_enlarged_by_a_little(name):
    config = RECIPES[name]
    low, high = config.crop_area
    side = side_of_copies(config)
    shares = np.random.default_rng(0).uniform(low, high, 10_000)
    of_square = np.sqrt(shares) * side  # a photograph is not narrower
    assert (of_square < config.image_size).mean() < 0.11
    assert of_square.min() > config.image_size / 1.3


def test_auto_makes_copies_of_large_photographs_beside_the_workdir(tmp_path):
    config = folder(tmp_path / "photos")
    images, copies = plan(config, tmp_path / "runs" / "mine")
    (small,), line = copies([images])
    there = tmp_path / "runs" / "image_cache"
    assert line.startswith(f"image cache {there}: 4 copies at 32 pixels, 0.0 ")
    assert all(path.startswith(str(there)) for path in small.images)
    images, copies = plan(config, tmp_path / "runs" / "mine", least_side=72)
    assert copies([images])[1].startswith(
        f"image cache {there}: 4 copies at 72"
    )


def test_auto_is_none_for_small_photographs_other_data_and_many_workers(
    tmp_path,
):
    small = folder(tmp_path / "small", 90, 120)
    large = folder(tmp_path / "large")
    none = dataclasses.replace(large, image_cache=None)
    assert plan(small, tmp_path / "W")[1] is None
    assert plan(none, tmp_path / "W")[1] is None
    assert plan(large, tmp_path / "W", num_workers=2)[1] is None
    assert plan(RECIPES["digits"], tmp_path / "W")[1] is None
    given = dataclasses.replace(small, image_cache=str(tmp_path / "copies"))
    images, copies = plan(given, tmp_path / "W", num_workers=2)
    assert "4 copies at 32 pixels" in copies([images])[1]
    assert not (tmp_path / "W").exists()


def test_copies_never_lie_among_the_photographs(tmp_path):
    config = folder(tmp_path / "photos")
    images, copies = plan(config, tmp_path / "photos" / "W")
    (same,), line = copies([images])
    assert same is images and "none, since it would lie within data_d" in line
    inside = str(tmp_path / "photos" / "copies")
    config = dataclasses.replace(config, image_cache=inside)
    with pytest.raises(ValueError, match="must be a folder outside of data_d"):
        plan(config, tmp_path / "W")


def test_a_folder_that_cannot_be_is_refused_in_one_line(tmp_path):
    config = folder(tmp_path / "photos")
    (tmp_path / "file").touch()
    for where, message in (
        (str(tmp_path / "file"), "`image_cache` must be a folder that can be"),
        (str(tmp_path / "file" / "in"), "must be a folder that can be written"),
    ):
        given = dataclasses.replace(config, image_cache=where)
        with pytest.raises(ValueError, match=message) as error:
            plan(given, tmp_path / "W")
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="left out with another data set"):
        digits = dataclasses.replace(RECIPES["digits"], image_cache="copies")
        plan(digits, tmp_path / "W")
    with pytest.raises(ValueError, match="`image_cache_gb` must be > 0"):
        dataclasses.replace(config, image_cache_gb=0)


def test_a_later_command_reads_the_copies_of_the_run(tmp_path):
    run = dataclasses.replace(
        RECIPES["folder"], data_dir="photos", image_cache="copies"
    )
    same = with_cache_of(run, LinearEvalConfig())
    assert same == run
    other = with_cache_of(
        run, EvaluateConfig(image_cache=None, data_dir="moved")
    )
    assert (other.image_cache, other.data_dir) == (None, "moved")
    other = with_cache_of(
        run, LinearEvalConfig(image_cache="there", image_cache_gb=2.0)
    )
    assert (other.image_cache, other.image_cache_gb) == ("there", 2.0)


def test_a_given_folder_is_recorded_with_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = dataclasses.replace(RECIPES["folder"], image_cache="copies")
    assert with_absolute_cache(given).image_cache == str(tmp_path / "copies")
    for same in (None, "auto"):
        config = dataclasses.replace(given, image_cache=same)
        assert with_absolute_cache(config) is config
