"""Collects what an evaluation reports about corrupted images."""

import numpy as np

from supcon_tf.evaluation.robustness.errors import (
    error_shares,
    mean_corruption_error,
    relative_mean_corruption_error,
    standard_error_of_mce,
    wrong_answers,
)
from supcon_tf.evaluation.robustness.published import (
    PUBLISHED,
    published_wrong_answers,
)


def corruption_results(
    classifier,
    test,
    *,
    image_size,
    kinds,
    severities,
    seed=0,
    published=None,
    data_dir=None,
):
    """Returns a classifier's errors on corrupted images, and which they are.

    `published` is None, or the name of the data set whose published images
    replace those made here. The others are as in `wrong_answers`.

    The errors are a dict; which they are is one as from `wrong_answers`.
    """
    common = {"image_size": image_size, "severities": severities}
    if published:
        wrong = published_wrong_answers(
            classifier, published, kinds=kinds, data_dir=data_dir, **common
        )
        # Clean images are cut in the same way, or the cut would add errors.
        crop = PUBLISHED[published].crop
        wrong |= wrong_answers(classifier, test, kinds=(), crop=crop, **common)
    else:
        wrong = wrong_answers(
            classifier, test, kinds=kinds, seed=seed, **common
        )
    clean_error, errors = error_shares(wrong)
    return {
        "clean_error": clean_error,
        "mean_error": float(np.mean(list(errors.values()))),
        "errors": {kind: list(of_kind) for kind, of_kind in errors.items()},
    }, wrong


def relative_results(own, baseline, wrong, baseline_wrong):
    """Returns a dict of an encoder's mCE and relative mCE, in percent.

    `own` and `wrong` are the pair from `corruption_results`, or None, and so
    are those of the baseline. A value that cannot be computed is None. If both
    are given, `notes` then says why.
    """
    names = (
        "mean_corruption_error",
        "relative_mean_corruption_error",
        "mean_corruption_error_standard_error",
    )
    results = dict.fromkeys(names) | {"notes": []}
    if own is None or baseline is None:
        return results
    errors, of_baseline = own["errors"], baseline["errors"]
    clean, baseline_clean = own["clean_error"], baseline["clean_error"]
    for name, value in (
        (names[0], lambda: mean_corruption_error(errors, of_baseline)),
        (
            names[1],
            lambda: relative_mean_corruption_error(
                errors, clean, of_baseline, baseline_clean
            ),
        ),
        (names[2], lambda: standard_error_of_mce(wrong, baseline_wrong)),
    ):
        try:
            results[name] = value()
        except ValueError as error:  # the baseline has no errors on a kind
            results["notes"].append(f"{name} has no value: {error}")
    return results
