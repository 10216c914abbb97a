"""The folder for Hugging Face: what is in it, and that Keras reads it."""

import keras
import numpy as np
import pytest
from card_facts import FACTS

import supcon_tf
from hub_export.upload import write_upload


def written(encoder, tmp_path):
    saved_model = tmp_path / "saved_model"
    saved_model.mkdir()
    (saved_model / "saved_model.pb").write_bytes(b"graph")
    facts = {**FACTS, "hugging_face": None}
    folder = tmp_path / "out-hugging_face"
    recorded = {"publisher": "jane", "model_name": "digits", "config": {}}
    write_upload(encoder, saved_model, folder, facts, recorded)
    return folder, facts


def test_keras_reads_the_folder_as_it_is(tmp_path):
    encoder = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    folder, facts = written(encoder, tmp_path)
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "config.json", "metadata.json", "model.weights.h5",
        "saved_model",
    }  # fmt: skip
    assert (folder / "saved_model" / "saved_model.pb").is_file()
    images = np.random.default_rng(0).random((2, 8, 8, 3), "float32")
    again = keras.saving.load_model(folder)
    np.testing.assert_array_equal(again(images), encoder(images))
    assert facts["hugging_face"] == {"folder": folder.name, "needs": ()}
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: ")
    assert f"hf upload jane/digits {folder.name} ." in card


@pytest.mark.slow
def test_layers_of_this_package_are_imported_in_the_card(tmp_path):
    encoder = supcon_tf.encoders.vit_ti16((16, 16, 3), patch_size=8)
    folder, facts = written(encoder, tmp_path)
    own = "supcon_tf" in (folder / "config.json").read_text()
    assert facts["hugging_face"]["needs"] == (("supcon_tf",) if own else ())
    assert ("import supcon_tf  #" in (folder / "README.md").read_text()) == own
