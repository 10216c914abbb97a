"""The similarity head: its cached features, its training, its file."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from supcon_tf import augmentations
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.evaluation.retrieval import retrieval_scores
from supcon_tf.photographs.asked_encoder import asked_encoder
from supcon_tf.photographs.embed import embed
from supcon_tf.photographs.similarity_head import (
    augmented_features,
    save_similarity_head,
    train_similarity_head,
)


@pytest.fixture
def eagerly():
    """Trains without a graph, whose making takes longer than an epoch."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def darker(images, seeds, image_size):
    """The centre, the darker the higher the second seed."""
    centre = augmentations.center_crop(images, None, image_size)
    seeds = tf.cast(seeds, tf.float32)
    return centre / (1 + seeds[:, 0] + seeds[:, 1])[:, None, None, None]


@pytest.mark.slow
def test_the_features_are_those_of_the_centre_and_of_seeded_views(
    photographs, color_encoder
):
    files = sorted(photographs.rglob("*.png"))[:3]
    features = augmented_features(
        color_encoder, files, darker, num_views=3, seed=7, batch_size=2
    )
    assert features.shape == (3, 3, 5) and features.dtype == np.float32
    np.testing.assert_allclose(
        features[:, 0], embed(color_encoder, files), rtol=1e-5, atol=1e-6
    )
    for number, file in enumerate(files):
        image = np.asarray(Image.open(file))
        seeds = [[7, 3 * number + 1], [7, 3 * number + 2]]
        views = darker(np.stack([image] * 2), seeds, 8)
        np.testing.assert_allclose(
            features[number, 1:], color_encoder(views), rtol=1e-4, atol=1e-5
        )


@pytest.mark.slow
def test_arrays_and_sources_of_files_give_what_paths_give(
    photographs, color_encoder
):
    files = [photographs / "sea" / "0.png"] * 2
    images = np.stack([np.asarray(Image.open(file)) for file in files])
    source = LabelledImages(
        np.array(list(map(str, files))), np.zeros(2, int), ("sea",),
        read=tf.io.read_file,
    )  # fmt: skip
    settings = {"num_views": 2}  # of the augmentation that files are cut by
    expected = augmented_features(color_encoder, images, **settings)
    assert np.abs(expected[0] - expected[1]).max() > 1e-4  # of other seeds
    np.testing.assert_allclose(
        augmented_features(color_encoder, source, **settings),
        expected,
        rtol=1e-4,
        atol=1e-5,
    )
    with pytest.raises(ValueError, match="2, 1 of which cannot; the first: no"):
        augmented_features(color_encoder, [files[0], "none.png"], darker)


def clusters(count, seed, dim=12):
    """Two classes that one of twelve directions tells apart; `[n, 2, 12]`."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    features = random.normal(size=(count, 1, dim))
    features[:, 0, 0] = 3 * labels - 1.5 + 0.2 * random.normal(size=count)
    return features + 0.1 * random.normal(size=(count, 2, dim)), labels


@pytest.mark.slow
def test_a_trained_head_finds_the_class_that_the_features_hide():
    features, labels = clusters(80, seed=0)
    unseen, unseen_labels = clusters(40, seed=1)
    head = train_similarity_head(
        features, labels, units=(32, 8), epochs=30, learning_rate=0.01
    )
    vectors = head.predict(unseen[:, 0], verbose=0)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    before = retrieval_scores(unseen[:, 0], unseen_labels)["map_at_r"]
    after = retrieval_scores(vectors, unseen_labels)["map_at_r"]
    assert before < 0.8 and after > 0.9


@pytest.mark.slow
def test_the_same_seed_gives_the_same_head(eagerly):
    features, labels = clusters(12, seed=0)
    settings = {"units": (4, 3), "epochs": 1}
    first, again, other = (
        train_similarity_head(features, labels, seed=seed, **settings)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first(features[:, 0]), again(features[:, 0]))
    assert np.abs(first(features[:, 0]) - other(features[:, 0])).max() > 0.1


@pytest.mark.slow
def test_the_file_is_used_with_its_own_encoder_alone(
    photographs, color_encoder, tmp_path, eagerly
):
    workdir = tmp_path / "w"
    workdir.mkdir()
    color_encoder.save(workdir / "encoder.keras")
    files = sorted(photographs.rglob("*.png"))
    features = augmented_features(color_encoder, files, darker, num_views=2)
    settings = {"units": (4, 3), "epochs": 1}
    labels = np.arange(12) // 6
    head = train_similarity_head(
        features, labels, encoder=color_encoder, **settings
    )
    path = save_similarity_head(head, workdir, color_encoder)
    assert path == workdir / "similarity_head.keras"
    np.testing.assert_allclose(
        embed(asked_encoder(workdir), files),
        head.predict(features[:, 0], verbose=0),
        rtol=1e-4,
        atol=1e-5,
    )
    nameless = train_similarity_head(features, labels, **settings)
    with pytest.raises(ValueError, match="`head` must be trained with this"):
        save_similarity_head(nameless, workdir, color_encoder)
    assert [type(x).__module__.split(".")[0] for x in head.layers] == (
        ["keras"] * 5  # plain layers, which load without this package
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": np.ones((4, 3))}, r"of shape \[N, A, R\]"),
        ({"features": np.full((4, 1, 3), np.nan)}, "finite floats"),
        ({"labels": [0, 1]}, r"integers of shape \[4\]"),
        ({"labels": [0.0, 1, 1, 0]}, "integers of shape"),
        ({"labels": [1, 1, 1, 1]}, "two or more classes"),
        ({"units": (4,)}, r"\(hidden, output\)"),
        ({"units": (4, 0)}, "`units` must be an int >= 1"),
        ({"dropout": 1}, "`dropout` must be a finite number >= 0 and < 1"),
        ({"epochs": 0}, "`epochs` must be an int >= 1"),
        ({"batch_size": 0}, "`batch_size` must be an int >= 1"),
        ({"learning_rate": 0}, "`learning_rate` must be a finite number > 0"),
        ({"temperature": 0}, "`temperature` must be"),
    ],
)
def test_what_is_wrong_is_one_line(changes, words):
    given = {"features": np.ones((4, 2, 3)), "labels": [0, 0, 1, 1]} | changes
    with pytest.raises(ValueError, match=words) as caught:
        train_similarity_head(**given)
    assert "\n" not in str(caught.value)


def test_an_encoder_of_any_size_needs_one(any_size_encoder):
    with pytest.raises(ValueError, match="`image_size` must be given"):
        augmented_features(any_size_encoder, np.zeros((2, 9, 9, 3), np.uint8))
    with pytest.raises(ValueError, match="`num_views` must be an int >= 1"):
        augmented_features(any_size_encoder, [], num_views=0)
