"""Writes the folder that Hugging Face takes as it is."""

import shutil

import keras

from hub_export.card import model_card


def write_upload(encoder, saved_model, folder, facts, recorded):
    """Writes a folder of the card, the encoder of Keras and the SavedModel.

    The encoder lies in the folder as `keras.saving.load_model("hf://...")`
    expects it. `facts` then has `hugging_face`, for the card beside the
    SavedModel.

    Args:
      encoder: the Keras model.
      saved_model: path of the SavedModel, which is copied.
      folder: path of the new folder.
      facts: as in `model_card`; `hugging_face` is set.
      recorded: dict of the other arguments of `model_card`.
    """
    keras.saving.save_model(encoder, folder, zipped=False)
    if not list((folder / "assets").iterdir()):  # as after an upload
        (folder / "assets").rmdir()
    config = (folder / "config.json").read_text(encoding="utf-8")
    needs = tuple(
        package
        for package in ("supcon_tf", "keras_hub", "keras_cv")
        if f'"{package}' in config
    )
    facts["hugging_face"] = {"folder": folder.name, "needs": needs}
    shutil.copytree(saved_model, folder / "saved_model")
    (folder / "README.md").write_text(
        model_card(facts, for_hugging_face=True, **recorded), encoding="utf-8"
    )
