"""Tests of hub_export/read_back.py (and of it as a program: comparison)."""

import ast
import pathlib

import keras
import numpy as np
import pytest

from hub_export import read_back


def test_moved_variables_are_those_that_are_not_trained():
    layer = keras.layers.BatchNormalization()
    layer.build((None, 3))
    moved = read_back.moved_variables(layer)
    assert [v.name for v in moved] == ["moving_mean", "moving_variance"]


def test_values_are_put_back_also_after_an_error():
    variable = keras.Variable([1.0, 2.0])
    with pytest.raises(KeyError), read_back.put_back([variable]):
        variable.assign([3.0, 4.0])
        raise KeyError
    np.testing.assert_array_equal(variable, [1.0, 2.0])


def test_it_imports_nothing_but_numpy_and_tensorflow():
    tree = ast.parse(pathlib.Path(read_back.__file__).read_text())
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert imported == {
        "contextlib", "pathlib", "sys", "numpy", "tensorflow",
    }  # fmt: skip
