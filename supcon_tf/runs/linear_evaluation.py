"""One linear evaluation: from a workdir to linear_eval.json."""

import dataclasses
import functools
import json
import math
import pathlib
import time

from supcon_tf.augmentations import AUGMENTATIONS
from supcon_tf.config import PretrainConfig
from supcon_tf.config.last_lines import print_last_lines, shell_word
from supcon_tf.config.settings import named, read_json
from supcon_tf.data.datasets import load_dataset
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.shared_images import warn_of_shared_images
from supcon_tf.distribution.strategies import make_strategy
from supcon_tf.encoders.saved import find_encoder, load_keras_file
from supcon_tf.evaluation import (
    classification_accuracy,
    nearest_neighbor_accuracy,
)
from supcon_tf.evaluation.linear.fitting import fit_linear_classifier
from supcon_tf.evaluation.linear.training import train_linear_classifier
from supcon_tf.files import check_folder, write_json, written_whole
from supcon_tf.training.build import (
    build_optimizer,
    make_augmentation,
)
from supcon_tf.training.image_cache import copies_of, with_cache_of
from supcon_tf.training.objectives import CLASSIFIER_FILES
from supcon_tf.training.workdir import encoder_of_run, read_held_out


def prepare(config, workdir):
    """Checks everything and writes nothing; returns the run as a function."""
    strategy = make_strategy(config.strategy, one_machine=True)
    find_encoder(workdir)
    workdir = pathlib.Path(workdir).expanduser()
    check_folder(workdir, "workdir", ("classifier.keras", "linear_eval.json"))
    pretraining = read_json(
        PretrainConfig,
        workdir / "config.json",
        required=("dataset", "encoder", "image_size"),
    )
    encoder, untrained = encoder_of_run(
        workdir, pretraining, strategy, safe_mode=config.safe_mode
    )
    train, test = load_dataset(
        pretraining.dataset,
        data_dir=config.data_dir or pretraining.data_dir,
        validation_fraction=pretraining.validation_fraction,
        max_samples=pretraining.max_samples,
        max_pixels=pretraining.max_pixels,
        label_noise=pretraining.label_noise,
        seed=pretraining.seed,
        held_out=read_held_out(workdir),
    )
    warn_of_shared_images(train, test, name="test", stacklevel=2)
    copies = copies_of(with_cache_of(pretraining, config), workdir, train)
    own = _own_classifier(workdir, strategy, config.safe_mode)
    train_classifier = _classifier_trainer(config, pretraining, train)
    evaluated = {
        "augmentation": AUGMENTATIONS[config.eval_augmentation],
        "image_size": pretraining.image_size,
    }

    def run():
        nonlocal train, test
        start = time.perf_counter()
        if copies is not None:
            (train, test), line = copies([train, test])
            print(line, flush=True)
        classifier, chosen = train_classifier(encoder, train)
        accuracies = classification_accuracy(classifier, test, **evaluated)
        seconds = time.perf_counter() - start
        del chosen["seconds"]
        classifier.image_size = (pretraining.image_size,) * 2
        classifier.resizing = config.eval_augmentation
        results = {
            "top_1_accuracy": accuracies["top_1_accuracy"],
            "top_5_accuracy": accuracies["top_5_accuracy"],
            **_yardsticks(untrained, own, train, test, evaluated),
            "num_train_images": len(train),
            "num_test_images": accuracies["num_test_images"],
            "class_names": list(train.class_names),
            "seconds": round(seconds, 2),
            "chosen": chosen,
            "config": dataclasses.asdict(config),
        }
        text = _write(workdir, classifier, results)
        _print_last_lines(results, workdir)
        return json.loads(text)

    return run


def _write(workdir, classifier, results):
    """Writes the classifier, then its results; returns these as JSON."""
    # Results without their classifier would be those of another one.
    (workdir / "linear_eval.json").unlink(missing_ok=True)
    with written_whole(workdir / "classifier.keras") as path:
        classifier.save(path)
    return write_json(workdir / "linear_eval.json", results)


