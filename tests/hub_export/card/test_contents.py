"""Tests of hub_export/contents.py: what a card tells of a SavedModel."""

import re
import subprocess

import numpy as np
import pytest
import tensorflow_hub as hub
from card_facts import FACTS
from small_models import images, small_encoder

from hub_export.archive import write_archive
from hub_export.card import contents
from hub_export.saved_model import write_saved_model
from supcon_tf import HubEncoder


def told(function, *arguments, **facts):
    return function({**FACTS, **facts}, *arguments)


def test_the_sizes_that_are_fixed_are_given():
    text = told(contents.inputs, images=(None, 24, 32, 3))
    assert "H: 24; W: 32\n" in text
    assert "H: any; W: any\n" in told(contents.inputs)


def test_the_inputs_are_told_by_type_range_and_layout():
    text = told(contents.inputs)
    for words in ("[B, H, W, 3]", "RGB", "float32 in [0, 1]", "uint8, 0 to"):
        assert words in text
    assert "extension of TF-Hub's convention" in text


def test_only_the_calls_that_are_there_are_told():
    text = told(contents.outputs, "S.", callables={"classifier": (None, 3)})
    assert "projection" not in text
    assert "| `encoder.classifier.class_names()` | names of the 3 cl" in text
    text = told(contents.outputs, "S.", callables={}, class_names=None)
    assert "classifier" not in text
    assert "\n\nS. All numbers are float32." in text


def test_what_prepares_a_photograph_is_among_the_calls():
    text = told(contents.outputs, "S.")
    assert (
        "| `encoder.preprocess(photographs)` | images `[B, 32, 32, 3]`" in text
    )
    assert "| `encoder.image_size()` | `[32, 32]` |" in text
    assert "preprocess" not in told(contents.outputs, "S.", preprocessing=None)


def test_what_tells_none_of_the_classes_is_among_the_calls():
    known = {"photographs": 600, "neighbors": 5, "keep": 0.95}
    text = told(contents.outputs, "S.", known={**known, "threshold": 0.3125})
    assert "the 5 nearest of 600 photographs" in text
    assert "| `encoder.threshold()` | 0.312: an image that is farther" in text
    assert "95% of those held out" in text
    assert "encoder.distance" not in told(contents.outputs, "S.")


def test_a_classifier_without_names_promises_none():
    text = told(contents.outputs, "S.", class_names=None)
    assert "encoder.classifier(images)" in text
    assert "class_names" not in text


def test_without_an_archive_none_is_spoken_of():
    assert told(contents.archive, archive=None) == ""


@pytest.mark.slow
def test_a_local_archive_is_loaded_as_the_card_says(tmp_path):
    """hub.load takes its path for a folder; tar spills it where one stands."""
    encoder = small_encoder()
    write_saved_model(encoder, tmp_path / "saved_model")
    archive = tmp_path / FACTS["archive"]["name"]
    write_archive(tmp_path / "saved_model", archive)
    text = told(contents.archive)
    assert "does not take a local archive; `supcon_tf.HubEncoder` does" in text
    with pytest.raises(ValueError, match=r"contains neither 'saved_model\.pb'"):
        hub.load(str(archive))
    (line,) = re.findall(r"```sh\n(.*)\n```", text)
    subprocess.run(line, shell=True, cwd=tmp_path, check=True)
    expected = encoder(x := images(2, 4, 4, 3))
    for loaded in (hub.load(str(tmp_path / "DIR")), HubEncoder(str(archive))):
        np.testing.assert_allclose(loaded(x), expected, rtol=1e-5, atol=1e-6)
    assert {path.name for path in tmp_path.iterdir()} == {
        "DIR", "saved_model", archive.name, f"{archive.name}.sha256",
    }  # fmt: skip


def test_without_batch_statistics_batches_may_be_small():
    text = told(contents.fine_tuning, parameters=FACTS["trainable_parameters"])
    assert "BatchNormalization" not in text
    assert "synchronized" not in text
    assert "BatchNormalization" in told(contents.fine_tuning)


def test_batch_statistics_are_never_synchronized_here():
    for synchronized in (False, True):
        text = told(contents.fine_tuning, synchronized=synchronized)
        assert ("were not synchronized" in text) != synchronized
        assert "Here they never are" in text


def test_regularization_losses_are_counted_or_denied():
    text = told(contents.fine_tuning, regularization_losses=0)
    assert "It has no regularization losses." in text
    text = told(contents.fine_tuning, regularization_losses=1)
    assert "It holds 1 regularization loss of its training" in text
    assert "It holds 7 regularization losses" in told(contents.fine_tuning)


def test_one_size_of_comparison_is_told_like_two():
    assert "at 24 x 32 pixels" in told(contents.precision, sizes=[(24, 32)])
    assert "at 32 x 32 and 32 x 40 pixels" in told(contents.precision)
