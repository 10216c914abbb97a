import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.data.orders import balanced_order, permutation, shuffled_order


@pytest.mark.slow
def test_a_permutation_is_uniform():
    counts = np.zeros((4, 4))
    for seed in range(600):
        counts[np.arange(4), permutation(4, [7, seed])] += 1
    # Chi squared of 150 expected in each of 4 x 4 cells, 9 degrees of freedom:
    # 27.9 has a probability of 0.001.
    assert ((counts - 150) ** 2 / 150).sum() < 27.9


@pytest.mark.parametrize(("size", "batch_size"), [(23, 5), (4, 4), (5, 1)])
def test_an_epoch_holds_no_image_twice(size, batch_size):
    order = shuffled_order(size, batch_size=batch_size, seed=0)
    epoch = order(tf.constant(3, tf.int64)).numpy()
    assert epoch.shape == (size // batch_size, batch_size)
    assert len(set(epoch.ravel())) == epoch.size
    assert set(epoch.ravel()) <= set(range(size))


def test_orders_do_not_come_back_after_256_epochs_or_seeds():
    # (Those of tf.random.experimental.index_shuffle do.)
    orders = {
        tuple(shuffled_order(50, batch_size=50, seed=seed)(epoch).numpy()[0])
        for seed, epoch in [(0, e) for e in range(0, 1024, 128)]
        + [(s, 0) for s in range(128, 1024, 128)]
    }
    assert len(orders) == 15


def imbalanced():
    """Seven classes of 3, 4, 5, 8, 20, 40 and 100 images, ids far apart."""
    counts = [3, 4, 5, 8, 20, 40, 100]
    labels = np.repeat(np.arange(7) * 10, counts)
    return np.random.default_rng(0).permutation(labels)


def balanced(labels, epoch, **kwargs):
    arguments = {
        "batch_size": 9, "samples_per_class": 3, "seed": 0, **kwargs
    }  # fmt: skip
    order = balanced_order(labels, **arguments)
    return order(tf.constant(epoch, tf.int64)).numpy()


@pytest.mark.parametrize("epoch", [0, 1, 300])
def test_each_batch_holds_k_images_of_each_of_p_classes(epoch):
    labels = imbalanced()
    batches = balanced(labels, epoch)
    assert batches.shape == (180 // 9, 9)
    for batch in batches:
        assert len(set(batch)) == 9
        _, counts = np.unique(labels[batch], return_counts=True)
        assert counts.tolist() == [3, 3, 3]


@pytest.mark.slow
def test_each_class_is_drawn_equally_often_whatever_its_size():
    labels = imbalanced()
    drawn = [labels[balanced(labels, epoch)] for epoch in range(60)]
    _, counts = np.unique(drawn, return_counts=True)
    # 60 epochs of 10 rounds, and 6 of the 7 classes in each round.
    expected = 60 * 10 * 3 * 6 / 7
    np.testing.assert_allclose(counts, expected, rtol=0.06)


def test_a_round_draws_no_class_twice():
    labels = imbalanced()
    for batches in balanced(labels, 5).reshape(10, 2 * 9):
        assert len(np.unique(labels[batches])) == 6


def test_images_of_a_class_come_once_before_they_come_again():
    labels = np.repeat([0, 1], [6, 60])
    batches = balanced(labels, 2, batch_size=6)
    small = [batch[labels[batch] == 0] for batch in batches]
    assert len(small) == 11
    passes = [sorted(np.concatenate(small[i : i + 2])) for i in range(0, 10, 2)]
    assert passes == [list(range(6))] * 5
    assert len({frozenset(images) for images in small[::2]}) > 1
    large = np.concatenate([batch[labels[batch] == 1] for batch in batches])
    assert len(set(large)) == 33


@pytest.mark.slow
def test_every_image_has_its_turn():
    labels = imbalanced()
    seen = np.concatenate([balanced(labels, e).ravel() for e in range(25)])
    assert set(seen) == set(range(180))


def test_the_rows_of_a_batch_are_not_sorted_by_class():
    labels = imbalanced()
    first = [labels[batch][0] for batch in balanced(labels, 0)]
    assert len(set(first)) > 3
    assert any(len(set(labels[batch[:3]])) > 1 for batch in balanced(labels, 0))


def test_balanced_batches_are_a_function_of_seed_and_epoch():
    labels = imbalanced()
    a, again = balanced(labels, 4), balanced(labels, 4)
    np.testing.assert_array_equal(a, again)
    assert a.tolist() != balanced(labels, 5).tolist()
    assert a.tolist() != balanced(labels, 4, seed=1).tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"samples_per_class": 2},
            "divide batch_size. Received: samples_per_class=2, batch_size=9",
        ),
        ({"samples_per_class": 0}, "`samples_per_class` must be >= 1"),
        (
            {"batch_size": 24},
            "samples_per_class times the number of classes, 3 x 7. "
            "Received: batch_size=24",
        ),
        (
            {"batch_size": 8, "samples_per_class": 4},
            "Received: samples_per_class=4, and 3 images of class 0",
        ),
    ],
)
def test_what_cannot_be_dealt_is_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        balanced(imbalanced(), 0, **arguments)
    assert message in str(error.value)


def test_a_class_of_too_few_images_is_named():
    with pytest.raises(ValueError, match="2 images of class 'dog'"):
        balanced_order(
            np.array([0] * 5 + [1] * 2),
            batch_size=6,
            samples_per_class=3,
            seed=0,
            class_names=("cat", "dog"),
        )


def test_names_of_a_numpy_array_are_taken():
    with pytest.raises(ValueError, match="and 1 images of class 'b'"):
        balanced_order(
            np.array([0, 0, 1]),
            batch_size=2,
            samples_per_class=2,
            seed=0,
            class_names=np.array(["a", "b"]),
        )
