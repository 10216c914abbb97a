import functools
import itertools
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from often import often
from pairwise import pairwise

from supcon_tf import supcon_loss
from supcon_tf.distribution.collectives import concat_over_replicas
from supcon_tf.models.gradient_cache import cached_gradients

RNG = np.random.default_rng(0)
IMAGES = RNG.random((7, 4, 4, 3), "float32")
LABELS = np.array([0, 1, 0, 2, 1, 0, 2])


def contrastive_loss(outputs):
    labels = tf.constant(LABELS)[: ops.shape(outputs)[0]]
    return ops.mean(supcon_loss(labels, outputs))


def small_model(*between, **dense):
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            layers.Conv2D(5, 3, activation="relu"),
            *between,
            layers.Flatten(),
            layers.Dense(4, **dense),
        ]
    )


def cached(
    model, x, pieces, *, how="eagerly", loss_of=contrastive_loss, seen=None
):
    """As `cached_gradients`; each piece's outputs are appended to `seen`."""

    def call(piece):
        outputs = model(piece, training=True)
        if seen is not None:
            seen.append(outputs)
        return outputs

    def step(x):
        return cached_gradients(
            call,
            x,
            loss_of,
            trainable=model.trainable_variables,
            state=model.non_trainable_variables,
            num_microbatches=pieces,
        )

    if how != "eagerly":
        step = tf.function(
            step,
            input_signature=[tf.TensorSpec((None, *x.shape[1:]), x.dtype)],
            jit_compile=how == "under XLA",
        )
    return step(tf.convert_to_tensor(x))


def plain(model, x, loss_of=contrastive_loss):
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = loss_of(outputs)
    return loss, outputs, tape.gradient(loss, model.trainable_variables)


def assert_all_close(actual, expected, rtol):
    for one, other in zip(actual, expected, strict=True):
        scale = np.abs(other).max(initial=0)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * scale)


def batch_norm(**kwargs):
    return layers.BatchNormalization(momentum=0.9, **kwargs)


