"""Measures how corruptions harm a classifier: errors, mCE, relative mCE."""

import json
import math

import numpy as np
from tqdm import tqdm

from supcon_tf import augmentations
from supcon_tf.corruptions import CORRUPTIONS, corrupted
from supcon_tf.data.pipelines import parallel_calls
from supcon_tf.data.sources import checked, image_reader
from supcon_tf.data.streamed_images import StreamedImages
from supcon_tf.evaluation.encode import BATCH_SIZE, encode_function
from supcon_tf.frameworks.backends import check_tensorflow, tf

SEVERITIES = (1, 2, 3, 4, 5)
CLEAN = (None, 0)  # the key of images that are not corrupted
# Errors are whole numbers of images divided by their number, so that a smaller
# sum of them is nothing but rounding.
_ROUNDING = 1e-9


def wrong_answers(
    classifier,
    test,
    *,
    image_size,
    kinds=tuple(CORRUPTIONS),
    severities=SEVERITIES,
    seed=0,
    crop=augmentations.center_crop,
):
    """Finds which corrupted test images a classifier gets wrong.

    The images are corrupted in the size that they have in the data set, and
    then brought to the classifier's size by a crop, as those of CIFAR-10-C are.
    They are read once, and no more of them are in memory than a batch of each
    corruption.

    Args:
      classifier: Keras model, float32 RGB images in [0, 1] -> scores `[B, C]`,
        such as a `LinearClassifier`.
      test: `(images, labels)` or `LabelledImages` of uint8, in memory or as
        files, or `StreamedImages`.
      image_size: int or (height, width), in pixels, that the classifier takes.
      kinds: strings, keys of `CORRUPTIONS`, all by default.
      severities: ints from 1 to 5, all by default.
      seed: int >= 0, as in `corrupted`.
      crop: function of images, None and the size, `augmentations.center_crop`
        by default.

    Returns:
      A dict of (kind, severity) to `[n]` bools, in the order of the images.
      Those of the images as they are have the key `CLEAN`.

    Raises:
      ValueError: if a kind or severity does not exist, or images are not uint8.

    Example:
      >>> wrong = wrong_answers(
      ...     linear_probe(encoder, train, verbose=0), test, image_size=32,
      ...     kinds=("pixelate",), severities=(5,)
      ... )
      >>> list(wrong)
      [(None, 0), ('pixelate', 5)]
    """
    check_tensorflow(
        "Measuring errors on corrupted images",
        "leave them out",
        as_backend=True,
    )
    variants = [CLEAN, *((k, s) for k in kinds for s in severities)]
    # This refuses a wrong argument before the first image is read.
    for kind, severity in variants[1:]:
        corrupted(np.zeros((0, 2, 2, 3), np.uint8), kind, severity, seed=seed)
    predict = encode_function(
        classifier, batch_size=BATCH_SIZE, may_classify=True
    )
    test = checked(test)
    wrong = {variant: [] for variant in variants}
    num_images = 0
    with tqdm(
        total=len(test) * len(variants),
        desc="corrupt",
        unit="img",
        disable=None,
    ) as bar:
        for chunks, labels in _batches(test):
            for kind, severity in variants:
                offset = num_images
                parts = []
                for images in chunks:
                    if kind is not None:
                        images = corrupted(
                            images, kind, severity, seed=seed, offset=offset
                        )
                    offset += len(images)
                    parts.append(crop(images, None, image_size))
                answers = predict(tf.concat(parts, 0)).argmax(axis=1)
                wrong[kind, severity].append(answers != labels)
                bar.update(len(labels))
            num_images += len(labels)
    return {
        variant: np.concatenate([np.zeros(0, bool), *parts])
        for variant, parts in wrong.items()
    }


def error_shares(wrong):
    """Computes the top-1 errors from the wrong answers.

    Args:
      wrong: dict, as `wrong_answers` returns it.

    Returns:
      The error on the images as they are, a Python float in [0, 1], and a dict
      of each kind to a tuple of errors, one for each severity.

    Example:
      >>> error_shares({CLEAN: np.array([True, False]),
      ...               ("fog", 1): np.array([True, True])})
      (0.5, {'fog': (1.0,)})
    """
    errors = {}
    for (kind, _), is_wrong in wrong.items():
        if kind is not None:
            errors[kind] = (*errors.get(kind, ()), float(np.mean(is_wrong)))
    return float(np.mean(wrong[CLEAN])), errors


def mean_corruption_error(errors, baseline):
    """Computes the mCE of Hendrycks and Dietterich, in percent.

    For each kind, the sum of the errors over the severities is divided by the
    same sum of the baseline. The mCE is the mean over the kinds:

        mCE = 100 * mean_kind(sum_s error[kind, s] / sum_s baseline[kind, s])

    If it is below 100, corruptions harm the classifier less than the baseline.

    Args:
      errors: dict of kinds to errors in [0, 1] by severity.
      baseline: the same dict for the classifier to compare with, which is
        AlexNet in the paper.

    Returns:
      The mCE in percent, a Python float >= 0.

    Raises:
      ValueError: if the two dicts differ in their kinds or severities or are
        empty, or if the baseline has no error at all on a kind.

    Example:
      >>> mean_corruption_error({"fog": (0.1, 0.3)}, {"fog": (0.2, 0.6)})
      50.0

    Reference:
      Hendrycks and Dietterich, ICLR 2019, Sec. 4.2,
      https://arxiv.org/abs/1903.12261
    """
    return _mean_ratio(errors, baseline, 0.0, 0.0)


