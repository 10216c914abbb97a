"""Mixtures of projections, between the projection head and the loss.

FeatureTransformation makes positives harder and a queue more diverse.
HardNegativeMixing (MoCHi) makes each anchor negatives of its own.
"""

import numbers
from typing import Any

import keras
from keras import layers, ops

from supcon_tf.errors import check_int
from supcon_tf.labels import as_ids
from supcon_tf.losses.pairs.contrasts import as_queue
from supcon_tf.losses.pairs.projections import as_views, unit_length


@keras.saving.register_keras_serializable("supcon_tf")
class FeatureTransformation(layers.Layer):
    """Extrapolates the views of an image; interpolates what a queue holds.

        z_v'  = lam z_v + (1 - lam) z_(v+1),      lam = 1 + Beta(a_p, a_p) >= 1
        z_n' = mu z_n + (1 - mu) z_perm(n),       mu  = Beta(a_n, a_n)

    The view after the last is the first, and all views of an image have the
    same lam. Two views of similarity s then have the lower similarity
    `s + 2 lam (1 - lam) (1 - s)` if lam is one number: they are positives that
    are harder to recognise. With one view nothing changes. Both mixtures are
    made in training alone.

    The paper does not scale the mixtures to unit length again. The loss then
    has to leave that out too: `SupConLoss(normalize=False)`. With
    `normalize=True`, the extrapolation turns the projections, but does not
    lengthen them. As in the official code, the extrapolated projections are
    also those that are compared with the negatives. The official code mixes
    all of the queue, which has no labels there. With labels, an entry is mixed
    with entries of its class, so that its label stays true. A step with this
    layer does not compile under XLA on TensorFlow.

    Args:
      positive_alpha: float a_p > 0. None leaves the views as they are.
      negative_alpha: float a_n > 0. None leaves the queue as it is.
      per_dimension: whether each dimension of a projection has its own lam or
        mu, the paper's default, or all of them have one.
      seed: int, or None for a random one. The same seed gives the same
        mixtures.

    Call arguments:
      projections: `[B, V, D]` floats of unit length.
      training: whether they are mixed.

    Returns:
      `[B, V, D]` floats, float32 (float64 stays).

    Raises:
      ValueError: if an argument is out of its range.

    Example:
      >>> mixing = FeatureTransformation(seed=0)
      >>> mixing(projections, training=True).shape
      TensorShape([8, 2, 4])
      >>> model = SupConModel(
      ...     encoder, ProjectionHead((8, 4)), feature_mixing=mixing
      ... )

    Reference:
      Zhu et al., "Improving Contrastive Learning by Visualizing Feature
      Transformation", ICCV 2021, https://arxiv.org/abs/2108.02982
    """

    def __init__(
        self,
        positive_alpha: float | None = 2.0,
        negative_alpha: float | None = 1.6,
        *,
        per_dimension: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ):
        # A half precision would round the projections.
        super().__init__(autocast=False, **kwargs)
        # TensorFlow's draws of the Beta distribution do not compile under XLA.
        self.supports_jit = False
        self.positive_alpha = _checked_alpha("positive_alpha", positive_alpha)
        self.negative_alpha = _checked_alpha("negative_alpha", negative_alpha)
        self.per_dimension = per_dimension
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, projections, training=None):
        """Extrapolates the views in training: `[B, V, D]` -> `[B, V, D]`."""
        z = as_views(projections)
        if not training or self.positive_alpha is None:
            return z
        shape = (ops.shape(z)[0], 1, self._shares(z))
        share = 1 + self._beta(self.positive_alpha, shape, z.dtype)
        return extrapolated(z, share)

    def mix_queue(self, queue: Any, training: bool | None = None) -> Any:
        """Interpolates what a queue holds, in training.

        Args:
          queue: `(labels [Q], projections [Q, D], is_filled [Q] bool)`, as
            `LabelledQueue.items` returns it. Equal labels, such as those of a
            queue without labels, are mixed with each other.
          training: whether it is mixed.

        Returns:
          Such a tuple of the same labels and is_filled.

        Raises:
          ValueError: if it is not such a tuple.
        """
        labels, vectors, is_filled = _checked_queue(queue)
        if not training or self.negative_alpha is None:
            return labels, vectors, is_filled
        size = vectors.shape[0]
        random = keras.random.uniform((size,), seed=self.seed_generator)
        here, there = ops.arange(size, dtype="int32"), ops.argsort(random)
        # Each sort keeps the order of what is equal. Entries of one class, or
        # unfilled ones, take the same places in both.
        for key in (labels, is_filled):
            if key is not None:
                here, there = (
                    ops.take(order, ops.argsort(ops.take(key, order)))
                    for order in (here, there)
                )
        partner = ops.take(there, ops.argsort(here))
        shape = (size, self._shares(vectors))
        share = self._beta(self.negative_alpha, shape, vectors.dtype)
        mixed = share * vectors + (1 - share) * ops.take(
            vectors, partner, axis=0
        )
        return labels, mixed, is_filled

    def compute_output_shape(self, input_shape):
        """The shape of the mixtures, that of the projections."""
        return input_shape

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "positive_alpha": self.positive_alpha,
            "negative_alpha": self.negative_alpha,
            "per_dimension": self.per_dimension,
            "seed": self.seed,
        }

    def _shares(self, vectors):
        """Returns how many numbers mix a vector: D or 1."""
        return vectors.shape[-1] if self.per_dimension else 1

    def _beta(self, alpha, shape, dtype):
        return keras.random.beta(
            shape,
            alpha,
            alpha,
            dtype=keras.backend.standardize_dtype(dtype),
            seed=self.seed_generator,
        )


