import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.optimizers.keras_optimizers import SGD, Adam, AdamW, RMSprop
from supcon_tf.optimizers.lars import LARS
from supcon_tf.optimizers.weight_decay import L2InGradient, is_vector

WITH_L2 = (SGD, LARS, RMSprop, Adam)


def moved(optimizer, value, gradient, steps=1):
    """The variable after equal steps, as an array."""
    variable = keras.Variable(np.array(value, "float32"))
    gradient = tf.nest.map_structure(
        tf.convert_to_tensor, gradient, expand_composites=True
    )
    for _ in range(steps):
        optimizer.apply([gradient], [variable])
    return variable.numpy()


@pytest.mark.parametrize("make", WITH_L2)
def test_l2_is_added_to_the_gradient(make):
    weight = np.array([[1.0, -2.0]], "float32")
    gradient = np.array([[0.3, 0.1]], "float32")
    np.testing.assert_allclose(
        moved(make(0.5, l2=0.1), weight, gradient),
        moved(make(0.5), weight, gradient + np.float32(0.1) * weight),
        rtol=1e-6,
    )


@pytest.mark.parametrize("make", WITH_L2)
@pytest.mark.parametrize("value", [3.0, [1.0, -2.0]])
def test_vectors_and_scalars_are_not_decayed(make, value):
    zero = np.zeros_like(value, "float32")
    np.testing.assert_array_equal(moved(make(0.5, l2=0.1), value, zero), value)


@pytest.mark.parametrize("make", WITH_L2)
def test_biases_of_attention_are_not_decayed_though_they_are_matrices(make):
    attention = keras.layers.MultiHeadAttention(2, 3)
    attention.build((None, 4, 6), (None, 4, 6))
    biases = [v for v in attention.variables if v.name == "bias"]
    matrices = [v for v in biases if len(v.shape) == 2]
    assert matrices
    before = [np.array(v.assign(v + 1.0)) for v in matrices]
    zeros = [tf.zeros(v.shape) for v in matrices]
    make(0.5, l2=0.1).apply(zeros, matrices)
    for variable, value in zip(matrices, before, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize("value", [3.0, [1.0, -2.0]])
def test_adamw_does_not_decay_vectors_and_scalars_either(value):
    zero = np.zeros_like(value, "float32")
    optimizer = AdamW(0.5, weight_decay=0.1)
    np.testing.assert_array_equal(moved(optimizer, value, zero), value)


def test_only_kernels_of_a_network_are_not_vectors():
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    network.build()
    kernels = [v.path for v in network.weights if not is_vector(v)]
    assert [path.split("/")[-1] for path in kernels] == ["kernel", "kernel"]


@pytest.mark.parametrize("make", WITH_L2)
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_a_sparse_gradient_is_worth_its_dense_one(make, l2):
    weight = np.arange(8.0).reshape(4, 2)
    # (Row 1 twice, as of an Embedding that was asked for it twice.)
    sparse = tf.IndexedSlices(
        tf.constant([[1.0, 2.0], [3.0, -1.0], [0.5, 0.1]]),
        tf.constant([1, 1, 2]),
        tf.constant([4, 2]),
    )
    dense = np.array([[0, 0], [4, 1], [0.5, 0.1], [0, 0]], "float32")
    np.testing.assert_allclose(
        moved(make(0.5, l2=l2), weight, sparse, steps=3),
        moved(make(0.5, l2=l2), weight, dense, steps=3),
        rtol=1e-6,
    )


@pytest.mark.parametrize("make", WITH_L2)
@pytest.mark.parametrize("l2", [-1, float("nan"), float("inf")])
def test_an_l2_that_is_none_is_refused(make, l2):
    with pytest.raises(ValueError, match="`l2` must be a finite number >= 0"):
        make(0.1, l2=l2)


def test_another_optimizer_gets_l2_by_one_line():
    class Adamax(L2InGradient, keras.optimizers.Adamax):
        pass

    zero = np.zeros((1, 2), "float32")
    optimizer = Adamax(0.5, l2=0.1)
    assert (moved(optimizer, [[1.0, 2.0]], zero) < [[1.0, 2.0]]).all()
    assert optimizer.get_config()["l2"] == 0.1


@pytest.mark.slow
@pytest.mark.parametrize("make", [*WITH_L2, AdamW])
@pytest.mark.parametrize("by_name", [False, True])
def test_what_is_excluded_from_weight_decay_is_not_decayed(make, by_name):
    option = "weight_decay" if make is AdamW else "l2"
    gradient = tf.constant([[0.3, 0.1]])
    values = {}
    for decay in (0.1, 0.0):
        kernels = [
            keras.Variable([[1.0, -2.0]], name=name)
            for name in ("kernel", "embeddings")
        ]
        bias = keras.Variable([1.0, 2.0], name="bias")
        optimizer = make(0.5, **{option: decay})
        if by_name:
            optimizer.exclude_from_weight_decay(var_names=["embedding"])
        else:
            optimizer.exclude_from_weight_decay(var_list=kernels[1:])
        for _ in range(2):
            optimizer.apply([gradient, gradient, tf.zeros(2)], [*kernels, bias])
        values[decay] = [kernel.numpy() for kernel in kernels]
        np.testing.assert_array_equal(bias, [1.0, 2.0])
    np.testing.assert_allclose(values[0.1][1], values[0.0][1], rtol=1e-6)
    assert np.abs(values[0.1][0] - values[0.0][0]).max() > 1e-5


@pytest.mark.parametrize("make", WITH_L2)
def test_a_second_weight_decay_is_refused(make):
    with pytest.raises(ValueError, match="`l2` is the weight decay"):
        make(0.5, weight_decay=0.1)
    assert make(0.5, weight_decay=None).weight_decay is None
    assert type(make.from_config(make(0.5).get_config())) is make


@pytest.mark.parametrize("make", WITH_L2)
def test_a_weight_decay_that_is_set_later_is_refused(make):
    """Keras decayed vectors by it, too, and went round the trust of LARS."""
    optimizer = make(0.1)
    optimizer.weight_decay = 0.01
    with pytest.raises(ValueError, match=r"weight_decay=0\.01"):
        optimizer.build([keras.Variable([[1.0]])])


@pytest.mark.parametrize("l2", [None, "1e-4", True, [0.1]])
def test_an_l2_that_is_no_number_is_refused(l2):
    with pytest.raises(ValueError, match="must be a finite number >= 0"):
        SGD(0.1, l2=l2)
