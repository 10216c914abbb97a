"""CheckedInputs: what `fit`, `evaluate` and `predict` are given, is checked."""

import contextlib
import inspect
import itertools
import numbers
import os
import types
import warnings

import keras
import numpy as np

from supcon_tf.augmentations.on_device.numbered_images import (
    NumberedImages,
    is_numbered,
)
from supcon_tf.augmentations.pixels import (
    check_pixel_dtype,
    check_pixels,
    in_unit_range,
    is_marked_as_checked,
)
from supcon_tf.distribution.own_rows import devices_of_batch
from supcon_tf.encoders.encoder_check import refuse_own_scaling
from supcon_tf.errors import refuse_endless
from supcon_tf.frameworks.backends import (
    is_dataset,
    is_in_graph,
    is_spec,
    is_tensorflow,
)
from supcon_tf.labels import known_values

# A generator that has given so many batches may be one that never ends.
_MANY = 1000

_ADVICE = (
    "An encoder that takes other floats goes into encoders.from_keras, which "
    "scales images in [0, 1] for it"
)

_SIGNATURES = {
    name: inspect.signature(getattr(keras.Model, name))
    for name in (
        "fit",
        "evaluate",
        "predict",
        "train_on_batch",
        "test_on_batch",
        "predict_on_batch",
    )
}


