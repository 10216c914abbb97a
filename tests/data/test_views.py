import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf
from labelled_sources import (
    NUM_IMAGES,
    SOURCES,
    arrays,
    as_dataset,
    as_jpeg,
    identity,
    larger_arrays,
)
from often import often

from supcon_tf import augmentations, view_batches
from supcon_tf.data.image_batches import image_batches
from supcon_tf.data.labelled_images import LabelledImages


def batches(source, count, **kwargs):
    arguments = {
        "num_views": 2,
        "batch_size": 5,
        "image_size": 4,
        "seed": 7,
        **kwargs,
    }
    augmentation = arguments.pop("augmentation", augmentations.crop_flip)
    views = view_batches(source, augmentation, **arguments)
    return [
        (images.numpy(), labels.numpy())
        for images, labels in itertools.islice(views, count)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_batches_have_views_and_labels(kind):
    for views, labels in batches(SOURCES[kind](*arrays()), 3):
        assert views.shape == (5, 2, 4, 4, 3)
        assert views.dtype == np.float32
        assert labels.shape == (5,)
        np.testing.assert_array_equal(identity(views)[:, 0] % 5, labels)
        np.testing.assert_array_equal(
            identity(views)[:, 0], identity(views)[:, 1]
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_views_are_known_to_be_endless(kind):
    views = view_batches(
        SOURCES[kind](*arrays()),
        augmentations.crop_flip,
        num_views=1,
        batch_size=5,
        image_size=4,
        seed=0,
    )
    assert views.cardinality() == tf.data.INFINITE_CARDINALITY


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_an_epoch_holds_no_image_twice_and_each_is_shuffled_anew(kind):
    steps = NUM_IMAGES // 5  # the remainder is dropped
    seen = [
        identity(v)[:, 0]
        for v, _ in batches(SOURCES[kind](*arrays()), 3 * steps)
    ]
    epochs = np.reshape(seen, (3, steps * 5)).tolist()
    for epoch in epochs:
        assert len(set(epoch)) == steps * 5
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != sorted(epochs[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_a_stream_that_starts_at_an_epoch_is_the_tail_of_the_whole(kind):
    source = SOURCES[kind](*arrays(size=8))
    steps = NUM_IMAGES // 5
    whole = batches(source, 3 * steps)
    tail = batches(source, steps, first_epoch=2)
    for (a, a_labels), (b, b_labels) in zip(
        whole[2 * steps :], tail, strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)
        np.testing.assert_array_equal(a_labels, b_labels)


def random_images():
    images = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, 8, 8, 3))
    return images.astype(np.uint8), np.arange(NUM_IMAGES)


def random_files(images, labels):
    """Names of the images, decoded to these."""
    return LabelledImages(
        np.arange(NUM_IMAGES).astype(str),
        labels,
        (),
        lambda s: tf.gather(images, tf.strings.to_number(s, tf.int32)),
    )


@pytest.mark.slow
def test_arrays_and_files_of_the_same_images_give_the_same_views():
    images = random_images()
    files = random_files(*images)
    for (a, a_labels), (b, b_labels) in zip(
        batches(images, 6), batches(files, 6), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)
        np.testing.assert_array_equal(a_labels, b_labels)


@pytest.mark.slow
def test_orders_do_not_come_back_after_256_epochs():
    source = arrays()
    first, _ = batches(source, 1)[0]
    for epoch in (256, 512):
        later, _ = batches(source, 1, first_epoch=epoch)[0]
        assert identity(first).tolist() != identity(later).tolist()


@pytest.mark.slow
def test_image_files_give_the_views_of_their_images():
    source = larger_arrays()
    for (a, a_labels), (b, b_labels) in zip(
        batches(source, 6), batches(as_jpeg(*source), 6), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=2 / 255)
        np.testing.assert_array_equal(a_labels, b_labels)


@pytest.mark.slow
@pytest.mark.parametrize("num_shards", often([1, 5], 5))
def test_ours_get_the_file_and_others_the_decoded_image(num_shards):
    received = []

    def record(images, seeds, image_size):
        received.append(type(images))
        return augmentations.crop_flip(images, seeds, image_size)

    def views(augmentation):
        dataset = view_batches(
            as_jpeg(*larger_arrays()),
            augmentation,
            num_views=3,
            batch_size=5,
            image_size=(6, 4),
            seed=0,
            num_shards=num_shards,
        )
        batch, _ = next(iter(dataset))
        assert batch.shape == (5 // num_shards, 3, 6, 4, 3)
        return batch

    others = views(record)
    assert not any(issubclass(t, augmentations.EncodedImage) for t in received)
    np.testing.assert_allclose(
        views(augmentations.crop_flip), others, atol=0.01
    )
    whole = functools.partial(augmentations.crop_flip, area=(1, 1))
    views(functools.partial(whole))


@pytest.mark.slow
def test_batches_may_hold_k_images_of_each_class():
    for kind in ("arrays", "files"):
        source = SOURCES[kind](*arrays())
        for views, labels in batches(
            source, 9, batch_size=6, samples_per_class=3
        ):
            _, counts = np.unique(labels, return_counts=True)
            assert counts.tolist() == [3, 3]
            images = identity(views)[:, 0]
            assert len(set(images)) == 6
            np.testing.assert_array_equal(images % 5, labels)


@pytest.mark.slow
def test_balanced_batches_can_be_resumed_and_sharded():
    arguments = {"batch_size": 6, "samples_per_class": 3}
    whole = batches(random_images_of_5(), 9, **arguments)
    tail = batches(random_images_of_5(), 3, first_epoch=2, **arguments)
    shards = [
        batches(random_images_of_5(), 9, num_shards=2, shard=s, **arguments)
        for s in range(2)
    ]
    for (a, _), (b, _) in zip(whole[6:], tail, strict=True):
        np.testing.assert_array_equal(a, b)
    for (images, _), *parts in zip(whole, *shards, strict=True):
        np.testing.assert_array_equal(
            images, np.concatenate([x for x, _ in parts])
        )


def random_images_of_5():
    images, labels = random_images()
    return images, labels % 5


@pytest.mark.slow
def test_views_of_an_image_differ_and_differ_between_epochs():
    views = np.concatenate([v for v, _ in batches(random_images(), 8)])
    flat = views.reshape(len(views) * 2, -1)
    assert len(np.unique(flat.round(4), axis=0)) > 0.9 * len(flat)


@pytest.mark.slow
def test_another_seed_gives_another_order_and_other_views():
    a = batches(random_images(), 1, seed=1)[0]
    b = batches(random_images(), 1, seed=2)[0]
    assert a[1].tolist() != b[1].tolist()


@pytest.mark.slow
def test_another_seed_gives_other_views_of_the_same_image():
    images, _ = random_images()
    image = np.repeat(images[:1], 4, axis=0), np.zeros(4, int)
    a, b = (batches(image, 1, batch_size=4, seed=s)[0][0] for s in (1, 2))
    assert not np.allclose(a, b, atol=1e-3)


@pytest.mark.slow
def test_the_views_do_not_depend_on_the_batch_size():
    whole = batches(random_images(), 2, batch_size=10)
    parts = batches(random_images(), 4, batch_size=5)
    np.testing.assert_allclose(
        np.concatenate([v for v, _ in whole]),
        np.concatenate([v for v, _ in parts]),
        atol=1e-6,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "first_epoch", "kind"),
    [
        ((6, 3), 0, "arrays"),
        ((8, 2), 2, "files"),
        pytest.param((5, 1), 2, "files", marks=pytest.mark.release),
        pytest.param((4, 4), 2, "arrays", marks=pytest.mark.release),
        pytest.param((4, 4), 0, "files", marks=pytest.mark.release),
    ],
)
def test_the_shards_of_a_batch_are_the_batch_bit_for_bit(
    sizes, first_epoch, kind, monkeypatch
):
    batch_size, num_shards = sizes
    # The four rows of (8, 2) are two chunks.
    monkeypatch.setattr("supcon_tf.data.sources._CHUNK", 2)
    source = random_images()
    if kind == "files":
        source = random_files(*source)
    kwargs = {"batch_size": batch_size, "first_epoch": first_epoch}
    count = 2 * (NUM_IMAGES // batch_size) + 1  # reaches the third epoch
    whole = batches(source, count, **kwargs)
    shards = [
        batches(source, count, num_shards=num_shards, shard=shard, **kwargs)
        for shard in range(num_shards)
    ]
    for (images, labels), *parts in zip(whole, *shards, strict=True):
        assert all(len(x) == batch_size // num_shards for x, _ in parts)
        np.testing.assert_array_equal(
            images, np.concatenate([x for x, _ in parts])
        )
        np.testing.assert_array_equal(
            labels, np.concatenate([y for _, y in parts])
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["arrays", "files"])
def test_a_shard_augments_its_own_rows_alone(kind):
    augmented = []

    def record(images, seeds, image_size):
        tf.numpy_function(lambda s: augmented.extend(s), [seeds[:, 1]], [])
        return augmentations.center_crop(images, None, image_size)

    source = random_images()
    if kind == "files":
        source = random_files(*source)
    shard = view_batches(
        source,
        record,
        num_views=2,
        batch_size=6,
        image_size=8,
        seed=7,
        num_shards=3,
        shard=1,
    )
    list(itertools.islice(shard, 5))
    # Seeds 2 k and 2 k + 1 are of the image at position k of the stream.
    rows = np.array(augmented) // 2 % 6
    assert len(augmented) >= 5 * 2 * 2
    assert set(rows) == {2, 3}


@pytest.mark.slow
def test_the_dtype_of_the_labels_is_kept_and_column_labels_are_taken():
    images, labels = arrays()
    big = labels.astype(np.int64)[:, None] + 2**40
    (_, batch) = batches((images, big), 1)[0]
    assert batch.dtype == np.int64
    assert batch.shape == (5,)
    assert batch.min() >= 2**40


@pytest.mark.slow
def test_without_labels_it_yields_views_alone():
    images, _ = arrays()
    views = view_batches(
        (images, None),
        augmentations.crop,
        num_views=2,
        batch_size=5,
        image_size=4,
        seed=0,
    )
    assert next(iter(views)).shape == (5, 2, 4, 4, 3)


@pytest.mark.slow
def test_labels_may_be_a_list_of_booleans():
    images, labels = arrays()
    (_, batch) = batches((images, (labels > 2).tolist()), 1)[0]
    assert set(batch) <= {0, 1}


@pytest.mark.slow
def test_image_size_may_be_height_and_width():
    (views, _) = batches(arrays(), 1, image_size=(6, 3))[0]
    assert views.shape == (5, 2, 6, 3, 3)


@pytest.mark.parametrize(
    ("source", "arguments", "message"),
    [
        (None, {"batch_size": 24}, "`batch_size` must be at most the number"),
        (None, {"batch_size": 0}, "`batch_size` must be >= 1. Received"),
        (None, {"num_views": 0}, "`num_views` must be >= 1. Received"),
        (None, {"first_epoch": -1}, "`first_epoch` must be >= 0. Received"),
        (None, {"num_shards": 0}, "`num_shards` must be >= 1. Received"),
        (None, {"shard": -1}, "`shard` must be >= 0 and < num_shards. Rec"),
        (
            None,
            {"num_shards": 5, "shard": 5},
            "Received: shard=5, num_shards=5",
        ),
        (
            None,
            {"num_shards": 2},
            "`batch_size` must be divisible by num_shards. "
            "Received: batch_size=5, num_shards=2",
        ),
        (
            None,
            {"samples_per_class": 2},
            "`samples_per_class` must be >= 1 and divide batch_size",
        ),
        (
            (arrays()[0], None),
            {"samples_per_class": 1},
            "`samples_per_class` must be None for images without labels",
        ),
        ((arrays()[0] * 1.0, [0] * 23), {}, "Float images must lie in [0, 1]"),
        (as_dataset(*arrays()).take(0), {}, "an empty one"),
        (
            (arrays()[0], ["cat"] * 23),
            {},
            "np.unique(names, return_inverse=True)",
        ),
        ((arrays()[0], [0.5] * 23), {}, "`labels` must be integers"),
        ((arrays()[0], [0, 1]), {}, "23 images, labels of shape (2,)"),
        (as_dataset(*arrays()).batch(5), {}, "leave out .batch()"),
        (as_dataset(*arrays()).repeat(), {}, "leave out .repeat()"),
    ],
)
def test_bad_input_is_refused(source, arguments, message):
    source = arrays() if source is None else source
    with pytest.raises(ValueError) as error:
        batches(source, 1, **arguments)
    assert message in str(error.value)


def test_a_strategy_of_one_replica_leaves_the_batches_whole():
    images = np.zeros((300, 4, 4, 3), "uint8")
    views = view_batches(
        (images, np.zeros(300, int)),
        augmentations.center_crop,
        num_views=2,
        batch_size=256,  # made in chunks of 64
        image_size=4,
        seed=0,
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    batch, labels = next(iter(strategy.experimental_distribute_dataset(views)))
    assert batch.shape == (256, 2, 4, 4, 3)
    assert labels.shape == (256,)


SMALL = {"small_views": 3, "small_view_size": 2}


def jpegs(images, labels):
    return as_jpeg(images * 10, labels)


@pytest.mark.slow
@pytest.mark.parametrize("kind", often([*SOURCES, "jpegs"], "arrays", "jpegs"))
def test_small_views_are_further_views_of_the_same_images(kind):
    make = {**SOURCES, "jpegs": jpegs}[kind]
    found, same, plain = (
        list(
            view_batches(
                make(*arrays()),
                augmentations.crop_flip,
                num_views=2,
                batch_size=5,
                image_size=4,
                seed=7,
                **small,
            ).take(3)
        )
        for small in (SMALL, SMALL, {})
    )
    for (x, labels), (again, _), (views, plain_labels) in zip(
        found, same, plain, strict=True
    ):
        assert x["views"].shape == (5, 2, 4, 4, 3)
        assert x["small_views"].shape == (5, 3, 2, 2, 3)
        # With or without them, the others are the same.
        np.testing.assert_array_equal(x["views"], views)
        np.testing.assert_array_equal(labels, plain_labels)
        np.testing.assert_array_equal(x["small_views"], again["small_views"])
        # Each image is of one colour.
        expected = np.broadcast_to(views[:, :1, :2, :2], (5, 3, 2, 2, 3))
        np.testing.assert_allclose(x["small_views"], expected, atol=1e-6)


def small_views(**arguments):
    x = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), np.uint8)
    data = view_batches(
        (x, np.arange(8)),
        **{
            "augmentation": augmentations.crop_flip,
            "num_views": 2,
            "batch_size": 8,
            "image_size": 24,
            "seed": 7,
            "small_views": 3,
            "small_view_size": 12,
            **arguments,
        },
    )
    return x, [(batch, labels.numpy()) for batch, labels in data.take(2)]


@pytest.mark.slow
def test_small_views_have_seeds_and_crops_of_their_own():
    x, found = small_views(small_crop_area=(0.05, 0.14))
    for epoch, (batch, labels) in enumerate(found):
        for row, image in enumerate(labels):  # the label is the image's number
            position = epoch * 8 + row
            numbers = -1 - (3 * position + np.arange(3))
            seeds = np.stack([np.full(3, 7), numbers], axis=1)
            expected = augmentations.crop_flip(
                np.repeat(x[image : image + 1], 3, axis=0),
                seeds,
                12,
                area=(0.05, 0.14),
            )
            np.testing.assert_allclose(
                batch["small_views"][row], expected, atol=1e-6
            )
    # Views of one size share no seeds with the small ones either.
    _, found = small_views(small_view_size=24)
    for batch, _ in found:
        for full in range(2):
            for small in range(3):
                a = batch["views"][:, full].numpy()
                b = batch["small_views"][:, small].numpy()
                assert (np.abs(a - b).max(axis=(1, 2, 3)) > 0.01).all()


@pytest.mark.slow
def test_the_small_views_of_all_shards_are_those_of_the_whole():
    _, ((whole, _), _) = small_views()
    parts = [small_views(num_shards=2, shard=s)[1][0][0] for s in range(2)]
    for name, views in whole.items():
        rows = np.concatenate([part[name] for part in parts])
        np.testing.assert_array_equal(rows, views)


@pytest.mark.slow
def test_small_views_without_labels_are_still_one_input_of_fit():
    data = view_batches(
        (arrays()[0], None),
        augmentations.crop_flip,
        num_views=2,
        batch_size=5,
        image_size=4,
        seed=0,
        **SMALL,
    )
    assert set(data.element_spec) == {"views", "small_views"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"small_views": -1}, "`small_views` must be an int >= 0"),
        ({"small_views": 2}, "`small_view_size` must be an int or (height"),
        ({"small_view_size": 2}, "`small_view_size` must be None with small_v"),
        (
            {"small_crop_area": (0.1, 0.2)},
            "`small_crop_area` must be None with",
        ),
        (
            {**SMALL, "small_crop_area": (0.2, 0.1)},
            "`area` must be (low, high) with 0 < low <= high <= 1",
        ),
    ],
)
def test_small_views_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        batches(arrays(), 1, **arguments)
    assert message in str(error.value)


