"""Labelled images that stay in TFRecord files and are read as they pass by."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from supcon_tf.data.labelled_images import noisy_labels
from supcon_tf.data.orders import permutation
from supcon_tf.data.pipelines import parallel_calls
from supcon_tf.frameworks.backends import tf

# The number of files that are read at the same time, a record of each in turn.
_OPEN_FILES = 16
# The number of records that are shuffled together. With files of 110 kB, the
# average of ImageNet, they take 0.9 GB, and those read ahead as much again.
_WINDOW = 8192


@dataclasses.dataclass(frozen=True)
class StreamedImages:
    """Labelled images that stay in TFRecord files.

    Attributes:
      files: paths of the files.
      lengths: number of records in each of them.
      parse: TensorFlow function from one record to `(contents, label)`, the
        contents of an image file and an integer.
      class_names: names of the classes. Label i is `class_names[i]`.
      start: int, the number of the first record of the stream. Records are
        counted through the files in order.
      stop: int, the number of the first record after the stream. None means the
        end of the files.
      label_noise: float in [0, 1], the probability that a label is replaced by
        a class drawn uniformly, as in `noisy_labels`. The number of the record
        decides it.
      noise_seed: int, the seed of the label noise.

    Example:
      >>> with tf.io.TFRecordWriter("cats.tfrecord") as file:
      ...     for image in tf.cast(255 * images, tf.uint8):
      ...         file.write(tf.io.encode_png(image).numpy())
      >>> stream = StreamedImages(
      ...     ["cats.tfrecord"], [8], lambda record: (record, 0), ("cat",)
      ... )
      >>> len(stream), len(stream.part(2, 5))
      (8, 3)
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
        """The images from number `start` up to `stop`, as a stream.

        Args:
          start: int >= 0, counted from the start of this stream.
          stop: int > start, likewise.

        Returns:
          `StreamedImages` of the same files.
        """
        return dataclasses.replace(
            self, start=self.start + start, stop=self.start + stop
        )

    def load(self, record, number):
        """Parses one record and applies the label noise.

        Args:
          record: scalar string tensor.
          number: scalar int64 tensor, the number of the record.

        Returns:
          `(contents, label)`: the contents of an image file, a scalar string
          tensor, and a scalar integer tensor.
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
        """One pass over the records in the order of the files.

        Returns:
          A finite `tf.data.Dataset` of `(record, number)`, as for `load`.
        """
        with tf.device("CPU"):
            records = tf.data.Dataset.from_tensor_slices(self._spans())
        records = records.flat_map(_records)
        return records.apply(tf.data.experimental.assert_cardinality(len(self)))

    def epochs(self, *, batch_size, rows, seed, first_epoch):
        """Endless records, in an order that the seed and the epoch decide.

        The files pass by in random order, 16 at a time with a record of each in
        turn. Their records are shuffled in windows of 8192. Each image passes
        by once an epoch, except those left over that fill no whole batch.

        All records are read, whichever `rows` of each batch are yielded, and
        none is decoded here. The `tf.data.Dataset` has `(record, number,
        position)`, the last in the whole stream of all rows and epochs.
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
                num_parallel_calls=min(parallel_calls(), _OPEN_FILES),
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
            # Chunks, since a map of single records would cost more than reading
            # them does, and a map of the window would make a second copy of it.
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
        """Path, number of the first record, start and stop of each file."""
        lengths = np.array(self.lengths, np.int64)
        firsts = np.cumsum(lengths) - lengths
        start = np.maximum(self.start - firsts, 0)
        stop = np.minimum(self.start + len(self) - firsts, lengths)
        used = start < stop
        files = np.array(self.files)
        return files[used], firsts[used], start[used], stop[used]


def _records(file, first, start, stop):
    """The records `start` up to `stop` of a file and their numbers."""
    records = tf.data.TFRecordDataset(file, buffer_size=2**20)
    numbers = tf.data.Dataset.range(first + start, first + stop)
    records = records.skip(start).take(stop - start)
    return tf.data.Dataset.zip((records, numbers))
