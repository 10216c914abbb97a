"""One evaluation: from frozen encoders to evaluation.json and figures."""

import dataclasses
import json
import pathlib
import time

from keras import ops

from supcon_tf.config.last_lines import print_last_lines, shell_word
from supcon_tf.corruptions import CORRUPTIONS, LEFT_OUT
from supcon_tf.encoders.frozen import frozen_encoder
from supcon_tf.evaluation.measures import measure
from supcon_tf.evaluation.report import figures
from supcon_tf.evaluation.report.files import FILES, draw_evaluation, titles_of
from supcon_tf.evaluation.report.table import evaluation_table
from supcon_tf.evaluation.retrieval import retrieval_scores
from supcon_tf.evaluation.robustness.published import (
    PUBLISHED,
    published_corruptions,
)
from supcon_tf.evaluation.robustness.results import (
    corruption_results,
    relative_results,
)
from supcon_tf.files import as_json, check_folder, only_writer, write_json
from supcon_tf.frameworks.extras import check_extra
from supcon_tf.photographs.asked_encoder import head_beside
from supcon_tf.runs.evaluation_images import (
    copies_for,
    image_size_for,
    images_of,
    with_own_dataset,
)
from supcon_tf.runs.evaluation_to_look_at import (
    remove_page_and_projector,
    write_page_of,
    write_projector_of,
)

_RESULTS = "evaluation.json"
_UNFINISHED = "unfinished_evaluation.json"


def prepare(config):
    """Checks everything and writes nothing; returns the run as a function."""
    config = with_own_dataset(config)
    output = _checked_output(config)
    kinds = _checked_kinds(config)
    encoders = {
        name: _loaded(config, name)
        for name in ("encoder", "baseline")
        if name == "encoder" or config.baseline is not None
    }
    (train, test), transfer, (unknown, left_out) = images_of(config)
    copies = copies_for(
        config,
        train,
        [size for _, size, _ in encoders.values()],
        has_corruptions=bool(kinds),
    )

    def run():
        start = time.perf_counter()
        with only_writer(output):
            measured = [train, test]
            if copies is not None:
                measured, line = copies(measured)
                print(line, flush=True)
            results = {"encoder": None, "baseline": None}
            representations, wrong = {}, dict.fromkeys(results)
            for name, loaded in encoders.items():
                results[name], representations[name], wrong[name] = _measured(
                    name,
                    loaded,
                    measured,
                    transfer,
                    unknown,
                    kinds,
                    config,
                )
            results |= _facts(config, results, wrong, train, test, kinds)
            if left_out:
                results["notes"] = [
                    *results["notes"],
                    f"{config.unknown_dataset}: images of {', '.join(left_out)}"
                    " are left out of the unknown, as these classes are known.",
                ]
            results["seconds"] = round(time.perf_counter() - start, 2)
            _report(config, output, results, representations, train, test)
        return json.loads(as_json(results))

    return run


def _loaded(config, name):
    """An encoder, its image size, and its similarity head or None."""
    where = getattr(config, name)
    encoder, size = frozen_encoder(
        where,
        image_size=image_size_for(config, where),
        safe_mode=config.safe_mode,
        name=name,
    )
    return encoder, size, head_beside(where, encoder)


def _measured(name, loaded, parts, transfer, unknown, kinds, config):
    """Measures one encoder, and returns its answers on the test images, too.

    The latter are representations `[n, R]`, which a similarity head turns into
    its own, labels `[n]` and, if they are to be shown, the probabilities
    `[n, C]` of the linear probe. The last of the three is which corrupted
    images are wrong, as from `wrong_answers`, or None.
    """
    encoder, size, head = loaded
    arguments = {
        "image_size": size,
        "l2": config.l2,
        "neighbors": config.neighbors,
        "validation_fraction": config.validation_fraction,
        "seed": config.seed,
    }
    classifier, x, labels, results = measure(
        encoder, *parts, title=name, unknown=unknown, **arguments
    )
    results = {"open_set": None} | results
    results |= {
        "where": getattr(config, name),
        "image_size": list(size),
        "similarity_head": None,
        "transfer": None,
        "corruption": None,
    }
    wrong = None
    if transfer is not None:
        title = f"{name}, transfer"
        *_, on_other = measure(encoder, *transfer, title=title, **arguments)
        results["transfer"] = {
            "dataset": config.transfer_dataset,
            "linear_probe": on_other["linear_probe"],
            "knn": on_other["knn"],
            "retrieval": on_other["retrieval"],
        }
    if kinds:
        is_published = config.corrupted == "tfds"
        results["corruption"], wrong = corruption_results(
            classifier,
            parts[1],
            image_size=size,
            kinds=kinds,
            severities=config.severities,
            seed=config.seed,
            published=config.dataset if is_published else None,
            data_dir=config.data_dir,
        )
    scores = None
    if config.page or config.projector:
        scores = ops.convert_to_numpy(classifier.dense(x))
    if head is not None:
        x = head.predict(x, verbose=0)
        results["similarity_head"] = retrieval_scores(x, labels)
    return results, (x, labels, scores), wrong