def pieces_of(x, count):
    bounds = [i * len(x) // count for i in range(count + 1)]
    return [x[a:b] for a, b in itertools.pairwise(bounds) if b > a]


# (Compiling all of them takes half a minute.)
HOWS = ["eagerly", "in a graph", "under XLA"]


@pytest.fixture
def float64():
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.slow
@pytest.mark.parametrize(("how", "pieces"), pairwise(how=HOWS, pieces=[2, 5]))
def test_loss_outputs_and_gradients_are_those_of_a_tape(how, pieces):
    model = small_model()
    loss, outputs, gradients = cached(model, IMAGES, pieces, how=how)
    true_loss, true_outputs, true_gradients = plain(model, IMAGES)
    np.testing.assert_allclose(loss, true_loss, rtol=1e-6)
    np.testing.assert_allclose(outputs, true_outputs, atol=1e-6)
    assert_all_close(gradients, true_gradients, 1e-5)


def two_headed_model():
    """Two outputs, of which a loss may use one and not the other."""
    shared = small_model()
    x = shared(shared.inputs[0])
    outputs = {name: layers.Dense(3)(x) for name in ("a", "b")}
    return keras.Model(shared.inputs, outputs)


@pytest.mark.parametrize(
    "used",
    [
        pytest.param(("a", "b"), id="both"),
        pytest.param(("b",), id="one"),
    ],
)
def test_outputs_may_be_a_dict(used):
    model = two_headed_model()

    def loss_of(outputs):
        total = contrastive_loss(outputs[used[0]])
        return total + sum(ops.mean(outputs[name] ** 2) for name in used[1:])

    loss, outputs, gradients = cached(model, IMAGES, 3, loss_of=loss_of)
    true_loss, true_outputs, true_gradients = plain(model, IMAGES, loss_of)
    np.testing.assert_allclose(loss, true_loss, rtol=1e-6)
    for name, expected in true_outputs.items():
        np.testing.assert_allclose(outputs[name], expected, atol=1e-6)
    expected = [
        np.zeros(variable.shape) if gradient is None else gradient
        for gradient, variable in zip(
            true_gradients, model.trainable_variables, strict=True
        )
    ]
    assert_all_close(gradients, expected, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["in a graph"])
def test_in_float64_gradients_are_exact(float64, how):
    model = small_model()
    x = IMAGES.astype("float64")
    _, _, gradients = cached(model, x, 3, how=how)
    assert_all_close(gradients, plain(model, x)[2], 1e-13)


def test_the_loss_sees_the_whole_batch_once():
    shapes = []

    def loss_of(outputs):
        shapes.append(tuple(outputs.shape))
        return contrastive_loss(outputs)

    cached(small_model(), IMAGES, 3, loss_of=loss_of)
    assert shapes == [(7, 4)]


def test_pieces_differ_in_size_by_one_at_most():
    seen = []
    cached(small_model(), IMAGES, 3, seen=seen)
    assert [len(outputs) for outputs in seen] == [2, 2, 3] * 2


@pytest.mark.slow
@pytest.mark.parametrize("how", often(["eagerly", "in a graph"], "in a graph"))
def test_the_gradient_of_regularisers_is_included(how):
    model = small_model(kernel_regularizer=keras.regularizers.L2(0.3))

    def loss_of(outputs):
        return contrastive_loss(outputs) + sum(model.losses)

    _, _, gradients = cached(model, IMAGES, 3, how=how, loss_of=loss_of)
    true_gradients = plain(model, IMAGES, loss_of)[2]
    assert_all_close(gradients, true_gradients, 1e-5)
    without = plain(model, IMAGES)[2]
    np.testing.assert_allclose(
        gradients[2] - without[2],
        0.6 * model.layers[-1].kernel.numpy(),
        rtol=1e-4,
        atol=1e-6,
    )


def test_a_variable_without_influence_has_a_gradient_of_0():
    model = small_model()
    unused = keras.Variable(np.ones((2, 3), "float32"))
    _, _, gradients = cached_gradients(
        model,
        IMAGES,
        contrastive_loss,
        trainable=[unused, *model.trainable_variables],
        state=[],
        num_microbatches=2,
    )
    np.testing.assert_array_equal(gradients[0], np.zeros((2, 3)))
    assert_all_close(gradients[1:], plain(model, IMAGES)[2], 1e-5)


def test_the_gradient_of_an_embedding_is_dense():
    model = keras.Sequential(
        [layers.Embedding(9, 3), layers.GlobalAveragePooling1D()]
    )
    tokens = RNG.integers(0, 9, (7, 5))
    model(tokens)
    _, _, gradients = cached(model, tokens, 3)
    true_gradients = [tf.convert_to_tensor(g) for g in plain(model, tokens)[2]]
    assert_all_close(gradients, true_gradients, 1e-5)


class RecordedMask(layers.Layer):
    """Dropout of half of the units, which keeps the masks that it drew."""

    def __init__(self):
        super().__init__()
        self.seed = keras.random.SeedGenerator(3)
        self.masks = []

    def call(self, x):
        mask = keras.random.uniform(ops.shape(x), seed=self.seed) < 0.5
        self.masks.append(mask)
        return x * ops.cast(mask, x.dtype)


class GivenMask(layers.Layer):
    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def call(self, x):
        return x * ops.cast(self.mask, x.dtype)


@pytest.mark.slow
def test_gradients_are_those_of_the_masks_of_the_first_forward():
    recorded = RecordedMask()
    model = small_model(recorded)
    recorded.masks.clear()
    _, outputs, gradients = cached(model, IMAGES, 3)
    masks = recorded.masks
    assert len(masks) == 6
    for first, second in zip(masks[:3], masks[3:], strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(masks[0], masks[1])

    same = small_model(GivenMask(tf.concat(masks[:3], 0)))
    same.set_weights(model.get_weights())
    _, true_outputs, true_gradients = plain(same, IMAGES)
    np.testing.assert_allclose(outputs, true_outputs, atol=1e-6)
    assert_all_close(gradients, true_gradients, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("how", often(HOWS[:2], HOWS[1]))
def test_with_dropout_gradients_are_finite_differences(float64, how):
    dropout = layers.Dropout(0.5)
    model = small_model(dropout)
    x = IMAGES.astype("float64")
    seed = dropout.seed_generator.state
    kernel = model.layers[-1].kernel
    start, at = seed.numpy(), kernel.numpy()

    def loss_at(step):
        seed.assign(start)
        kernel.assign(at + step)
        return cached(model, x, 3, how=how)[0]

    seed.assign(start)
    gradient = cached(model, x, 3, how=how)[2][2]
    direction = RNG.standard_normal(at.shape)
    step = 1e-6 * direction
    slope = (loss_at(step) - loss_at(-step)) / 2e-6
    np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("how", often(["eagerly", "in a graph"], "in a graph"))
def test_the_masks_of_two_steps_differ(how):
    dropout = layers.Dropout(0.5)
    model = small_model(dropout)
    before = dropout.seed_generator.state.numpy()
    _, first, _ = cached(model, IMAGES, 3, how=how)
    _, second, _ = cached(model, IMAGES, 3, how=how)
    assert not np.array_equal(first, second)
    # Each forward of a piece draws once; those that are replayed do not count.
    np.testing.assert_array_equal(dropout.seed_generator.state - before, [0, 6])


@pytest.mark.slow
def test_both_forwards_of_a_piece_are_the_same():
    seen = []
    model = small_model(batch_norm(), layers.Dropout(0.5))
    cached(model, IMAGES, 3, seen=seen)
    for first, second in zip(seen[:3], seen[3:], strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "pieces"),
    [("eagerly", 3), ("in a graph", 5), ("under XLA", 1)],
)
def test_batch_norm_sees_pieces_and_is_updated_once(pieces, how):
    norm = batch_norm()
    model = small_model(norm)
    norm.moving_mean.assign(RNG.random(5))
    norm.moving_variance.assign(RNG.random(5))
    old_mean, old_variance = norm.moving_mean + 0, norm.moving_variance + 0
    _, outputs, _ = cached(model, IMAGES, pieces, how=how)
    new_mean, new_variance = norm.moving_mean + 0, norm.moving_variance + 0

    convolved = [
        model.layers[0](piece).numpy() for piece in pieces_of(IMAGES, pieces)
    ]
    mean = np.mean([x.mean((0, 1, 2)) for x in convolved], axis=0)
    variance = np.mean([x.var((0, 1, 2)) for x in convolved], axis=0)
    np.testing.assert_allclose(new_mean, 0.9 * old_mean + 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(
        new_variance, 0.9 * old_variance + 0.1 * variance, rtol=1e-5
    )
    expected = [
        model(piece, training=True) for piece in pieces_of(IMAGES, pieces)
    ]
    np.testing.assert_allclose(outputs, tf.concat(expected, 0), atol=1e-5)


@pytest.mark.slow
def test_gradients_through_batch_norm_are_those_of_the_pieces(float64):
    model = small_model(batch_norm())
    x = IMAGES.astype("float64")
    _, _, gradients = cached(model, x, 3)
    with tf.GradientTape() as tape:
        outputs = [model(piece, training=True) for piece in pieces_of(x, 3)]
        loss = contrastive_loss(tf.concat(outputs, 0))
    true_gradients = tape.gradient(loss, model.trainable_variables)
    assert_all_close(gradients, true_gradients, 1e-12)


def test_what_no_piece_changes_stays_as_it_is_to_the_last_bit():
    frozen = layers.Dense(4, trainable=False)
    model = small_model(frozen)
    before = frozen.kernel.numpy()
    cached(model, IMAGES, 3)
    np.testing.assert_array_equal(frozen.kernel, before)


@pytest.mark.release
@pytest.mark.parametrize("how", often(HOWS, HOWS[1]))
def test_with_fewer_rows_than_pieces_each_row_is_one(how):
    norm = batch_norm()
    model = small_model(norm)
    before = model.get_weights()
    x = IMAGES[:2]
    _, outputs, gradients = cached(model, x, 5, how=how)
    averages = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    model.set_weights(before)
    _, true_outputs, true_gradients = cached(model, x, 2)
    true_averages = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    np.testing.assert_allclose(outputs, true_outputs, atol=1e-6)
    assert_all_close(gradients, true_gradients, 1e-4)
    assert_all_close(averages, true_averages, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "pieces"), [("eagerly", 3), ("in a graph", 1)])
def test_without_rows_gradients_are_0_and_the_state_stays(pieces, how):
    model = small_model(batch_norm(), layers.Dropout(0.5))
    before = [variable.numpy() for variable in model.variables]

    def loss_of(outputs):
        return tf.reduce_sum(outputs)

    loss, outputs, gradients = cached(
        model, IMAGES[:0], pieces, how=how, loss_of=loss_of
    )
    assert loss == 0
    assert outputs.shape == (0, 4)
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, np.zeros(gradient.shape))
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_a_row_that_is_not_a_number_reaches_the_moving_average():
    """What went wrong is not to be hidden."""
    norm = batch_norm()
    model = small_model(norm)
    x = IMAGES.copy()
    x[0] = np.nan
    cached(model, x, 3)
    assert np.isnan(norm.moving_mean).all()


def test_an_output_that_is_not_a_number_leaves_the_random_state_alone():
    dropout = layers.Dropout(0.5)
    model = small_model(dropout)
    before = dropout.seed_generator.state.numpy()
    x = IMAGES.copy()
    x[0] = np.nan
    cached(model, x, 3)
    np.testing.assert_array_equal(dropout.seed_generator.state - before, [0, 3])


@pytest.mark.parametrize("pieces", [0, -1, 2.0, True, None])
def test_a_number_of_pieces_that_is_none_is_refused(pieces):
    with pytest.raises(ValueError, match="`num_microbatches` must be an int"):
        cached(small_model(), IMAGES, pieces)


def in_a_process(call):
    """What a call of a function of this file prints in a fresh Python."""
    program = f"import runpy; eval({call!r}, runpy.run_path({__file__!r}))"
    return subprocess.check_output([sys.executable, "-c", program], text=True)


def print_memory(pieces, how):
    """Prints by how much a large batch raises the peak of a small one, in kB.

    (A small one first: to compile takes memory, too.)
    """
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for _ in range(8):
        model.add(layers.Conv2D(32, 3, padding="same", activation="relu"))
        model.add(layers.Dropout(0.1))
    model.add(layers.GlobalAveragePooling2D())

    def step(x):
        run = plain if pieces == 1 else functools.partial(cached, pieces=pieces)
        return run(model, x, loss_of=lambda z: tf.reduce_sum(z**2))[2]

    def peak():
        status = pathlib.Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])

    if how != "eagerly":
        step = tf.function(step, jit_compile=how == "under XLA")
    x = tf.constant(RNG.random((512, 32, 32, 3), "float32"))
    step(x[:32])
    before = peak()
    step(x)
    print(peak() - before)


