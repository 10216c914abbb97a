"""What every test starts from."""

import keras
import pytest
import tiny_encoder  # noqa: F401, registers ENCODERS["tiny"]


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(0)
