"""Metrics of projections: how well their classes separate, and how they spread.

Each function takes `(labels, projections)`, so that it also serves as a Keras
metric: `model.compile(..., metrics=[metrics.uniformity])`. None of them needs
the N x N matrix of similarities. On several replicas (`tf.distribute`) every
replica gets the value of the global batch.
"""

from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.distribution.collectives import (
    concat_over_replicas,
)
from supcon_tf.labels import as_ids
from supcon_tf.losses.pairs.contrasts import Contrasts
from supcon_tf.losses.pairs.kinds import by_class
from supcon_tf.losses.pairs.positives import (
    class_sizes,
    group_by_class,
    ids_of_all_replicas,
)
from supcon_tf.losses.pairs.projections import as_views, unit_length
from supcon_tf.losses.pairs.sums import sums_over_pairs
from supcon_tf.losses.pairs.terms import Exps
from supcon_tf.losses.pairs.tiles import Tile, Tiles


@keras.saving.register_keras_serializable("supcon_tf")
def anchors_without_positives(
    labels: ArrayLike | None,
    projections: ArrayLike,
    unlabeled_label: int | None = None,
) -> Any:
    """The number of anchors without a positive, whose loss is 0.

    With two or more views there are none.

    Args:
      labels: as for `supcon_loss`.
      projections: `[B, V, D]` or `[B, D]`; only the shape matters.
      unlabeled_label: as for `supcon_loss`.

    Returns:
      A float32 scalar from 0 to B.

    Example:
      >>> float(anchors_without_positives([0, 1, 0], np.zeros((3, 128))))
      1.0
    """
    projections = as_views(projections)
    sizes = class_sizes(labels, projections, unlabeled_label=unlabeled_label)
    positives = sizes.same * sizes.views - 1
    return ops.sum(ops.cast(positives == 0, "float32"))


@keras.saving.register_keras_serializable("supcon_tf")
def contrastive_top_1(
    labels: ArrayLike | None,
    projections: ArrayLike,
    unlabeled_label: int | None = None,
) -> Any:
    """The share of the anchors whose nearest contrast is a positive.

    A positive that is only as near as a negative does not count, so that
    identical projections have the value 0. Anchors without positives are left
    out.

    Args:
      labels: as for `supcon_loss`.
      projections: `[B, V, D]` or `[B, D]` floats.
      unlabeled_label: as for `supcon_loss`.

    Returns:
      A float32 scalar in [0, 1]; 0 if no anchor has a positive.

    Example:
      >>> projections = [[1, 0], [1, 0], [0, 1], [0, 1]]
      >>> float(contrastive_top_1([0, 0, 1, 1], projections))
      1.0
    """
    z, classes = _unit_vectors(labels, projections, unlabeled_label)
    tiles = Tiles(ops.shape(z)[0])
    lowest = -2.0  # below any cosine

    kinds = by_class(Contrasts(z, z, classes, views=1))

    def nearest(rows, columns, place):
        tile = Tile(rows, columns, place == "diagonal", kinds)

        def best(axis):
            values = ops.where(tile.is_real(axis), tile.products, lowest)
            best = [
                ops.max(
                    tile.masked(values, tile.weights(axis, kind), lowest),
                    axis=axis,
                )
                for kind in ("positive", "negative")
            ]
            return ops.stack(best, axis=1)  # [rows, 2]

        return best(1), lambda: best(0)

    own = {"vectors": z, "is_real": ops.ones_like(z[:, :1]), **kinds.features}
    best = tiles.accumulate(
        nearest,
        ops.maximum,
        tiles.own.filled(lowest, 2, z.dtype),
        {name: tiles.own.cut(x) for name, x in own.items()},
    )
    positive, negative = ops.unstack(tiles.own.join(best), axis=1)
    has_positive = ops.cast(positive > lowest, "float32")
    is_right = ops.cast(positive > negative, "float32") * has_positive
    return ops.sum(is_right) / ops.maximum(ops.sum(has_positive), 1.0)


@keras.saving.register_keras_serializable("supcon_tf")
def alignment(labels: ArrayLike | None, projections: ArrayLike) -> Any:
    """Mean squared distance of the positive pairs (Wang & Isola 2020).

    With `labels=None` the pairs are the views of an image, as in the paper.

    Args:
      labels: as for `supcon_loss`.
      projections: `[B, V, D]` or `[B, D]` floats; they are scaled to unit
        length.

    Returns:
      A float32 scalar in [0, 4]. It is 0 if positives coincide, or if there are
      no pairs.

    Example:
      >>> float(alignment([0, 0], [[1.0, 0.0], [0.0, 1.0]]))
      2.0

    Reference:
      Wang & Isola, "Understanding Contrastive Representation Learning through
      Alignment and Uniformity on the Hypersphere", ICML 2020, alpha = 2,
      https://arxiv.org/abs/2005.10242
    """
    squares, products, pairs = _sums_over_positive_pairs(labels, projections)
    return ops.cast(2 * (squares - products) / ops.maximum(pairs, 1), "float32")


