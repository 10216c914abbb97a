"""What stays TensorFlow's says so in one line that names the way out."""

import functools
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from small_models import blobs, small_encoder

import supcon_tf
from supcon_tf.distribution.strategies import make_strategy
from supcon_tf.errors import NeedsTensorFlowError
from supcon_tf.evaluation import encode_all
from supcon_tf.evaluation.linear.training import train_linear_classifier
from supcon_tf.evaluation.robustness.errors import wrong_answers
from supcon_tf.photographs.similarity_head import augmented_features
from supcon_tf.pretrain import main as pretrain

BACKEND = keras.backend.backend()

pytestmark = [
    pytest.mark.release,
    pytest.mark.skipif(BACKEND == "tensorflow", reason="TensorFlow does it"),
]

IMAGES, LABELS = blobs(8, 0)


def stream():
    from supcon_tf.data.streamed_images import StreamedImages

    return object.__new__(StreamedImages)


REFUSED = {
    "`view_batches` needs TensorFlow: fit a model of DeviceViews to their "
    "`batches`, or `pip install tensorflow`. Received: no TensorFlow": (
        lambda: supcon_tf.view_batches(
            (IMAGES, LABELS), "crop", num_views=2, batch_size=4, image_size=4,
            seed=0,
        )
    ),
    "`numbered_batches` needs TensorFlow: take DeviceViews.batches, or": (
        lambda: supcon_tf.numbered_batches(
            (IMAGES, LABELS), batch_size=4, seed=0
        )
    ),
    "A source of files or a tf.data.Dataset needs TensorFlow as backend: give "
    "arrays, (images, labels), or set KERAS_BACKEND=tensorflow.": (
        lambda: encode_all(small_encoder(), stream())
    ),
    "An `augmentation` of one's own in an evaluation needs TensorFlow as "
    "backend: leave it out": (
        lambda: encode_all(
            small_encoder(), (IMAGES, LABELS), augmentation=lambda x, s, n: x
        )
    ),
    "The data set 'cifar10' needs TensorFlow: give its images as a file, "
    "dataset='npz', or as a 'folder', or": (
        lambda: supcon_tf.load_dataset("cifar10")
    ),
    "Measuring errors on corrupted images needs TensorFlow as backend: ": (
        lambda: wrong_answers(
            small_encoder(), (IMAGES, LABELS), image_size=4
        )
    ),
    "`augmented_features` needs TensorFlow as backend: train the head on": (
        lambda: augmented_features(small_encoder(), (IMAGES, LABELS))
    ),
    "Training a linear classifier on augmented views needs TensorFlow as "
    "backend: use linear_probe": (
        lambda: train_linear_classifier(
            small_encoder(), (IMAGES, LABELS), make_optimizer=None,
            learning_rate=0.1, epochs=1, batch_size=4,
        )
    ),
    **{
        f"strategy={name!r} needs TensorFlow as backend: take 'one_device'": (
            functools.partial(make_strategy, name)
        )
        for name in ("mirrored", "multi_worker", "tpu")
    },
}  # fmt: skip


@pytest.mark.parametrize("line", list(REFUSED))
def test_it_is_refused_in_one_line(line):
    with pytest.raises(NeedsTensorFlowError) as caught:
        REFUSED[line]()
    assert str(caught.value).startswith(line)
    assert str(caught.value).endswith(f"backend={BACKEND!r}")
    assert "\n" not in str(caught.value)


def test_a_dataset_of_a_tensorflow_that_is_no_backend_is_refused(monkeypatch):
    """Where TensorFlow is installed beside: here its name alone is."""
    beside = types.ModuleType("tensorflow")
    beside.data = types.SimpleNamespace(Dataset=type("Dataset", (), {}))
    monkeypatch.setitem(sys.modules, "tensorflow", beside)
    with pytest.raises(NeedsTensorFlowError) as caught:
        encode_all(small_encoder(), beside.data.Dataset())
    assert str(caught.value) == (
        "A source of files or a tf.data.Dataset needs TensorFlow as backend: "
        "give arrays, (images, labels), or set KERAS_BACKEND=tensorflow. "
        f"Received: backend={BACKEND!r}"
    )


def test_balanced_batches_are_refused(tmp_path, capsys):
    flags = ["--recipe=digits", "--views=device", "--samples_per_class=2"]
    assert pretrain([*flags, f"--workdir={tmp_path / 'new'}"]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(
        "supcon-pretrain: error: `samples_per_class` needs TensorFlow as "
        "backend: leave it out, or set KERAS_BACKEND=tensorflow."
    )
    assert not (tmp_path / "new").exists()


def test_the_command_of_the_export_says_it_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "hub_export.export", f"--workdir={tmp_path}",
         f"--output={tmp_path / 'out'}"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "supcon-hub-export: error: The export of a SavedModel needs TensorFlow "
        "as backend: share encoder.keras, or set KERAS_BACKEND=tensorflow. "
        f"Received: backend={BACKEND!r}"
    )


def test_the_package_and_all_that_it_has_load_no_tensorflow():
    code = (
        "import sys, supcon_tf; [getattr(supcon_tf, x) for x in supcon_tf."
        "__all__]; assert 'tensorflow' not in sys.modules; "
        "assert supcon_tf.frameworks.backends.backend() == "
        "supcon_tf.losses.pairs.sums.backend()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_data_sets_that_need_no_tensorflow_are_read(tmp_path):
    from PIL import Image

    train, test = supcon_tf.load_dataset("digits")
    assert (len(train), len(test)) == (1437, 360)
    np.savez(tmp_path / "a.npz", images=train.images, labels=train.labels)
    again, _ = supcon_tf.load_dataset("npz", data_dir=tmp_path / "a.npz")
    assert again.images.shape[1:] == (8, 8, 3)
    for number in range(10):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(train.images[number]).resize((20, 30)).save(path)
    photos, _ = supcon_tf.load_dataset("folder", data_dir=tmp_path / "photos")
    found, labels = encode_all(small_encoder((8, 8, 3)), photos)
    assert found.shape == (len(photos), 6)
    assert labels.tolist() == photos.labels.tolist()
