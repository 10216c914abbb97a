import numpy as np
import tensorflow as tf

from supcon_tf.losses.pairs.contrasts import compared_with

Z = tf.constant(np.arange(8.0).reshape(4, 2))


def test_the_batch_alone_is_all_there_is():
    contrasts = compared_with(Z, tf.constant([7, 7], tf.int64), views=2)
    assert contrasts.vectors is Z
    np.testing.assert_array_equal(contrasts.classes, [0, 0, 0, 0])
    assert contrasts.rest is None
    assert contrasts.is_real is None


def test_a_queue_comes_after_the_batch_with_classes_of_its_own():
    queue_vectors = np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
    queue = ([7, 9, 7], queue_vectors, [True, True, False])
    ids = tf.constant([9, 7], tf.int64)
    contrasts = compared_with(Z, ids, views=2, queue=queue)
    np.testing.assert_array_equal(contrasts.vectors[:4], Z)
    np.testing.assert_array_equal(contrasts.vectors[4:6], queue_vectors[:2])
    classes = contrasts.classes.numpy()
    np.testing.assert_array_equal(
        classes[:, None] == classes,
        np.equal.outer(*2 * [[9, 9, 7, 7, 7, 9, 7]]),
    )
    np.testing.assert_array_equal(contrasts.is_real, [1, 1, 1, 1, 1, 1, 0])
    vectors, is_real = contrasts.rest
    np.testing.assert_array_equal(vectors, contrasts.vectors[4:])
    np.testing.assert_array_equal(is_real, [1, 1, 0])


def test_a_queue_has_no_gradients_of_its_own():
    queue = ([1, 2], np.ones((2, 2)), [True, True])
    contrasts = compared_with(Z, None, views=2, queue=queue)
    np.testing.assert_array_equal(
        contrasts.of_rest(tf.ones((4, 3), tf.float64)), np.zeros((2, 3))
    )


def test_unlabelled_images_of_the_queue_are_of_no_class():
    queue = ([-1, 5, -1], np.ones((3, 2)), [True, True, True])
    ids = tf.constant([-1, 5], tf.int64)
    contrasts = compared_with(Z, ids, views=2, queue=queue, unlabeled_label=-1)
    classes = contrasts.classes.numpy()
    assert len(set(classes)) == 4  # three unlabelled ones, and the fives
    assert classes[2] == classes[3] == classes[5]