def _facts(config, results, wrong, train, test, kinds):
    """Collects the facts of both encoders together, and of the data."""
    corruption = {
        name: results[name] and results[name]["corruption"]
        for name in ("encoder", "baseline")
    }
    is_made_here = kinds and config.corrupted != "tfds"
    return {
        **relative_results(
            corruption["encoder"],
            corruption["baseline"],
            wrong["encoder"],
            wrong["baseline"],
        ),
        "left_out": LEFT_OUT if is_made_here else {},
        "num_train_images": len(train),
        "num_test_images": len(test),
        "class_names": list(train.class_names),
        "figures": [],
        "page": None,
        "projector": None,
        "config": dataclasses.asdict(config),
    }


def _report(config, output, results, representations, train, test):
    """Prints and writes the results and what else is asked for.

    evaluation.json comes last: where it is, what it names is whole. Until then
    the results stand in a file of another name, so that what was measured is
    not lost if a figure cannot be drawn, and so that the same command knows
    what a killed one has left.
    """
    print(evaluation_table(results))
    is_ours = _is_begun(output) or (output / _RESULTS).exists()
    write_json(output / _UNFINISHED, results)
    (output / _RESULTS).unlink(missing_ok=True)
    if is_ours:  # whose figures these are
        for name in FILES:
            (output / name).unlink(missing_ok=True)
        remove_page_and_projector(output)
    if config.figures:
        titles = titles_of(config)
        corruption = {
            name: results[name]["corruption"] for name in representations
        }
        results["figures"] = draw_evaluation(
            output,
            {titles[name]: x for name, (x, *_) in representations.items()},
            representations["encoder"][1],
            train.class_names,
            errors={
                titles[name]: found["errors"]
                for name, found in corruption.items()
                if found
            },
            history=_history(config.encoder),
        )
    for key, write in (
        ("projector", write_projector_of),
        ("page", write_page_of),
    ):
        if getattr(config, key):
            histories = {
                name: history
                for name in representations
                if (history := _history(getattr(config, name))) is not None
            }
            results[key] = write(
                config, output, results, representations, test, histories
            )
    write_json(output / _RESULTS, results)
    (output / _UNFINISHED).unlink()
    _print_last_lines(results, output, config)


def _print_last_lines(results, output, config):
    """Prints what is kept of the table, and how it is looked at."""
    found, baseline = results["encoder"], results["baseline"]
    following = []
    if results["page"]:
        following.append(f"open {output / results['page']} in a browser")
    if results["projector"]:
        where = shell_word(output / results["projector"])
        following.append(f"tensorboard --logdir={where}")
    if not following:
        following.append("the same command with --page --overwrite")
    written = [*results["figures"], results["projector"], results["page"]]
    print_last_lines(
        f"top-1 {found['linear_probe']['top_1_accuracy']:.4f} by a linear "
        f"probe, {found['knn']['top_1_accuracy']:.4f} by nearest neighbours, "
        f"on {results['num_test_images']:,} test images of {config.dataset}",
        compared=[
            (
                baseline and baseline["linear_probe"]["top_1_accuracy"],
                "the baseline's linear probe",
            ),
            (1 / len(results["class_names"]), "chance"),
        ],
        folder=output,
        written=[*filter(None, written), _RESULTS],
        following=following,
    )


def _is_begun(output):
    """Whether a command that was stopped has left its results unfinished."""
    return (output / _UNFINISHED).exists()


def _checked_output(config):
    if not config.output:
        raise ValueError(
            "`output` must be a folder to write to. "
            f"Received: output={config.output!r}"
        )
    output = pathlib.Path(config.output).expanduser()
    check_folder(output, "output", (_RESULTS, _UNFINISHED, *FILES))
    is_finished = (output / _RESULTS).exists() and not _is_begun(output)
    if is_finished and not config.overwrite:
        raise ValueError(
            "`output` must not hold an evaluation.json, which --overwrite "
            f"would replace. Received: output={config.output!r}"
        )
    if config.figures:
        check_extra("matplotlib", "`figures`")
    if config.page:
        check_extra("bokeh", "`page`")
    if config.projector:
        check_extra("tensorboard", "`projector`")
    for name in ("encoder", "baseline"):
        history = _history(getattr(config, name))
        is_drawn = config.page or (config.figures and name == "encoder")
        if is_drawn and history is not None:
            figures.read_history(history)
    return output


def _history(where):
    """The history.csv of an encoder that is a workdir; None if it is not."""
    path = pathlib.Path(where or "").expanduser() / "history.csv"
    return path if path.is_file() else None


def _checked_kinds(config):
    """The kinds of corruption, with `all` spelt out."""
    if config.corruptions is None:
        return ()
    kinds = tuple(dict.fromkeys(config.corruptions))
    if kinds == ("all",):
        kinds = tuple(CORRUPTIONS)
        if config.corrupted == "tfds" and config.dataset in PUBLISHED:
            kinds = PUBLISHED[config.dataset].kinds
    if config.corrupted == "tfds":
        if config.max_test_images is not None:
            raise ValueError(
                "`max_test_images` must be none with corrupted=tfds, whose "
                "images are all the test images. "
                f"Received: max_test_images={config.max_test_images}"
            )
        published_corruptions(
            config.dataset,
            kinds=kinds,
            severities=config.severities,
            data_dir=config.data_dir,
        )
        return kinds
    for kind in kinds:
        if kind not in CORRUPTIONS:
            why = LEFT_OUT.get(kind)
            raise ValueError(
                f"`corruptions` must be all, none or of {sorted(CORRUPTIONS)}. "
                f"Received: {kind!r}"
                + (f", which is left out: it {why}" if why else "")
            )
    return kinds