def extrapolated(projections, share):
    """Moves each view away from the next: `lam z_v + (1 - lam) z_(v+1)`.

    Args:
      projections: `[B, V, D]` floats. The view after the last is the first.
      share: lam >= 1, a number or floats that broadcast to `[B, 1, D]`.

    Returns:
      `[B, V, D]` floats.

    Example:
      >>> extrapolated(np.array([[[1.0, 0.0], [0.0, 1.0]]]), 1.5).numpy()
      array([[[ 1.5, -0.5],
              [-0.5,  1.5]]])
    """
    return share * projections + (1 - share) * ops.roll(projections, -1, axis=1)


@keras.saving.register_keras_serializable("supcon_tf")
class HardNegativeMixing(layers.Layer):
    """Similarities of each anchor to mixtures of its hardest negatives.

    The hardest negatives of an anchor z are the entries b of the queue that are
    most similar to it and, where there are labels, of another class. From N of
    them it draws

        S  mixtures  unit_length(a b_1 + (1 - a) b_2),   a ~ U(0, 1)
        S' mixtures  unit_length(c z + (1 - c) b_1),     c ~ U(0, 1 / 2)

    anew at each call. The mixtures are constants, and each anchor has its own.
    In the loss they are further terms of the anchor's denominator.

    Args:
      num_hardest: int N >= 1. An anchor with fewer negatives takes all.
      num_mixed: int S >= 0.
      num_mixed_with_query: int S' >= 0, those with the anchor itself.
      seed: int, or None for a random one. The same seed gives the same
        mixtures.

    Attributes:
      needs_queue: True, which tells a model to give the call queue and labels,
        and the result to its loss.

    Call arguments:
      projections: `[B, V, D]` floats of any length, whose n = B * V rows are
        the anchors, or `[B, D]`.
      queue: `(labels [Q], projections [Q, D], is_filled [Q] bool)`, as
        `LabelledQueue.items` returns it.
      labels: `[B]` integers. With None all of the queue are negatives.

    Returns:
      `[n, S + S']` similarities in [-1, 1], float32 (float64 stays), with a
      gradient to the projections. Those of an anchor without negatives are
      -inf.

    Raises:
      ValueError: if an argument is not as described.

    Example:
      >>> mixing = HardNegativeMixing(
      ...     num_hardest=4, num_mixed=3, num_mixed_with_query=2, seed=0
      ... )
      >>> queue = (None, np.reshape(projections, (16, 4)), np.ones(16, bool))
      >>> mixing(projections, queue=queue).shape
      TensorShape([16, 5])
      >>> model = SupConModel(
      ...     encoder, ProjectionHead((8, 4)), queue_size=32,
      ...     feature_mixing=mixing,
      ... )

    Reference:
      Kalantidis et al., "Hard Negative Mixing for Contrastive Learning",
      NeurIPS 2020, https://arxiv.org/abs/2010.01028. It takes N = S = 1024 and
      S' = 128 of a queue of 65,536, after some epochs without mixtures.
    """

    needs_queue = True

    def __init__(
        self,
        num_hardest: int = 1024,
        num_mixed: int = 1024,
        *,
        num_mixed_with_query: int = 128,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        check_int("num_hardest", num_hardest, 1)
        check_int("num_mixed", num_mixed, 0)
        check_int("num_mixed_with_query", num_mixed_with_query, 0)
        self.num_hardest = num_hardest
        self.num_mixed = num_mixed
        self.num_mixed_with_query = num_mixed_with_query
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, projections, queue=None, labels=None):
        """Draws the mixtures; returns similarities `[n, S + S']`."""
        z = as_views(projections)
        ids = as_ids(labels, ops.shape(z)[0])
        if ids is not None:
            ids = ops.repeat(ids, z.shape[1])
        anchors = unit_length(ops.reshape(z, (-1, z.shape[-1])))
        queue = _checked_queue(queue, anchors, has_labels=ids is not None)
        vectors = unit_length(queue[1])
        rows = ops.shape(anchors)[0]
        hardest, count = _hardest(
            anchors, ids, (queue[0], vectors, queue[2]), self.num_hardest
        )

        def drawn(number):
            """One of the anchor's hardest, `[n, number]` rows of vectors."""
            places = self._uniform((rows, number), anchors.dtype)
            places = ops.cast(
                places * ops.cast(count, places.dtype)[:, None], "int32"
            )
            # Rounding may lift a place to the count itself.
            places = ops.minimum(places, ops.maximum(count - 1, 0)[:, None])
            return ops.take_along_axis(hardest, places, axis=1)

        both, own = self.num_mixed, self.num_mixed_with_query
        similarities = mixed_negatives(
            anchors,
            vectors,
            pairs=ops.stack([drawn(both), drawn(both)], axis=-1),
            pair_shares=self._uniform((rows, both), anchors.dtype),
            partners=drawn(own),
            anchor_shares=self._uniform((rows, own), anchors.dtype) / 2,
        )
        nothing = ops.full_like(similarities, -float("inf"))
        return ops.where((count > 0)[:, None], similarities, nothing)

    def get_config(self):
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "num_hardest": self.num_hardest,
            "num_mixed": self.num_mixed,
            "num_mixed_with_query": self.num_mixed_with_query,
            "seed": self.seed,
        }

    def _uniform(self, shape, dtype):
        dtype = keras.backend.standardize_dtype(dtype)
        return keras.random.uniform(
            shape, dtype=dtype, seed=self.seed_generator
        )


