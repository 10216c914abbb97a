"""BestEpoch: the best weights stay, and the fit ends in time."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from supcon_tf.callbacks.best_epoch import BestEpoch, held_out_accuracy
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.models.classification_model import ClassificationModel
from supcon_tf.models.supcon_model import SupConModel

X, Y = np.ones((4, 1), "float32"), np.ones((4, 1), "float32")


def counting_model():
    """Its only weight goes up by 1 in each epoch."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False)]
    )
    model.compile(
        keras.optimizers.SGD(1.0), lambda y, z: -keras.ops.mean(z, axis=-1)
    )
    model.set_weights([np.zeros((1, 1))])
    return model


def fit(model, best, epochs, initial_epoch=0):
    return model.fit(
        X,
        Y,
        batch_size=4,
        epochs=epochs,
        initial_epoch=initial_epoch,
        verbose=0,
        callbacks=[best],
    ).history


def worth(model):
    """0.1, 0.9, 0.5, 0.9, 0.2 after the epochs 1 to 5."""
    epoch = round(float(model.get_weights()[0][0, 0]))
    return [0.0, 0.1, 0.9, 0.5, 0.9, 0.2][epoch]


def test_the_first_best_epoch_is_kept_and_patience_ends_the_fit(tmp_path):
    model, best = counting_model(), BestEpoch(tmp_path, worth, patience=3)
    history = fit(model, best, epochs=9)
    assert history["val_top_1_accuracy"] == [0.1, 0.9, 0.5, 0.9, 0.2]
    assert (best.epoch, best.value) == (2, 0.9)
    best.restore(model)
    np.testing.assert_array_equal(model.get_weights(), [[[2.0]]])


def test_a_run_that_goes_on_ends_as_an_undisturbed_one(tmp_path):
    model, best = counting_model(), BestEpoch(tmp_path, worth, patience=3)
    fit(model, best, epochs=3)
    again = BestEpoch(tmp_path, worth, patience=3)
    assert (again.epoch, again.is_over(4), again.is_over(5)) == (2, False, True)
    assert len(fit(model, again, epochs=9, initial_epoch=3)["loss"]) == 2
    again.restore(model)
    np.testing.assert_array_equal(model.get_weights(), [[[2.0]]])


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "best_epoch.npz").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match=r"best_epoch.npz must hold") as error:
        BestEpoch(tmp_path, worth, patience=3)
    assert "\n" not in str(error.value)


def mean_color():
    return keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.GlobalAveragePooling2D()]
    )


# Class c has all its light in channel c.
COLORS = np.zeros((12, 4, 4, 3), "float32")
CLASSES = np.arange(12) % 3
COLORS[np.arange(12), :, :, CLASSES] = 1


def test_it_measures_the_classifier_if_there_is_one_else_the_neighbours():
    encoder = mean_color()
    measure = held_out_accuracy((COLORS, CLASSES), (COLORS, CLASSES))
    assert measure(SupConModel(encoder)) == 1
    model = ClassificationModel(encoder, 3)
    model.build((None, 1, 4, 4, 3))
    model.classifier.set_weights([np.roll(np.eye(3), 1, axis=1), np.zeros(3)])
    assert measure(model) == 0


@pytest.mark.slow
def test_image_files_are_brought_to_the_size_that_is_given(tmp_path):
    for number, (image, label) in enumerate(zip(COLORS, CLASSES, strict=True)):
        keras.utils.save_img(tmp_path / f"{label} {number}.png", image)
    paths = sorted(map(str, tmp_path.iterdir()))
    labels = [int(path.split("/")[-1][0]) for path in paths]
    files = LabelledImages(
        np.array(paths), np.array(labels), list("rgb"), read=tf.io.read_file
    )
    any_size = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    measure = held_out_accuracy(files, files, image_size=8)
    assert measure(SupConModel(any_size)) == 1
