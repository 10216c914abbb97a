"""The supervised contrastive loss: a function, and a Keras loss around it.

Read this file first. `supcon_loss` is Eq. 2 of Khosla et al. 2020 over the
whole batch, with the variants of the paper and of its official code; everything
else in the package exists to feed it.
"""

import keras
from keras import ops

from supcon_tf.losses.arguments import check_variant
from supcon_tf.losses.contrastive import ContrastiveLoss
from supcon_tf.losses.pairs.contrasts import contrasts_of
from supcon_tf.losses.pairs.log_sum_exps import (
    are_tiles_better,
    log_sum_exps,
)
from supcon_tf.losses.pairs.positives import (
    count_positives,
    similarities_to_positives,
)
from supcon_tf.losses.pairs.projections import as_views
from supcon_tf.losses.supcon_variants import variant_losses


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
    queue=None,
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

    In a step on several replicas (`tf.distribute`) the anchors are the
    replica's own, and contrasts are the projections of all replicas. The
    gradient of the sum of all replicas' losses flows to each: an optimizer
    that sums the replicas' gradients, as those of Keras do, makes the step
    that one device would make on the global batch.

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
        The diagonal does not count: other views of the image always are. (On
        several replicas the rows are the replica's own images, the columns
        those of all, in the order of the replicas.)
      queue: None, or more contrasts, which are no anchors and get no gradient:
        `(labels [Q], projections [Q, D] floats, is_filled [Q] bool)`, such as
        `momentum.LabelledQueue` keeps of earlier batches; rows that are not
        filled do not count. The same on all replicas. Not with
        `positives_cap` and `positives_mask`.
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
        queue=queue,
        implementation=implementation,
        views=projections.shape[1],
        labels=labels,
    )
    contrasts = contrasts_of(
        labels,
        projections,
        temperature=temperature,
        normalize=normalize,
        anchors=anchors,
        unlabeled_label=unlabeled_label,
        queue=queue,
    )
    has_tiles = (
        denominator == "all"
        and positives_cap is None
        and positives_mask is None
    )
    in_tiles = has_tiles and (
        implementation == "tiled"
        or (implementation == "auto" and are_tiles_better(contrasts))
    )
    # (Sums over a class are exact if no vector of it is far longer than the
    # others.)
    if in_tiles or (has_tiles and normalize):
        losses = _losses_of_anchors(contrasts, summation, in_tiles)
    else:
        losses = variant_losses(
            contrasts,
            positives_mask=positives_mask,
            positives_cap=positives_cap,
            summation=summation,
            denominator=denominator,
        )
    if scale_by_temperature:
        losses = losses * temperature
    batch = ops.shape(projections)[0]
    return ops.mean(ops.reshape(losses, (batch, -1)), axis=1)


def _losses_of_anchors(contrasts, summation, in_tiles):
    """Eq. 2 or 3 of each anchor, `[M]`, with s_ia = z_i.z_a / t.

    Both are written with the log-sum-exp of the similarities to all contrasts:

        Eq. 2   log sum_a exp(s_ia) - 1/|P(i)| sum_p s_ip
        Eq. 3   log sum_a exp(s_ia) - log(1/|P(i)| sum_p exp(s_ip))
    """
    num_positives = count_positives(contrasts)  # |P(i)|, [M]
    counts = ops.maximum(num_positives, 1)
    log_sums = log_sum_exps(
        contrasts, with_positives=summation == "inside", in_tiles=in_tiles
    )
    if summation == "outside":
        mean_over_positives = similarities_to_positives(contrasts) / counts
    else:
        mean_over_positives = log_sums[:, 1] - ops.log(counts)
    losses = log_sums[:, 0] - mean_over_positives
    return ops.where(num_positives > 0, losses, ops.zeros_like(losses))


@keras.saving.register_keras_serializable("supcon_tf")
class SupConLoss(ContrastiveLoss):
    """Supervised contrastive loss for `model.compile`: see `supcon_loss`.

    The model's output is `[B, V, D]` (V views of each image) or `[B, D]`. Works
    on any Keras model with such an output; `SupConModel` is the one that folds
    views into the batch. `model.fit(x)` without labels trains with NT-Xent.
    Under a `tf.distribute` strategy contrasts are those of the global batch:
    loss and weights are those of one device, also where replicas have unequal
    parts. (`"none"` reduces nothing: the losses are of the replica's own
    images.) Not so in `train_on_batch`, for which Keras gives every replica
    the whole batch: an image is then contrasted with its own copies.

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
      queue: as for `supcon_loss`.

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
        super().__init__(name=name, reduction=reduction, dtype=dtype)
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

    def losses_of_images(self, labels, projections, queue=None):
        """`[B]` losses of the images: `supcon_loss`."""
        return supcon_loss(labels, projections, queue=queue, **self.variant)

    def losses_of_points(self, sizes, gap):
        """`[B]` losses if each class were a point, `gap` from every other."""
        others = sizes.same - 1
        if self.positives_cap is not None:
            others = ops.minimum(others, self.positives_cap // sizes.views)
        positives = others * sizes.views + (sizes.views - 1) + sizes.same_queued
        batch = ops.cast(ops.shape(sizes.same)[0], "float32")
        negatives = (batch - sizes.same) * sizes.views
        negatives = negatives + sizes.queued - sizes.same_queued
        in_numerator = {
            "all": positives,
            "one_positive": ops.ones_like(positives),
            "only_negatives": ops.zeros_like(positives),
        }[self.denominator]
        losses = ops.logaddexp(
            _log(in_numerator), _log(negatives) - gap / self.temperature
        )
        is_valid = ops.logical_and(positives > 0, in_numerator + negatives > 0)
        losses = ops.where(is_valid, losses, 0.0)
        return losses * (self.temperature if self.scale_by_temperature else 1)

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
        return {**super().get_config(), **self.variant}


def _log(counts):
    """Log of counts, very low for 0."""
    return ops.where(counts > 0, ops.log(ops.maximum(counts, 1e-9)), -1e30)
