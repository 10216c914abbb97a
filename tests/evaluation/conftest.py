"""What tests of an evaluation share."""

import numpy as np
import pytest

from supcon_tf import load_dataset


@pytest.fixture(scope="module")
def digits():
    train, test = load_dataset("digits")
    return train.take(np.arange(500)), test