def test_an_augmentation_without_an_area_takes_no_area_of_small_views():
    with pytest.raises(ValueError, match="for an augmentation without an arg"):
        small_views(
            augmentation=augmentations.center_crop, small_crop_area=(0.1, 0.2)
        )


def test_grey_images_without_channels_are_refused():
    with pytest.raises(ValueError, match=r"images\[\.\.\., None\]"):
        batches((arrays()[0][..., 0], arrays()[1]), 1)


X = np.random.default_rng(0).random((4, 4, 4, 3)).astype("float32")


def view(source, **options):
    options = {"num_views": 2, "batch_size": 2, "seed": 0, **options}
    return view_batches(source, "crop", image_size=4, **options)


@pytest.mark.parametrize(
    "source",
    [(X,), (X, X, X), X, None, "photos", {"images": X}],
)
def test_what_are_no_labelled_images_is_refused_in_one_line(source):
    for read in (view, lambda x: image_batches(x, image_size=4)):
        with pytest.raises(ValueError, match=r"Received: .{1,60}$"):
            read(source)


def test_images_of_several_sizes_in_a_list_are_refused():
    with pytest.raises(ValueError, match="must be of one size"):
        view(([X[0], X[1][:2]], [0, 1]))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("num_views", "2"),
        ("num_views", True),
        ("batch_size", 2.0),
        ("first_epoch", 2.5),
        ("samples_per_class", 2.0),
        ("seed", None),
        ("seed", 1.5),
        ("seed", 2**70),
    ],
)
def test_numbers_that_are_no_integers_are_refused(argument, value):
    with pytest.raises(ValueError, match=f"Received: {argument}="):
        view((X, np.arange(4) % 2), **{argument: value})
