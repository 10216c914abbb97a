"""The supervised contrastive loss: a function, and a Keras loss around it.

Read this file first. `supcon_loss` computes Eq. 2 of Khosla et al. 2020 over
the whole batch, with the variants of the paper and of its official code.
Everything else in the package exists to feed it.
"""

from typing import Any, Literal

import keras
from keras import ops
from numpy.typing import ArrayLike

from supcon_tf.losses.arguments import check_variant, plain_number
from supcon_tf.losses.contrastive import ContrastiveLoss
from supcon_tf.losses.equation import losses_of_anchors
from supcon_tf.losses.pairs.contrasts import contrasts_of
from supcon_tf.losses.pairs.kinds import by_class
from supcon_tf.losses.pairs.positives import (
    count_positives,
    similarities_to_positives,
)
from supcon_tf.losses.pairs.projections import as_views
from supcon_tf.losses.pairs.sums import are_tiles_better, sums_over_pairs
from supcon_tf.losses.pairs.terms import Exps
from supcon_tf.losses.supcon_variants import kinds_of_variant


@keras.saving.register_keras_serializable("supcon_tf")
def supcon_loss(
    labels: ArrayLike | None,
    projections: ArrayLike,
    *,
    temperature: ArrayLike = 0.1,
    normalize: bool = True,
    summation: Literal["outside", "inside"] = "outside",
    denominator: Literal["all", "one_positive", "only_negatives"] = "all",
    anchors: Literal["all", "first"] = "all",
    scale_by_temperature: bool = False,
    positives_cap: int | None = None,
    unlabeled_label: int | None = None,
    positives_mask: ArrayLike | None = None,
    queue: Any = None,
    extra_similarities: Any = None,
    implementation: Literal["auto", "dense", "tiled"] = "auto",
) -> Any:
    """The supervised contrastive loss of each image of a batch.

    By default it is Eq. 2 of Khosla et al. 2020. Every projection is an anchor
    `i`. Its positives `P(i)` are the other views of its image and all views of
    the images with the same label. Its negatives `N(i)` are all views of the
    other images. The loss of an anchor is the mean, over its positives, of the
    negative log-softmax of their similarity:

        loss_i = -1/|P(i)| * sum_{p in P(i)} log(exp(z_i.z_p / t)
                                               / sum_{a != i} exp(z_i.z_a / t))

    With `labels=None` only the other views of an image are its positives. This
    is the self-supervised NT-Xent loss of SimCLR (Chen et al. 2020).

    In a step on several replicas (`tf.distribute`) a replica's anchors are its
    own projections, and its contrasts are the projections of all replicas. Each
    replica receives the gradient of the sum of all replicas' losses. An
    optimizer that sums the gradients of the replicas, as the Keras optimizers
    do, then makes the same step that one device would make on the global batch.

    Args:
      labels: the classes of the images, as `[B]` or `[B, 1]` integer ids (whole
        floats are allowed, too), or as `[B, C]` one-hot rows, C > 1, or None.
        Images with equal labels are positives of each other. Ids are exact over
        the whole int64 range. In a compiled step the values cannot be checked:
        a row that is not one-hot then counts as its largest entry, and the
        fraction of an id is cut off.
      projections: `[B, V, D]` floats, V views of each of B images. `[B, D]` is
        one view of each.
      temperature: float `t` >= 1e-6, or a scalar tensor or variable, whose
        gradient is then computed, too, or a tensor `[B]` of one for each image.
        The default is 0.1, as in the paper. A smaller temperature gives more
        weight to hard negatives. With a tensor the tiles take up to twice the
        time.
      normalize: whether each projection is scaled to unit length first. A zero
        vector stays zero and has similarity 0 to all others. Turn this off only
        for similarities that are not cosines.
      summation: whether the sum over the positives stands outside or inside the
        logarithm. `"outside"` is `L_out`, Eq. 2. `"inside"` is `L_in`, Eq. 3,
        `-log(1/|P(i)| * sum_p exp(z_i.z_p / t) / sum_a exp(z_i.z_a / t))`; it
        is never larger than `L_out`, and did worse in the paper.
      denominator: which contrasts the denominator sums. `"all"` sums `P(i)` and
        `N(i)`. `"one_positive"` sums `N(i)` and the positive of the numerator.
        `"only_negatives"` sums `N(i)` alone; the loss may then be negative.
      anchors: `"all"` makes every view an anchor, `"first"` only the first view
        of each image. The contrasts are all views in both cases.
      scale_by_temperature: whether the loss is multiplied by `t`, as in the
        official code. The size of its gradient then depends less on `t`. The
        learning rates of the official recipes assume it.
      positives_cap: None, or a multiple of V that limits the positives of an
        image. It keeps its own other views and, in the order of the batch, all
        views of the first `positives_cap / V` other images of its class. The
        rest of its class is left out of the denominator, too. For example, with
        V = 2 and `positives_cap=4` the third of five cats keeps the first and
        the second cat, which are 4 projections, and its own other view.
      unlabeled_label: None, or the label of the images whose class is not known
        (for one-hot labels, the index of a column). The positives of such an
        image are its own other views, and it is a negative of all others.
      positives_mask: None, or `[B, B]` bool, which takes the place of labels:
        row i tells which images (columns) are positives of image i. It is meant
        for images of several classes, or for graphs. The diagonal does not
        count, since the other views of an image are always its positives. On
        several replicas the rows are the replica's own images and the columns
        are the images of all replicas, in the order of the replicas.
      queue: None, or more contrasts, which are no anchors and get no gradient,
        such as the projections of earlier batches that a
        `models.labelled_queue.LabelledQueue` keeps. It is a tuple `(labels [Q],
        projections [Q, D] floats, is_filled [Q] bool)`, the same on all
        replicas. Rows that are not filled do not count. It cannot be combined
        with `positives_cap` or `positives_mask`.
      extra_similarities: None, or `[B * V, S]` cosines of each projection, the
        views of an image one after the other, to S further negatives of its
        own, such as `HardNegativeMixing` makes. Divided by t, they join the
        denominator. -inf stands for none.
      implementation: `"dense"` holds all N x N similarities, N = B * V.
        `"tiled"` never does. It needs neither `positives_cap` nor
        `positives_mask`. With `normalize=False` it is only
        as exact as the sum of the vectors of a class, in which a vector that is
        1000 times longer hides the digits of the others. `"auto"` takes
        `"tiled"` where that is possible, with two exceptions. It is dense below
        N = 4096 with `normalize=False` or a temperature below 0.025, where
        dense is faster, and below N = 8192 with `anchors="first"` and V > 1.

    Returns:
      `[B]` floats, for each image the mean over its anchors. The dtype is at
      least float32, whatever that of `projections` is (float64 stays float64).
      An anchor without positives has the loss 0, and so has an anchor without
      negatives with `"only_negatives"`. Value and gradient are finite; with
      `normalize=False` they are so as far as the similarities are.

    Raises:
      ValueError: if an argument is not one of the above, or if the shapes or
        dtypes of labels and projections do not fit.

    Example:
      >>> projections = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
      >>> np.round(supcon_loss([0, 0, 1], projections, temperature=1.0), 4)
      array([0.3133, 0.3133, 0.    ], dtype=float32)
      >>> views = keras.random.normal((4, 2, 128))  # 2 views of 4 images
      >>> supcon_loss([0, 1, 0, 1], views).shape
      TensorShape([4])

    References:
      Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020,
      https://arxiv.org/abs/2004.11362. The variants are those of its official
      code:
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
        extra_similarities=extra_similarities,
    )
    has_tiles = positives_cap is None and positives_mask is None
    in_tiles = has_tiles and (
        implementation == "tiled"
        or (implementation == "auto" and are_tiles_better(contrasts))
    )
    # The sum of a class is exact as long as no vector of it is far longer than
    # the others. Unit vectors are safe.
    has_exact_sums = in_tiles or normalize
    if denominator == "all" and has_tiles and has_exact_sums:
        losses = _losses_of_anchors(contrasts, summation, in_tiles)
    else:
        kinds = kinds_of_variant(
            contrasts,
            positives_mask=positives_mask,
            positives_cap=positives_cap,
            has_exact_sums=has_exact_sums,
        )
        losses = losses_of_anchors(
            contrasts,
            kinds,
            summation=summation,
            denominator=denominator,
            in_tiles=in_tiles,
        )
    losses = ops.reshape(losses, (ops.shape(projections)[0], -1))
    if scale_by_temperature:
        scale = ops.convert_to_tensor(temperature, losses.dtype)
        losses = losses * ops.reshape(scale, (-1, 1))
    return ops.mean(losses, axis=1)


def _losses_of_anchors(contrasts, summation, in_tiles):
    """Eq. 2 or 3 of each anchor, `[M]`, with s_ia = z_i.z_a / t.

    Both are written with the log-sum-exp of the similarities to all contrasts:

        Eq. 2   log sum_a exp(s_ia) - 1/|P(i)| sum_p s_ip
        Eq. 3   log sum_a exp(s_ia) - log(1/|P(i)| sum_p exp(s_ip))
    """
    num_positives = count_positives(contrasts)  # |P(i)|, [M]
    counts = ops.maximum(num_positives, 1)
    terms = [Exps()]
    if summation == "inside":
        terms.append(Exps("positive"))
    log_sums, *of_positives = sums_over_pairs(
        contrasts, terms, by_class(contrasts), in_tiles=in_tiles
    )
    log_sums = contrasts.with_extra(log_sums)
    if summation == "outside":
        mean_over_positives = similarities_to_positives(contrasts) / counts
    else:
        mean_over_positives = of_positives[0] - ops.log(counts)
    losses = log_sums - mean_over_positives
    return ops.where(num_positives > 0, losses, ops.zeros_like(losses))


@keras.saving.register_keras_serializable("supcon_tf")
class SupConLoss(ContrastiveLoss):
    """Supervised contrastive loss for `model.compile`.

    It is `supcon_loss`, which describes every option, reduced to one number:

        loss_i = -1/|P(i)| * sum_{p in P(i)} log(exp(z_i.z_p / t)
                                               / sum_{a != i} exp(z_i.z_a / t))

    The output of the model is `[B, V, D]` (V views of each image) or `[B, D]`.
    Any Keras model with such an output can be trained with this loss;
    `SupConModel` is the one that folds the views into the batch. `model.fit(x)`
    without labels trains with NT-Xent.

    Under a `tf.distribute` strategy the contrasts are those of the global
    batch. Loss and weights are then the same as on one device, even where the
    replicas have parts of different sizes. An exception is `train_on_batch`:
    there Keras gives every replica the whole batch, so that an image is
    contrasted with its own copies. The reduction `"none"` gives each replica
    the losses of its own images.

    Args:
      temperature: positive float `t`, or a scalar tensor or variable. The
        default is 0.1, as in the paper. Keras does not train the variables of a
        loss; `SupConModel(learn_temperature=True)` trains one.
      normalize: whether each projection is scaled to unit length first.
      summation: `"outside"` (`L_out`, Eq. 2) or `"inside"` (`L_in`, Eq. 3).
      denominator: `"all"`, `"one_positive"` or `"only_negatives"`.
      anchors: `"all"` views or the `"first"` view of each image.
      scale_by_temperature: whether the loss is multiplied by `t`, as in the
        official code.
      positives_cap: None, or the most projections of other images that an image
        keeps as positives, a multiple of V.
      unlabeled_label: None, or the label of the images whose class is not
        known.
      implementation: `"auto"`, `"dense"` or `"tiled"`.
      reduction: how the `[B]` losses of the images are reduced, as for any
        Keras loss: `"sum_over_batch_size"` (default), `"sum"`, `"mean"`,
        `"mean_with_sample_weight"`, `"none"` or None.
      name: name of the loss.
      dtype: dtype of the computation. It is `"float32"`, `"float64"`, or None,
        which is `keras.backend.floatx()`, but at least float32.

    Call arguments:
      y_true: `[B]` or `[B, 1]` integer labels, `[B, C]` one-hot labels, or
        None. Integers are not cast to floats: 16777216 and 16777217 are two
        classes, although float32 has one value for both.
      y_pred: `[B, V, D]` or `[B, D]` floats.
      sample_weight: optional `[B]` weights of the images.
      queue, extra_similarities: as for `supcon_loss`.

    Raises:
      ValueError: if an argument is not one of the above, or if the dtype is a
        half precision, in which no log-sum-exp is exact.

    Example:
      >>> loss = SupConLoss(temperature=0.1)
      >>> loss(labels, projections).shape
      TensorShape([])
      >>> model.compile(optimizer="sgd", loss=loss)

    Reference:
      Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, Eq. 2,
      https://arxiv.org/abs/2004.11362
    """

    also_takes = ("temperature", "extra_similarities")

    def __init__(
        self,
        temperature: ArrayLike = 0.1,
        *,
        normalize: bool = True,
        summation: Literal["outside", "inside"] = "outside",
        denominator: Literal["all", "one_positive", "only_negatives"] = "all",
        anchors: Literal["all", "first"] = "all",
        scale_by_temperature: bool = False,
        positives_cap: int | None = None,
        unlabeled_label: int | None = None,
        implementation: Literal["auto", "dense", "tiled"] = "auto",
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "supcon_loss",
        dtype: Any = None,
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

    def losses_of_images(self, labels, projections, **more):
        """The `supcon_loss` of each image, `[B]`."""
        return supcon_loss(labels, projections, **self.variant | more)

    def losses_of_points(self, sizes, gap, temperature=None):
        """The loss of each image, `[B]`, if each class were one point.

        Every two classes have the similarity `1 - gap`.
        """
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
        if temperature is None:
            temperature = self.temperature
        temperature = ops.cast(temperature, "float32")
        losses = ops.logaddexp(
            _log(in_numerator), _log(negatives) - gap / temperature
        )
        is_valid = ops.logical_and(positives > 0, in_numerator + negatives > 0)
        losses = ops.where(is_valid, losses, 0.0)
        return losses * (temperature if self.scale_by_temperature else 1)

    @property
    def variant(self):
        """The keyword arguments that it passes to `supcon_loss`."""
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
        """Returns every argument of the constructor."""
        temperature = plain_number(self.temperature)
        return {
            **super().get_config(),
            **self.variant,
            "temperature": temperature,
        }


def _log(counts):
    """The log of counts, very low where a count is 0."""
    return ops.where(counts > 0, ops.log(ops.maximum(counts, 1e-9)), -1e30)
