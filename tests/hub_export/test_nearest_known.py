"""Tests of hub_export/nearest_known.py: none of these, inside a SavedModel."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_encoder import tiny

from hub_export.comparison import compare
from hub_export.saved_model import write_saved_model
from supcon_tf.photographs.unknown import KnownPhotographs, known_photographs

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def encoder():
    return tiny((8, 8, 3))


def loaded_with(encoder, known, folder):
    facts = write_saved_model(encoder, folder, known=known)
    return facts, tf.saved_model.load(str(folder))


@pytest.mark.slow
def test_the_distances_are_those_of_the_known_photographs(encoder, tmp_path):
    features = encoder(IMAGES / np.float32(255)).numpy()
    known = known_photographs(features[:8], np.arange(8) % 2, neighbors=3)
    facts, loaded = loaded_with(encoder, known, tmp_path / "DIR")
    assert facts["known"] == {
        "photographs": 8,
        "neighbors": 3,
        "keep": 0.95,
        "threshold": known.threshold,
    }
    for images in (IMAGES, IMAGES / np.float32(255)):
        np.testing.assert_allclose(
            loaded.distance(images), known.distances(features), atol=1e-6
        )
    np.testing.assert_allclose(loaded.threshold(), known.threshold, rtol=1e-6)
    assert compare(encoder, loaded, known=known)["inference"] < 1e-5
    loaded.known_vectors.assign(loaded.known_vectors[::-1] * 1.01)
    assert compare(encoder, loaded, known=known)["inference"] > 1e-3


@pytest.mark.slow
def test_they_are_no_weights_of_the_encoder(encoder, tmp_path):
    known = KnownPhotographs(np.eye(2, encoder.output_shape[1]), [0.5])
    _, loaded = loaded_with(encoder, known, tmp_path / "DIR")
    assert len(loaded.variables) == len(encoder.variables)
    # Fewer photographs than neighbours: all of them count.
    expected = known.distances(encoder(IMAGES / np.float32(255)))
    np.testing.assert_allclose(loaded.distance(IMAGES), expected, atol=1e-6)


@pytest.mark.slow
def test_without_known_photographs_there_is_no_distance(encoder, tmp_path):
    facts, loaded = loaded_with(encoder, None, tmp_path / "DIR")
    assert facts["known"] is None
    assert not hasattr(loaded, "distance") and not hasattr(loaded, "threshold")
