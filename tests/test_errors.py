import numpy as np
import pytest

from supcon_tf.errors import check_int


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
