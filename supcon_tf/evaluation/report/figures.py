"""Draws the figures of an evaluation and of a training run as PNG files."""

import csv
import io
import math

import numpy as np

from supcon_tf.drawing import COLORS, GREY, new_figure, write_figure
from supcon_tf.evaluation.representations import (
    of_unit_length,
    pair_similarities,
)
from supcon_tf.files import read_text

_MARKERS = "os^"  # with ten colours, each of 30 classes has its own pair
_MAX_NAMED = 20


def embedding_maps(
    representations, labels, class_names, path, *, max_points=3000, seed=0
):
    """Draws maps of representations in their two main directions, by class.

    The representations are scaled to unit length, as in k-NN. The directions
    are their first two principal components.

    Args:
      representations: dict of the encoders' names to `[n, R]` finite floats of
        the same images. Each encoder has a panel.
      labels: `[n]` integers in [0, C).
      class_names: names of the C classes. If there are more than 20, the 20
        with the most images are coloured and the others are grey.
      path: path of the PNG file to write.
      max_points: int >= 1, the most images that are drawn, 3000 by default. If
        there are more images, they are chosen at random.
      seed: integer that decides which images are drawn, 0 by default.

    Example:
      >>> x, labels = projections[:, 0], np.arange(8) % 2
      >>> embedding_maps({"encoder": x}, labels, ["cat", "dog"], "map.png")
    """
    chosen = np.random.default_rng(seed).permutation(len(labels))[:max_points]
    labels = np.asarray(labels)[chosen]
    counts = np.bincount(labels, minlength=len(class_names))
    named = np.sort(np.argsort(-counts, kind="stable")[:_MAX_NAMED])
    width = 5.2 * len(representations) + 1.8
    figure, panels = new_figure(width, 5.2, columns=len(representations))
    for panel, (name, x) in zip(panels, representations.items(), strict=True):
        places, shares = _main_directions(of_unit_length(x)[chosen])
        is_other = ~np.isin(labels, named)
        if is_other.any():
            panel.scatter(
                *places[is_other].T, s=6, c=GREY, label="other classes"
            )
        for index, label in enumerate(named):
            panel.scatter(
                *places[labels == label].T,
                s=12 if len(labels) >= 1000 else 24,
                marker=_MARKERS[index % len(_MARKERS)],
                color=COLORS[index % len(COLORS)],
                alpha=0.8,
                linewidths=0,
                label=str(class_names[label]),
            )
        panel.set(
            title=name,
            xlabel=f"first principal component, {shares[0]} of the variance",
            ylabel=f"second principal component, {shares[1]}",
        )
        panel.set_aspect("equal", "datalim")
    panels[-1].legend(
        title="class",
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        markerscale=1.5,
        frameon=False,
    )
    figure.suptitle(
        f"Representations of {len(labels):,} images, unit length",
        fontsize="medium",
    )
    write_figure(figure, path)


def _main_directions(x):
    """Returns places `[n, 2]` in the two main directions of x `[n, R]`.

    Also returns their shares of the variance, as text.
    """
    x = x - x.mean(axis=0)
    _, values, directions = np.linalg.svd(x, full_matrices=False)
    total = max(np.sum(values**2), np.finfo(float).tiny)
    # A single feature has no second direction. All points lie at 0 there.
    missing = max(0, 2 - len(values))
    places = np.pad(x @ directions[:2].T, ((0, 0), (0, missing)))  # [n, 2]
    shares = np.pad(values, (0, missing))[:2] ** 2 / total
    return places, [f"{100 * share:.0f} %" for share in shares]


