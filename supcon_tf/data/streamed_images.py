"""Labelled images that stay in TFRecord files, read as they pass by."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from supcon_tf.data.labelled_images import noisy_labels
from supcon_tf.data.orders import permutation

# Files that are read at the same time, a record of each in turn.
_OPEN_FILES = 16
# Records that are shuffled together: 0.9 GB of files of 110 kB, as ImageNet's
# are on average, and as much again of those read ahead.
_WINDOW = 8192


@dataclasses.dataclass(frozen=True)
class StreamedImages:
    """Labelled images that stay in TFRecord files.

    Attributes:
      files: paths of the files.
      lengths: number of records in each of them.
      parse: function of TensorFlow from one record to `(contents, label)`,
        the contents of an image file and an integer.
      class_names: names of the classes; label i is `class_names[i]`.
      start: int, the number of the first record that belongs to it, counted
        through the files in order.
      stop: int, that of the first one after it; None: there is none.
      label_noise: float in [0, 1], probability that a label is replaced by a
        class drawn uniformly, as `noisy_labels` does by a record's number.
      noise_seed: int.

    Example:
      >>> stream = StreamedImages(paths, lengths, parse, ("cat", "dog"))
      >>> views = view_batches(stream, augmentations.simclr, num_views=2,
      ...     batch_size=256, image_size=224, seed=0)
    """

    files: Sequence[str]
    lengths: Sequence[int]
    parse: Callable
    class_names: Sequence[str]
    start: int = 0
    stop: int | None = None
    label_noise: float = 0.0
    noise_seed: int = 0

    def __len__(self):
        whole = sum(self.lengths)
        return (
            min(whole, whole if self.stop is None else self.stop) - self.start
        )

    def part(self, start, stop):
        """The images from number `start` up to `stop`, as a stream."""
        return dataclasses.replace(
            self, start=self.start + start, stop=self.start + stop
        )

    def load(self, record, number):
        """One record as the contents of its file, and its label.

        Args:
          record: scalar string tensor.
          number: scalar int64 tensor, of the record.

        Returns:
          A scalar string and a scalar integer tensor.
        """
        contents, label = self.parse(record)
        if self.label_noise:
            label = noisy_labels(
                label[None],
                number[None],
                num_classes=len(self.class_names),
                probability=self.label_noise,
                seed=self.noise_seed,
            )[0]
        return contents, label

    def in_order(self):
        """One pass in file order.

        Returns:
          A finite `tf.data.Dataset` of `(record, number)`.
        """
        with tf.device("CPU"):
            records = tf.data.Dataset.from_tensor_slices(self._spans())
        records = records.flat_map(_records)
        return records.apply(tf.data.experimental.assert_cardinality(len(self)))

    def epochs(self, *, batch_size, rows, seed, first_epoch):
        """Records in an order that (seed, epoch) decide, endless.

        The files pass by in random order, 16 at a time and a record of each in
        turn, and what they yield is shuffled in windows of 8192 records. Each
        image passes by once an epoch, but for those that fill no whole batch.

        All records are read whatever the rows, and none is decoded here.

        Args:
          batch_size: int B >= 1.
          rows: range, the rows of each batch to yield.
          seed: int or scalar int64 tensor.
          first_epoch: int >= 0.

        Returns:
          A `tf.data.Dataset` of `(record, number, position)`; the position is
          that in the whole stream, of all rows and epochs.
        """
        seed = tf.cast(seed, tf.int64)
        epoch_size = len(self) // batch_size * batch_size
        with tf.device("CPU"):
            spans = [tf.convert_to_tensor(x) for x in self._spans()]

        def of_epoch(epoch):
            epoch_seed = tf.stack([seed, epoch])
            order = permutation(len(spans[0]), epoch_seed)
            files = tf.data.Dataset.from_tensor_slices(
                tuple(tf.gather(x, order) for x in spans)
            )
            records = files.interleave(
                _records,
                cycle_length=_OPEN_FILES,
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            )
            windows = records.batch(_WINDOW).prefetch(1).enumerate()
            return windows.flat_map(
                lambda window, pair: of_window(epoch, window, *pair)
            )

        def of_window(epoch, window, records, numbers):
            window_seed = tf.random.experimental.stateless_fold_in(
                tf.stack([seed, epoch]), window
            )
            size = tf.size(numbers, tf.int64)
            positions = window * _WINDOW + tf.range(size)  # in the epoch
            row = positions % batch_size
            is_wanted = (row >= rows.start) & (row < rows.stop)
            is_wanted &= positions < epoch_size
            order = permutation(size, window_seed)[is_wanted]
            positions = epoch * epoch_size + positions[is_wanted]
            # (A map of single records would cost more than reading them does;
            # one of the window, a second copy of it.)
            chunks = tf.data.Dataset.from_tensor_slices((order, positions))
            chunks = chunks.batch(64).map(
                lambda i, positions: (
                    tf.gather(records, i),
                    tf.gather(numbers, i),
                    positions,
                )
            )
            return chunks.unbatch()

        epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
        return epochs.flat_map(of_epoch)

    def _spans(self):
        """Of each file: path, number of its first record; where to read."""
        lengths = np.array(self.lengths, np.int64)
        firsts = np.cumsum(lengths) - lengths
        start = np.maximum(self.start - firsts, 0)
        stop = np.minimum(self.start + len(self) - firsts, lengths)
        used = start < stop
        files = np.array(self.files)
        return files[used], firsts[used], start[used], stop[used]


def _records(file, first, start, stop):
    """Records `start` up to `stop` of a file, with their numbers."""
    records = tf.data.TFRecordDataset(file, buffer_size=2**20)
    numbers = tf.data.Dataset.range(first + start, first + stop)
    records = records.skip(start).take(stop - start)
    return tf.data.Dataset.zip((records, numbers))