def standard_error_of_mce(wrong, baseline):
    """Computes the standard error of an mCE, over the draw of the test images.

    The errors of one image under all corruptions go together, and so do those
    of the two classifiers. With a_k[i] and b_k[i] the numbers of severities of
    kind k at which the classifier and the baseline are wrong on image i, and
    r_k = sum_i a_k[i] / sum_i b_k[i], image i moves the mCE by d_i / n:

        d_i = 100 * mean_k((a_k[i] - r_k * b_k[i]) / mean_j b_k[j])

    The standard error is the standard deviation of d over sqrt(n). The
    training's own randomness, its seed, is not in it.

    Args:
      wrong: what `wrong_answers` returned.
      baseline: the same for the classifier to compare with.

    Returns:
      A Python float >= 0, in percent as the mCE.

    Raises:
      ValueError: if the baseline has no error at all on a kind, or if there is
        only one image.

    Example:
      >>> wrong = {("fog", 1): np.array([True, False, True, False])}
      >>> standard_error_of_mce(wrong, wrong)
      0.0

    Reference:
      The delta method for a ratio of means; van der Vaart, "Asymptotic
      Statistics", 1998, chapter 3.
    """
    counts, of_baseline = _counts_by_kind(wrong), _counts_by_kind(baseline)
    moves = []
    for kind, own in counts.items():
        mean = of_baseline[kind].mean()
        if not mean > 0:
            raise ValueError(
                "`baseline` must make errors of each kind. "
                f"Received: none for {kind!r}"
            )
        moves.append((own - own.mean() / mean * of_baseline[kind]) / mean)
    moved = 100 * np.mean(moves, axis=0)
    if len(moved) < 2:
        raise ValueError(
            "`wrong` must be of two or more images. Received: one image"
        )
    return float(moved.std(ddof=1) / math.sqrt(len(moved)))


def _counts_by_kind(wrong):
    """Dict of kinds to `[n]` floats, the severities at which each is wrong."""
    counts = {}
    for (kind, _), is_wrong in wrong.items():
        if kind is not None:
            counts[kind] = counts.get(kind, 0) + is_wrong.astype(float)
    return counts


def relative_mean_corruption_error(
    errors, clean_error, baseline, baseline_clean_error
):
    """Computes the relative mCE of Hendrycks and Dietterich, in percent.

    It compares the errors that a corruption adds. From each error, the error of
    the same classifier on clean images is subtracted:

        100 * mean_kind(sum_s (error[kind, s] - clean_error)
                        / sum_s (baseline[kind, s] - baseline_clean_error))

    Args:
      errors: as in `mean_corruption_error`.
      clean_error: float in [0, 1].
      baseline: as in `mean_corruption_error`.
      baseline_clean_error: float in [0, 1].

    Returns:
      The relative mCE in percent, a Python float. It can be negative, since a
      corruption can remove errors.

    Raises:
      ValueError: as in `mean_corruption_error`, or if a kind adds no errors to
        those of the baseline.

    Example:
      >>> relative_mean_corruption_error(
      ...     {"fog": (0.25, 0.5)}, 0.125, {"fog": (0.5, 0.75)}, 0.125
      ... )
      50.0

    Reference:
      Hendrycks and Dietterich, ICLR 2019, Sec. 4.2,
      https://arxiv.org/abs/1903.12261
    """
    return _mean_ratio(errors, baseline, clean_error, baseline_clean_error)


def _mean_ratio(errors, baseline, clean_error, baseline_clean_error):
    shapes = [{k: len(v) for k, v in x.items()} for x in (errors, baseline)]
    if shapes[0] != shapes[1] or not errors:
        raise ValueError(
            "`baseline` must have the kinds and severities of `errors`, one or "
            f"more. Received: {json.dumps(shapes[0])} errors, of the baseline "
            f"{json.dumps(shapes[1])}"
        )
    ratios = []
    for kind in errors:
        added = _added(errors[kind], clean_error)
        of_baseline = _added(baseline[kind], baseline_clean_error)
        if not of_baseline > 0:
            raise ValueError(
                "`baseline` must make errors of each kind, more than on clean "
                "images if these are subtracted. "
                f"Received: a sum of {of_baseline:g} for {kind!r}"
            )
        ratios.append(added / of_baseline)
    return float(100 * np.mean(ratios))


def _added(errors, clean_error):
    """Sums errors less the clean error. A sum that is only rounding is 0."""
    added = math.fsum(errors) - len(errors) * clean_error
    return added if abs(added) > _ROUNDING else 0.0


def _batches(test):
    """Yields batches in order: a list of images of one size each, and labels.

    An item of the list is `[b, H, W, 3]` uint8 for images in memory, and what
    `image_reader` makes of one file otherwise.
    """
    if not isinstance(test, StreamedImages) and test.images.ndim > 1:
        for first in range(0, len(test), BATCH_SIZE):
            some = slice(first, first + BATCH_SIZE)
            yield [test.images[some]], test.labels[some]
        return
    read = image_reader(test, None)
    if isinstance(test, StreamedImages):
        strings = test.in_order().map(test.load)
    else:
        strings = tf.data.Dataset.from_tensor_slices((test.images, test.labels))
    decoded = strings.map(
        lambda string, label: (read(string), label),
        num_parallel_calls=parallel_calls(),
    ).as_numpy_iterator()
    while batch := [
        pair for _, pair in zip(range(BATCH_SIZE), decoded, strict=False)
    ]:
        images, labels = zip(*batch, strict=True)
        yield list(images), np.array(labels)
