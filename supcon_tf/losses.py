"""The supervised contrastive loss: a function, and a Keras loss around it.

Read this file first. `supcon_loss` is Eq. 2 of Khosla et al. 2020 over the
whole batch, with the variants of the paper and of its official code; everything
else in the package exists to feed it.
"""

import math

import keras
from keras import ops

from supcon_tf import dense, tiled
from supcon_tf.arguments import as_mask, check_variant
from supcon_tf.labels import (
    as_ids,
    from_float_pieces,
    group_by_class,
    to_float_pieces,
)
from supcon_tf.projections import as_views, unit_length


@keras.saving.register_keras_serializable("supcon_tf")
def supcon_loss(
    labels,
    projections,
    *,
    temperature=0.1,
    normalize=True,
    summation="outside",
    denominator="all",
    anchors="all",
    scale_by_temperature=False,
    positives_cap=None,
    unlabeled_label=None,
    positives_mask=None,
    implementation="auto",
):
    """Supervised contrastive loss, by default Eq. 2 of Khosla et al. 2020.

    Every projection is an anchor `i`. Its positives `P(i)` are the other views
    of its image and all views of the images with the same label; its negatives
    `N(i)` are all views of the others. The loss of an anchor is the mean, over
    its positives, of the negative log-softmax of their similarity:

        loss_i = -1/|P(i)| * sum_{p in P(i)} log(exp(z_i.z_p / t)
                                               / sum_{a != i} exp(z_i.z_a / t))

    With `labels=None` the positives are the other views of the image alone:
    the self-supervised NT-Xent loss of SimCLR (Chen et al. 2020).

    Args:
      labels: ids of the classes, `[B]` or `[B, 1]` integers (whole floats,
        too), exact over the whole int64 range; or `[B, C]`, C > 1, one-hot; or
        None. Images with equal labels are positives of each other. In a
        compiled step values cannot be checked: rows that are not one-hot count
        as their largest entry there, and fractions are cut off.
      projections: `[B, V, D]` floats, V views of each of B images; `[B, D]` is
        one view.
      temperature: float `t` >= 1e-6, default 0.1 as in the paper. Smaller
        values weigh hard negatives more.
      normalize: whether to scale each projection to unit length first (a zero
        vector stays zero, with similarity 0 to all). Turn it off only for
        similarities that are not cosines.
      summation: where the sum over positives stands. `"outside"` the logarithm
        is `L_out`, Eq. 2; `"inside"` is `L_in`, Eq. 3, never larger, and worse
        in the paper: `-log(1/|P(i)| * sum_p exp(z_i.z_p / t) / ...)`.
      denominator: what is summed below the fraction bar: `"all"` contrasts
        `P(i)` and `N(i)`; `"one_positive"`, the negatives and the positive of
        the numerator; `"only_negatives"` (the loss may then be negative).
      anchors: `"all"` views, or the `"first"` of each image; contrasts are all
        views either way.
      scale_by_temperature: whether the loss is multiplied by `t`, as the
        official code does: the size of its gradient then depends less on `t`,
        and the learning rates of the official recipes assume it.
      positives_cap: None, or a multiple of V: an image keeps as positives only
        the first `positives_cap / V` other images of its class, in the order
        of the batch, with all their views, beside its own other views. Those
        that are cut off are not in the denominator either. With V = 2 and
        `positives_cap=4` the third of five cats keeps the first and second,
        that is 4 projections and its own other view.
      unlabeled_label: None, or the label of images whose class is not known.
        Such an image has its own views as positives and is a negative of all
        others. (Of one-hot labels it is a column.)
      positives_mask: `[B, B]` bool in place of labels: which images (columns)
        are positives of which (rows), for several classes an image, or graphs.
        The diagonal does not count: other views of the image always are.
      implementation: `"dense"` holds all N x N similarities, N = B * V;
        `"tiled"` never does, and is for `denominator="all"` without
        `positives_cap` and `positives_mask`; with `normalize=False` it is as
        exact as the sums of a class, in which a vector that is 1000 times
        longer hides the others' digits. `"auto"` is tiled where that is
        possible, but dense below N = 4096 with `normalize=False` or a
        temperature below 0.025, where that is faster, and below 8192 with
        `anchors="first"` and V > 1.

    Returns:
      `[B]` floats: for each image, the mean over its anchors. At least
      float32, whatever the dtype of `projections` (float64 stays float64). An
      anchor without positives contributes 0, as does one without negatives
      with `"only_negatives"`. Value and gradient are finite (with
      `normalize=False` as far as the similarities are).

    Raises:
      ValueError: if an argument is none of the above, or if the shapes or the
        dtypes of labels and projections do not fit.

    Example:
      >>> z = keras.random.normal((4, 2, 128))     # 4 images, 2 views
      >>> supcon_loss([0, 1, 0, 1], z).shape
      TensorShape([4])

    Reference:
      Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020,
      https://arxiv.org/abs/2004.11362; the variants: its official code,
      https://github.com/google-research/google-research/tree/master/supcon
    """
    projections = as_views(projections)  # [B, V, D]
    batch, (views, dim) = ops.shape(projections)[0], projections.shape[1:]
    check_variant(
        temperature=temperature,
        normalize=normalize,
        summation=summation,
        denominator=denominator,
        anchors=anchors,
        scale_by_temperature=scale_by_temperature,
        positives_cap=positives_cap,
        unlabeled_label=unlabeled_label,
        positives_mask=positives_mask,
        implementation=implementation,
        views=views,
    )
    if normalize:
        projections = unit_length(projections)
    # Similarities over the temperature are products of these.
    z = ops.reshape(projections / math.sqrt(temperature), (-1, dim))  # [N, D]
    bound = 1 / temperature if normalize else None  # of their size
    step = views if anchors == "first" else 1  # every which row is an anchor

    is_eq_2_or_3 = (
        denominator == "all"
        and positives_cap is None
        and positives_mask is None
    )
    is_tiled = is_eq_2_or_3 and (
        implementation == "tiled"
        or (implementation == "auto" and _is_large(batch * views, step, bound))
    )
    if positives_mask is None:
        ids = as_ids(labels, batch)
        groups = group_by_class(ids, batch, unlabeled_label=unlabeled_label)
    # (Sums over a class are exact if no vector of it is far longer than the
    # others.)
    if is_tiled or (is_eq_2_or_3 and summation == "outside" and normalize):
        losses = _losses_by_class(
            z,
            groups,
            views,
            step,
            summation=summation,
            is_tiled=is_tiled,
            bound=bound,
        )
    else:
        if positives_mask is None:
            is_same = groups[:, None] == groups[None, :]
        else:
            is_same = as_mask(positives_mask, labels, batch)
        losses = dense.pair_losses(
            z[::step],
            z,
            *dense.pair_masks(is_same, views, step, positives_cap),
            summation=summation,
            denominator=denominator,
        )
    if scale_by_temperature:
        losses = losses * temperature
    return ops.mean(ops.reshape(losses, (batch, -1)), axis=1)


