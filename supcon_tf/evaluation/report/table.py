"""Writes the results of an evaluation as text."""

import textwrap

from supcon_tf.evaluation.retrieval import SCORES


def evaluation_table(results):
    """Makes a readable table of an encoder and, if there is one, its baseline.

    `results` is the dict of evaluation.json. No line of the table is wider than
    80 columns, unless it holds a long path or a note on a missing mCE.
    """
    models = [results[n] for n in ("encoder", "baseline") if results[n]]
    names = ["encoder", "baseline"][: len(models)]
    config = results["config"]
    lines = [
        *(f"{n}: {m['where']}" for n, m in zip(names, models, strict=True)),
        f"{config['dataset']}: {results['num_train_images']:,} training and "
        f"{results['num_test_images']:,} test images",
        "",
        _row("", names),
        *(_row(label, values) for label, values in _measures(models)),
    ]
    if models[0]["corruption"]:
        lines += ["", *_corruptions(models, names, config)]
        num_kinds = len(models[0]["corruption"]["errors"])
    for label, key in (
        ("mCE", "mean_corruption_error"),
        ("relative mCE", "relative_mean_corruption_error"),
    ):
        if results[key] is not None:
            label = f"{label}, % ({num_kinds} kinds)"
            spread = results.get(f"{key}_standard_error")
            more = "" if spread is None else f" +- {spread:.1f}"
            lines.append(_row(label, [f"{results[key]:.1f}{more}"]))
    if results["left_out"]:
        left_out = f"not made here: {', '.join(results['left_out'])}"
        lines += textwrap.wrap(left_out, 80)
    return "\n".join(lines + results["notes"])


def _row(label, values):
    cells = "".join(f"{value:>12}" for value in values)
    return f"{label:<40}{cells}".rstrip()


def _measures(models):
    """Yields the label of each row and its value for each of the models."""
    size = [" x ".join(map(str, m["image_size"])) for m in models]
    yield "images, pixels", size
    yield "features", [m["num_features"] for m in models]
    yield from _accuracies("", models)
    heads = [m.get("similarity_head") for m in models]
    if any(heads):
        values = [head or dict.fromkeys(SCORES) for head in heads]
        for key, name in SCORES.items():
            yield f"similarity head, {name}", _decimals(values, key)
    if models[0]["transfer"]:
        transfers = [m["transfer"] for m in models]
        yield from _accuracies(f"{transfers[0]['dataset']}: ", transfers)
    if models[0]["open_set"]:
        scores = [m["open_set"] for m in models]
        yield "unknown classes, AUROC", _decimals(scores, "auroc")
        yield (
            "unknown classes, FPR at 95 % TPR",
            _decimals(scores, "fpr_at_95_tpr"),
        )
    yield "alignment (0: classes are points)", _decimals(models, "alignment")
    yield "uniformity (lower: more even)", _decimals(models, "uniformity")
    ranks = [f"{m['effective_rank']:.1f}" for m in models]
    yield "effective rank", ranks


def _accuracies(prefix, parts):
    probes = [part["linear_probe"] for part in parts]
    yield f"{prefix}linear probe, top-1", _decimals(probes, "top_1_accuracy")
    if probes[0]["top_5_accuracy"] is not None:
        values = _decimals(probes, "top_5_accuracy")
        yield f"{prefix}linear probe, top-5", values
    values = _decimals(probes, "expected_calibration_error")
    yield f"{prefix}linear probe, ECE", values
    neighbors = [part["knn"] for part in parts]
    yield f"{prefix}k-NN, top-1", _decimals(neighbors, "top_1_accuracy")
    chosen = [part["neighbors"] for part in neighbors]
    yield f"{prefix}k-NN, k chosen on held-out images", chosen
    retrieval = [part["retrieval"] for part in parts]
    for key, name in SCORES.items():
        yield f"{prefix}retrieval, {name}", _decimals(retrieval, key)
    if left_out := retrieval[0]["queries_left_out"]:
        # They are the same images for each of the models.
        values = [f"{left_out:,}"] * len(parts)
        yield f"{prefix}retrieval, images alone in class", values


def _decimals(parts, key):
    return ["-" if part[key] is None else f"{part[key]:.4f}" for part in parts]


def _corruptions(models, names, config):
    """Yields rows of the encoder's errors by severity, and all means."""
    severities = config["severities"]

    def row(kind, errors, means):
        cells = "".join(f"{cell:>7}" for cell in errors)
        return f"{kind:<20}{cells}" + "".join(f"{m:>10}" for m in means)

    parts = [model["corruption"] for model in models]
    yield f"top-1 error, %, of the encoder by severity; {config['corrupted']}"
    yield row("", severities, ["mean", *names[1:]])
    clean = [f"{100 * part['clean_error']:.1f}" for part in parts]
    yield row("not corrupted", [""] * len(severities), clean)
    for kind in parts[0]["errors"]:
        errors = [part["errors"][kind] for part in parts]
        yield row(
            kind,
            [f"{100 * error:.1f}" for error in errors[0]],
            [f"{100 * sum(e) / len(e):.1f}" for e in errors],
        )
    means = [f"{100 * part['mean_error']:.1f}" for part in parts]
    yield row("mean", [""] * len(severities), means)
