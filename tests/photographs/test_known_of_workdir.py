"""Where the threshold of none of these is from."""

import dataclasses
import json

import pytest

from supcon_tf import LinearClassifier
from supcon_tf.config import PretrainConfig
from supcon_tf.photographs import known_of_workdir
from supcon_tf.photographs.asked_classifier import AskedClassifier
from supcon_tf.photographs.asked_encoder import AskedEncoder

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
    assert (len(known.vectors), len(known.held_out)) == (9, 3)
    # Without, a fifth is test images; parts of the others are held out.
    known = prepared(tmp_path, color_encoder, **data)()
    assert (len(known.vectors), len(known.held_out)) == (9, 9)


def test_what_cannot_be_encoded_at_once_is_refused(
    color_encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        known_of_workdir, "load_dataset", lambda *_, **__: (object(), None)
    )
    with pytest.raises(ValueError, match="`dataset` must fit into memory"):
        prepared(tmp_path, color_encoder, dataset="imagenet2012")
