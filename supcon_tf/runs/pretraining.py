"""One pretraining: from a config to encoder.keras, on one worker or many."""

import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras

from supcon_tf.callbacks.best_epoch import BestEpoch, held_out_accuracy
from supcon_tf.callbacks.checkpoints import (
    EpochCheckpoint,
    read_checkpoint,
    restore_checkpoint,
)
from supcon_tf.callbacks.history import (
    EpochHistory,
    StopIfDiverged,
)
from supcon_tf.callbacks.stuck_loss import StuckLossWarning
from supcon_tf.config.last_lines import print_last_lines, shell_word
from supcon_tf.config.pretrain import PretrainConfig
from supcon_tf.distribution.strategies import make_strategy
from supcon_tf.distribution.workers import (
    from_chief,
    is_chief,
    num_workers,
    reporting_stopped_workers,
    share_weights,
)
from supcon_tf.files import lasting_path, only_writer
from supcon_tf.frameworks.backends import is_tensorflow
from supcon_tf.frameworks.extras import has_extra
from supcon_tf.runs.first_probe import first_probe, recorded_probe
from supcon_tf.training.batches import (
    distributed,
    training_images,
    views_of,
    with_fitting_batch,
)
from supcon_tf.training.build import (
    build_encoder,
    build_model,
    compile_model,
    synchronize_batch_norm,
)
from supcon_tf.training.facts import print_facts
from supcon_tf.training.image_cache import copies_of, with_absolute_cache
from supcon_tf.training.objectives import for_objective, is_contrastive
from supcon_tf.training.workdir import (
    finished_encoder,
    look_at,
    read_held_out,
    write_config,
    write_example_views,
    write_held_out,
    write_models,
)


def prepare(config, workdir):
    """Checks everything and writes nothing; returns the run as a function."""
    if not workdir:
        raise ValueError(
            "`workdir` must be the folder to write to. "
            f"Received: workdir={workdir!r}"
        )
    workdir = pathlib.Path(workdir).expanduser()
    if config.initial_encoder is not None:  # wherever the run goes on
        path = pathlib.Path(config.initial_encoder).expanduser()
        if path.exists():
            config = dataclasses.replace(
                config, initial_encoder=str(lasting_path(path))
            )
    if config.data_dir is not None:
        path = lasting_path(config.data_dir)
        config = dataclasses.replace(config, data_dir=str(path))
    config = with_absolute_cache(config)
    strategy = make_strategy(config.strategy)  # first of all of TensorFlow
    num_replicas = strategy.num_replicas_in_sync
    _check_batch(config, num_replicas)
    if config.stop_fraction is not None and num_workers(strategy) > 1:
        raise ValueError(
            "`stop_fraction` must be None with several workers, which would "
            f"not stop together. Received: stop_fraction={config.stop_fraction}"
        )
    with reporting_stopped_workers(strategy):
        return _prepare(config, workdir, strategy)


