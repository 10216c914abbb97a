"""The supervised contrastive loss: a function, and a Keras loss around it.

Read this file first. `supcon_loss` is Eq. 2 of Khosla et al. 2020 over the
whole batch, with the variants of the paper and of its official code; everything
else in the package exists to feed it.
"""

import math

import keras
from keras import ops

from supcon_tf.losses.pairs.by_class import losses_by_class
from supcon_tf.labels import as_ids
from supcon_tf.losses.arguments import as_mask, as_queue, check_variant
from supcon_tf.losses.pairs import dense, tiled
from supcon_tf.losses.pairs.contrasts import compared_with
from supcon_tf.losses.pairs.projections import as_views, unit_length
from supcon_tf.losses.reduction import reduced


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
        queue=queue,
        implementation=implementation,
        views=views,
    )
    if normalize:
        projections = unit_length(projections)
    # Similarities over the temperature are products of these.
    z = ops.reshape(projections / math.sqrt(temperature), (-1, dim))  # [n, D]
    bound = 1 / temperature if normalize else None  # of their size
    step = views if anchors == "first" else 1  # every which row is an anchor
    if queue is not None:
        queue_labels, vectors, is_filled = as_queue(
            queue, dim, z.dtype, has_labels=labels is not None
        )
        if normalize:
            vectors = unit_length(vectors)
        queue_ids = as_ids(queue_labels, vectors.shape[0])
        queue = (queue_ids, vectors / math.sqrt(temperature), is_filled)
    contrasts = compared_with(
        z,
        None if positives_mask is not None else as_ids(labels, batch),
        views=views,
        unlabeled_label=unlabeled_label,
        queue=queue,
    )

    is_eq_2_or_3 = (
        denominator == "all"
        and positives_cap is None
        and positives_mask is None
    )
    is_tiled = is_eq_2_or_3 and (
        implementation == "tiled"
        or (
            implementation == "auto"
            and _is_large(ops.shape(contrasts.vectors)[0], step, bound)
        )
    )
    # (Sums over a class are exact if no vector of it is far longer than the
    # others.)
    if is_tiled or (is_eq_2_or_3 and summation == "outside" and normalize):
        losses = losses_by_class(
            contrasts,
            step,
            summation=summation,
            is_tiled=is_tiled,
            bound=bound,
        )
    else:
        classes = contrasts.classes
        is_same = classes[: batch * views : step, None] == classes[None, :]
        if positives_mask is not None:
            images = ops.shape(contrasts.vectors)[0] // views
            is_same = as_mask(positives_mask, labels, batch, images)
            is_same = dense.rolled(is_same, -(contrasts.first // views))
            is_same = ops.repeat(is_same, views // step, axis=0)
            is_same = ops.repeat(is_same, views, axis=1)  # [M, N]
        losses = dense.pair_losses(
            z[::step],
            contrasts.vectors,
            *dense.pair_masks(
                is_same,
                views,
                step,
                positives_cap=positives_cap,
                first=contrasts.first,
                is_real=contrasts.is_real,
            ),
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

    def __call__(self, y_true, y_pred, sample_weight=None, queue=None):
        """Reduced loss.

        (Not Keras' own: that casts integer labels to floats, which float32
        cannot tell apart, takes the mean over the replica, and heeds a mask.)
        """
        with keras.name_scope(self.name):
            losses = self.call(y_true, y_pred, queue=queue)
            return reduced(losses, sample_weight, self.reduction)

    def call(self, y_true, y_pred, queue=None):
        """`[B]` losses of the images."""
        y_pred = ops.cast(as_views(y_pred), self.dtype)
        return supcon_loss(y_true, y_pred, queue=queue, **self.variant)

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
