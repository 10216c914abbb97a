"""A first answer from own photographs: a classifier and a similarity head.

    supcon-photos --data_dir=PATH --workdir=W
    supcon-photos --data_dir=PATH --workdir=W --initial_encoder=E.keras

PATH has a folder of photographs for each class. Nothing of the encoder is
trained: its features of a few views of each photograph are computed once, a
linear classifier and a similarity head are trained on them in seconds, and both
are tested on photographs that were held out. supcon-predict, supcon-search and
supcon-evaluate then take W. supcon-pretrain --recipe=photos goes on from there
and trains the encoder, too.
"""

import dataclasses
import hashlib
import pathlib
import sys
import time

import numpy as np
from absl import flags

from supcon_tf.config.command_line import (
    define_flags,
    overridden,
    run_command,
)
from supcon_tf.config.last_lines import print_last_lines, shell_word
from supcon_tf.config.settings import Checked, setting
from supcon_tf.config.training import AT_LEAST_1, AT_LEAST_1_OR_NONE, SEED
from supcon_tf.config.waiting_line import waiting_line
from supcon_tf.files import (
    check_folder,
    lasting_path,
    only_writer,
    opened,
    write_json,
    written_whole,
)
from supcon_tf.photographs.prediction import KNOWN_FILE
from supcon_tf.recipes import RECIPES

_RECIPE = RECIPES["photos"]
_FEATURES = "features.npz"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhotosConfig(Checked):
    """The settings of `supcon-photos`. A flag's text documents its field."""

    data_dir: str | None = setting(
        None,
        "Folder of the photographs: PATH/CLASS/*, or PATH/train/CLASS/* and "
        "PATH/test/CLASS/*. supcon-images PATH shows what it holds.",
        matters=True,
    )
    initial_encoder: str = setting(
        _RECIPE.initial_encoder,
        "The encoder: PATH.keras, a folder that supcon-pretrain wrote, a "
        "SavedModel or its URL, keras:NAME, keras_hub:PRESET, "
        "keras_cv:PRESET or supcon_tf:NAME.",
        matters=True,
    )
    image_size: int = setting(
        _RECIPE.image_size,
        "Height and width of the views, pixels.",
        AT_LEAST_1,
        matters=True,
    )
    num_views: int = setting(
        5,
        "Views of each photograph that are encoded: the centre, and crops.",
        AT_LEAST_1,
        matters=True,
    )
    max_samples: int | None = setting(
        None,
        "Learn from so many of the photographs, as many of each class.",
        AT_LEAST_1_OR_NONE,
        matters=True,
    )
    max_pixels: int | None = setting(
        None,
        "Leave out photographs of more pixels; by default Pillow's limit, 89 "
        "million.",
        AT_LEAST_1_OR_NONE,
    )
    seed: int = setting(
        0, "Decides what is held out, the crops and the training.", SEED
    )
    safe_mode: bool = setting(
        True,
        "Refuse an encoder that holds code; --nosafe_mode trusts whom it is "
        "from.",
    )


def prepare(config, workdir):
    """Checks everything and writes nothing; returns the run as a function."""
    from supcon_tf.data.datasets import load_dataset
    from supcon_tf.encoders.initial import initial_encoder
    from supcon_tf.training.workdir import read_held_out

    if not workdir:
        raise ValueError(
            f"`workdir` must be the folder to write to. Received: {workdir!r}"
        )
    workdir = pathlib.Path(workdir).expanduser()
    check_folder(workdir, "workdir")
    settings = _settings(config)
    _check_new(workdir, settings)
    train, test = load_dataset(
        "folder",
        data_dir=settings.data_dir,
        max_samples=config.max_samples,
        max_pixels=config.max_pixels,
        seed=config.seed,
        held_out=read_held_out(workdir),
    )
    encoder = initial_encoder(
        settings.initial_encoder,
        (config.image_size, config.image_size, 3),
        safe_mode=config.safe_mode,
        is_image_size=True,
    )

    def run():
        with only_writer(workdir):
            return _run(config, settings, workdir, encoder, train, test)

    return run


def _settings(config):
    """The run of which this is the encoder, before any training of it."""
    if not config.data_dir:
        raise ValueError(
            "`data_dir` must be the folder of the photographs. "
            f"Received: data_dir={config.data_dir!r}"
        )
    start = config.initial_encoder
    path = pathlib.Path(start).expanduser()
    return dataclasses.replace(
        _RECIPE,
        data_dir=str(lasting_path(config.data_dir)),
        initial_encoder=str(lasting_path(path)) if path.exists() else start,
        image_size=config.image_size,
        max_samples=config.max_samples,
        max_pixels=config.max_pixels,
        seed=config.seed,
        safe_mode=config.safe_mode,
        epochs=1,
        warmup_epochs=0.0,
    )


def _check_new(workdir, settings):
    """Refuses the folder of another run."""
    from supcon_tf.config import PretrainConfig
    from supcon_tf.config.settings import read_json

    path = workdir / "config.json"
    if path.exists() and read_json(PretrainConfig, path) != settings:
        raise ValueError(
            "`workdir` must be a new folder, or one that the same "
            f"supcon-photos wrote. Received: workdir={str(workdir)!r}, of "
            "another run"
        )


