import keras
import numpy as np
import pytest
import tensorflow as tf
from often import often
from small_fits import bright_rows, compiled, plain_model
from small_models import small_encoder

from supcon_tf.callbacks.knn import KNNCallback
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.evaluation.encode import encode_all
from supcon_tf.evaluation.neighbors import knn_accuracy
from supcon_tf.evaluation.retrieval import retrieval_scores
from supcon_tf.models.heads import ProjectionHead


class Weights(keras.callbacks.Callback):
    """Sets the encoder, at the end of each epoch, to know or not to know."""

    def __init__(self, knows):
        super().__init__()
        self.knows = knows

    def on_epoch_end(self, epoch, logs=None):
        kernel = self.model.encoder.layers[-1].kernel
        # [row, column, channel] -> row, or nothing but the bias
        rows = np.repeat(np.eye(4), 12, axis=0)
        kernel.assign(rows if self.knows[epoch] else np.zeros((48, 4)))


def fit_with_scripted_encoder(knows, callbacks, **kwargs):
    model = compiled(small_encoder(units=4, bias_initializer="ones"))
    return model.fit(
        *bright_rows(8),
        verbose=0,
        epochs=len(knows),
        callbacks=[Weights(knows), *callbacks],
        **kwargs,
    ).history


@pytest.mark.slow
def test_the_accuracy_of_the_encoder_is_in_the_history():
    train, validation = bright_rows(60), bright_rows(40, seed=1)
    model = compiled(
        small_encoder(),
        head=ProjectionHead((8, 4)),
        normalize_representation=True,
    )
    callback = KNNCallback(train, validation, neighbors=5, batch_size=7)
    history = model.fit(*train, verbose=0, epochs=3, callbacks=[callback])
    accuracies = history.history["val_knn_accuracy"]
    encoder = model.representation_model()
    expected = knn_accuracy(
        *encode_all(encoder, train),
        *encode_all(encoder, validation),
        neighbors=5,
    )
    assert len(accuracies) == 3
    assert accuracies[-1] == expected > 0.8
    # Retrieval was not asked for.
    measured = {name for name in history.history if name.startswith("val_")}
    assert measured == {"val_knn_accuracy"}


@pytest.mark.slow
def test_retrieval_is_logged_if_asked_for():
    train, validation = bright_rows(60), bright_rows(40, seed=1)
    model = compiled(small_encoder())
    callback = KNNCallback(train, validation, every=2, retrieval=True)
    logs = model.fit(*train, verbose=0, epochs=2, callbacks=[callback]).history
    expected = retrieval_scores(
        *encode_all(model.representation_model(), validation)
    )
    for name in ("precision_at_1", "r_precision", "map_at_r"):
        assert logs[f"val_{name}"][-1] == expected[name] > 0.4
    assert len(logs["val_map_at_r"]) == len(logs["val_knn_accuracy"]) == 2


@pytest.mark.slow
def test_retrieval_needs_two_validation_images_of_a_class():
    callback = KNNCallback(bright_rows(60), bright_rows(4), retrieval=True)
    with pytest.raises(ValueError, match="`validation_data` must have two or"):
        fit_with_scripted_encoder([True], [callback])


@pytest.mark.release
def test_between_the_epochs_that_are_asked_for_the_last_value_stands():
    knows = [False, True, True, False, True, True]
    callback = KNNCallback(bright_rows(60), bright_rows(40, seed=1), every=3)
    accuracies = fit_with_scripted_encoder(knows, [callback])[
        "val_knn_accuracy"
    ]
    low = accuracies[0]
    assert accuracies == [low, low, 1, 1, 1, 1]
    assert low < 0.5
    # Epochs count from the first of all, and a new fit has no last value.
    again = fit_with_scripted_encoder(knows, [callback], initial_epoch=1)
    assert again["val_knn_accuracy"] == [1, 1, 1, 1, 1]


@pytest.mark.slow
def test_early_stopping_and_the_best_checkpoint_go_by_it(tmp_path):
    knows = [False, False, True, False, False, False, True]
    monitor = {"monitor": "val_knn_accuracy", "mode": "max"}
    history = fit_with_scripted_encoder(
        knows,
        [
            KNNCallback(bright_rows(60), bright_rows(40, seed=1)),
            keras.callbacks.EarlyStopping(patience=2, **monitor),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "{epoch}.keras", save_best_only=True, **monitor
            ),
        ],
    )
    low = history["val_knn_accuracy"][0]
    # 1 is the best, and is reached in epoch 3; two epochs later it is over.
    assert history["val_knn_accuracy"] == [low, low, 1, low, low]
    assert {path.stem for path in tmp_path.iterdir()} == {"1", "3"}
    best = keras.saving.load_model(tmp_path / "3.keras").encoder
    assert np.any(best.layers[-1].kernel)


