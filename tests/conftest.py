"""What every test starts from."""

import os
import pathlib

import keras
import pytest
import tiny_encoder  # noqa: F401, registers ENCODERS["tiny"]

HERE = pathlib.Path(__file__).resolve().parent
# Programs that tests start find the package and tests/support, too.
os.environ["PYTHONPATH"] = os.pathsep.join(
    map(str, (HERE.parent, HERE / "support"))
)


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(0)
