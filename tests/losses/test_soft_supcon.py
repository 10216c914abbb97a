"""SupCon of similarities: where it is SupCon or NT-Xent, and one's own."""

import numpy as np
import pytest
from family import IDS, SHARES, Z
from sheet import X2, M

from supcon_tf import SoftSupConLoss, SupConLoss, similarities

ONE_HOT = np.eye(3)[IDS]
LIKE_CLASSES = {
    "Cosine": (similarities.Cosine(), ONE_HOT),
    "Dot": (similarities.Dot(), ONE_HOT),
    "Jaccard": (similarities.Jaccard(0.5), ONE_HOT),
    "SharedLevels": (similarities.SharedLevels(), IDS[:, None]),
    "Within": (similarities.Within(0.5), IDS),
    "GaussianKernel": (similarities.GaussianKernel(0.01), IDS),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", list(LIKE_CLASSES))
@pytest.mark.parametrize("implementation", ["dense", "tiled"])
@pytest.mark.parametrize("denominator", ["all", "one_positive"])
def test_labels_that_are_classes_make_it_supcon(
    case, implementation, denominator
):
    similarity, labels = LIKE_CLASSES[case]
    options = {
        "denominator": denominator,
        "reduction": None,
        "dtype": "float64",
    }
    loss = SoftSupConLoss(
        similarity, 0.3, implementation=implementation, **options
    )
    np.testing.assert_allclose(
        loss(labels, Z), SupConLoss(0.3, **options)(IDS, Z), rtol=1e-11
    )


def test_a_threshold_above_all_pairs_makes_it_nt_xent():
    loss = SoftSupConLoss(similarities.Jaccard(0.6), 0.5, dtype="float64")
    expected = SupConLoss(0.5, dtype="float64")(None, X2)
    np.testing.assert_allclose(loss(M, X2), expected, rtol=1e-12)


class Both:
    """A similarity of one's own, with the two methods alone."""

    def features(self, labels):
        return similarities.Cosine().features(labels)

    def tile(self, rows, columns):
        return rows @ np.transpose(columns)


def test_a_similarity_needs_two_methods_alone():
    np.testing.assert_allclose(
        SoftSupConLoss(Both(), dtype="float64", implementation="dense")(
            SHARES, Z
        ),
        SoftSupConLoss(similarities.Cosine(), dtype="float64")(SHARES, Z),
        rtol=1e-11,
    )


@pytest.mark.parametrize("similarity", [similarities.Cosine, "cosine", None])
def test_what_is_no_similarity_is_refused(similarity):
    with pytest.raises(ValueError, match="`similarity` must be an object"):
        SoftSupConLoss(similarity)