class CheckedInputs:
    """Checks images and labels where their values are known: before the graph.

    Arrays are checked whole, and each batch of a generator. Of a
    `tf.data.Dataset` or a `PyDataset` the first batch is read, and only if its
    images or labels are such that their values matter: the others go into the
    graph without Python, and a step has no check.

    A model has `_image_shape`, which makes of the shape of a batch that of one
    image without views, and may have a `_check_labels` of its own. Its `views`
    are None where it does not make the views itself.
    """

    views = None
    _ranks = None
    _label_ranks = None
    _refusal = None  # what was wrong in a batch of a generator

    @property
    def input_shape(self):
        """The encoder's shape of a batch, `(None, ...)`; None if unknown."""
        shape = getattr(self.encoder, "input_shape", None)
        return shape if isinstance(shape, tuple) else None

    def fit(self, *args, **kwargs):
        """As in Keras, after a check of images, labels and their number."""
        given = _named("fit", args, kwargs)
        if isinstance(given.get("x"), NumberedImages):
            epoch = given.get("initial_epoch") or 0
            given["x"] = given["x"].from_epoch(epoch)
            given["shuffle"] = False  # they come shuffled
        given["x"] = self._checked(
            given,
            "steps_per_epoch",
            passes=len(_epochs(given)),
            then=self._warn_before_fit,
        )
        if given.get("validation_data") is not None:
            given["validation_data"] = self._checked_validation(given)
        with self._telling():
            return super().fit(**given)

    def evaluate(self, *args, **kwargs):
        """As in Keras, after a check of images, labels and their number."""
        if "_use_cached_eval_dataset" not in kwargs:  # in a fit, which checked
            kwargs = _named("evaluate", args, kwargs)
            kwargs["x"] = self._checked(kwargs, "steps")
            args = ()
        with self._telling():
            return super().evaluate(*args, **kwargs)

    def predict(self, *args, **kwargs):
        """As in Keras, after a check of images and of their number."""
        given = _named("predict", args, kwargs)
        given["x"] = self._checked(given, "steps", has_labels=False)
        with self._telling():
            return super().predict(**given)

    def train_on_batch(self, *args, **kwargs):
        """As in Keras, after a check of images and labels."""
        given = _named("train_on_batch", args, kwargs)
        x, y = given.get("x"), given.get("y")
        self._check_batch(given)
        shape = _shape(keras.tree.flatten(x)[0])
        self._warn_before_fit(x, y, shape[0] if shape else None)
        return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        """As in Keras, after a check of images and labels."""
        self._check_batch(_named("test_on_batch", args, kwargs))
        return super().test_on_batch(*args, **kwargs)

    def predict_on_batch(self, *args, **kwargs):
        """As in Keras, after a check of images."""
        given = _named("predict_on_batch", args, kwargs)
        self._check_batch(given, has_labels=False)
        return super().predict_on_batch(*args, **kwargs)

    def _check_labels(self, labels):
        """Refuses labels; they are known, a `tf.TensorSpec`, or None."""

    def _is_image(self, shape):
        """Whether a batch of `shape` is of images [H, W, C], or of films."""
        return shape is not None and len(self._image_shape(shape)) >= 3

    def _warn_before_fit(self, images, labels, batch_size):
        """Warns of what no step can learn from; B is None if unknown."""

    def _in_unit_range(self, images):
        """Divides images of uint8 by 255; vectors of uint8 stay as they are."""
        if _dtype(images) != "uint8" or not self._is_image(images.shape):
            return images
        refuse_own_scaling(self.encoder)
        return in_unit_range(images)

    def _check_images(self, images):
        """Refuses images out of their range; vectors may have any values.

        Images of 1 or 3 channels are such that a probe or an export would be
        given them in [0, 1]. What has other channels may be no picture.
        """
        if is_numbered(images):
            images = images["images"]
        for x in keras.tree.flatten(images):
            shape = _shape(x)
            if not self._is_image(shape) or _dtype(x) in ("bool", "string"):
                continue
            check_pixel_dtype(_dtype(x))
            values = _values(x)
            if values is not None and self._image_shape(shape)[-1] in (1, 3):
                check_pixels(values, _ADVICE)

    def _check_known_images(self, images):
        """As `_check_images`, for a call: inside of a graph it does nothing."""
        if not is_in_graph():
            self._refuse_names(images)
            self._check_images(images)

    def _refuse_names(self, images):
        """Refuses what has no pixels, where the encoder takes images."""
        leaves = keras.tree.flatten(images)
        if any(isinstance(leaf, numbers.Number) for leaf in leaves):
            raise ValueError(
                "Images must be arrays, such as np.asarray(images). "
                f"Received: a {type(images).__name__} of numbers"
            )
        if self.input_shape is None or len(self.input_shape) < 4:
            return
        if hasattr(images, "class_names"):  # labelled images
            raise ValueError(
                "`x` must be arrays or batches, such as view_batches(images, "
                "...), or x.images with x.labels where these are in memory. "
                f"Received: {type(images).__name__}"
            )
        for x in leaves:
            is_name = isinstance(x, (str, bytes, os.PathLike))
            if is_name or _dtype(x).startswith(("str", "bytes", "object")):
                what = type(x).__name__ if is_name else f"dtype={_dtype(x)}"
                raise ValueError(
                    "Images must be pixels: view_batches(LabelledImages(paths, "
                    "labels, class_names, read=tf.io.read_file), ...) reads "
                    f"files. Received: {what}"
                )

    def _check_form(self, shapes):
        """Refuses images in a form that the model does not take."""

    def _check_batch(self, given, *, has_labels=True):
        x, y = given.get("x"), given.get("y")
        self._refuse_names(x)
        if has_labels and isinstance(y, numbers.Number):
            raise ValueError(
                f"Labels must be an array, one for each image. Received: {y!r}"
            )
        if all(_shape(leaf) is not None for leaf in keras.tree.flatten(x)):
            self._check_form(keras.tree.map_structure(_shape, x))
        self._check_images(x)
        if has_labels:
            self._check_labels(y)
        self._forget_other_ranks("_ranks", x)
        if has_labels and y is not None:
            self._forget_other_ranks("_label_ranks", y)

    def _checked_validation(self, given):
        """The `validation_data` of `fit`, checked."""
        data, steps = given["validation_data"], given.get("validation_steps")
        if isinstance(data, (tuple, list)):
            x, y, weights = keras.utils.unpack_x_y_sample_weight(tuple(data))
            y = _as_labels(y)
            validation = {"x": x, "y": y, "validation_steps": steps}
            x = self._checked(validation, "validation_steps")
            return keras.utils.pack_x_y_sample_weight(x, y, weights)
        validation = {"x": data, "validation_steps": steps}
        often = given.get("validation_freq") or 1
        passes = sum(
            (epoch + 1) % often == 0
            if isinstance(often, int)
            else epoch + 1 in often
            for epoch in _epochs(given)
        )
        data = self._checked(validation, "validation_steps", passes=passes)
        given["validation_steps"] = validation["validation_steps"]
        return data

    def _checked(
        self, given, steps_name, *, has_labels=True, passes=1, then=None
    ):
        """`x` of a method's arguments, checked; a generator starts anew.

        `then` is called with images, labels and the batch size, where there is
        something to know of them. `passes` is how often `x` is passed through.
        """
        x, y = given.get("x"), given.get("y")
        if isinstance(x, NumberedImages) and given.get(steps_name) is None:
            given[steps_name] = x.steps_per_epoch
        refuse_endless(x, steps_name, given.get(steps_name), passes=passes)
        batch, x = _first_batch(x, self._has_values_to_check)
        if batch is None:
            images, labels = x, y
        elif isinstance(batch, tuple):
            images, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
        else:
            images, labels = batch, None
        if isinstance(images, list) and batch is not None and is_tensorflow():
            raise ValueError(
                "Views that come one by one in a batch must be a tuple of "
                "arrays, ((a, b), labels). Received: a list"
            )
        self._check_batch({"x": images, "y": labels}, has_labels=has_labels)
        if isinstance(x, types.GeneratorType):
            has_end = given.get(steps_name) is not None
            x = self._checked_each(x, None if has_end else steps_name)
        if then is not None:
            self._check_numbered(images, are_arrays=batch is None)
        shapes = [_shape(leaf) for leaf in keras.tree.flatten(images)]
        if None in shapes or not shapes[0]:
            return x
        size = count = shapes[0][0]
        if batch is None:
            size = min(size, given.get("batch_size") or 32)
        _check_shared(size, count)
        if then is not None:
            # Our own batches know the labels of all images.
            then(images, getattr(x, "labels", labels), size)
        return x

    def _checked_each(self, batches, missing=None):
        """Yields the batches of a generator, and checks the images of each.

        `missing` is the name of the argument that would end it, if it is not
        given. Whether a generator ends cannot be known.
        """
        for number, batch in enumerate(batches):
            if number == _MANY and missing is not None:
                warnings.warn(
                    f"The generator has given {_MANY:,} batches and goes on: "
                    f"`{missing}` would end one that never ends",
                    stacklevel=2,
                )
            images = batch[0] if isinstance(batch, tuple) else batch
            try:
                self._check_images(images)
            except ValueError as error:
                self._refusal = error
                raise
            yield batch

    @contextlib.contextmanager
    def _telling(self):
        """Raises what `_checked_each` refused, without TensorFlow's lines."""
        self._refusal = None
        try:
            yield
        except Exception:
            if self._refusal is None:
                raise
            raise self._refusal from None

    def _check_numbered(self, images, *, are_arrays):
        """Refuses to fit to views where the model makes them, or to few ones.

        Arrays with numbers would have the same views in each epoch.
        """
        is_given = is_numbered(images)
        is_known = all(
            _shape(x) is not None for x in keras.tree.flatten(images)
        )
        if is_given and are_arrays:
            received = "arrays, whose numbers are the same in each epoch"
        elif self.views is not None and is_known and not is_given:
            received = "images or views without numbers"
        else:
            return
        raise ValueError(
            "`x` must be batches with numbers, views.batches(images, labels, "
            "batch_size=...) or numbered_batches(...), for a model that makes "
            f"its views. Received: {received}"
        )

    def _has_values_to_check(self, spec):
        """Whether a batch with this `element_spec` has to be read."""
        if not isinstance(spec, tuple):
            spec = (spec,)
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(spec)
        return any(
            _shape(x) is None or (_is_floating(x) and self._is_image(_shape(x)))
            for x in keras.tree.flatten(images)
        ) or any(
            _shape(y) is None or _is_floating(y) or len(_shape(y)) > 1
            for y in keras.tree.flatten(labels)
            if y is not None
        )

    def _forget_other_ranks(self, attribute, arrays):
        """Has the steps traced anew for images or labels of another rank.

        TensorFlow would make one graph for both, in which no rank is known. The
        attribute has the ranks that there were last.
        """
        ranks = keras.tree.map_structure(
            lambda x: None if _shape(x) is None else len(_shape(x)), arrays
        )
        known = getattr(self, attribute)
        if known is not None and ranks != known:
            self.train_function = None
            self.test_function = None
            self.predict_function = None
        setattr(self, attribute, ranks)


