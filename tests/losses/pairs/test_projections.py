import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.losses.pairs.projections import as_views, unit_length


def test_one_view_gets_a_views_axis_and_float64_stays():
    assert as_views(np.ones((4, 3))).shape == (4, 1, 3)
    assert as_views(np.ones((4, 3))).dtype == tf.float64
    assert as_views(np.ones((4, 2, 3), "float16")).dtype == tf.float32
    assert as_views(np.ones((4, 2, 3), int)).dtype == tf.float32


@pytest.mark.parametrize("shape", [(4,), (4, 1, 2, 3), (4, 0, 3), (4, 0)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="`projections` must have") as error:
        as_views(np.ones(shape))
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_an_infinite_gradient_is_clipped_to_the_dtypes_range(dtype):
    x = tf.ones((2, 3), dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        views = as_views(x)
        loss = tf.reduce_sum(views * [[[np.inf, -np.inf, 2.0]]])
    gradient = tape.gradient(loss, x)
    assert gradient.dtype == x.dtype
    largest = float(x.dtype.max)
    np.testing.assert_array_equal(
        tf.cast(gradient, tf.float64), [[largest, -largest, 2.0]] * 2
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors_of_any_size_get_length_1(dtype):
    limits = np.finfo(dtype)
    for size in (limits.smallest_normal, 1e-30, 1.0, 1e30, limits.max):
        vectors = np.array([[1.0, -1.0], [0.0, 1.0]], dtype) * size
        if abs(vectors[0]).max() < limits.smallest_normal:
            vectors = vectors[1:]
        unit = unit_length(vectors).numpy()
        np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-6)


def test_a_zero_vector_and_a_subnormal_one_stay_without_direction():
    vectors = tf.constant([[0.0, 0.0], [1e-40, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        unit = unit_length(vectors)
    assert not unit.numpy().any()
    assert not tape.gradient(unit, vectors).numpy().any()


def test_the_gradient_has_no_part_along_the_vector():
    vectors = tf.constant([[3.0, 4.0], [1e-20, 1e-20]])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        unit = unit_length(vectors) * [1.0, 2.0]
    gradient = tape.gradient(unit, vectors).numpy()
    along = (gradient * vectors.numpy()).sum(axis=1)
    np.testing.assert_allclose(along, 0, atol=1e-6)
    assert gradient[0].any()
