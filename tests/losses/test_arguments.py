import numpy as np
import pytest

from supcon_tf import SupConLoss
from supcon_tf.losses.arguments import check_variant

VARIANT = SupConLoss().variant


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"temperature": 1e-6},
        {"temperature": np.float32(0.5)},
        {"temperature": 10},
        {"positives_cap": np.int64(4), "views": 2},
        {"positives_cap": 3},  # the number of views is not known yet
        {"unlabeled_label": -(2**63)},
        {"implementation": "tiled", "anchors": "first"},
    ],
    ids=str,
)
def test_what_is_allowed_passes(changes):
    check_variant(**{**VARIANT, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0},
        {"temperature": True},
        {"temperature": float("nan")},
        {"temperature": None},
        {"normalize": None},
        {"summation": "out"},
        {"denominator": 1},
        {"anchors": ["all"]},
        {"positives_cap": True},
        {"positives_cap": 2.0},
        {"positives_cap": 3, "views": 2},
        {"unlabeled_label": "none"},
        {"implementation": "tiled", "positives_cap": 0},
    ],
    ids=str,
)
def test_what_is_not_allowed_is_named_in_one_line(changes):
    with pytest.raises(ValueError) as error:
        check_variant(**{**VARIANT, **changes})
    message = str(error.value)
    assert "\n" not in message
    assert "Received: " in message
    assert any(name in message for name in changes)


def test_a_mask_takes_the_place_of_labels():
    for others in ({"labels": [0, 1, 2]}, {"unlabeled_label": 0}):
        with pytest.raises(ValueError, match="must be None with `positives_"):
            check_variant(
                **{**VARIANT, "positives_mask": np.eye(3, dtype=bool), **others}
            )