@keras.saving.register_keras_serializable("supcon_tf")
def tolerance(labels: ArrayLike | None, projections: ArrayLike) -> Any:
    """Mean similarity of the pairs of a class (Wang & Liu 2021).

    It is high where the clusters of the classes are tight. Small temperatures
    push the images of a class apart and lower it. The paper takes the
    expectation over all pairs, with 0 for the pairs of two classes; that is
    this value times the share of the pairs that are of one class. For unit
    vectors this value is `1 - alignment / 2`.

    Args:
      labels: as for `supcon_loss`.
      projections: `[B, V, D]` or `[B, D]` floats; they are scaled to unit
        length.

    Returns:
      A float32 scalar in [-1, 1]; 0 if there are no pairs.

    Example:
      >>> float(tolerance([0, 0], [[1.0, 0.0], [1.0, 0.0]]))
      1.0

    Reference:
      Wang & Liu, "Understanding the Behaviour of Contrastive Loss", CVPR 2021,
      https://arxiv.org/abs/2012.09740
    """
    _, products, pairs = _sums_over_positive_pairs(labels, projections)
    return ops.cast(products / ops.maximum(pairs, 1), "float32")


@keras.saving.register_keras_serializable("supcon_tf")
def uniformity(labels: ArrayLike | None, projections: ArrayLike) -> Any:
    """Log of the mean of exp(-2 squared distance) over all pairs.

    The lower it is, the more evenly the projections fill the sphere. It is 0 if
    all are identical, and about -3.9 for random vectors of 128 dimensions.

    Args:
      labels: not used. They are an argument so that this is a Keras metric.
      projections: `[B, V, D]` or `[B, D]` floats; they are scaled to unit
        length.

    Returns:
      A float32 scalar in [-8, 0]; 0 if there are no pairs.

    Example:
      >>> round(float(uniformity(None, [[1.0, 0.0], [-1.0, 0.0]])), 4)
      -8.0

    Reference:
      Wang & Isola, ICML 2020, t = 2, https://arxiv.org/abs/2005.10242
    """
    del labels
    z, _ = _unit_vectors(None, projections)
    size = ops.cast(ops.shape(z)[0], z.dtype)
    # -2 |x - y|^2 = 4 x.y - 4, and the product of 2 x and 2 y is 4 x.y.
    pairs = Contrasts(2 * z, 2 * z, None, views=1, bound=4.0)
    (sums,) = sums_over_pairs(pairs, [Exps()], in_tiles=True)
    value = ops.logsumexp(sums) - ops.log(ops.maximum(size * (size - 1), 1)) - 4
    value = ops.where(size > 1, ops.minimum(value, 0.0), 0.0)
    return ops.cast(value, "float32")


def _unit_vectors(labels, projections, unlabeled_label=None):
    """Unit vectors `[N, D]` and `[N]` int32, equal for those of one class."""
    projections = as_views(projections)
    batch, (views, dim) = ops.shape(projections)[0], projections.shape[1:]
    ids, batch = ids_of_all_replicas(as_ids(labels, batch), batch)
    groups = group_by_class(ids, batch, unlabeled_label=unlabeled_label)
    z = ops.reshape(unit_length(projections), (-1, dim))
    return concat_over_replicas(z), ops.repeat(groups, views)


def _sums_over_positive_pairs(labels, projections):
    """Sums over all pairs (x, y) of a class, with x and y different vectors.

    Returns the sums of (x.x + y.y) / 2, of x.y and of 1. A class of n vectors
    with the sum S has n (n - 1) pairs, and these three sums are (n - 1)
    sum(x.x), S.S - sum(x.x) and n (n - 1).
    """
    z, classes = _unit_vectors(labels, projections)
    size = ops.shape(z)[0]
    squares = ops.sum(ops.square(z), axis=1)
    counts = ops.segment_sum(ops.ones_like(squares), classes, size)
    squares = ops.segment_sum(squares, classes, size)
    sums = ops.segment_sum(z, classes, size)
    return (
        ops.sum((counts - 1) * squares),
        ops.sum(ops.sum(ops.square(sums), axis=1) - squares),
        ops.sum(counts * (counts - 1)),
    )
