"""Tells inside a SavedModel how far images are from those of the training."""

import tensorflow as tf


def add_distance(root, known, specs):
    """Gives a Reusable SavedModel what tells images of none of the classes.

    `root.distance(images)` is `[B]` float32, one minus the mean cosine
    similarity to the k nearest photographs of the training, as
    `KnownPhotographs.distances`. `root.threshold()` is the distance from which
    on an image is of none of the classes. The vectors are a variable that is
    none of `root.variables`, since no fine-tuning may change it.

    Args:
      root: object with `__call__`, images -> features `[B, R]`.
      known: `KnownPhotographs` of the features.
      specs: list of `tf.TensorSpec`, the images that `distance` takes.

    Example:
      >>> from supcon_tf.photographs.unknown import KnownPhotographs
      >>> root = tf.train.Checkpoint()
      >>> root.__call__ = tf.function(lambda images: images)
      >>> known = KnownPhotographs(np.eye(2, dtype="float32"), [0.5])
      >>> add_distance(root, known, [tf.TensorSpec([None, 2])])
      >>> root.distance(tf.constant([[0.0, 2.0]])).numpy()
      array([0.5], dtype=float32)
      >>> float(root.threshold())
      0.5
    """
    vectors = tf.Variable(
        known.vectors, dtype=tf.float32, trainable=False, name="known_vectors"
    )
    threshold = tf.constant(known.threshold, tf.float32)
    neighbors = min(known.neighbors, len(known.vectors))

    @tf.function(autograph=False)
    def distance(images):
        features = tf.math.l2_normalize(root.__call__(images), axis=1)
        cosines = tf.matmul(features, vectors, transpose_b=True)
        return 1 - tf.reduce_mean(tf.math.top_k(cosines, neighbors)[0], axis=1)

    for spec in specs:
        distance.get_concrete_function(spec)
    root.known_vectors = vectors
    root.distance = distance
    root.threshold = tf.function(
        lambda: threshold, input_signature=[], autograph=False
    )
