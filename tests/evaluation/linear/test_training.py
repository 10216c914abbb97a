"""The second stage: a dense layer trained on augmented images."""

import itertools
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from often import often

from supcon_tf import LabelledImages, augmentations, load_dataset
from supcon_tf.data.splits import split
from supcon_tf.data.views import view_batches
from supcon_tf.evaluation import classification_accuracy
from supcon_tf.evaluation.linear.training import train_linear_classifier
from supcon_tf.optimizers.keras_optimizers import SGD


def momentum_sgd(learning_rate):
    return keras.optimizers.SGD(learning_rate, momentum=0.9)


def flatten_encoder(size=8):
    return keras.Sequential(
        [keras.Input((size, size, 3)), keras.layers.Flatten()]
    )


def random_images(count=60, classes=4, size=4):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, size, size, 3)).astype("uint8")
    return images, np.arange(count) % classes


def train(encoder, source, **options):
    options = {
        "make_optimizer": momentum_sgd,
        "learning_rate": 0.1,
        "epochs": 2,
        "batch_size": 20,
        "augmentation": augmentations.center_crop,
        "verbose": 0,
        **options,
    }
    return train_linear_classifier(encoder, source, **options)


@pytest.mark.slow
def test_the_digits_are_told_apart_on_augmented_images(tmp_path):
    images, test = load_dataset("digits")
    classifier, results = train(
        flatten_encoder(),
        images,
        epochs=15,
        batch_size=64,
        augmentation=augmentations.crop,
    )
    accuracies = classification_accuracy(classifier, test)
    assert accuracies["top_1_accuracy"] > 0.9
    assert classifier.class_names == tuple("0123456789")
    assert results["learning_rate"] == 0.1
    assert results["held_out_top_1_accuracies"] == []
    assert results["seconds"] > 0
    classifier.save(tmp_path / "classifier.keras")
    again = keras.saving.load_model(tmp_path / "classifier.keras")
    assert classification_accuracy(again, test) == accuracies


@pytest.mark.slow
@pytest.mark.parametrize("label_smoothing", often([0.0, 0.3], 0.3))
@pytest.mark.parametrize("nesterov", often([False, True], True))
def test_it_is_the_softmax_regression_of_a_loop(label_smoothing, nesterov):
    images, labels = random_images()
    rate, momentum, l2 = 0.05, 0.9, 0.2
    classifier, _ = train(
        flatten_encoder(4),
        (images, labels),
        make_optimizer=lambda rate: SGD(
            rate, momentum=momentum, l2=l2, nesterov=nesterov
        ),
        learning_rate=rate,
        label_smoothing=label_smoothing,
        kernel_initializer="zeros",
        seed=3,
    )
    batches = view_batches(
        (images, labels),
        augmentations.center_crop,
        num_views=1,
        batch_size=20,
        image_size=4,
        seed=3,
    )
    weights = [np.zeros((48, 4)), np.zeros(4)]
    velocities = [np.zeros((48, 4)), np.zeros(4)]
    for x, y in itertools.islice(batches, 6):  # 2 epochs of 60 / 20 batches
        x = x.numpy().reshape(20, 48).astype(np.float64)
        exponentials = np.exp(x @ weights[0] + weights[1])
        scores = exponentials / exponentials.sum(axis=1, keepdims=True)
        targets = (1 - label_smoothing) * np.eye(4)[y] + label_smoothing / 4
        errors = (scores - targets) / 20
        # The weight decay is the kernel's alone.
        gradients = [x.T @ errors + l2 * weights[0], errors.sum(axis=0)]
        for i, gradient in enumerate(gradients):
            velocities[i] = momentum * velocities[i] - rate * gradient
            step = velocities[i]
            if nesterov:
                step = momentum * velocities[i] - rate * gradient
            weights[i] = weights[i] + step
    for mine, expected in zip(
        classifier.dense.get_weights(), weights, strict=True
    ):
        np.testing.assert_allclose(mine, expected, atol=1e-5)


