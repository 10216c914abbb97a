"""Where the threshold of none of these is from."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from supcon_tf import LinearClassifier, load_dataset
from supcon_tf.config import PretrainConfig
from supcon_tf.data.held_out import record_of
from supcon_tf.photographs import known_of_workdir
from supcon_tf.photographs.asked_classifier import AskedClassifier
from supcon_tf.photographs.asked_encoder import AskedEncoder
from supcon_tf.training.workdir import write_held_out

pytestmark = pytest.mark.slow


def prepared(folder, encoder, **settings):
    config = PretrainConfig(
        encoder="tiny", image_size=8, **{"dataset": "folder", **settings}
    )
    text = json.dumps(dataclasses.asdict(config))
    (folder / "config.json").write_text(text)
    asked = AskedClassifier(
        LinearClassifier(encoder, 2), AskedEncoder(encoder, (8, 8))
    )
    return known_of_workdir.prepare_known(folder, asked)


def test_images_that_the_run_held_out_decide(
    photographs, color_encoder, tmp_path
):
    data = {"data_dir": str(photographs)}
    known = prepared(
        tmp_path, color_encoder, validation_fraction=0.25, **data
    )()
    assert (len(known.vectors), len(known.held_out)) == (8, 4)
    # Without, a fifth is test images; parts of the others are held out.
    known = prepared(tmp_path, color_encoder, **data)()
    assert (len(known.vectors), len(known.held_out)) == (8, 8)


def test_photographs_that_were_added_leave_those_that_were_held_out(
    photographs, color_encoder, tmp_path
):
    settings = {"data_dir": str(photographs), "validation_fraction": 0.25}
    _, held_out = load_dataset("folder", **settings)
    write_held_out(record_of(held_out), tmp_path)
    for folder in filter(pathlib.Path.is_dir, photographs.iterdir()):
        for number in range(5):
            pixels = np.full((8, 8, 3), 40 * number, np.uint8)
            Image.fromarray(pixels).save(folder / f"new {number}.png")
    known = prepared(tmp_path, color_encoder, **settings)()
    assert len(known.held_out) == len(held_out) == 4
    assert len(known.vectors) == 18


def test_what_cannot_be_encoded_at_once_is_refused(
    color_encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        known_of_workdir, "load_dataset", lambda *_, **__: (object(), None)
    )
    with pytest.raises(ValueError, match="`dataset` must fit into memory"):
        prepared(tmp_path, color_encoder, dataset="imagenet2012")