def _prepare(config, workdir, strategy):
    recorded = read_held_out(workdir)
    parts = None
    if config.few_images:  # what they are decides on the batch
        parts = training_images(config, recorded)
        config = with_fitting_batch(config, parts[0])
        _check_batch(config, strategy.num_replicas_in_sync)
    found = from_chief(strategy, lambda: look_at(workdir, config))
    if found["is_finished"]:
        encoder = _finished_encoder(workdir, config, strategy)
        return lambda: _finished(workdir, encoder, strategy)

    images, watched, held_out = parts or training_images(config, recorded)
    copies = copies_of(
        config, workdir, images, num_workers=num_workers(strategy)
    )
    views = views_of(config, images)
    first_views = views()  # refuses what it cannot do
    model = build_model(config, len(images.class_names), strategy)
    compile_model(model, config, len(images) // config.batch_size, strategy)
    first_epoch = restore_checkpoint(
        workdir, model, functools.partial(_read_as_chief, strategy)
    )
    if first_epoch:
        first_views = views(first_epoch=first_epoch)
    return _Training(
        config,
        workdir,
        strategy,
        replaces_encoder=not found["is_as_described"],  # for a longer run
        images=images,
        watched=watched,
        held_out=held_out,
        copies=copies,
        first_views=first_views,
        next_views=functools.partial(views, first_epoch=first_epoch),
        model=model,
        first_epoch=first_epoch,
        best=_best_epoch(config, workdir, images, watched),
    ).run


def _best_epoch(config, workdir, images, watched):
    """The callback that keeps the best epoch, or None if nothing is watched."""
    if watched is None:
        return None
    accuracy = held_out_accuracy(
        images,
        watched,
        batch_size=config.batch_size,
        image_size=config.image_size,
    )
    return BestEpoch(workdir, accuracy, patience=config.patience)


@dataclasses.dataclass
class _Training:
    """A training whose parts are checked and built, and which is yet to run."""

    config: PretrainConfig
    workdir: pathlib.Path
    strategy: Any
    replaces_encoder: bool  # whether one in the folder is of another run
    images: Any
    watched: Any  # the images on which the best epoch is chosen, or None
    held_out: Any
    copies: Callable | None  # as of `copies_of`
    first_views: Any
    next_views: Callable  # returns the views from the first epoch on again
    model: keras.Model
    first_epoch: int
    best: BestEpoch | None

    def run(self):
        """Trains, and returns the encoder; the chief alone writes files."""
        with reporting_stopped_workers(self.strategy):
            if is_chief(self.strategy):
                self._run_as_chief()
            else:
                self._read_copies()
                self._fit()
        encoder = self.model.representation_model()
        # The weights differ where BatchNormalization is not synchronised. And
        # once they are shared, the chief has written its files.
        share_weights(self.strategy, encoder)
        return encoder

    def _run_as_chief(self):
        config, workdir = self.config, self.workdir
        with only_writer(workdir):
            if self.replaces_encoder:
                (workdir / "encoder.keras").unlink(missing_ok=True)
            write_config(config, workdir)
            write_held_out(self.held_out, workdir)
            number = len(self.images)
            print_facts(
                config, number, self.first_epoch, workdir, self.strategy
            )
            if line := self._read_copies():
                print(line, flush=True)
            best = self.best
            before = self._first_probe()
            if self.first_epoch == 0 and is_tensorflow():
                write_example_views(self.first_views, workdir, self.model.views)
            watching = [best] if best else []  # first: it adds to the logs
            self._fit([*watching, *_callbacks(config, workdir)], verbose="auto")
            if best:
                best.restore(self.model)
            written = write_models(self.model, config, workdir)
            watched = self.watched and len(self.watched)
            _print_last_lines(workdir, written, number, best, watched, before)

    def _first_probe(self):
        """What a trained encoder is worth before this training, or None."""
        if self.best is None or self.config.initial_encoder is None:
            return None
        # Later on, the encoder is no longer the one that the run started from.
        if self.first_epoch > 0:
            return recorded_probe(self.workdir)
        print("First answer, from a linear probe ...", flush=True)
        start = time.perf_counter()
        value = first_probe(
            self.model.representation_model(),
            self.images,
            self.watched,
            self.workdir,
            batch_size=self.config.batch_size,
            image_size=self.config.image_size,
        )
        if value is not None:
            print(
                f"top-1 {value:.4f} on {len(self.watched)} held-out training "
                f"images after {time.perf_counter() - start:.0f} s; the epochs "
                "now train the encoder, too",
                flush=True,
            )
        return value

    def _read_copies(self):
        """Reads small copies from now on, if any; returns a line about them."""
        if self.copies is None:
            return None
        sources = [self.images]
        if self.watched is not None:
            sources.append(self.watched)
        (self.images, *rest), line = self.copies(sources)
        self.watched = rest[0] if rest else None
        views = views_of(self.config, self.images)
        self.first_views = views(first_epoch=self.first_epoch)
        self.next_views = functools.partial(views, first_epoch=self.first_epoch)
        self.best = _best_epoch(
            self.config, self.workdir, self.images, self.watched
        )
        return line

    def _fit(self, callbacks=(), verbose=0):
        if self.best and self.best.is_over(self.first_epoch):
            return
        steps_per_epoch = len(self.images) // self.config.batch_size
        self.model.fit(
            distributed(
                self.first_views,
                self.next_views,
                for_objective(self.config, len(self.images.class_names)),
                self.config.batch_size,
                self.first_epoch * steps_per_epoch,
                self.strategy,
            ),
            epochs=self.config.epochs,
            initial_epoch=self.first_epoch,
            steps_per_epoch=steps_per_epoch,
            shuffle=False,  # the views come shuffled
            callbacks=[StopIfDiverged(), *callbacks],
            verbose=verbose,
        )
        # What is written says nothing of where it was trained.
        synchronize_batch_norm(self.model, False)


def _print_last_lines(workdir, written, num_images, best, num_watched, before):
    """Prints how far it came, and what comes next."""
    rows = EpochHistory(workdir / "history.csv").rows
    last = rows[-1] if rows else {}
    name = "contrastive_loss" if "contrastive_loss" in last else "loss"
    loss, collapsed = (
        float(last[key]) if key in last else None
        for key in (name, "collapsed_loss")
    )
    result = f"{len(rows)} epochs of {num_images:,} images"
    if loss is not None:
        result += f": {name} {loss:.4f}"
    more = None
    if best:
        more = (
            f"top-1 {best.value:.4f} on {num_watched} held-out training images "
            f"after epoch {best.epoch}, the best one, which is kept"
        )
        if before is not None:
            more += f"; {before:.4f} by a linear probe before the training"
    print_last_lines(
        result,
        compared=[(collapsed, "the loss if all projections were the same")],
        more=more,
        folder=workdir,
        written=[*written, "history.csv"],
        following=[f"supcon-linear-eval --workdir={shell_word(workdir)}"],
    )


def _check_batch(config, num_replicas):
    """Refuses a batch that the replicas cannot share."""
    if config.batch_size % num_replicas:
        raise ValueError(
            f"`batch_size` must be divisible by the {num_replicas} replicas "
            f"that share the batch. Received: batch_size={config.batch_size}"
        )
    if config.cutmix_alpha and config.batch_size < 2 * num_replicas:
        raise ValueError(
            "`batch_size` must be at least two images a replica with CutMix, "
            f"{2 * num_replicas}. Received: batch_size={config.batch_size}"
        )


def _callbacks(config, workdir):
    """Makes the callbacks of the chief's `fit`, which write and warn."""
    writers = [EpochHistory(workdir / "history.csv"), EpochCheckpoint(workdir)]
    if is_tensorflow() and has_extra("tensorboard"):  # Keras needs both
        writers.insert(1, keras.callbacks.TensorBoard(workdir / "logs"))
    return [StuckLossWarning(), *writers] if is_contrastive(config) else writers


def _finished(workdir, encoder, strategy):
    if is_chief(strategy):
        print(
            f"Finished already: {workdir / 'encoder.keras'}. Give another "
            "--workdir for another run."
        )
    return encoder


def _read_as_chief(strategy, workdir, model):
    """The newest checkpoint that the chief finds, on every worker."""

    def read():
        finished_epochs, values = read_checkpoint(workdir, model)
        numbered = {str(i): value for i, value in enumerate(values or [])}
        return {"finished_epochs": finished_epochs, **numbered}

    found = from_chief(strategy, read)
    finished_epochs = int(found.pop("finished_epochs"))
    if not finished_epochs:
        return 0, None
    return finished_epochs, [found[str(i)] for i in range(len(found))]


def _finished_encoder(workdir, config, strategy):
    """The encoder that the chief finds in the folder, on every worker."""
    encoder = None

    def read():
        nonlocal encoder
        encoder = finished_encoder(workdir, config)
        return {}

    from_chief(strategy, read)  # or what is wrong with it
    encoder = encoder or build_encoder(config)
    share_weights(strategy, encoder)
    return encoder
