"""Where the threshold of none of these is from."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from supcon_tf import LinearClassifier
from supcon_tf.config import PretrainConfig
from supcon_tf.photographs import known_of_workdir
from supcon_tf.photographs.asked_classifier import AskedClassifier
from supcon_tf.photographs.asked_encoder import AskedEncoder
from supcon_tf.photographs.similarity_head import (
    new_similarity_head,
    train_similarity_head,
)

pytestmark = pytest.mark.slow


def prepared(folder, encoder, head=None, **settings):
    config = PretrainConfig(
        encoder="tiny", image_size=8, **{"dataset": "folder", **settings}
    )
    text = json.dumps(dataclasses.asdict(config))
    (folder / "config.json").write_text(text)
    asked = AskedClassifier(
        LinearClassifier(encoder, 2), AskedEncoder(encoder, (8, 8), head=head)
    )
    return known_of_workdir.prepare_known(folder, asked)


def test_images_that_the_run_held_out_decide(
    photographs, color_encoder, tmp_path
):
    data = {"data_dir": str(photographs)}
    known = prepared(
        tmp_path, color_encoder, validation_fraction=0.25, **data
    )()
    assert (len(known.vectors), len(known.held_out)) == (9, 3)
    # Without, a fifth is test images; parts of the others are held out.
    known = prepared(tmp_path, color_encoder, **data)()
    assert (len(known.vectors), len(known.held_out)) == (9, 9)


def test_a_head_is_trained_without_what_is_held_out(
    photographs, color_encoder, tmp_path, monkeypatch
):
    trained = []

    def train(features, labels, **settings):
        trained.append(features.shape)
        return train_similarity_head(features, labels, epochs=1, **settings)

    monkeypatch.setattr(known_of_workdir, "train_similarity_head", train)
    head = new_similarity_head(5, units=(4, 3), dropout=0.5)
    make = prepared(tmp_path, color_encoder, head, data_dir=str(photographs))
    tf.config.run_functions_eagerly(True)  # a graph takes longer than an epoch
    try:
        known = make()
    finally:
        tf.config.run_functions_eagerly(False)
    # Nine images in five parts, of which one has a single image.
    assert sorted(trained) == [(7, 5, 5)] * 4 + [(8, 5, 5)]
    assert known.vectors.shape == (9, 3) and len(known.held_out) == 9
    assert np.isfinite(known.threshold)


def test_what_cannot_be_encoded_at_once_is_refused(
    color_encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        known_of_workdir, "load_dataset", lambda *_, **__: (object(), None)
    )
    with pytest.raises(ValueError, match="`dataset` must fit into memory"):
        prepared(tmp_path, color_encoder, dataset="imagenet2012")
