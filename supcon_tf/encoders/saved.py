"""Reading the encoder that a pretraining run wrote."""

import pathlib

import keras


def load_encoder(workdir):
    """The encoder that `pretrain` wrote to a folder.

    Args:
      workdir: path of the folder.

    Returns:
      A Keras model, float32 RGB images in [0, 1] -> `[B, R]`.

    Raises:
      ValueError: if there is no folder, or its encoder.keras is missing or
        damaged.

    Example:
      >>> encoder = load_encoder("runs/digits")
    """
    if not workdir:
        raise ValueError(
            "`workdir` must be a folder that supcon-pretrain wrote. "
            f"Received: workdir={workdir!r}"
        )
    path = pathlib.Path(workdir).expanduser() / "encoder.keras"
    if not path.is_file():
        raise ValueError(
            "`workdir` must hold encoder.keras, which supcon-pretrain writes "
            f"when it has finished. Received: workdir={str(workdir)!r}, "
            f"without {path}"
        )
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # zip, h5py, JSON and layers raise their own
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"{path} must be a whole Keras model. Received: "
            f"{type(error).__name__}: {reason}"
        ) from error