@pytest.mark.slow
def test_smoothed_labels_are_what_the_scores_converge_to():
    images = np.eye(4, dtype="float32").reshape(4, 2, 2, 1)
    images = np.repeat(images, 3, axis=-1)
    classifier, _ = train(
        flatten_encoder(2),
        (images, np.arange(4)),
        learning_rate=1.0,
        epochs=300,
        batch_size=4,
        label_smoothing=0.2,
    )
    expected = 0.8 * np.eye(4) + 0.2 / 4
    np.testing.assert_allclose(classifier(images), expected, atol=1e-3)


@pytest.mark.slow
def test_the_encoder_stays_as_it_was_to_the_bit():
    encoder = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Conv2D(5, 3),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Flatten(),
        ]
    )
    before = [np.array(v) for v in encoder.variables]
    classifier, _ = train(
        encoder, random_images(), learning_rate=(0.1, 1.0), epochs=3
    )
    assert classifier.encoder is encoder
    assert encoder.trainable
    for old, new in zip(before, encoder.variables, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("absurd", "highest"),
    [pytest.param(1e-9, 0.5, marks=pytest.mark.release), (3e38, 0.0)],
)
def test_the_better_learning_rate_is_chosen_on_the_held_out_part(
    absurd, highest
):
    images, _ = load_dataset("digits")
    encoder = flatten_encoder()
    arguments = {"epochs": 3, "batch_size": 64, "seed": 1}
    classifier, results = train(
        encoder, images, learning_rate=(absurd, 0.1), **arguments
    )
    assert results["learning_rate"] == 0.1
    (first, low), (second, high) = results["held_out_top_1_accuracies"]
    assert (first, second) == (absurd, 0.1)
    assert low <= highest  # 0 of what has diverged
    assert high > 0.85
    # What is returned is trained on all images, as if nothing was held out.
    alone, _ = train(encoder, images, learning_rate=0.1, **arguments)
    for a, b in zip(
        classifier.dense.get_weights(), alone.dense.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_learning_rates_are_tried_as_if_each_were_alone():
    images, labels = random_images(200)
    images[labels > 1, :2] //= 2  # something to learn
    rates = (0.003, 0.01, 0.1)
    accuracies = [
        train(
            flatten_encoder(4),
            (images, labels),
            learning_rate=some,
            kernel_initializer=initializer,
        )[1]["held_out_top_1_accuracies"]
        for some in (rates, rates[::-1])
        for initializer in ("glorot_uniform", "zeros")
    ]
    assert accuracies[0] == accuracies[2][::-1]
    assert accuracies[1] == accuracies[3][::-1]
    assert len({accuracy for _, accuracy in accuracies[0]}) > 1


@pytest.mark.slow
def test_the_held_out_images_are_not_trained_on():
    images, labels = random_images(40)
    images[:, 0, 0, 0] = np.arange(40)
    seen, optimizers, seen_before = [], [], []

    def record(images, seeds, image_size):
        def add(ids):
            seen.extend(np.round(ids * 255).astype(int).tolist())

        images = augmentations.center_crop(images, None, image_size)
        with tf.control_dependencies(
            [tf.numpy_function(add, [images[:, 0, 0, 0]], [])]
        ):
            return tf.identity(images)

    def make_optimizer(rate):
        optimizers.append(momentum_sgd(rate))
        seen_before.append(set(seen))
        return optimizers[-1]

    source = LabelledImages(images, labels, tuple("abcd"))
    train(
        flatten_encoder(4),
        source,
        make_optimizer=make_optimizer,
        learning_rate=(0.1, 0.2),
        augmentation=record,
        validation_fraction=0.2,
        epochs=5,
        batch_size=8,
        seed=2,
    )
    rest, held_out = split(source, 0.2, seed=2)
    assert len(held_out) == 8
    assert seen_before[:2] == [set(), set()]
    assert seen_before[2] == set(rest.images[:, 0, 0, 0].tolist())
    assert set(seen) == set(range(40))
    # A schedule made for all images fits both trainings.
    assert [int(o.iterations) for o in optimizers] == [25, 25, 25]


@pytest.mark.slow
def test_a_seed_decides_and_another_one_decides_otherwise():
    kernels = [
        train(flatten_encoder(4), random_images(), seed=seed)[0]
        .dense.get_weights()[0]
        .tolist()
        for seed in (0, 0, 1)
    ]
    assert kernels[0] == kernels[1] != kernels[2]


@pytest.mark.slow
def test_a_dataset_trains_at_a_single_learning_rate():
    images, labels = random_images()
    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    ours, _ = train(flatten_encoder(4), dataset)
    theirs, _ = train(flatten_encoder(4), (images, labels[:, None].tolist()))
    for a, b in zip(
        ours.dense.get_weights(), theirs.dense.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="`learning_rate` must be a single"):
        train(flatten_encoder(4), dataset, learning_rate=(0.1, 1.0))


@pytest.mark.slow
def test_an_encoder_of_any_size_is_told_one():
    encoder = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(8, 3, padding="same"),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    with pytest.raises(ValueError, match="`image_size` must be given with an"):
        train(encoder, random_images(size=9))
    _, results = train(
        encoder,
        random_images(size=9),
        image_size=6,
        learning_rate=(0.1, 1.0),
    )
    assert len(results["held_out_top_1_accuracies"]) == 2
    with pytest.raises(ValueError, match=r"None or the encoder's, \(4, 4\)"):
        train(flatten_encoder(4), random_images(), image_size=5)


@pytest.mark.slow
def test_it_prints_a_line_an_epoch_and_what_it_chose(capsys):
    train(
        flatten_encoder(4),
        random_images(),
        learning_rate=(0.1, 1.0),
        verbose=1,
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[1].startswith("learning rate 0.1, 1: epoch 2/2, loss ")
    assert lines[1].count(",") == 3
    assert lines[2].endswith("on 6 held-out training images")
    assert "epoch 2/2" in lines[4]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": 0}, "`learning_rate` must be a finite number > 0"),
        ({"learning_rate": ()}, "or several of them to choose from"),
        ({"learning_rate": 3e38}, "which the weights became infinite"),
        ({"epochs": 0}, "`epochs` must be an int >= 1. Received: epochs=0"),
        ({"label_smoothing": 1}, "`label_smoothing` must be in [0, 1)."),
        (
            {"kernel_initializer": "ones"},
            "must be one of ['glorot_uniform', 'zeros']. Received",
        ),
        ({"batch_size": 61}, "`batch_size` must be at most the number of"),
        ({"batch_size": 0}, "`batch_size` must be >= 1. Received"),
        ({"class_names": ["a"]}, "`class_names` must name all 4 classes"),
        (
            {"learning_rate": (0.1, 1), "validation_fraction": 0.01},
            "`validation_fraction` must leave 4 images",
        ),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        train(flatten_encoder(4), random_images(), **arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("labels", [np.full(60, 2), np.arange(60) - 1])
def test_labels_below_0_or_of_one_class_are_refused(labels):
    images, _ = random_images()
    with pytest.raises(ValueError, match="`labels` must be integers >= 0 of"):
        train(flatten_encoder(4), (images, labels))


ON_REPLICAS = """
import keras, numpy as np, tensorflow as tf
from tiny_encoder import tiny
from supcon_tf.evaluation.linear.training import train_linear_classifier
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2)

def make():
    return tiny((8, 8, 3))

encoder = make()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    mirrored = make()
mirrored.set_weights(encoder.get_weights())
images = np.random.default_rng(0).random((41, 8, 8, 3), "float32")
(one, one_results), (two, two_results) = (
    train_linear_classifier(
        e, (images, np.arange(41) % 3), learning_rate=(0.1, 1.0), epochs=3,
        batch_size=9, make_optimizer=lambda rate: keras.optimizers.SGD(rate),
    )
    for e in (encoder, mirrored)
)
for a, b in zip(one.dense.get_weights(), two.dense.get_weights(), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4)
del one_results["seconds"], two_results["seconds"]
assert one_results == two_results
"""


@pytest.mark.release
def test_replicas_share_the_encoding():
    subprocess.run([sys.executable, "-c", ON_REPLICAS], check=True)
