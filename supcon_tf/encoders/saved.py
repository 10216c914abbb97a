"""Reads the encoder that a pretraining run wrote."""

import pathlib
import zipfile

import keras
import numpy as np

from supcon_tf.frameworks.extras import check_extra


def load_encoder(workdir, *, safe_mode=True):
    """Reads the encoder that `pretrain` wrote to a folder.

    Args:
      workdir: path of the folder.
      safe_mode: whether an encoder that holds code, such as that of a
        `HubEncoder`, is refused.

    Returns:
      A `keras.Model`, float32 RGB images in [0, 1] -> `[B, R]`. Divide uint8
      by 255 yourself: Keras casts integers to float32 before the first layer,
      which cannot tell them from floats.

    Raises:
      ValueError: if there is no folder, or its encoder.keras is missing,
        damaged or refused.

    Example:
      >>> encoder.save("encoder.keras")
      >>> load_encoder(".").output_shape
      (None, 8)
    """
    return load_keras_file(find_encoder(workdir), safe_mode=safe_mode)


def find_encoder(workdir):
    """The path of the encoder.keras in a folder; refuses one without.

    Args:
      workdir: as in `load_encoder`.

    Returns:
      A `pathlib.Path`.

    Raises:
      ValueError: if there is no such file.
    """
    if not workdir:
        raise ValueError(
            "`workdir` must be a folder that supcon-pretrain or supcon-photos "
            "wrote. "
            f"Received: workdir={workdir!r}"
        )
    path = pathlib.Path(workdir).expanduser() / "encoder.keras"
    if not path.is_file():
        raise ValueError(
            "`workdir` must hold encoder.keras, which supcon-pretrain and "
            "supcon-photos write when they have finished. "
            f"Received: workdir={str(workdir)!r}, without {path}"
        )
    return path


def load_keras_file(path, *, safe_mode=True):
    """Reads the model of a .keras file. It is ready for use but not compiled.

    Args:
      path: path of the file, which exists.
      safe_mode: as in `load_encoder`.

    Returns:
      A `keras.Model`.

    Raises:
      ValueError: if the file is damaged or refused, a weight is not finite, or
        the package that its layers are from is not installed.

    Example:
      >>> encoder.save("encoder.keras")
      >>> load_keras_file("encoder.keras").output_shape
      (None, 8)
    """
    try:
        model = keras.saving.load_model(
            path, compile=False, safe_mode=safe_mode
        )
    except Exception as error:  # zip, h5py, JSON and layers raise their own
        _check_extras_of(path)
        raise ValueError(
            f"{path} must be a whole Keras model. Received: {_reason(error)}"
        ) from error
    for weight in model.weights:
        values = np.asarray(keras.ops.convert_to_numpy(weight))
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(
                f"{path} must have finite weights. Received: NaN or infinity "
                f"in {weight.path}; the training has diverged, or the file is "
                "damaged"
            )
    return model


def _check_extras_of(path):
    """Names the package whose layers a file has, if it is not installed."""
    try:
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json").decode()
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return  # what is wrong with it is told by Keras
    for module in ("keras_hub", "keras_cv"):
        if f'"module": "{module}.' in config:
            check_extra(module, str(path))


def _reason(error):
    """The innermost message in one line, since Keras wraps it in configs."""
    text = str(error).strip().split("Exception encountered: ")[-1]
    return f"{type(error).__name__}: {text.split(chr(10))[0]}"
