"""Tests of supcon_tf/pretrained: the encoders that come with the package."""

import dataclasses
import functools
import hashlib
import os
import pathlib
import subprocess
import sys
import tarfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from prepared_tfds import real_data

import supcon_tf
from supcon_tf.encoders import pretrained
from supcon_tf.encoders.hub_encoder import HubEncoder
from supcon_tf.encoders.initial import initial_encoder

FOLDER = pathlib.Path(pretrained.__file__).parent
NAMES = sorted(supcon_tf.PRETRAINED)
NAME = "cifar10_resnet18_w025"


def shipped():
    encoders = supcon_tf.PRETRAINED.items()
    return [name for name, e in encoders if "://" not in e.archive]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained") / "saved_model"
    supcon_tf.unpack_pretrained(NAME, folder)
    return folder


@pytest.mark.parametrize("name", shipped())
def test_what_comes_with_the_package_is_small_and_described(name):
    encoder = supcon_tf.PRETRAINED[name]
    archive = FOLDER / encoder.archive
    content = archive.read_bytes()
    assert len(content) < 4e6
    assert hashlib.sha256(content).hexdigest() == encoder.sha256
    line = archive.with_name(f"{archive.name}.sha256").read_text()
    assert line == f"{encoder.sha256}  {archive.name}\n"
    card = FOLDER / (encoder.archive.removesuffix(".tar.gz") + ".md")
    text = card.read_text()
    for fact in (encoder.sha256, f"{encoder.top_1:.4f}", encoder.dataset):
        assert fact in text
    with tarfile.open(archive) as members:
        assert "saved_model.pb" in members.getnames()


def test_no_other_files_lie_there():
    stems = {
        e.archive.removesuffix(".tar.gz") for e in supcon_tf.PRETRAINED.values()
    }
    known = {
        f"{stem}{suffix}"
        for stem in stems
        for suffix in (".tar.gz", ".tar.gz.sha256", ".md", ".keras")
    }
    assert {p.name for p in FOLDER.iterdir() if p.is_file()} <= {
        "__init__.py", *known,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_the_keras_file_is_the_same_encoder_without_tensorflow(name):
    path = pretrained.pretrained_keras_file(name)
    encoder = keras.saving.load_model(path)
    for size in (32, 48):
        images = random_images(size)
        np.testing.assert_allclose(
            encoder(images),
            supcon_tf.load_pretrained(name, image_size=size)(images),
            rtol=0,
            atol=2e-6,
        )


def random_images(size=32):
    return np.random.default_rng(0).random((2, size, size, 3), "float32")


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_it_is_a_model_of_images(name):
    described = supcon_tf.PRETRAINED[name]
    encoder = supcon_tf.load_pretrained(name)
    size = described.image_size
    assert encoder.input_shape == (None, size, size, 3)
    assert encoder.output_shape == (None, described.num_features)
    expected = HubEncoder(f"supcon_tf:{name}")(random_images(size))
    np.testing.assert_allclose(
        encoder(random_images(size)), expected, rtol=1e-5, atol=1e-6
    )
    assert encoder.trainable_weights == []
    larger = supcon_tf.load_pretrained(name, image_size=48, trainable=True)
    assert larger(random_images(48)).shape == expected.shape
    assert larger.trainable_weights


@pytest.mark.slow
def test_it_is_an_encoder_like_the_others():
    train, test = supcon_tf.load_dataset("digits")
    encoder = supcon_tf.load_pretrained(NAME)
    classifier = supcon_tf.linear_probe(encoder, train, test, verbose=0)
    assert classifier.num_classes == 10
    model = supcon_tf.SupConModel(encoder, supcon_tf.ProjectionHead((8,)))
    assert model(random_images()[:, None]).shape == (2, 1, 8)


@pytest.mark.slow
def test_its_published_accuracy_is_what_it_has():
    _, test = supcon_tf.load_dataset("cifar10", data_dir=real_data("cifar10"))
    with pretrained.unpacked(pretrained.pretrained_archive(NAME)) as folder:
        loaded = tf.saved_model.load(str(folder))
    correct = 0
    for first in range(0, len(test), 1000):
        some = slice(first, first + 1000)
        scores = loaded.classifier(test.images[some])
        correct += np.sum(np.argmax(scores, axis=1) == test.labels[some])
    names = [n.decode() for n in loaded.classifier.class_names().numpy()]
    assert names == list(test.class_names)
    top_1 = supcon_tf.PRETRAINED[NAME].top_1
    assert correct / len(test) == pytest.approx(top_1, abs=2e-4)


@pytest.mark.slow
def test_a_model_of_it_is_saved_and_loaded_in_safe_mode(tmp_path):
    encoder = supcon_tf.load_pretrained(NAME, trainable=True)
    model = keras.Sequential([encoder, keras.layers.Dense(2)])
    encoder.weights[0].assign(encoder.weights[0] * 2)
    batch = random_images()
    model(batch)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(batch), model(batch), rtol=1e-5)


