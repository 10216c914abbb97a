"""What a value of the loss means: its value at collapse, and its floor."""

import keras

from supcon_tf.losses.supcon import SupConLoss


@keras.saving.register_keras_serializable("supcon_tf")
def collapsed_loss(labels, projections, loss=None, queue=None):
    """The value of the loss if all projections were identical.

    Then every contrast is as similar as every other. An anchor with positives
    has the loss `log(N - 1)`, N = B * V, whatever its labels and the
    temperature; with `denominator="one_positive"` it has `log(negatives + 1)`,
    with `"only_negatives"` `log(negatives)`. A run whose loss stays at this
    value is stuck: it has learnt nothing or has collapsed.

    Args:
      labels: as for `supcon_loss`.
      projections: `[B, V, D]` or `[B, D]`; only the shape matters.
      loss: the `SupConLoss` whose value it is; default `SupConLoss()`.
      queue: as for `supcon_loss`.

    Returns:
      A float32 scalar: the mean over the B images.

    Example:
      >>> collapsed_loss([0, 1, 0, 1], keras.ops.zeros((4, 2, 128)))  # log(7)
      <tf.Tensor: shape=(), dtype=float32, numpy=1.9459102>
    """
    return _reference_values(labels, projections, loss, queue)[0]


@keras.saving.register_keras_serializable("supcon_tf")
def loss_floor(labels, projections, loss=None, queue=None):
    """The value of the loss if each class were one point, as far as can be.

    The classes are then the corners of a regular simplex: similarity 1 within
    each of the K classes of the batch, -1 / (K - 1) between any two. With
    equally many images of each class nothing is lower (Graf et al. 2021); with
    other counts it is as good as the floor at the usual temperatures. The
    floor is not 0: with n projections of a class it is about `log(n - 1)`.
    Projections of fewer than K - 1 dimensions do not reach it, and for
    `normalize=False` there is none.

    Args:
      labels: as for `supcon_loss`.
      projections: `[B, V, D]` or `[B, D]`; only the shape matters.
      loss: the `SupConLoss` whose value it is; default `SupConLoss()`.
      queue: as for `supcon_loss`.

    Returns:
      A float32 scalar: the mean over the B images.

    Example:
      >>> loss_floor([0, 1, 0, 1], keras.ops.zeros((4, 2, 128)))  # log(3)
      <tf.Tensor: shape=(), dtype=float32, numpy=1.0986123>

    Reference:
      Graf et al., "Dissecting Supervised Contrastive Learning", ICML 2021,
      https://arxiv.org/abs/2102.08817, Theorem 2.
    """
    return _reference_values(labels, projections, loss, queue)[1]


def _reference_values(labels, projections, loss, queue):
    loss = SupConLoss() if loss is None else loss
    return loss.reference_values(labels, projections, queue)
