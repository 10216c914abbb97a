r"""The similarity head on a frozen encoder: SupCon beside cross-entropy.

    python -m benchmarks.similarity_head --data_dir=FLOWERS \
        --encoder=PATH.keras --image_size=160 --json=runs/similarity_head.json

Each photograph's features are computed once, of the centre and of four random
crops. On them, a head is trained by SupCon, and the same network by
cross-entropy under a linear classifier. First, dropout, temperature and epochs
are chosen on held-out training images, with 30 images a class. Then heads are
trained on 8, 16, 50 and 120 images a class and measured on the test images,
which were not looked at before: MAP@R and precision@1 among them, and the top-1
of a linear probe. At last, with 50 images a class, each class in turn is
unknown: it is left out of the training, and its test images are to be told from
the others by the distance to the nearest training images.
"""

import statistics
import sys
import time

from benchmarks.machine import describe, versions_in
from benchmarks.options import parser_of, write_report

PER_CLASS = (8, 16, 50, 120)
SEEDS = (0, 1, 2)
HELD_OUT = 30  # of the training images of a class, for the choice
NUM_VIEWS = 5
CHOICE_PER_CLASS = 30  # between few and many: about the mean of 8 and 120
UNKNOWN_PER_CLASS = 50
OBJECTIVES = ("supcon", "cross_entropy")
TEMPERATURE = 0.2
# The first is the draft, and the others change one setting.
SETTINGS = (
    {"dropout": 0.5, "temperature": TEMPERATURE, "epochs": 40},
    {"dropout": 0.2, "temperature": TEMPERATURE, "epochs": 40},
    {"dropout": 0.5, "temperature": 0.1, "epochs": 40},
    {"dropout": 0.5, "temperature": TEMPERATURE, "epochs": 20},
)
_UNITS, _BATCH_SIZE, _LEARNING_RATE = (1024, 256), 128, 1e-3


def main(argv=None):
    """The command; returns its exit status."""
    parser = parser_of("similarity_head", __doc__)
    parser.add_argument("--data_dir", required=True, metavar="PATH")
    parser.add_argument("--encoder", required=True, metavar="PATH")
    parser.add_argument("--image_size", type=int)
    parser.add_argument("--per_class", type=int, nargs="+", default=PER_CLASS)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args(argv)
    report = {
        "machine": describe(
            versions_in(sys.executable, ("tensorflow", "keras"))
        )
    }
    data, report["data"] = cached_features(
        options.data_dir, options.encoder, options.image_size
    )
    report["choice"] = choose(data, options.seeds)
    report["rows"] = [
        row
        for per_class in options.per_class
        for row in measure(data, per_class, options.seeds, report["choice"])
    ]
    write_report(options.json, report)
    report["unknown"] = measure_unknown(data, report["choice"])
    write_report(options.json, report)
    report["kept_known"] = measure_threshold(data, report["choice"])
    write_report(options.json, report)
    print(table(report))
    return 0


def cached_features(data_dir, encoder, image_size):
    """Features and labels of the training and test images, and facts on them.

    Returns:
      A dict of `train`, `[N, A, R]`, `train_labels`, `test`, `[n, R]`, and
      `test_labels`; and a dict for JSON.
    """
    from supcon_tf.data.datasets import load_dataset
    from supcon_tf.photographs.asked_encoder import asked_encoder
    from supcon_tf.photographs.similarity_head import augmented_features

    train, test = load_dataset("folder", data_dir=data_dir)
    asked = asked_encoder(encoder, image_size=image_size, with_head=False)
    start = time.perf_counter()
    features = augmented_features(
        asked.encoder, train, num_views=NUM_VIEWS, image_size=asked.image_size
    )
    seconds = time.perf_counter() - start
    test_features = augmented_features(
        asked.encoder, test, num_views=1, image_size=asked.image_size
    )
    data = {
        "train": features,
        "train_labels": train.labels,
        "test": test_features[:, 0],
        "test_labels": test.labels,
    }
    return data, {
        "classes": list(train.class_names),
        "train_images": len(train),
        "test_images": len(test),
        "image_size": list(asked.image_size),
        "views": NUM_VIEWS,
        "seconds_for_the_views": round(seconds, 1),
    }