def _print_last_lines(results, workdir):
    """Prints the accuracy, those to compare it with, and what comes next."""
    num_classes = len(results["class_names"])
    where = shell_word(workdir)
    print_last_lines(
        f"top-1 {results['top_1_accuracy']:.4f} on "
        f"{results['num_test_images']:,} test images, by a linear classifier "
        "on the frozen encoder",
        compared=[
            (results["classifier_top_1_accuracy"], "the run's own classifier"),
            (results["untrained_top_1_accuracy"], "the untrained encoder"),
            (results["raw_pixel_1nn_accuracy"], "nearest image by pixels"),
            (1 / num_classes, "chance"),
        ],
        more=f"{results['num_train_images']:,} training images of "
        f"{num_classes} classes, {results['seconds']:.0f} s; linear_eval.json "
        "has all numbers and settings",
        folder=workdir,
        written=["classifier.keras", "linear_eval.json"],
        following=[
            f"supcon-evaluate --encoder={where} --output=DIR --page",
            f"supcon-hub-export --workdir={where} --output=DIR",
        ],
    )


def _own_classifier(workdir, strategy, safe_mode):
    """The classifier that was trained with the encoder; None without one."""
    for name in CLASSIFIER_FILES:
        if (workdir / name).exists():
            with strategy.scope():
                model = load_keras_file(workdir / name, safe_mode=safe_mode)
                return model.linear_classifier()
    return None


def _yardsticks(untrained, own, train, test, evaluated):
    """Accuracies to compare with; None where one cannot be had."""

    def top_1_accuracy(classifier):
        accuracies = classification_accuracy(classifier, test, **evaluated)
        return accuracies["top_1_accuracy"]

    own_accuracy = untrained_accuracy = nearest_accuracy = None
    if own is not None:
        own_accuracy = top_1_accuracy(own)
    if isinstance(train, LabelledImages):  # in memory
        if untrained is not None:
            classifier, _ = fit_linear_classifier(
                untrained, train, **evaluated, verbose=0
            )
            untrained_accuracy = top_1_accuracy(classifier)
        nearest_accuracy = nearest_neighbor_accuracy(
            train, test, image_size=evaluated["image_size"]
        )
    return {
        "classifier_top_1_accuracy": own_accuracy,
        "untrained_top_1_accuracy": untrained_accuracy,
        "raw_pixel_1nn_accuracy": nearest_accuracy,
    }


def _classifier_trainer(config, pretraining, train):
    """A function `(encoder, train)` -> classifier and what was chosen."""
    common = {
        "validation_fraction": config.validation_fraction,
        "seed": config.seed,
    }
    eval_augmentation = AUGMENTATIONS[config.eval_augmentation]
    if config.method == "fast":
        return functools.partial(
            fit_linear_classifier,
            l2=config.l2,
            max_iterations=config.max_iterations,
            augmentation=eval_augmentation,
            image_size=pretraining.image_size,
            verbose=0,
            **common,
        )
    has_choice = len(config.base_learning_rates) > 1
    num_images = len(train)
    if has_choice:
        num_images -= math.ceil(config.validation_fraction * num_images)
    if config.batch_size > num_images:
        raise ValueError(
            f"`batch_size` must be at most the {num_images} images that are "
            f"trained on. Received: batch_size={config.batch_size}"
        )
    steps_per_epoch = len(train) // config.batch_size

    def optimizer(learning_rate):
        return build_optimizer(config, learning_rate, steps_per_epoch)

    scale = config.batch_size / 256
    optimizer(config.base_learning_rates[0] * scale)  # refuses what is wrong
    augmentation = make_augmentation(pretraining)
    if config.augmentation is not None:
        augmentation = named(AUGMENTATIONS, "augmentation", config.augmentation)
    return functools.partial(
        train_linear_classifier,
        make_optimizer=optimizer,
        learning_rate=tuple(r * scale for r in config.base_learning_rates),
        epochs=config.epochs,
        batch_size=config.batch_size,
        augmentation=augmentation,
        image_size=pretraining.image_size,
        label_smoothing=config.label_smoothing,
        kernel_initializer=config.kernel_initializer,
        eval_augmentation=eval_augmentation,
        **common,
    )
