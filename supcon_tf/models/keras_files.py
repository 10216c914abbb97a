"""KerasFiles: the one format of which a model here is read again."""

import os
from typing import Any

import keras

from supcon_tf.frameworks.keras_internals import (
    for_any_backend,
    writes_hdf5,
)


class KerasFiles:
    """Refuses to be saved in a format that nobody could load.

    What it saves trains on any backend, as fast as a new model there. The
    older format of Keras, HDF5, needs a model that is built from its layers
    alone; such a model may have one of these among its layers. `save_weights`
    writes HDF5 and is left alone.
    """

    def save(
        self, filepath: str | os.PathLike[str], *args: Any, **kwargs: Any
    ) -> None:
        """As in Keras, to a file that ends with .keras.

        Args:
          filepath: path of the file.
          *args: as for `keras.Model.save`.
          **kwargs: likewise.

        Raises:
          ValueError: if the path ends with anything else.
        """
        name = os.fspath(filepath)
        is_zipped = kwargs.get("zipped", not name.startswith("hf://"))
        if is_zipped and not name.endswith(".keras"):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() not in (".h5", ".hdf5", ".keras"):
                stem = name
            path = stem.removesuffix(".keras") + ".keras"
            raise ValueError(
                f"{self._what_files()} "
                f"Received: filepath={name!r}; {path!r} would do"
            )
        return super().save(filepath, *args, **kwargs)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """As in Keras, which asks for them when it writes HDF5.

        `keras.saving.save_model` has then begun the file, and asks nothing
        before.
        """
        if writes_hdf5():
            raise ValueError(
                f"{self._what_files()} Received: a path that ends with .h5 or "
                ".hdf5, where a file without weights was begun"
            )
        return super().layers

    def get_compile_config(self) -> dict[str, Any]:
        """As in Keras, in a form that every backend can read."""
        return for_any_backend(self, super().get_compile_config())

    def _what_files(self):
        return (
            "`filepath` must end with .keras: HDF5 holds no model of "
            f"{type(self).__name__} that could be loaded."
        )