def is_one_of(shape, own):
    """Whether a shape is one that an encoder takes, where sides are None.

    Args:
      shape: of a batch.
      own: tuple, the encoder's, such as `(None, None, None, 3)`.

    Example:
      >>> is_one_of((8, 32, 32, 1), (None, None, None, 3))
      False
    """
    return (
        isinstance(shape, tuple)
        and len(shape) == len(own)
        and all(
            None in sides or sides[0] == sides[1]
            for sides in zip(shape[1:], own[1:], strict=True)
        )
    )


def _check_shared(batch_size, images):
    """Refuses batches that the devices of `keras.distribution` cannot share.

    The images are those of one batch or, of arrays, of all batches.
    """
    devices = devices_of_batch()
    if devices == 1 or not batch_size:
        return
    last = images % batch_size
    if batch_size % devices or last % devices:
        rest = f" and a last one of {last}" if last else ""
        raise ValueError(
            f"Each batch must be a multiple of the {devices} devices that "
            "share it: choose `batch_size` so, and leave out the images that "
            f"remain. Received: batches of {batch_size} images{rest}"
        )


def _epochs(given):
    """The epochs that a `fit` of these arguments runs, a range."""
    return range(given.get("initial_epoch") or 0, given.get("epochs") or 1)


def _named(method, args, kwargs):
    """The arguments of a method of Keras by name, those that were given."""
    bound = _SIGNATURES[method].bind_partial(None, *args, **kwargs)
    given = dict(bound.arguments)
    del given["self"]
    if "y" in given:
        given["y"] = _as_labels(given["y"])
    return given | given.pop("kwargs", {})