def similarity_histograms(
    representations, labels, path, *, max_pairs=5000, seed=0
):
    """Draws how similar images of one class are, and images of two classes.

    Args:
      representations: dict of the encoders' names to `[n, R]` floats of the
        same images. Each encoder has a panel.
      labels: `[n]` integers, as in `pair_similarities`.
      path: path of the PNG file to write.
      max_pairs: as in `pair_similarities`.
      seed: as in `pair_similarities`.

    Raises:
      ValueError: as in `pair_similarities`.

    Example:
      >>> x, labels = projections[:, 0], np.arange(8) % 2
      >>> similarity_histograms({"encoder": x}, labels, "similarities.png")
    """
    similarities = {
        name: pair_similarities(x, labels, max_pairs=max_pairs, seed=seed)
        for name, x in representations.items()
    }
    lowest = min(v.min() for of in similarities.values() for v in of.values())
    bins = np.linspace(min(lowest, 0.9), 1, 61)
    count = len(similarities)
    figure, panels = new_figure(7, 1.2 + 3.3 * count, count, sharex=True)
    for panel, (encoder, of_pairs) in zip(
        panels, similarities.items(), strict=True
    ):
        for (name, values), color in zip(
            of_pairs.items(), (COLORS[0], COLORS[6]), strict=True
        ):
            panel.hist(
                values,
                bins,
                density=True,
                histtype="stepfilled",
                alpha=0.5,
                color=color,
                edgecolor=color,
                label=f"{name}, median {np.median(values):.2f}",
            )
        panel.set_ylabel("density of pairs (area 1)")
        _add_title_and_legend(
            panel, f"Similarity of two images' representations: {encoder}"
        )
    panels[-1].set_xlabel("cosine similarity (1: same direction)")
    write_figure(figure, path)


def corruption_bars(errors, path):
    """Draws the top-1 error by kind of corruption, a bar for each model.

    `errors` is a dict of the models' names to dicts of kinds to errors in
    [0, 1] by severity, all of the same kinds. A bar is the mean of a kind.
    """
    kinds = list(next(iter(errors.values())))
    height = 0.8 / len(errors)
    figure, (axes,) = new_figure(7, 1.8 + 0.32 * len(kinds))
    rows = np.arange(len(kinds))
    for index, (name, of_kinds) in enumerate(errors.items()):
        means = [100 * np.mean(of_kinds[kind]) for kind in kinds]
        axes.barh(
            rows - 0.4 + height * (index + 0.5),
            means,
            height,
            color=COLORS[index % len(COLORS)],
            label=f"{name}, mean {np.mean(means):.1f} %",
        )
    axes.set_yticks(rows, [kind.replace("_", " ") for kind in kinds])
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.set(
        xlabel="top-1 error, mean over severities (%)",
        ylabel="corruption",
    )
    _add_title_and_legend(axes, "Corrupted test images")
    write_figure(figure, path)


def training_curves(history, path):
    """Draws the history.csv of a run: losses above, all else below."""
    epochs, columns = read_history(history)
    losses = {n: c for n, c in columns.items() if n.endswith("loss")}
    others = {n: c for n, c in columns.items() if n not in losses}
    panels = [
        (series, label)
        for series, label in (
            (losses, "loss (nats)"),
            (others, "value (no unit)"),
        )
        if series
    ]
    figure, axes = new_figure(
        7, 0.8 + 3 * len(panels), rows=len(panels), sharex=True
    )
    for panel, (series, label) in zip(axes, panels, strict=True):
        for index, (name, values) in enumerate(series.items()):
            panel.plot(
                epochs,
                values,
                color=COLORS[index % len(COLORS)],
                linestyle=("-", "--", ":", "-.")[index % 4],
                marker="o" if len(epochs) <= 20 else None,
                markersize=4,
                label=name.replace("_", " "),
            )
        panel.set(ylabel=label)
        panel.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        panel.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_title("Training")
    axes[-1].set_xlabel("epoch")
    write_figure(figure, path)


def read_history(history):
    """Reads the history.csv of a workdir.

    Args:
      history: path of the file.

    Returns:
      The epochs, a list of floats, and a dict of the other columns' names to
      lists of floats. An empty cell is NaN.

    Raises:
      ValueError: if the file cannot be read, or does not have a column `epoch`
        and at least one more, all of numbers.

    Example:
      >>> with open("history.csv", "w") as file:
      ...     print("epoch,loss", file=file)
      ...     print("0,2.5", file=file)
      >>> read_history("history.csv")
      ([0.0], {'loss': [2.5]})
    """
    try:
        text = io.StringIO(read_text(history), newline="")
        rows = list(csv.DictReader(text))
        columns = {
            # A cell is empty if its value was not yet logged in that epoch.
            name: [
                math.nan if row[name] == "" else float(row[name])
                for row in rows
            ]
            for name in rows[0]
        }
        epochs = columns.pop("epoch")
        if not columns:
            raise LookupError("no column beside it")
    except (OSError, LookupError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(
            f"{history} must be the history.csv of a run, with a column "
            f"`epoch`. Received: {type(error).__name__}: {error}"
        ) from error
    return epochs, columns


def _add_title_and_legend(axes, title):
    """Puts both above the axes, where no bar or curve can be."""
    axes.set_title(title, pad=28)  # a line of the legend lies between
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False
    )
