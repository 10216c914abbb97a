"""What holds for every loss of the family, whatever its equation."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from equations import numerical_gradient
from family import (
    FAMILY,
    IDS,
    LEVELS,
    OF_CLASSES,
    OF_LEVELS,
    OF_NOTHING,
    OF_TARGETS,
    OF_VECTORS,
    SHARES,
    TARGETS,
    Z,
)
from often import often

from supcon_tf.losses.pairs import tiles

ALL = pytest.mark.parametrize("name", list(FAMILY))
IN_TILES = [n for n, m in FAMILY.items() if m.has("implementation")]
TAKE_TEMPERATURE = [
    name for name in IN_TILES if FAMILY[name].has("temperature")
]
# One for each way to compute the sums.
FEW = ("sincere", "focal", "jaccard", "cosine", "clip", "hierarchical", "cacr")
FEW_IN_TILES = [name for name in FEW if name in IN_TILES]
SLOPES_OF_TEMPERATURES = (
    "supcon",
    "decoupled",
    "decoupled, sigma",
    "hard negatives",
    "hard negatives, classes",
    "cosine",
    "jaccard",
    "dot",
)


@pytest.fixture(autouse=True)
def two_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "TILE_SIZE", 8)


def value_and_slopes(loss, labels, z, **more):
    z = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = loss(labels, z, **more)
    return value.numpy(), tape.gradient(value, z).numpy()


def queue_of(member, start):
    """The images from `start` on as a queue."""
    views = Z.shape[1]
    labels = member.labels
    if labels is not None:
        labels = np.repeat(labels[start:], views, axis=0)
    size = (len(Z) - start) * views
    return labels, Z[start:].reshape(size, -1), np.ones(size, bool)


def first(member, count):
    return None if member.labels is None else member.labels[:count]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "temperature"),
    [(name, 0.5) for name in IN_TILES]
    + [
        pytest.param(
            name,
            0.02,
            marks=() if name in FEW_IN_TILES else pytest.mark.release,
        )
        for name in IN_TILES
    ],
)
def test_tiles_give_the_dense_value_and_gradient(
    name, temperature, monkeypatch
):
    monkeypatch.setattr(tiles, "TILE_SIZE", 4)
    member = FAMILY[name]
    expected, found = (
        value_and_slopes(
            member.made(
                implementation=implementation,
                temperature=temperature,
                dtype="float64",
            ),
            member.labels,
            Z,
        )
        for implementation in ("dense", "tiled")
    )
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-11)
    np.testing.assert_allclose(
        found[1], expected[1], rtol=1e-8, atol=1e-10 / temperature
    )


@pytest.mark.slow
@ALL
def test_a_loss_is_made_again_from_its_configuration(name):
    loss = FAMILY[name].loss
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert str(again.get_config()) == str(loss.get_config())
    labels = FAMILY[name].labels
    assert float(again(labels, Z)) == float(loss(labels, Z))


def made_model(member, **options):
    """A model with a loss, and its images."""
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(1).normal(size=(6, 5)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(6),
            keras.layers.Reshape((2, 3)),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), member.loss, **options)
    return model, images


@pytest.mark.slow
@pytest.mark.parametrize("name", often(list(FAMILY), *FEW))
def test_a_model_is_saved_and_loaded_with_its_loss(name, tmp_path):
    member = FAMILY[name]
    model, images = made_model(member)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.loss) is type(member.loss)
    assert str(loaded.loss.get_config()) == str(member.loss.get_config())
    np.testing.assert_array_equal(loaded(images), model(images))


@pytest.mark.parametrize(
    ("name", "jit_compile"),
    [
        pytest.param(
            name,
            jit_compile,
            marks=pytest.mark.slow
            if name in FEW and not jit_compile
            else pytest.mark.release,
        )
        for name in FAMILY
        for jit_compile in (False, True)
    ],
)
def test_a_model_is_fitted_in_a_graph_of_unknown_batch_size(name, jit_compile):
    member = FAMILY[name]
    model, images = made_model(member, jit_compile=jit_compile)
    before = model.get_weights()[0]
    # The last batch has two images, so that the graph knows no batch size.
    history = model.fit(images, member.labels, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    after = model.get_weights()[0]
    assert np.isfinite(after).all()
    assert np.any(after != before)


EXTREMES = {
    "equal rows": np.ones_like(Z),
    "zero rows": Z * (np.arange(6) % 2)[:, None, None],
    "opposed": np.ones_like(Z) * np.array([1, -1])[:, None],
    "one image": Z[:1],
}


IMPLEMENTATIONS = pytest.mark.parametrize(
    ("name", "implementation"),
    [(name, "dense" if name in IN_TILES else None) for name in FAMILY]
    + [
        pytest.param(
            name,
            "tiled",
            marks=() if name in FEW_IN_TILES else pytest.mark.release,
        )
        for name in IN_TILES
    ],
)


@pytest.mark.slow
@IMPLEMENTATIONS
def test_value_and_gradient_are_finite_at_extremes(name, implementation):
    member = FAMILY[name]
    loss = member.made(implementation=implementation, temperature=0.005)
    cases = {
        extreme: (first(member, len(z)), z) for extreme, z in EXTREMES.items()
    }
    if member.labels is not None:
        cases["one class"] = (np.repeat(member.labels[:1], 6, axis=0), Z)
    for extreme, (labels, z) in cases.items():
        value, slopes = value_and_slopes(loss, labels, z.astype("float32"))
        assert np.isfinite(value), extreme
        assert np.isfinite(slopes).all(), extreme


@pytest.mark.slow
@ALL
def test_the_value_at_collapse_is_that_of_equal_rows(name):
    member = FAMILY[name]
    if not member.loss.has_reference_values():
        assert name in ("rank-n-contrast", "groco")
        return
    loss = member.made(temperature=0.3)
    more = {}
    if member.takes_queue:
        labels, rows, is_filled = queue_of(member, 4)
        more = {"queue": (labels, np.ones_like(rows), is_filled)}
    z = Z[: 4 if member.takes_queue else 6]
    labels = first(member, len(z))
    collapsed, _ = loss.reference_values(labels, z, **more)
    expected = loss(labels, np.ones_like(z), **more)
    np.testing.assert_allclose(collapsed, expected, rtol=2e-6, atol=2e-6)


def slope_of(value, temperature):
    """A value and its derivative by a tensor."""
    temperature = tf.constant(temperature, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(temperature)
        found = value(temperature)
    return found.numpy(), tape.gradient(found, temperature).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", often(TAKE_TEMPERATURE, *set(FEW) & set(TAKE_TEMPERATURE))
)
def test_a_temperature_may_be_a_tensor(name):
    member = FAMILY[name]
    dense, tiled = (
        member.made(implementation=implementation, dtype="float64")
        for implementation in ("dense", "tiled")
    )

    def value(temperature, loss=dense):
        return loss(member.labels, Z, temperature=temperature)

    found, slope = slope_of(value, 0.4)
    step = 1e-6
    expected = (value(0.4 + step) - value(0.4 - step)) / (2 * step)
    np.testing.assert_allclose(found, value(0.4), rtol=1e-11)
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-8)
    in_tiles = slope_of(lambda t: value(t, tiled), 0.4)
    np.testing.assert_allclose(in_tiles, (found, slope), rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOPES_OF_TEMPERATURES)
def test_each_image_may_have_a_temperature_beside_a_queue(name):
    member = FAMILY[name]
    dense, tiled = (
        member.made(implementation=implementation, dtype="float64")
        for implementation in ("dense", "tiled")
    )
    queue, labels = queue_of(member, 4), first(member, 4)

    def value(temperature, loss=dense):
        temperature = tf.convert_to_tensor(temperature)
        return loss(labels, Z[:4], queue=queue, temperature=temperature)

    temperatures = np.array([0.3, 0.5, 0.4, 0.6])
    found, slopes = slope_of(value, temperatures)
    np.testing.assert_allclose(
        slopes, numerical_gradient(value, temperatures), rtol=1e-6, atol=1e-8
    )
    in_tiles = slope_of(lambda t: value(t, tiled), temperatures)
    np.testing.assert_allclose(in_tiles[0], found, rtol=1e-11)
    np.testing.assert_allclose(in_tiles[1], slopes, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(
        value(np.full(4, 0.5)),
        dense(labels, Z[:4], queue=queue, temperature=0.5),
        rtol=1e-11,
    )


@pytest.mark.slow
@IMPLEMENTATIONS
def test_a_queue_is_more_of_the_batch_or_refused(name, implementation):
    member = FAMILY[name]
    queue, labels = queue_of(member, 4), first(member, 4)
    if not member.takes_queue:
        with pytest.raises(ValueError, match="queue") as error:
            member.loss(labels, Z[:4], queue=queue)
        assert_one_line(error)
        return
    if name == "decoupled, sigma":
        return  # Its omega is of the batch alone.
    loss = member.made(
        implementation=implementation, reduction="none", dtype="float64"
    )
    np.testing.assert_allclose(
        loss(labels, Z[:4], queue=queue),
        loss(member.labels, Z)[:4],
        rtol=1e-11,
        atol=1e-13,
    )


def assert_one_line(error):
    message = str(error.value)
    assert "\n" not in message
    assert "Received: " in message


NAMES = np.array(["cat", "dog", "cat", "fox", "dog", "cat"])
NAN = np.array([0.0, 1.0, np.nan, 2.0, 1.0, 0.0])
WRONG = {
    OF_CLASSES: {
        "fractions": IDS + 0.5,
        "soft rows": SHARES,
        "NaN": NAN,
        "names": NAMES,
        "five rows": IDS[:5],
    },
    OF_VECTORS: {
        "ids": IDS,
        "negative": SHARES - 1,
        "NaN": np.stack([NAN, NAN, NAN], axis=1),
        "names": NAMES,
        "five rows": SHARES[:5],
        "None": None,
    },
    OF_LEVELS: {
        "ids": IDS,
        "fractions": LEVELS + 0.5,
        "NaN": np.stack([NAN, NAN], axis=1),
        "names": NAMES,
        "five rows": LEVELS[:5],
        "None": None,
    },
    OF_TARGETS: {
        "NaN": NAN,
        "infinity": np.where(IDS == 2, np.inf, TARGETS),
        "names": NAMES,
        "five rows": TARGETS[:5],
        "None": None,
    },
    OF_NOTHING: {},
}


@ALL
def test_wrong_labels_are_refused_in_one_line(name):
    member = FAMILY[name]
    for wrong, labels in WRONG[member.kind].items():
        if wrong in ("NaN", "infinity") and np.ndim(member.labels) == 2:
            # In the last column, after good ones.
            labels = member.labels.astype(float)
            labels[2, -1] = np.nan if wrong == "NaN" else np.inf
        if wrong == "five rows":
            labels = member.labels[:5]
        with pytest.raises(ValueError) as error:
            member.loss(labels, Z)
            pytest.fail(f"{wrong} are not refused")
        assert_one_line(error)
        assert "`labels`" in str(error.value) or "`targets`" in str(error.value)
