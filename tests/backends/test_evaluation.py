"""Encoding, k-NN, probe, callbacks and photographs on every backend."""

import numpy as np
import pytest
from PIL import Image
from small_models import blobs, small_encoder
from trained_models import compiled, views_and_labels

import supcon_tf
from supcon_tf.callbacks.checkpoints import (
    EpochCheckpoint,
    restore_checkpoint,
)
from supcon_tf.evaluation import encode_all, knn_accuracy
from supcon_tf.photographs.embed import embed
from supcon_tf.photographs.search import main as search

pytestmark = pytest.mark.release  # on TensorFlow; elsewhere all of them run


def encoder():
    return small_encoder((4, 4, 3), 12, kernel_initializer="orthogonal")


def test_images_are_encoded_in_order_at_the_size_of_the_encoder():
    images, labels = blobs(21, 0)
    model = encoder()
    found, classes = encode_all(model, (images, labels), batch_size=8)
    np.testing.assert_allclose(found, model.predict(images, verbose=0), 1e-5)
    assert classes.tolist() == labels.tolist()
    # The centre of a larger image, of one colour, is a small one of it.
    colors = images[:, :1, :1]
    small = np.broadcast_to(colors, images.shape)
    large = np.broadcast_to(colors, (len(images), 9, 13, 3))
    np.testing.assert_allclose(
        encode_all(model, (large, labels))[0],
        encode_all(model, (small, labels))[0],
        rtol=0,
        atol=1e-5,
    )


def test_neighbours_and_a_linear_probe_find_the_classes():
    train, test = blobs(120, 0), blobs(40, 1)
    model = encoder()
    features = [encode_all(model, x)[0] for x in (train, test)]
    accuracy = knn_accuracy(
        features[0], train[1], features[1], test[1], neighbors=5
    )
    assert accuracy > 0.9
    classifier = supcon_tf.linear_probe(model, train, class_names=list("abcd"))
    scores = classifier.predict(test[0], verbose=0)
    assert (scores.argmax(axis=1) == test[1]).mean() > 0.9


def test_the_callbacks_log_and_stop():
    views, labels = views_and_labels()
    train, test = (views[:, 0], labels), (views[:, 1] * 0.99, labels)
    history = compiled("plain").fit(
        views,
        labels,
        epochs=2,
        verbose=0,
        callbacks=[
            supcon_tf.KNNCallback(train, test, neighbors=3),
            supcon_tf.StuckLossWarning(),
        ],
    )
    assert len(history.history["val_knn_accuracy"]) == 2
    assert history.history["val_knn_accuracy"][-1] > 0.5


def test_a_checkpoint_of_one_run_is_gone_on_with_exactly(tmp_path):
    views, labels = views_and_labels()
    fit = {"batch_size": 8, "shuffle": False, "verbose": 0}
    whole = compiled("momentum")
    expected = whole.fit(views, labels, epochs=4, **fit).history["loss"]
    compiled("momentum").fit(
        views, labels, epochs=2, callbacks=[EpochCheckpoint(tmp_path)], **fit
    )
    again = compiled("momentum")
    assert restore_checkpoint(tmp_path, again) == 2
    found = again.fit(views, labels, epochs=4, initial_epoch=2, **fit)
    np.testing.assert_allclose(found.history["loss"], expected[2:], rtol=1e-6)


@pytest.fixture
def folder(tmp_path):
    images, labels = blobs(12, 0)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = tmp_path / "photos" / "abcd"[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(image * 255).astype("uint8")).save(path)
    return tmp_path / "photos"


def test_photographs_are_embedded_searched_and_classified(
    folder, tmp_path, capsys
):
    files = sorted(map(str, folder.rglob("*.png")))
    model = encoder()
    vectors = embed(model, files)
    assert np.shape(vectors) == (12, 12)
    train = blobs(120, 0)
    classifier = supcon_tf.linear_probe(model, train, class_names=list("abcd"))
    predictions = supcon_tf.predict(classifier, files, image_size=4)
    are_right = [p.name == p.path.split("/")[-2] for p in predictions]
    assert sum(are_right) >= 10
    model.save(tmp_path / "encoder.keras")
    status = search(
        [
            f"--encoder={tmp_path / 'encoder.keras'}",
            f"--images={folder}",
            "--top=2",
            files[0],
        ]
    )
    assert status == 0, capsys.readouterr().err
    assert "12 newly encoded" in capsys.readouterr().out
