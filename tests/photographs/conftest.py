"""Small photographs of two classes, and an encoder to ask about them."""

import shutil

import keras
import numpy as np
import pytest
from PIL import Image

COLORS = {"grass": (40, 180, 60), "sea": (30, 60, 190)}


@pytest.fixture(scope="session")
def photographs_to_copy(tmp_path_factory):
    """A folder of 2 classes, 6 noisy photographs of one colour in each."""
    root = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    for name, color in COLORS.items():
        folder = root / name
        folder.mkdir()
        for number in range(6):
            noise = random.integers(-30, 30, (20, 24 + number, 3))
            pixels = np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


@pytest.fixture
def photographs(photographs_to_copy, tmp_path):
    """The folder of 12 photographs, to be changed at will."""
    shutil.copytree(photographs_to_copy, tmp_path / "photographs")
    return tmp_path / "photographs"


@pytest.fixture(scope="session")
def color_encoder():
    """Images of 8 x 8 pixels -> five mixtures of the channels' means."""
    images = keras.Input((8, 8, 3))
    means = keras.layers.GlobalAveragePooling2D()(images)
    # The same whichever test asks for it first.
    normal = keras.initializers.GlorotNormal(seed=0)
    dense = keras.layers.Dense(5, kernel_initializer=normal)
    return keras.Model(images, dense(means), name="colors")


@pytest.fixture(scope="session")
def any_size_encoder():
    """As `color_encoder`, for images of any size."""
    images = keras.Input((None, None, 3))
    means = keras.layers.GlobalAveragePooling2D()(images)
    return keras.Model(images, means, name="means")


@pytest.fixture
def encoder_file(color_encoder, tmp_path):
    path = tmp_path / "encoder.keras"
    color_encoder.save(path)
    return path
