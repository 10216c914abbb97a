"""What an evaluation tells of corrupted images."""

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
    """Errors of a classifier on corrupted images, made here or published.

    Args:
      classifier: as for `corruption_errors`, as are the next four.
      test: see there.
      image_size: see there.
      kinds: see there.
      severities: see there.
      seed: see there.
      published: None, or the name of the data set whose published images
        take the place of those made here, as for
        `published_corruption_errors`.
      data_dir: as for `published_corruption_errors`.

    Returns:
      A dict of `clean_error`; `errors`, a dict of each kind to a list by
      severity; and `mean_error`, their mean.

    Raises:
      ValueError: as the functions of the errors.
    """
    common = {"image_size": image_size, "severities": severities}
    if published:
        errors = published_corruption_errors(
            classifier, published, kinds=kinds, data_dir=data_dir, **common
        )
        crop = PUBLISHED[published].crop  # alike, or it were an error, too
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
    """Both mCE of an encoder; None, with a note, where there is no such value.

    Args:
      own: None, or what `corruption_results` returned.
      baseline: the same of the baseline.

    Returns:
      A dict of `mean_corruption_error` and `relative_mean_corruption_error`,
      percent, None without a baseline or errors of it; and `notes`, a list of
      strings that say why.
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
        except ValueError as error:  # the baseline makes no errors somewhere
            results["notes"].append(f"{name} has no value: {error}")
    return results