@pytest.mark.release
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", HOWS)
def test_eight_pieces_take_less_than_half_of_the_memory(how):
    tape, pieces = (
        int(in_a_process(f"print_memory({pieces}, {how!r})"))
        for pieces in (1, 8)
    )
    assert pieces < tape / 2


def check_replicas():
    """Two replicas, each with pieces of its own, beside one device."""
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    keras.config.set_dtype_policy("float64")
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    local = strategy.experimental_local_results
    images = IMAGES.astype("float64")

    def built():
        keras.utils.set_random_seed(0)
        return small_model(batch_norm(synchronized=True))

    def step(model, x, pieces):
        def loss_of(z):
            z = concat_over_replicas(z)
            return ops.mean(ops.logsumexp(z @ ops.transpose(z), axis=1))

        return cached(model, x, pieces, loss_of=loss_of)

    def on_two(sizes, pieces):
        with strategy.scope():
            model = built()
        parts = np.split(images[: sum(sizes)], [sizes[0]])
        values = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )

        def of_unknown_size(x):
            size = tf.random.uniform((), x.shape[0], x.shape[0] + 1, "int32")
            return step(model, x[:size], pieces)

        loss, _, gradients = tf.function(
            lambda x: strategy.run(of_unknown_size, (x,))
        )(values)
        # (Each replica has the loss of both: they add up to twice its.)
        gradients = [sum(local(gradient)) / 2 for gradient in gradients]
        states = [local(v.value) for v in model.non_trainable_variables]
        return local(loss), gradients, states

    # Pieces of one device: the first ones of both replicas, then the second.
    order = [0, 1, 4, 2, 3, 5]
    model = built()
    loss, _, gradients = step(model, images[order], 2)
    losses, sums, states = on_two([4, 2], pieces=2)
    np.testing.assert_allclose(losses, [loss] * 2, rtol=1e-12)
    assert_all_close(sums, gradients, 1e-9)
    for values, one in zip(states, model.non_trainable_variables, strict=True):
        np.testing.assert_allclose(values, [one] * 2, rtol=1e-12)

    # Fewer rows than pieces: what stands in for an empty piece is an image like
    # the others, and counts for no one. (Here all images are the same.)
    images[:] = images[0]
    model = built()
    step(model, images, 1)
    for sizes in ([6, 1], [1, 6], [1, 1]):
        _, sums, states = on_two(sizes, pieces=3)
        assert all(np.isfinite(gradient).all() for gradient in sums)
        for values, one in zip(
            states, model.non_trainable_variables, strict=True
        ):
            np.testing.assert_array_equal(values[0], values[1])
            np.testing.assert_allclose(values[0], one, rtol=1e-9)
    for sizes in ([2, 0], [0, 5]):
        _, sums, states = on_two(sizes, pieces=3)
        assert all(np.isfinite(gradient).all() for gradient in sums)
        for one, other in states:
            np.testing.assert_array_equal(one, other)


@pytest.mark.release
def test_two_replicas_cut_into_pieces_equal_one():
    """With a synchronised BatchNormalization, whose moving averages stay equal
    even where a replica has fewer rows than pieces."""
    in_a_process("check_replicas()")