@pytest.mark.slow
@pytest.mark.parametrize("is_plain", often([True, False], False))
def test_a_fit_with_the_callback_is_the_fit_without_it(is_plain):
    def weights(callbacks):
        keras.utils.set_random_seed(7)
        encoder = keras.Sequential(
            [
                keras.Input((4, 4, 3)),
                keras.layers.Flatten(),
                keras.layers.Dense(8),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.3),
                keras.layers.Dense(6),
            ]
        )
        if is_plain:
            model = plain_model(encoder)
        else:
            model = compiled(encoder, normalize_representation=True)
        model.fit(
            *bright_rows(32),
            batch_size=8,
            epochs=3,
            validation_data=bright_rows(16),
            callbacks=callbacks,
            verbose=0,
        )
        return model.get_weights()

    callback = KNNCallback(bright_rows(60), bright_rows(40, seed=1))
    for a, b in zip(weights([]), weights([callback]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_plain_model_is_its_own_encoder_with_its_output_flattened():
    train, validation = bright_rows(60), bright_rows(40, seed=1)
    model = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1)]
    )
    # [B, 4, 4, 2]; not trained
    model.compile(keras.optimizers.SGD(0.0), "mse", steps_per_execution=2)
    callback = KNNCallback(train, validation)
    images, _ = train
    outputs = np.asarray(model(images))
    history = model.fit(images, outputs, verbose=0, callbacks=[callback])
    expected = knn_accuracy(
        outputs.reshape(60, -1),
        train[1],
        np.asarray(model(validation[0])).reshape(40, -1),
        validation[1],
    )
    assert history.history["val_knn_accuracy"] == [expected]


@pytest.mark.slow
def test_the_encoder_may_be_a_bare_layer():
    train, validation = bright_rows(60), bright_rows(40, seed=1)
    model = compiled(keras.layers.Flatten(), head=ProjectionHead((4,)))
    history = model.fit(
        train[0][:, None],
        train[1],
        verbose=0,
        callbacks=[KNNCallback(train, validation)],
    )
    assert history.history["val_knn_accuracy"][0] > 0.9


@pytest.mark.release
def test_labelled_images_and_datasets_are_taken_too():
    def as_strings(pair):
        images, labels = pair
        strings = np.array([image.tobytes() for image in images])
        return LabelledImages(strings, labels, tuple("abcd"), decode)

    def decode(string):
        image = tf.io.decode_raw(string, tf.float32, fixed_length=192)
        return tf.reshape(image, [4, 4, 3])

    pairs = [bright_rows(60), bright_rows(40, seed=1)]
    accuracies = [
        fit_with_scripted_encoder([True], [KNNCallback(*map(make, pairs))])
        for make in (
            lambda pair: pair,
            lambda pair: LabelledImages(*pair, tuple("abcd")),
            as_strings,
            tf.data.Dataset.from_tensor_slices,
        )
    ]
    assert [a["val_knn_accuracy"] for a in accuracies] == [[1.0]] * 4


@pytest.mark.slow
def test_an_encoder_that_has_diverged_has_the_accuracy_and_scores_0():
    callback = KNNCallback(
        bright_rows(60), bright_rows(40, seed=1), retrieval=True
    )
    model = compiled(small_encoder(), learning_rate=float("nan"))
    history = model.fit(*bright_rows(8), verbose=0, callbacks=[callback])
    assert history.history["val_knn_accuracy"] == [0.0]
    assert history.history["val_map_at_r"] == [0.0]


@pytest.mark.parametrize("neighbors", [0, 11, 2.5])
def test_neighbors_that_are_not_there_are_refused_at_once(neighbors):
    with pytest.raises(ValueError, match="1 to the number of training images"):
        KNNCallback(bright_rows(10), bright_rows(40), neighbors=neighbors)


@pytest.mark.parametrize("name", ["train_data", "validation_data"])
def test_images_without_their_labels_are_refused_at_once(name):
    images, labels = bright_rows(60)
    data = {"train_data": (images, labels), "validation_data": (images, labels)}
    data[name] = (images, labels[1:])
    with pytest.raises(ValueError, match=f"`{name}`: `labels` must have shape"):
        KNNCallback(**data)
    data[name] = (images, None)
    with pytest.raises(ValueError, match=f"`{name}`: `labels` must be integ"):
        KNNCallback(**data)


@pytest.mark.parametrize("name", ["batch_size", "every"])
def test_numbers_below_1_are_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be an int >= 1"):
        KNNCallback(bright_rows(60), bright_rows(40), **{name: 0})


def test_validation_images_that_are_training_images_are_told():
    x, y = np.random.default_rng(0).random((9, 4, 4, 3)), np.arange(9) % 3
    with pytest.warns(UserWarning, match="3 of 3 images of `validation_data`"):
        KNNCallback((x, y), (x[:3], y[:3]), neighbors=1)


def test_shared_images_are_found_as_bytes_and_as_floats():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
    with pytest.warns(UserWarning, match="6 of 6 images"):
        KNNCallback(
            (pixels, np.arange(6)), (pixels / 255, np.arange(6)), neighbors=1
        )


def test_sets_without_images_are_refused():
    train = bright_rows(8)
    with pytest.raises(ValueError, match="`validation_data` must have images"):
        KNNCallback(train, tuple(x[:0] for x in train), neighbors=1)
