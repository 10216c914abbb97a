"""Reading the encoder that a pretraining run wrote."""

import pathlib

import keras


def load_encoder(workdir, *, safe_mode=True):
    """The encoder that `pretrain` wrote to a folder.

    Args:
      workdir: path of the folder.
      safe_mode: whether an encoder that holds code, such as that of a
        `HubEncoder`, is refused.

    Returns:
      A Keras model, float32 RGB images in [0, 1] -> `[B, R]`.

    Raises:
      ValueError: if there is no folder, or its encoder.keras is missing,
        damaged or refused.

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
    return load_keras_file(path, safe_mode=safe_mode)


def load_keras_file(path, *, safe_mode=True):
    """The model of a .keras file, ready to be used but not compiled.

    Args:
      path: of the file, which exists.
      safe_mode: as for `load_encoder`.

    Returns:
      A Keras model.

    Raises:
      ValueError: if the file is damaged or refused.
    """
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=safe_mode)
    except Exception as error:  # zip, h5py, JSON and layers raise their own
        raise ValueError(
            f"{path} must be a whole Keras model. Received: {_reason(error)}"
        ) from error


def _reason(error):
    """The innermost message in one line: Keras wraps it in whole configs."""
    text = str(error).strip().split("Exception encountered: ")[-1]
    return f"{type(error).__name__}: {text.split(chr(10))[0]}"