def mixed_negatives(
    anchors, vectors, *, pairs, pair_shares, partners, anchor_shares
):
    """Similarities of anchors to given mixtures, which are constants.

    For an anchor z, rows b_1 and b_2 of `vectors` and shares a and c, it is

        z . unit_length(a b_1 + (1 - a) b_2)  and
        z . unit_length(c z   + (1 - c) b_1).

    Args:
      anchors: `[n, D]` floats of unit length.
      vectors: `[Q, D]` floats of unit length.
      pairs: `[n, S, 2]` ints, the rows b_1 and b_2.
      pair_shares: `[n, S]` floats a.
      partners: `[n, S']` ints, the rows b_1 of mixtures with the anchor.
      anchor_shares: `[n, S']` floats c.

    Returns:
      `[n, S + S']` floats with a gradient to the anchors alone.

    Example:
      >>> mixed_negatives(
      ...     tf.constant([[1.0, 0.0]]), tf.constant([[0.0, 1.0]]),
      ...     pairs=np.zeros((1, 0, 2), int), pair_shares=np.zeros((1, 0)),
      ...     partners=[[0]], anchor_shares=np.array([[0.5]], "float32"),
      ... ).numpy().round(4)
      array([[0.7071]], dtype=float32)
    """
    anchors = ops.convert_to_tensor(anchors)

    def rows(indices):
        return ops.take(vectors, indices, axis=0)  # [n, S, D]

    def mixtures(first, second, shares):
        shares = ops.cast(shares, anchors.dtype)[..., None]
        mixed = unit_length(shares * first + (1 - shares) * second)
        return ops.stop_gradient(mixed)

    pairs = ops.convert_to_tensor(pairs)
    mixed = ops.concatenate(
        [
            mixtures(rows(pairs[..., 0]), rows(pairs[..., 1]), pair_shares),
            mixtures(anchors[:, None], rows(partners), anchor_shares),
        ],
        axis=1,
    )  # [n, S + S', D]
    return ops.einsum("nd,nsd->ns", anchors, mixed)


def _hardest(anchors, ids, queue, number):
    """The rows of each anchor's hardest negatives, and how many there are.

    Returns `[n, N]` int32, the most similar first, of which the first `[n]`
    int32 are negatives.
    """
    labels, vectors, is_filled = queue
    number = min(number, vectors.shape[0])
    similarities = ops.matmul(
        ops.stop_gradient(anchors), ops.transpose(vectors)
    )  # [n, Q]
    is_negative = ops.broadcast_to(is_filled, ops.shape(similarities))
    if ids is not None:
        is_negative = ops.logical_and(
            is_negative, ids[:, None] != ops.cast(labels, ids.dtype)
        )
    lowest = ops.full_like(similarities, -float("inf"))
    _, rows = ops.top_k(ops.where(is_negative, similarities, lowest), number)
    count = ops.sum(ops.cast(is_negative, "int32"), axis=1)
    return ops.cast(rows, "int32"), ops.minimum(count, number)


def _checked_queue(queue, vectors=None, *, has_labels=None):
    """The parts of a queue as tensors, as for a batch of `vectors` if given."""
    dim, dtype = None, "float32"
    if isinstance(queue, (tuple, list)) and len(queue) == 3:
        if vectors is None:
            vectors = ops.convert_to_tensor(queue[1])
        dim, dtype = vectors.shape[-1], vectors.dtype
        if has_labels is None:
            has_labels = queue[0] is not None
    labels, vectors, is_filled = as_queue(
        queue, dim, dtype, has_labels=has_labels
    )
    return as_ids(labels, vectors.shape[0]), vectors, is_filled


def _checked_alpha(name, alpha):
    """Refuses what is neither None nor a number above 0."""
    if alpha is not None and (
        not isinstance(alpha, numbers.Real)
        or isinstance(alpha, bool)
        or not alpha > 0
    ):
        raise ValueError(
            f"`{name}` must be None or a number > 0. Received: {name}={alpha!r}"
        )
    return alpha
