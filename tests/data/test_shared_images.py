import warnings

import numpy as np
import pytest
import tensorflow as tf
from small_models import flatten_encoder

from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.shared_images import warn_of_shared_images
from supcon_tf.evaluation import linear_probe
from supcon_tf.evaluation.measures import measure

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), np.uint8)
LABELS = np.arange(40) % 2
FLOATS = PIXELS / np.float32(255)


def told(train, test):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_shared_images(train, test, name="test", stacklevel=1)
    return [str(w.message) for w in caught]


def dataset(images=FLOATS):
    return tf.data.Dataset.from_tensor_slices((images, LABELS))


def paths(names):
    return LabelledImages(np.array(names), LABELS[: len(names)], (), read=str)


@pytest.mark.parametrize(
    ("train", "test", "start"),
    [
        ((PIXELS, LABELS), (PIXELS, LABELS), "40 of 40 images of `test` are"),
        ((PIXELS, LABELS), [FLOATS[::-1], LABELS], "40 of 40 images"),
        ((FLOATS, LABELS), (PIXELS[:3], LABELS[:3]), "3 of 3 images"),
        ((list(PIXELS), LABELS), (PIXELS[:1], LABELS[:1]), "1 of 1"),
        (paths(["a", "b"]), paths(["b", "c"]), "1 of 2 images of `test` is"),
    ],
    ids=range(5),
)
def test_images_in_both_sets_are_told_whatever_their_form(train, test, start):
    (message,) = told(train, test)
    assert message.startswith(start) and "\n" not in message


def test_a_dataset_is_known_to_be_the_same_as_itself():
    same = dataset()
    (message,) = told(same, same)
    assert message.startswith("The images of `test` are in the training")
    assert not told(dataset(), dataset())  # without reading them


def test_sets_that_share_no_or_hardly_any_images_are_silent():
    assert not told((PIXELS[:20], LABELS[:20]), (PIXELS[20:], LABELS[20:]))
    many = np.arange(1000 * 12, dtype=np.uint32).view(np.uint8)
    many = many.reshape(1000, 4, 4, 3)
    assert not told((many[:2], LABELS[:2]), (many, np.zeros(1000, int)))
    assert told((many[:3], LABELS[:3]), (many, np.zeros(1000, int)))


def test_the_probe_tells_of_images_that_it_was_fitted_to(recwarn):
    """It said 1.0000 on the training images."""
    encoder, own = flatten_encoder(4), (PIXELS, LABELS)
    linear_probe(encoder, own, own)
    (warning,) = [w for w in recwarn if "40 of 40" in str(w.message)]
    assert warning.filename == __file__
    linear_probe(encoder, own, own, verbose=0)  # does not test
    assert len([w for w in recwarn if "of 40" in str(w.message)]) == 1


@pytest.mark.slow
def test_the_measures_tell_of_images_that_are_in_both_parts():
    images = LabelledImages(PIXELS, LABELS, ("a", "b"))
    with pytest.warns(UserWarning, match="20 of 20 images of `test`"):
        measure(
            flatten_encoder(4),
            images,
            images.take(np.arange(20)),
            neighbors=(1,),
        )
