"""The similarity of an image that was mixed of two, and of plain images."""

import keras
from keras import ops

from supcon_tf.labels import known_values
from supcon_tf.losses.similarities.similarity import Similarity, rows_of_floats


@keras.saving.register_keras_serializable("supcon_tf")
class Mixed(Similarity):
    """The shares of two images in one, as in MixCo.

    Each image of the first view is mixed of two, lambda of its own and
    1 - lambda of another one; the second view is not mixed. It is for
    `CrossViewLoss` with `positives_mean="one"` alone, since it is not
    symmetric.

    Labels: `[B, 3]`: lambda in [0, 1], a number of the image, and the number of
    the image that it is mixed with. The numbers are whole, below 2^24, and
    different for all images of the global batch.

    Example:
      >>> labels = Mixed().features([[0.7, 0, 1], [1.0, 1, 0]])
      >>> np.round(Mixed().tile(labels, labels), 6)
      array([[0.7, 0.3],
             [0. , 1. ]], dtype=float32)

    Reference:
      Kim et al., "MixCo: Mix-up Contrastive Learning for Visual
      Representation", 2020, https://arxiv.org/abs/2010.06300
    """

    own_views_are_alike = False
    is_symmetric = False

    def features(self, labels):
        """Checks `[B, 3]` numbers."""
        rows = rows_of_floats("Mixed", labels)
        values = known_values(rows)
        if rows.shape[1] != 3 or (
            values is not None
            and ((values[:, 0] < 0) | (values[:, 0] > 1)).any()
        ):
            raise ValueError(
                "`labels` must be (lambda, number of the image, number of the "
                "image mixed in), of shape [B, 3] with lambda in [0, 1], for "
                f"Mixed. Received: shape={tuple(rows.shape)}"
            )
        return rows

    def tile(self, rows, columns):
        """The share of each column's image in each row's, `[r, c]`."""
        shares, own, other = ops.unstack(rows[:, :, None], 3, axis=1)
        numbers = columns[None, :, 1]
        zeros = ops.zeros_like(numbers)
        of_own = ops.where(own == numbers, shares, zeros)
        return of_own + ops.where(other == numbers, 1 - shares, zeros)
