"""The sentences of a page that depend on what there is to show."""

import types

import pytest

from supcon_tf.photographs.page import rendering

KNOWN = types.SimpleNamespace(confidences=[0.9])
UNKNOWN = types.SimpleNamespace(confidences=None)


def test_a_sample_is_called_one_and_all_images_are_not():
    assert rendering._sample(1234, 1234) == ""
    words = "1,234 of the 56,789 images are on this page, drawn at random"
    assert rendering._sample(1234, 56789).startswith(words)


@pytest.mark.parametrize("models", [[UNKNOWN], [KNOWN, UNKNOWN]])
def test_no_order_is_told_if_a_model_has_no_confidences(models):
    text = rendering._meaning_of_errors(dict(enumerate(models)), False)
    assert text == "The images whose prediction is wrong."


def test_the_order_is_told_if_all_models_have_confidences():
    text = rendering._meaning_of_errors({"a": KNOWN}, True)
    assert text.startswith("Of the images on this page, those whose prediction")
    assert "the most confident one first" in text
