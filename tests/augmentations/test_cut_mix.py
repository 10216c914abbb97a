import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.augmentations import cut_mix

SEED = np.array([3, 4])


def batch(count=64, height=20, width=24):
    """Image i is full of i; label i is the i-th class: all can be told."""
    images = (
        np.ones((count, height, width, 3))
        * np.arange(count)[:, None, None, None]
    )
    return images.astype(np.float32), np.eye(count, dtype=np.float32)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_label_weight_is_the_share_of_the_pixels(alpha):
    images, labels = batch()
    mixed, weights = cut_mix(images, labels, SEED, alpha=alpha)
    shares = [
        np.bincount(np.int32(image[..., 0]).ravel(), minlength=64) / (20 * 24)
        for image in mixed.numpy()
    ]
    np.testing.assert_allclose(weights, shares, atol=1e-6)
    assert (np.count_nonzero(weights, axis=1) <= 2).all()


def test_what_is_pasted_is_a_box_at_its_own_place():
    images = np.random.default_rng(0).random((64, 20, 24, 3))
    _, labels = batch()
    mixed, weights = cut_mix(images, labels, SEED)
    seen = 0
    for i, image in enumerate(mixed.numpy()):
        changed = (image != images[i]).any(axis=-1)
        other = np.argmax(np.where(np.arange(64) == i, 0, weights[i]))
        if not changed.any():
            continue
        seen += 1
        rows, columns = changed.any(axis=1), changed.any(axis=0)
        np.testing.assert_array_equal(changed, np.outer(rows, columns))
        for covered in (rows, columns):
            assert np.count_nonzero(np.diff(np.int32(covered))) <= 2
        np.testing.assert_array_equal(image[changed], images[other][changed])
    assert seen > 50


@pytest.mark.slow
def test_the_mixed_shares_follow_the_paper():
    images, labels = batch(2000, 64, 64)
    classes = np.eye(2, dtype=np.float32)[np.arange(2000) % 2]
    box = 1 - np.diag(cut_mix(images[..., :1], labels, SEED)[1])
    # A box of the share u, u uniform, around a uniform centre covers, where
    # the edge cuts it off, (s - s**2 / 4)**2 of the image, s = sqrt(u).
    u = (np.arange(100_000) + 0.5) / 100_000
    expected = np.mean((np.sqrt(u) - u / 4) ** 2)
    assert abs(box.mean() - expected) < 4.5 * box.std() / np.sqrt(2000)
    _, mixed = cut_mix(images[..., :1], classes, SEED)
    np.testing.assert_allclose(mixed.numpy().sum(axis=1), 1, atol=1e-6)


def test_only_the_chosen_share_of_the_images_is_mixed():
    images, labels = batch(2000, 32, 32)
    unchanged, same = cut_mix(images, labels, SEED, probability=0.0)
    np.testing.assert_array_equal(unchanged, images)
    np.testing.assert_array_equal(same, labels)
    _, always = cut_mix(images, labels, SEED)
    _, half = cut_mix(images, labels, SEED, probability=0.5)
    can_be = np.diag(always) < 1
    mixed = np.diag(half)[can_be] < 1
    deviation = np.sqrt(0.25 / can_be.sum())
    assert abs(mixed.mean() - 0.5) < 4.5 * deviation


def test_the_views_of_an_image_are_mixed_alike():
    images, labels = batch(16)
    views = np.stack([images, images + 100], axis=1)  # [B, V, H, W, C]
    mixed, weights = cut_mix(views, labels, SEED)
    alone, expected = cut_mix(images, labels, SEED)
    np.testing.assert_array_equal(weights, expected)
    np.testing.assert_array_equal(mixed[:, 0], alone)
    np.testing.assert_array_equal(mixed[:, 1], alone + 100)


@pytest.mark.slow
def test_the_same_seed_mixes_alike_eagerly_and_in_a_dataset():
    images, labels = batch(16)
    expected = cut_mix(images, labels, SEED)
    dataset = tf.data.Dataset.from_tensors((images, labels, SEED)).map(cut_mix)
    for result in (cut_mix(images, labels, SEED), next(iter(dataset))):
        for part, expected_part in zip(result, expected, strict=True):
            np.testing.assert_array_equal(part, expected_part)
    other, _ = cut_mix(images, labels, SEED + 1)
    assert (other.numpy() != expected[0].numpy()).any()


def test_dtypes_stay_and_unknown_shapes_are_taken():
    images, labels = batch(8)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, None], tf.uint8),
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([2], tf.int64),
        ]
    )
    def mix(images, labels, seed):
        return cut_mix(images, labels, seed)

    mixed, weights = mix(images.astype(np.uint8), labels, SEED)
    assert mixed.dtype == tf.uint8 and weights.dtype == tf.float32
    expected, expected_weights = cut_mix(images, labels, SEED)
    np.testing.assert_array_equal(mixed, np.uint8(expected))
    np.testing.assert_array_equal(weights, expected_weights)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"images": np.zeros((4, 8, 3))}, r"`images` .*\[B, V, H, W, C\]"),
        ({"labels": np.arange(4)}, r"`labels` .*one_hot.*int64 of shape \(4,"),
        ({"labels": np.ones((3, 2))}, r"`labels` .*\(4, None\).*\(3, 2\)"),
        ({"seed": 5}, r"`seed` .*\(2,\).*shape \(\)"),
        ({"seed": [0.5, 1.0]}, "`seed` .*int32 or int64.*float32"),
        ({"alpha": 0.01}, "`alpha` .*>= 0.05.*alpha=0.01"),
        ({"probability": 1.5}, "`probability` .*probability=1.5"),
    ],
)
def test_wrong_input_is_refused_in_one_line(changes, message):
    images, labels = batch(4)
    arguments = {"images": images, "labels": labels, "seed": SEED, **changes}
    with pytest.raises(ValueError, match=message) as error:
        cut_mix(**arguments)
    assert "\n" not in str(error.value)