@pytest.mark.slow
def test_training_starts_from_it():
    encoder = initial_encoder(f"supcon_tf:{NAME}", (32, 32, 3))
    assert encoder.output_shape == (None, 128)
    assert encoder.trainable_weights


@pytest.mark.release
def test_an_archive_is_loaded_as_a_folder_is(unpacked):
    archive = pretrained.pretrained_archive(NAME)
    batch = random_images()
    expected = HubEncoder(unpacked)(batch)
    np.testing.assert_allclose(HubEncoder(archive)(batch), expected, rtol=1e-6)
    model = initial_encoder(archive, (32, 32, 3))
    np.testing.assert_allclose(model(batch), expected, rtol=1e-5, atol=1e-6)


def test_unpacking_does_not_overwrite(unpacked):
    assert {"saved_model.pb", "variables"} <= {
        path.name for path in unpacked.iterdir()
    }
    with pytest.raises(ValueError, match="must not exist yet"):
        supcon_tf.unpack_pretrained(NAME, unpacked)


def test_an_unknown_name_lists_the_known_ones():
    for load in (
        supcon_tf.load_pretrained,
        lambda name: supcon_tf.unpack_pretrained(name, "nowhere"),
        pretrained.pretrained_keras_file,
        lambda name: HubEncoder(f"supcon_tf:{name}"),
    ):
        with pytest.raises(ValueError, match=NAME) as caught:
            load("cifar11")
        assert "name='cifar11'" in str(caught.value)


@pytest.mark.parametrize("change", ["cut", "changed"])
def test_a_damaged_archive_is_refused(change, tmp_path, monkeypatch):
    content = bytearray(
        (FOLDER / supcon_tf.PRETRAINED[NAME].archive).read_bytes()
    )
    path = tmp_path / "damaged.tar.gz"
    path.write_bytes(content[:-1000] if change == "cut" else content[::-1])
    with pytest.raises(ValueError, match=r"whole \.tar\.gz archive"):
        HubEncoder(path)
    encoder = supcon_tf.PRETRAINED[NAME]
    monkeypatch.setitem(
        pretrained.PRETRAINED,
        NAME,
        dataclasses.replace(encoder, archive=str(path)),
    )
    with pytest.raises(ValueError, match="must be the archive that was"):
        supcon_tf.load_pretrained(NAME)


def test_one_that_is_published_elsewhere_is_downloaded_once(
    tmp_path, monkeypatch
):
    source = FOLDER / supcon_tf.PRETRAINED[NAME].archive
    copy = tmp_path / "elsewhere.tar.gz"
    copy.write_bytes(source.read_bytes())
    get_file = functools.partial(keras.utils.get_file, cache_dir=tmp_path)
    monkeypatch.setattr(keras.utils, "get_file", get_file)
    monkeypatch.setitem(
        pretrained.PRETRAINED,
        "elsewhere",
        dataclasses.replace(supcon_tf.PRETRAINED[NAME], archive=copy.as_uri()),
    )
    for _ in range(2):
        path = pretrained.pretrained_archive("elsewhere")
        assert path.is_relative_to(tmp_path / "supcon_tf")
        assert path.read_bytes() == source.read_bytes()
        copy.unlink(missing_ok=True)
    path.unlink()
    with pytest.raises(ValueError, match="must be there to be downloaded"):
        pretrained.pretrained_archive("elsewhere")


OFFLINE = """
import socket
def refuse(*_, **__):
    raise OSError("no network")
socket.socket.connect = refuse
import supcon_tf
import numpy as np
encoder = supcon_tf.load_pretrained("cifar10_resnet18_w025")
print(encoder(np.zeros((1, 32, 32, 3), np.float32)).shape)
"""


@pytest.mark.release
def test_it_is_loaded_without_a_network_from_another_folder(tmp_path):
    root = str(pathlib.Path(__file__).parents[2])
    out = subprocess.check_output(
        [sys.executable, "-c", OFFLINE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root, "HOME": str(tmp_path)},
        text=True,
    )
    assert out.strip() == "(1, 128)"
    assert not list(tmp_path.rglob("*supcon*"))