def _run(config, settings, workdir, encoder, train, test):
    from supcon_tf.data.held_out import record_of
    from supcon_tf.evaluation.retrieval import retrieval_scores
    from supcon_tf.metrics.accuracy import top_1_accuracy
    from supcon_tf.photographs.similarity_head import (
        save_similarity_head,
        train_similarity_head,
    )
    from supcon_tf.training.workdir import (
        write_config,
        write_encoder,
        write_held_out,
    )

    start = time.perf_counter()
    print(
        f"{len(train)} photographs of {len(train.class_names)} classes to "
        f"learn from, {len(test)} to test on",
        flush=True,
    )
    write_config(settings, workdir)
    write_held_out(record_of(test), workdir)
    features, tested = _features(config, workdir, encoder, train, test)
    classifier = _classifier(config, encoder, features, train)
    _known(classifier, features, train).save(workdir / KNOWN_FILE)
    head = train_similarity_head(
        features, train.labels, encoder=encoder, seed=config.seed
    )
    save_similarity_head(head, workdir, encoder)
    with written_whole(workdir / "classifier.keras") as path:
        classifier.save(path)
    vectors = head.predict(tested[:, 0], verbose=0)
    results = {
        "top_1_accuracy": top_1_accuracy(
            test.labels, classifier.dense(tested[:, 0])
        ),
        "frozen": retrieval_scores(tested[:, 0], test.labels),
        "similarity_head": retrieval_scores(vectors, test.labels),
        "num_train_images": len(train),
        "num_test_images": len(test),
        "class_names": list(train.class_names),
        "seconds": round(time.perf_counter() - start, 2),
        "config": dataclasses.asdict(config),
    }
    write_json(workdir / "first_answer.json", results)
    # Last: where encoder.keras is, the folder can be asked.
    write_encoder(encoder, workdir)
    _print_last_lines(results, workdir)
    return results


def _classifier(config, encoder, features, train):
    """A linear classifier of all views, which knows the images it takes."""
    from supcon_tf.evaluation.linear.fitting import probe_representations
    from supcon_tf.photographs.asked_encoder import RESIZINGS

    with waiting_line("linear classifier"):
        classifier, _ = probe_representations(
            encoder,
            features.reshape(-1, features.shape[-1]),
            np.repeat(train.labels, features.shape[1]),
            class_names=list(train.class_names),
        )
    classifier.image_size = (config.image_size,) * 2
    classifier.resizing = RESIZINGS[0]
    return classifier


def _known(classifier, features, train):
    """What tells none of the classes: the centres of the photographs."""
    from supcon_tf.photographs.asked_classifier import asked_classifier
    from supcon_tf.photographs.unknown import known_photographs

    return known_photographs(
        features[:, 0],
        train.labels,
        fingerprint=asked_classifier(classifier).asked.fingerprint,
    )


def _features(config, workdir, encoder, train, test):
    """Features `[N, A, R]` and `[M, 1, R]`, kept in a file of the folder."""
    from supcon_tf.photographs.asked_encoder import weights_fingerprint
    from supcon_tf.photographs.similarity_head import augmented_features

    parts = {"train": (train, config.num_views), "test": (test, 1)}
    key = hashlib.sha256(
        repr(
            [
                weights_fingerprint(encoder),
                *(config.image_size, config.num_views, config.seed),
                [_facts(path) for path in (*train.images, *test.images)],
            ]
        ).encode()
    ).hexdigest()
    path = workdir / _FEATURES
    if path.exists():
        try:
            with opened(path) as archive, np.load(archive) as file:
                if str(file["key"]) == key:
                    return file["train"], file["test"]
        except Exception:  # a damaged cache is computed again
            path.unlink()
    found = {
        name: augmented_features(
            encoder,
            images,
            num_views=views,
            seed=config.seed,
            image_size=config.image_size,
        )
        for name, (images, views) in parts.items()
    }
    with written_whole(path) as aside, open(aside, "wb") as file:
        np.savez(file, key=key, **found)
    return found["train"], found["test"]


def _facts(path):
    """Returns facts by which a changed file is told from the former one."""
    facts = pathlib.Path(path).stat()
    return str(path), facts.st_size, facts.st_mtime_ns


def _print_last_lines(results, workdir):
    """Prints the five lines that a person wants."""
    count, where = results["num_test_images"], shell_word(workdir)
    similar = None
    found = [
        results[name]["map_at_r"] for name in ("frozen", "similarity_head")
    ]
    if None not in found:
        similar = (
            f"similar photographs: MAP@R {found[1]:.3f} with the similarity "
            f"head, {found[0]:.3f} without; {results['seconds']:.0f} s; "
            "first_answer.json has all numbers"
        )
    num_classes = len(results["class_names"])
    print_last_lines(
        f"top-1 {results['top_1_accuracy']:.4f} on {count} photographs that "
        f"were not among the {results['num_train_images']} of {num_classes} "
        "classes that it learnt from",
        compared=[(1 / num_classes, "chance")],
        more=similar,
        folder=workdir,
        written=["classifier.keras", "similarity_head.keras", "encoder.keras"],
        following=[
            f"supcon-predict --workdir={where} PHOTO",
            f"supcon-search --encoder={where} --images=FOLDER PHOTO",
            f"supcon-evaluate --encoder={where} --output="
            f"{shell_word(workdir / 'page')} --page",
        ],
    )


def main(argv=None):
    """The command `supcon-photos`; returns its exit status."""
    values = flags.FlagValues()
    flags.DEFINE_string(
        "workdir", None, "Folder to write to.", flag_values=values
    )
    define_flags(PhotosConfig, values)
    return run_command(
        "supcon-photos",
        __doc__,
        values,
        lambda values: prepare(
            overridden(PhotosConfig(), values), values["workdir"].value
        ),
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
