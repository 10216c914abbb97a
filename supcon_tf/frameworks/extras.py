"""Packages that only some need: what brings them, and a line if one is missing.

setup.py has the extras with the same names. A function that imports one of
these packages calls `check_extra` first.
"""

import importlib.util

# The module that is imported -> (what it is called, the extra that brings it).
EXTRAS = {
    "bokeh": ("Bokeh", "page"),
    "faiss": ("Faiss", "faiss"),
    "jinja2": ("Jinja", "page"),
    "keras_cv": ("KerasCV", "keras_cv"),
    "keras_hub": ("KerasHub", "keras_hub"),
    "matplotlib": ("matplotlib", "figures"),
    "pyarrow": ("pyarrow", "parquet"),
    "tensorboard": ("TensorBoard", "tensorboard"),
    "tensorflow_datasets": ("tensorflow-datasets", "tfds"),
    "tensorflow_hub": ("tensorflow-hub", "hub"),
}


def has_extra(module):
    """Whether a package of an extra is installed; it is not imported.

    Args:
      module: key of `EXTRAS`.

    Returns:
      bool.
    """
    if module not in EXTRAS:
        raise KeyError(module)
    return importlib.util.find_spec(module) is not None


def how_to_get(module):
    """Names a package and what brings it, for a message.

    Args:
      module: key of `EXTRAS`.

    Returns:
      str.

    Example:
      >>> how_to_get("bokeh")
      'Bokeh, which `pip install supcon_tf[page]` brings'
    """
    name, extra = EXTRAS[module]
    return f"{name}, which `pip install supcon_tf[{extra}]` brings"


def check_extra(module, wanted):
    """Refuses what needs a package that is not installed.

    Args:
      module: key of `EXTRAS`.
      wanted: what needs it, such as the name of an option in backticks.

    Raises:
      ValueError: if the package is not installed.

    Example:
      >>> check_extra("matplotlib", "`figures`")
    """
    if not has_extra(module):
        raise ValueError(
            f"{wanted} needs {how_to_get(module)}. Received: no such package"
        )
