"""Values to compare a loss with: its value at collapse, and its floor."""

from typing import Any

import keras
from numpy.typing import ArrayLike

from supcon_tf.losses.supcon import SupConLoss


@keras.saving.register_keras_serializable("supcon_tf")
def collapsed_loss(
    labels: ArrayLike | None,
    projections: ArrayLike,
    loss: Any = None,
    queue: Any = None,
) -> Any:
    """The value of the loss if all projections were identical.

    Then every contrast is as similar as every other. An anchor with positives
    has the loss `log(N - 1)`, N = B * V, whatever its labels and the
    temperature are. With `denominator="one_positive"` it has the loss
    `log(negatives + 1)`, with `"only_negatives"` `log(negatives)`. A run whose
    loss stays at this value is stuck: it has learnt nothing or has collapsed.

    Args:
      labels: as for `supcon_loss`.
      projections: `[B, V, D]` or `[B, D]`; only the shape matters.
      loss: the contrastive loss whose value it is; default `SupConLoss()`.
      queue: as for `supcon_loss`.

    Returns:
      A float32 scalar, the mean over the B images.

    Example:
      >>> value = collapsed_loss([0, 1, 0, 1], np.zeros((4, 2, 128)))
      >>> round(float(value), 3), round(float(np.log(7)), 3)
      (1.946, 1.946)
    """
    return _reference_values(labels, projections, loss, queue)[0]


@keras.saving.register_keras_serializable("supcon_tf")
def loss_floor(
    labels: ArrayLike | None,
    projections: ArrayLike,
    loss: Any = None,
    queue: Any = None,
) -> Any:
    """The value of the loss if each class were one point, far from the others.

    The classes are then the corners of a regular simplex. The similarity is 1
    within each of the K classes of the batch, and -1 / (K - 1) between any two
    classes. If all classes have equally many images, no value is lower (Graf et
    al. 2021). With other counts it is practically the floor at the usual
    temperatures. The floor is not 0: with n projections of a class it is about
    `log(n - 1)`. Projections of fewer than K - 1 dimensions do not reach it,
    and with `normalize=False` there is no floor.

    Args:
      labels: as for `supcon_loss`.
      projections: `[B, V, D]` or `[B, D]`; only the shape matters.
      loss: the contrastive loss whose value it is; default `SupConLoss()`.
      queue: as for `supcon_loss`.

    Returns:
      A float32 scalar, the mean over the B images.

    Example:
      >>> value = loss_floor([0, 1, 0, 1], np.zeros((4, 2, 128)))
      >>> round(float(value), 3), round(float(np.log(3)), 3)
      (1.099, 1.099)

    Reference:
      Graf et al., "Dissecting Supervised Contrastive Learning", ICML 2021,
      https://arxiv.org/abs/2102.08817, Theorem 2.
    """
    floor = _reference_values(labels, projections, loss, queue)[1]
    if floor is None:
        raise ValueError(
            "`loss` must be one whose least value is known, such as "
            f"SupConLoss. Received: loss={loss!r}"
        )
    return floor


def _reference_values(labels, projections, loss, queue):
    loss = SupConLoss() if loss is None else loss
    if not loss.has_reference_values():
        raise ValueError(
            "`loss` must be one that knows its value if all projections are "
            f"identical. Received: loss={loss!r}"
        )
    return loss.reference_values(labels, projections, queue)
