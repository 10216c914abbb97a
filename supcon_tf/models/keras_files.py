"""KerasFiles: the one format of which a model here is read again."""

import os
from typing import Any

from supcon_tf.frameworks.keras_internals import for_any_backend


class KerasFiles:
    """Refuses to be saved in a format that nobody could load.

    What it saves trains on any backend, as fast as a new model there. The
    older format of Keras, HDF5, needs a model that is built from its layers
    alone. `save_weights` writes HDF5 and is left alone.
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
          ValueError: if the path ends with another format's suffix.
        """
        name = os.fspath(filepath)
        if name.lower().endswith((".h5", ".hdf5")):
            path = name.rpartition(".")[0] + ".keras"
            raise ValueError(
                "`filepath` must end with .keras: HDF5 holds no model of "
                f"{type(self).__name__} that could be loaded. "
                f"Received: filepath={name!r}; {path!r} would do"
            )
        return super().save(filepath, *args, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        """As in Keras, in a form that every backend can read."""
        return for_any_backend(self, super().get_compile_config())