@keras.saving.register_keras_serializable("supcon_tf")
class SupConLoss(keras.losses.Loss):
    """Supervised contrastive loss for `model.compile`: see `supcon_loss`.

    The model's output is `[B, V, D]` (V views of each image) or `[B, D]`. Works
    on any Keras model with such an output; `SupConModel` is the one that folds
    views into the batch. `model.fit(x)` without labels trains with NT-Xent.
    Contrasts are those of the batch on the device: under a `tf.distribute`
    strategy with several replicas, each replica's own only.

        loss_i = -1/|P(i)| * sum_{p in P(i)} log(exp(z_i.z_p / t)
                                               / sum_{a != i} exp(z_i.z_a / t))

    Args:
      temperature: positive float `t`, default 0.1 as in the paper.
      normalize: whether to scale each projection to unit length first.
      summation: `"outside"` (`L_out`, Eq. 2) or `"inside"` (`L_in`, Eq. 3).
      denominator: `"all"`, `"one_positive"` or `"only_negatives"`.
      anchors: `"all"` views or the `"first"` of each image.
      scale_by_temperature: whether the loss is multiplied by `t`, as in the
        official code.
      positives_cap: None, or how many projections of other images an image
        keeps as positives, at most; a multiple of V.
      unlabeled_label: None, or the label of images whose class is not known.
      implementation: `"auto"`, `"dense"` or `"tiled"`.
      reduction: as for any Keras loss, applied to the `[B]` losses of the
        images: `"sum_over_batch_size"` (default), `"sum"`, `"mean"`,
        `"mean_with_sample_weight"`, `"none"` or None.
      name: name of the loss.
      dtype: dtype of the computation: None (`keras.backend.floatx()`, but at
        least float32), `"float32"` or `"float64"`.

    Call arguments:
      y_true: `[B]` or `[B, 1]` integer labels, `[B, C]` one-hot ones, or None.
        Labels stay integers: 16777216 and 16777217 are two classes, though
        float32 has one value for both.
      y_pred: `[B, V, D]` or `[B, D]` floats.
      sample_weight: optional `[B]` weights of the images.

    Raises:
      ValueError: if an argument is none of the above, or the dtype is a half
        precision, in which no log-sum-exp is exact.

    Example:
      >>> model.compile(optimizer="sgd", loss=SupConLoss(temperature=0.1))

    Reference:
      Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, Eq. 2,
      https://arxiv.org/abs/2004.11362
    """

    def __init__(
        self,
        temperature=0.1,
        *,
        normalize=True,
        summation="outside",
        denominator="all",
        anchors="all",
        scale_by_temperature=False,
        positives_cap=None,
        unlabeled_label=None,
        implementation="auto",
        reduction="sum_over_batch_size",
        name="supcon_loss",
        dtype=None,
    ):
        if dtype is None and keras.backend.floatx() != "float64":
            dtype = "float32"
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if self.dtype not in ("float32", "float64"):
            raise ValueError(
                "`dtype` must be None, 'float32' or 'float64'. "
                f"Received: dtype={self.dtype!r}"
            )
        self.temperature = temperature
        self.normalize = normalize
        self.summation = summation
        self.denominator = denominator
        self.anchors = anchors
        self.scale_by_temperature = scale_by_temperature
        self.positives_cap = positives_cap
        self.unlabeled_label = unlabeled_label
        self.implementation = implementation
        check_variant(**self.variant)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Reduced loss; labels and gradients get through Keras' casts unharmed.

        A Keras mask of the projections does not count.
        """
        y_pred = as_views(y_pred)
        ids = as_ids(y_true, ops.shape(y_pred)[0])
        return super().__call__(
            to_float_pieces(ids), y_pred, sample_weight=sample_weight
        )

    def call(self, y_true, y_pred):
        """`[B]` losses of the images; `y_true` as `__call__` packed it."""
        return supcon_loss(from_float_pieces(y_true), y_pred, **self.variant)

    @property
    def variant(self):
        """The arguments of `supcon_loss`, by name."""
        return {
            "temperature": self.temperature,
            "normalize": self.normalize,
            "summation": self.summation,
            "denominator": self.denominator,
            "anchors": self.anchors,
            "scale_by_temperature": self.scale_by_temperature,
            "positives_cap": self.positives_cap,
            "unlabeled_label": self.unlabeled_label,
            "implementation": self.implementation,
        }

    def get_config(self):
        """Every argument of the constructor."""
        return {**super().get_config(), **self.variant, "dtype": self.dtype}


def _is_large(num_projections, step, bound):
    """Whether tiles are faster, or so much smaller that it counts more.

    Measured on two CPU cores, compiled (benchmarks/loss.py). Dense, the anchors
    "first" are fewer rows, while tiles compute all: dense stays about a fifth
    faster, and gives way for the memory. Shifted tiles are faster from 4096 on.
    """
    if not isinstance(num_projections, int):
        return True
    if step > 1:
        return num_projections >= 8192
    if bound is None or bound > tiled.LARGEST_BOUND:
        return num_projections >= 4096
    return True


def _losses_by_class(z, groups, views, step, *, summation, is_tiled, bound):
    """`[M]` losses of Eq. 2 or 3 with positives by class.

    The similarities of an anchor to all its positives have the sum
    z_i.(sum of the class - z_i): Eq. 2 needs no matrix for them.
    """
    batch = ops.shape(groups)[0]
    classes = ops.repeat(groups, views)  # [N]
    anchors = z if step == 1 else z[::step]  # [M, D]
    anchor_classes = classes if step == 1 else groups  # [M]

    sizes = ops.segment_sum(ops.ones_like(z[:, 0]), classes, batch)
    positives = ops.take(sizes, anchor_classes) - 1  # [M], how many
    counts = ops.maximum(positives, 1)
    if is_tiled:
        log_sums = tiled.log_sum_exps(
            z, classes if summation == "inside" else None, bound=bound
        )[::step]
        log_denominators = log_sums[:, 0]
    else:
        log_denominators = dense.log_denominators(anchors, z, step)
    if summation == "inside":
        losses = log_denominators - log_sums[:, 1] + ops.log(counts)
    else:
        sums = ops.take(ops.segment_sum(z, classes, batch), anchor_classes, 0)
        similarities = ops.sum(anchors * (sums - anchors), axis=1)
        losses = log_denominators - similarities / counts
    return ops.where(positives > 0, losses, ops.zeros_like(losses))