def _as_labels(labels):
    """Labels as Keras takes them: a list of numbers as an array."""
    if isinstance(labels, list) and all(
        isinstance(label, numbers.Number) for label in labels
    ):
        return np.asarray(labels)
    return labels


def _first_batch(x, has_values_to_check):
    """The first batch of what yields batches, or its spec, and `x` itself.

    The batch is None for arrays, and for what yields batches elsewhere.
    """
    if is_dataset(x):
        if is_marked_as_checked(x) or not has_values_to_check(x.element_spec):
            return x.element_spec, x
        return next(iter(x), None), x
    if isinstance(x, keras.utils.PyDataset):
        return x[0], x
    if isinstance(x, types.GeneratorType):
        first = next(x, None)
        if first is None:
            return None, x
        if not isinstance(first, tuple):
            raise ValueError(
                "A generator must yield tuples, (images, labels) or (images,). "
                f"Received: {type(first).__name__}"
            )
        return first, (batch for batch in itertools.chain([first], x))
    return None, x


def _shape(x):
    """The shape as a tuple, or None for an unknown rank or what has none."""
    shape = getattr(x, "shape", None)
    if shape is None or getattr(shape, "rank", 0) is None:
        return None
    return tuple(shape)


def _dtype(x):
    dtype = getattr(x, "dtype", None)
    # (PyTorch's have no name, and say "torch.uint8".)
    return getattr(dtype, "name", str(dtype)).removeprefix("torch.")


def _is_floating(x):
    return "float" in _dtype(x)


def _values(x):
    """The values, or None of a spec and inside of a graph."""
    return None if is_spec(x) else known_values(x)
