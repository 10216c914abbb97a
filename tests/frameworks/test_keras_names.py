"""Keras files name our classes before anything of the package is imported."""

import importlib
import pathlib
import subprocess
import sys

import keras
import pytest
from often import often

import supcon_tf
from supcon_tf.frameworks.keras_names import registered_names

ROOT = pathlib.Path(supcon_tf.__file__).parent
FILE = pathlib.Path(__file__).parents[1] / "models/written_by_0_1_0"


def test_all_that_is_registered_is_named_with_its_module():
    for path in ROOT.rglob("*.py"):
        if "register_keras_serializable" in path.read_text():
            parts = path.relative_to(ROOT).with_suffix("").parts
            importlib.import_module(".".join(("supcon_tf", *parts)))
    registered = {
        name.removeprefix("supcon_tf>"): thing.__module__
        for name, thing in keras.saving.get_custom_objects().items()
        if name.startswith("supcon_tf>")
    }
    names = registered_names(supcon_tf._NAMES)
    assert registered == {n: f"supcon_tf.{m}" for n, m in names.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "imports",
    often(
        ["import keras, supcon_tf", "import supcon_tf, keras"],
        "import keras, supcon_tf",
    ),
)
def test_a_file_is_loaded_by_who_has_imported_the_package_alone(imports):
    program = (
        f"{imports}\n"
        f"model = keras.saving.load_model({str(FILE / 'supcon_model.keras')!r})"
        "\nassert type(model) is supcon_tf.SupConModel"
        "\nassert type(model.optimizer) is supcon_tf.optimizers.LARS"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_the_package_imports_neither_keras_nor_tensorflow():
    program = (
        "import supcon_tf, sys; "
        "assert not {'keras', 'tensorflow', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_public_name_is_there():
    for name in supcon_tf.__all__:
        assert getattr(supcon_tf, name) is not None
    assert set(supcon_tf.__all__) <= set(dir(supcon_tf))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = supcon_tf.nothing
