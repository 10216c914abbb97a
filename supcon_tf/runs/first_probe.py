"""A first answer from a trained encoder, before it is trained on."""

import json

import numpy as np

from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.linear.fitting import probe_representations
from supcon_tf.files import read_text, write_json
from supcon_tf.metrics.accuracy import top_1_accuracy
from supcon_tf.training.workdir import FIRST_PROBE


def recorded_probe(workdir):
    """The top-1 that `first_probe` wrote to a run's folder, or None."""
    try:
        value = json.loads(read_text(workdir / FIRST_PROBE))["top_1_accuracy"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # not measured, or not whole
    return value if isinstance(value, (int, float)) else None


def first_probe(encoder, fitted, held_out, workdir, *, batch_size, image_size):
    """How well a linear probe does on an encoder that a run starts from.

    It is fitted to one centre crop of each image, and written to
    first_probe.json.

    Args:
      encoder: Keras model, images `[B, H, W, 3]` in [0, 1] -> `[B, R]`, which
        the run has not trained yet.
      fitted: `LabelledImages` of the training.
      held_out: `LabelledImages` that were held out of it.
      workdir: `pathlib.Path` of the run's folder.
      batch_size: int >= 1, images that are encoded at once.
      image_size: height and width of the crops.

    Returns:
      The top-1 on the held-out images, a float in [0, 1], or None if the
      encoder's features are not finite.
    """
    sizes = {"batch_size": batch_size, "image_size": image_size}
    features, labels = encode_all(encoder, fitted, **sizes)
    asked, answers = encode_all(encoder, held_out, **sizes)
    if not (np.isfinite(features).all() and np.isfinite(asked).all()):
        return None
    classifier, _ = probe_representations(
        encoder, features, labels, class_names=list(fitted.class_names)
    )
    value = top_1_accuracy(answers, classifier.dense(asked))
    write_json(
        workdir / FIRST_PROBE,
        {
            "top_1_accuracy": value,
            "num_train_images": len(labels),
            "num_held_out_images": len(answers),
        },
    )
    return value
