import numpy as np
import pytest

from supcon_tf.errors import check_int, check_number, nearest


def test_the_three_nearest_names_are_given():
    known = ["resnet18", "resnet50", "vit_b16", "resnet34", "tiny"]
    assert nearest("resnet_50", known) == (
        "; the nearest are 'resnet50', 'resnet34' and 'resnet18'"
    )
    assert nearest("a", ["b"]) == "; the nearest is 'b'"
    for value in (None, "", 3):
        assert nearest(value, known) == ""


@pytest.mark.parametrize("value", [1, 7, np.int64(3)])
def test_ints_of_the_least_size_and_more_pass(value):
    check_int("steps", value, 1)


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None])
def test_what_is_none_is_named(value):
    with pytest.raises(ValueError) as error:
        check_int("steps", value, 1)
    assert str(error.value) == (
        f"`steps` must be an int >= 1. Received: steps={value!r}"
    )


@pytest.mark.parametrize("value", [1, 0.5, np.float32(3), 1e-30])
def test_finite_numbers_above_the_limit_pass(value):
    check_number("steepness", value, above=0)
    check_number("b", -value)


@pytest.mark.parametrize(
    "value", [0, -1.0, True, float("nan"), float("inf"), "1", None]
)
def test_what_is_no_finite_number_above_the_limit_is_named(value):
    with pytest.raises(ValueError) as error:
        check_number("steepness", value, above=0)
    assert str(error.value) == (
        "`steepness` must be a finite number > 0. "
        f"Received: steepness={value!r}"
    )
    with pytest.raises(ValueError, match=r"`b` must be a finite number\."):
        check_number("b", float("-inf"))
