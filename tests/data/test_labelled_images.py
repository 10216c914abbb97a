import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.data.labelled_images import LabelledImages, noisy_labels


def test_the_images_at_indices_keep_their_labels_and_reader():
    source = LabelledImages(
        np.array(["a", "b", "c"]), np.arange(3), list("xyz"), read=tf.identity
    )
    part = source.take([2, 0])
    assert part.images.tolist() == ["c", "a"]
    assert part.labels.tolist() == [2, 0]
    assert part.read is tf.identity
    assert len(part) == 2


def test_images_are_decoded_or_read_and_not_both():
    with pytest.raises(ValueError, match=r"give one\. Received: both"):
        LabelledImages(
            np.array(["a"]), [0], ["x"], decode=tf.identity, read=tf.identity
        )


def noisy(count, probability, seed=0, first=0):
    return noisy_labels(
        tf.zeros([count], tf.int64),
        tf.range(first, first + count),
        num_classes=10,
        probability=probability,
        seed=seed,
    ).numpy()


def test_the_noise_has_the_stated_rate_and_is_uniform():
    # One of ten replaced labels is the true one: binomial(20000, 0.27), whose
    # standard deviation is 63.
    labels = noisy(20_000, 0.3)
    counts = np.bincount(labels, minlength=10)
    assert abs((labels != 0).sum() - 20_000 * 0.27) < 4 * 63
    # Chi squared of nine classes, 8 degrees of freedom: 26.1 has p = 0.001.
    assert ((counts[1:] - 600) ** 2 / 600).sum() < 26.1


def test_no_noise_changes_nothing_and_full_noise_draws_all():
    assert (noisy(100, 0.0) == 0).all()
    assert set(noisy(1000, 1.0)) == set(range(10))


def test_the_noise_depends_on_the_seed_and_an_image_s_number_alone():
    whole = noisy(100, 0.5)
    np.testing.assert_array_equal(whole[40:], noisy(60, 0.5, first=40))
    assert whole.tolist() != noisy(100, 0.5, seed=1).tolist()
