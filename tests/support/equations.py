"""The losses of the paper, one anchor and one positive at a time, in float64.

The reference for the fast code: loops straight from the equations.
"""

import numpy as np
import tensorflow as tf

from supcon_tf import supcon_loss

LABELS = [0, 1, 0, 2, 1, 0]  # class 2 has a single image


def supcon_by_loops(
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
):
    """`[B]` losses; labels a list of ids or None."""
    z = np.asarray(projections, np.float64)
    if z.ndim == 2:
        z = z[:, None]
    batch, views, _ = z.shape
    if normalize:
        z = z / np.linalg.norm(z, axis=-1, keepdims=True)
    if labels is None:
        labels = list(range(batch))

    def same(b, other):
        if b == other:
            return True
        if positives_mask is not None:
            return bool(positives_mask[b][other])
        return labels[b] == labels[other] != unlabeled_label

    items = [(b, v) for b in range(batch) for v in range(views)]
    losses = np.zeros(batch)
    for b in range(batch):
        kept = [o for o in range(batch) if o != b and same(b, o)]
        if positives_cap is not None:
            kept = kept[: positives_cap // views]
        anchor_views = range(views) if anchors == "all" else [0]
        for v in anchor_views:

            def e(item, anchor=z[b, v]):
                return np.exp(anchor @ z[item] / temperature)

            positives = [
                (o, w)
                for o, w in items
                if (o, w) != (b, v) and (o == b or o in kept)
            ]
            negatives = [e((o, w)) for o, w in items if not same(b, o)]
            if not positives:
                continue
            if denominator == "only_negatives" and not negatives:
                continue
            ratios = []
            for p in positives:
                total = sum(negatives)
                if denominator == "all":
                    total += sum(e(q) for q in positives)
                elif denominator == "one_positive":
                    total += e(p)
                ratios.append(e(p) / total)
            if summation == "outside":
                loss = -np.mean(np.log(ratios))
            else:
                loss = -np.log(np.mean(ratios))
            losses[b] += loss / len(anchor_views)
    return losses * (temperature if scale_by_temperature else 1)


def numerical_gradient(function, x, step=1e-6):
    """Central differences of a scalar function of an array."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


def assert_slopes(function, x, gradient, atol, step=1e-5):
    """Checks a gradient along three random directions, by differences.

    Args:
      function: of an array like `x`, to a scalar.
      x: float64 array.
      gradient: what is said to be the function's at `x`.
      atol: by how much a slope may differ, for a direction of length 1.
      step: how far to go each way.
    """
    random = np.random.default_rng(7)
    for _ in range(3):
        direction = random.normal(size=x.shape)
        direction /= np.linalg.norm(direction)
        up, down = (
            function(x + step * direction),
            function(x - step * direction),
        )
        slope = (up - down) / (2 * step)
        np.testing.assert_allclose(
            np.sum(gradient * direction), slope, atol=atol
        )


def value_and_gradient(labels, projections, **kwargs):
    """`[B]` losses of supcon_loss, and the gradient of their sum."""
    projections = tf.convert_to_tensor(projections)
    with tf.GradientTape() as tape:
        tape.watch(projections)
        losses = supcon_loss(labels, projections, **kwargs)
    return losses.numpy(), tape.gradient(losses, projections).numpy()


def random_projections(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)
