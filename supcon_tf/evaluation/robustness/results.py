"""Collects what an evaluation reports about corrupted images."""

import numpy as np

from supcon_tf.evaluation.robustness.errors import (
    corruption_errors,
    mean_corruption_error,
    relative_mean_corruption_error,
)
from supcon_tf.evaluation.robustness.published import (
    PUBLISHED,
    published_corruption_errors,
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
    """Returns a dict of a classifier's errors on corrupted images.

    `published` is None, or the name of the data set whose published images
    replace those made here. The others are as in `corruption_errors`.
    """
    common = {"image_size": image_size, "severities": severities}
    if published:
        errors = published_corruption_errors(
            classifier, published, kinds=kinds, data_dir=data_dir, **common
        )
        # Clean images are cut in the same way, or the cut would add errors.
        crop = PUBLISHED[published].crop
        clean_error, _ = corruption_errors(
            classifier, test, kinds=(), crop=crop, **common
        )
    else:
        clean_error, errors = corruption_errors(
            classifier, test, kinds=kinds, seed=seed, **common
        )
    return {
        "clean_error": clean_error,
        "mean_error": float(np.mean(list(errors.values()))),
        "errors": {kind: list(of_kind) for kind, of_kind in errors.items()},
    }


def relative_results(own, baseline):
    """Returns a dict of an encoder's mCE and relative mCE, in percent.

    `own` and `baseline` are from `corruption_results`, or None. A value that
    cannot be computed is None. If both are given, `notes` then says why.
    """
    names = ("mean_corruption_error", "relative_mean_corruption_error")
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
    ):
        try:
            results[name] = value()
        except ValueError as error:  # the baseline has no errors on a kind
            results["notes"].append(f"{name} has no value: {error}")
    return results
