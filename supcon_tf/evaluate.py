"""Evaluates a trained encoder, of any training, on a data set.

    supcon-evaluate --encoder=WHERE --dataset=NAME --output=DIR [...]

The encoder is frozen: a linear probe and nearest neighbours of the training
images on its representations, retrieval among the test images (precision@1,
R-precision, MAP@R), how the representations lie (alignment, uniformity,
effective rank); if asked for, the same on another data set, how well images of
other classes are told from the known ones, and the errors on corrupted images.
With --baseline another encoder is measured the same way, and the mean
corruption error is relative to it.

Prints a table and writes it to DIR/evaluation.json, with --figures PNG files
beside it, with --page one HTML file, page.html, in which a person looks at the
images, and with --projector a folder for TensorBoard's projector.
"""

import sys

from absl import flags

from supcon_tf.config import EvaluateConfig
from supcon_tf.config.command_line import define_flags, overridden, run_command


def evaluate(config):
    """Evaluates an encoder, as the command does.

    Args:
      config: `EvaluateConfig`.

    Returns:
      The results, as in evaluation.json: a dict with `encoder` and `baseline`
      (None without one), each a dict of

        linear_probe: `top_1_accuracy`, `top_5_accuracy` (None for up to five
          classes), `expected_calibration_error`, `l2`,
          `held_out_top_1_accuracies`.
        knn: `top_1_accuracy`, `neighbors`, `held_out_top_1_accuracies`.
        retrieval: `precision_at_1`, `r_precision`, `map_at_r`, `queries`,
          `queries_left_out`, of the test images among themselves. The first
          three are None if no two test images are of one class.
        alignment, uniformity, effective_rank, num_features: of the test
          representations.
        similarity_head: None, or the same scores as `retrieval` of what the
          similarity_head.keras of a workdir makes of the representations. Page,
          projector and figures then show its output.
        transfer: None, or a dict of `dataset`, `linear_probe`, `knn`,
          `retrieval`.
        open_set: None, or a dict of `auroc`, `fpr_at_95_tpr`, `neighbors` and
          `num_unknown_images`, as from `open_set_scores`.
        corruption: None, or a dict of `clean_error`, `errors` (kind -> list by
          severity) and `mean_error`.

        where, image_size: what it is, and the [height, width] of the images.

      Besides, `mean_corruption_error` and
      `relative_mean_corruption_error`, percent of the baseline's, and
      `mean_corruption_error_standard_error`, None without a baseline or
      corruptions; `notes`, a list of strings; `left_out`, the
      kinds of CIFAR-10-C that are not made, with reasons; `figures`, names of
      files; `page` and `projector`, the name of the file and of the folder, or
      None; `config`, `num_train_images`, `num_test_images`, `class_names`,
      `seconds`.

    Raises:
      ValueError: if an encoder, a data set or the output is not as described.
      NotFiniteError: if an encoder returns infinity or NaN.
      FolderInUseError: if another process writes to the output.

    Example:
      >>> config = EvaluateConfig(
      ...     encoder="runs/digits", output="runs/digits/evaluation"
      ... )
      >>> results = evaluate(config)  # doctest: +SKIP
      >>> results["encoder"]["knn"]["top_1_accuracy"]  # doctest: +SKIP
      0.9833
    """
    return prepare(config)()


def prepare(config):
    """Checks everything and writes nothing; returns the run as a function."""
    from supcon_tf.runs import evaluation  # it loads TensorFlow

    return evaluation.prepare(config)


def main(argv=None):
    """The command `supcon-evaluate`; returns its exit status."""
    values = flags.FlagValues()
    define_flags(EvaluateConfig, values)
    return run_command(
        "supcon-evaluate",
        __doc__,
        values,
        lambda values: prepare(overridden(EvaluateConfig(), values)),
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
