"""Which images an encoder is measured on."""

import numpy as np
import pytest
from seeded_images import random_images

from supcon_tf.data import datasets
from supcon_tf.data.datasets import load_dataset
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.splits import split
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.evaluation import measured_images
from supcon_tf.evaluation.measured_images import parts_of, unknown_images


def how(seed, fraction):
    """How a training held out test images."""
    return {"seed": seed, "test_fraction": fraction}


@pytest.fixture
def own(monkeypatch):
    """A data set without test images of its own, 60 images of three classes."""
    images = random_images(60, 4, 4)
    whole = LabelledImages(images, np.arange(60) % 3, tuple("abc"))
    monkeypatch.setitem(
        datasets.DATASETS, "own", lambda data_dir, download: (whole, None)
    )
    return whole


def test_the_test_images_are_the_data_sets_own():
    train, test = parts_of("digits", held_out=[how(3, 0.5), how(4, 0.1)])
    for part, expected in zip(
        (train, test), load_dataset("digits"), strict=True
    ):
        np.testing.assert_array_equal(part.images, expected.images)


def test_what_training_held_out_is_what_is_tested_on(own):
    for held_out, (seed, fraction) in (
        ((), (7, 0.2)),
        ([how(3, 0.5)], (3, 0.5)),
        ([how(3, 0.5), how(3, 0.5)], (3, 0.5)),
    ):
        train, test = parts_of("own", held_out=held_out, seed=7)
        expected = split(own, fraction, seed=seed)
        np.testing.assert_array_equal(train.images, expected[0].images)
        np.testing.assert_array_equal(test.images, expected[1].images)


@pytest.mark.parametrize("other", [(4, 0.5), (3, 0.4)])
def test_encoders_that_held_out_different_images_are_not_compared(own, other):
    with pytest.raises(ValueError, match="`baseline` must be trained without"):
        parts_of("own", held_out=[how(3, 0.5), how(*other)])


def test_of_many_test_images_some_are_drawn_by_the_seed():
    _, test = load_dataset("digits")
    chosen = [
        parts_of("digits", max_test_images=100, seed=seed)[1].images
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])
    places = [
        np.flatnonzero((test.images == i).all((1, 2, 3))) for i in chosen[0]
    ]
    assert len({int(place[0]) for place in places}) == 100
    assert len(parts_of("digits", max_test_images=999)[1]) == len(test) == 360


class Stream:
    """Stands for images whose labels nobody has read."""

    class_names = ("a", "b")

    def __init__(self, numbers):
        self.numbers = list(numbers)

    def __len__(self):
        return len(self.numbers)

    def part(self, first, end):
        return Stream(self.numbers[first:end])


def test_of_many_streamed_test_images_the_first_are_taken(monkeypatch):
    whole = Stream(range(60)), Stream(range(100, 130))
    monkeypatch.setattr(measured_images, "load_dataset", lambda *_, **__: whole)
    monkeypatch.setattr(measured_images, "split", lambda s, *_, **__: (s, s))
    _, test = parts_of("own", max_test_images=7)
    assert test.numbers == list(range(100, 107))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_test_images": 1}, "test images of two or more classes"),
        ({"max_samples": 1}, "`dataset` must have training images of two"),
        ({"neighbors": (44, 60)}, "`neighbors` must have an int up to .*, 43"),
        ({"validation_fraction": 0.99}, "`validation_fraction` must leave 3"),
    ],
)
def test_too_few_images_are_refused(own, arguments, message):
    with pytest.raises(ValueError, match=message):
        parts_of("own", **arguments)


def test_a_stream_with_a_known_class_is_no_unknown_data_set(monkeypatch):
    stream = StreamedImages(["a"], [8], lambda record: (record, 0), ("a", "b"))
    monkeypatch.setattr(
        measured_images, "load_dataset", lambda *_, **__: (stream, stream)
    )
    unknown, left_out = unknown_images("x", ("c",), max_test_images=5)
    assert (len(unknown), left_out) == (5, [])
    with pytest.raises(ValueError, match=r"if it is streamed.*\['b'\]"):
        unknown_images("x", ("b", "c"))