def drawn(labels, per_class, seed):
    """Positions of `per_class` images of each class, and of the others."""
    import numpy as np

    random = np.random.default_rng(seed)
    orders = [
        random.permutation(np.flatnonzero(labels == label))
        for label in np.unique(labels)
    ]
    return (
        np.sort(np.concatenate([order[:per_class] for order in orders])),
        np.sort(np.concatenate([order[per_class:] for order in orders])),
    )


def trained_head(objective, features, labels, settings, seed):
    """A head trained on `[N, A, R]`, and the seconds that it took."""
    from supcon_tf.photographs.similarity_head import train_similarity_head

    settings = dict(settings)
    start = time.perf_counter()
    if objective == "supcon":
        head = train_similarity_head(
            features,
            labels,
            units=_UNITS,
            batch_size=_BATCH_SIZE,
            learning_rate=_LEARNING_RATE,
            seed=seed,
            **settings,
        )
    else:
        head = _by_cross_entropy(features, labels, settings, seed)
    return head, time.perf_counter() - start


def _by_cross_entropy(features, labels, settings, seed):
    """The same network under a classifier, which is then taken off."""
    import keras
    import numpy as np

    from supcon_tf.photographs.similarity_head import new_similarity_head

    keras.utils.set_random_seed(seed)
    views = features.shape[1]
    classes, labels = np.unique(labels, return_inverse=True)
    head = new_similarity_head(
        features.shape[2], units=_UNITS, dropout=settings["dropout"]
    )
    scores = keras.layers.Dense(len(classes))(head.get_layer("output").output)
    model = keras.Model(head.input, scores)
    model.compile(
        keras.optimizers.Adam(_LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(
        features.reshape(-1, features.shape[2]),
        np.repeat(labels, views),
        epochs=settings["epochs"],
        batch_size=_BATCH_SIZE * views,  # as many views a step as SupCon
        verbose=0,
    )
    return head


def choose(data, seeds):
    """The settings of each objective that are best on held-out images.

    Returns:
      Dict from an objective to `settings` and `held_out`, the mean MAP@R of
      each of `SETTINGS`. Cross-entropy has no temperature.
    """
    from supcon_tf.evaluation.retrieval import retrieval_scores

    x, labels = data["train"], data["train_labels"]
    chosen = {}
    for objective in OBJECTIVES:
        means = []
        own = [s for s in SETTINGS if s["temperature"] == TEMPERATURE]
        own = SETTINGS if objective == "supcon" else own
        for settings in own:
            scores = []
            for seed in seeds:
                held_out, rest = drawn(labels, HELD_OUT, seed)
                few, _ = drawn(labels[rest], CHOICE_PER_CLASS, seed)
                part = rest[few]
                head, _ = trained_head(
                    objective, x[part], labels[part], settings, seed
                )
                vectors = head.predict(x[held_out, 0], verbose=0)
                found = retrieval_scores(vectors, labels[held_out])
                scores.append(found["map_at_r"])
            means.append(round(statistics.fmean(scores), 4))
            print(f"held out, {objective}, {settings}: MAP@R {means[-1]:.3f}")
        best = own[means.index(max(means))]
        chosen[objective] = {"settings": best, "held_out": means}
    return chosen


def measure(data, per_class, seeds, choice):
    """Yields a row for each method, on so many training images a class."""
    x, labels = data["train"], data["train_labels"]
    rows = {}
    for seed in seeds:
        part, _ = drawn(labels, per_class, seed)
        for objective in (None, *OBJECTIVES):
            head, seconds = (lambda z: z), 0.0
            if objective is not None:
                settings = choice[objective]["settings"]
                found, seconds = trained_head(
                    objective, x[part], labels[part], settings, seed
                )
                head = _predictor(found)
            run = _scores(head, data, part) | {"seconds": seconds}
            rows.setdefault(objective or "frozen", []).append(run)
            print(f"{per_class} a class, seed {seed}, {objective}: {run}")
    for method, runs in rows.items():
        yield {
            "per_class": per_class,
            "method": method,
            **{name: [round(r[name], 4) for r in runs] for name in runs[0]},
        }


def _predictor(head):
    return lambda z: head.predict(z, verbose=0)


def _scores(head, data, part):
    """Measures a head on the test images."""
    import numpy as np

    from supcon_tf.evaluation.retrieval import retrieval_scores

    x, labels = data["train"][part], data["train_labels"][part]
    vectors = head(data["test"])
    found = retrieval_scores(vectors, data["test_labels"])
    views = head(x.reshape(-1, x.shape[2]))
    return {
        "map_at_r": found["map_at_r"],
        "precision_at_1": found["precision_at_1"],
        "probe": _probe(
            views,
            np.repeat(labels, x.shape[1]),
            vectors,
            data["test_labels"],
        ),
    }


def _probe(x, labels, x_test, test_labels):
    """Top-1 of logistic regression on standardised vectors, l2 = 1."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(probe.fit(x, labels).score(x_test, test_labels))


def measure_unknown(data, choice):
    """Each class in turn is unknown: AUROC and FPR at 95 % TPR.

    Returns:
      A list of rows, one a method; each value is a list over the classes.
    """
    import numpy as np

    from supcon_tf.metrics.open_set import auroc, fpr_at_95_tpr
    from supcon_tf.photographs.index import unit_vectors
    from supcon_tf.photographs.unknown import KnownPhotographs

    few, _ = drawn(data["train_labels"], UNKNOWN_PER_CLASS, 0)
    x, labels = data["train"][few], data["train_labels"][few]
    rows = []
    for objective in (None, *OBJECTIVES):
        runs = []
        for unknown in np.unique(labels):
            part = labels != unknown
            head = _head_for(objective, x[part], labels[part], choice)
            vectors = unit_vectors(head(x[part, 0]))
            known = KnownPhotographs(vectors, held_out=np.zeros(1))
            distances = known.distances(head(data["test"]))
            is_unknown = data["test_labels"] == unknown
            inside, outside = distances[~is_unknown], distances[is_unknown]
            runs.append(
                {
                    "auroc": auroc(inside, outside),
                    "fpr_at_95_tpr": fpr_at_95_tpr(inside, outside),
                }
            )
            print(f"unknown: {objective}, class {unknown}: {runs[-1]}")
        rows.append(
            {
                "method": objective or "frozen",
                **{n: [round(r[n], 4) for r in runs] for n in runs[0]},
            }
        )
    return rows


def measure_threshold(data, choice):
    """Measures what "none of these" leaves of the known test images.

    Returns:
      Dict from a method to the part, where 0.95 is aimed at.
    """
    import numpy as np

    from supcon_tf.photographs.unknown import known_photographs

    few, _ = drawn(data["train_labels"], UNKNOWN_PER_CLASS, 0)
    x, labels = data["train"][few], data["train_labels"][few]
    kept = {}
    for objective in (None, "supcon"):

        def head_of(fitted, objective=objective):
            return _head_for(objective, x[fitted], labels[fitted], choice)

        known = known_photographs(
            lambda fitted, of=head_of: of(fitted)(x[:, 0]), labels
        )
        head = head_of(np.arange(len(labels)))
        distances = known.distances(head(data["test"]))
        part = float(np.mean(distances <= known.threshold))
        kept[objective or "frozen"] = round(part, 4)
    return kept


def _head_for(objective, features, labels, choice):
    """A function `[n, R]` -> vectors, of the trained head or of none."""
    if objective is None:
        return lambda z: z
    settings = choice[objective]["settings"]
    return _predictor(trained_head(objective, features, labels, settings, 0)[0])


def table(report):
    """The report as lines of text.

    Args:
      report: what the JSON holds.
    """
    lines = [str(report["machine"]), str(report["data"])]
    for objective, found in report["choice"].items():
        lines.append(f"chosen, {objective}: {found['settings']}")
    lines.append(
        f"{'a class':>7}  {'method':22}  {'MAP@R':>15}  {'precision@1':>15}  "
        f"{'probe top-1':>15}  {'s':>4}"
    )
    for row in report["rows"]:
        cells = "  ".join(
            f"{_spread(row[name]):>15}"
            for name in ("map_at_r", "precision_at_1", "probe")
        )
        seconds = statistics.fmean(row["seconds"])
        lines.append(
            f"{row['per_class']:7}  {row['method']:22}  {cells}  {seconds:4.0f}"
        )
    lines.append(
        "a class that is unknown, mean over the classes: AUROC, FPR at 95 % TPR"
    )
    for row in report["unknown"]:
        cells = "  ".join(
            f"{statistics.fmean(row[name]):.3f}"
            for name in ("auroc", "fpr_at_95_tpr")
        )
        lines.append(f"{row['method']:22}  {cells}")
    lines.append(f"kept of the known, 0.95 aimed at: {report['kept_known']}")
    return "\n".join(lines)


def _spread(values):
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.3f} +- {deviation:.3f}"


if __name__ == "__main__":
    sys.exit(main())
