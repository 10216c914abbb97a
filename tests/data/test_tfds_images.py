import logging

import numpy as np
import prepared_tfds
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from supcon_tf import augmentations, load_dataset, view_batches
from supcon_tf.data.image_batches import image_batches
from supcon_tf.data.labelled_images import LabelledImages
from supcon_tf.data.streamed_images import StreamedImages

GREY = tfds.features.Image(shape=(6, 6, 1))


def write_cifar10(folder, **kwargs):
    prepared_tfds.write(
        folder,
        "cifar10",
        {"train": [20], "test": [10]},
        version="3.0.2",
        num_classes=10,
        image=tfds.features.Image(shape=(32, 32, 3)),
        **kwargs,
    )


@pytest.mark.slow
def test_images_of_one_size_are_decoded_into_memory(tmp_path, monkeypatch):
    write_cifar10(tmp_path)
    train, test = load_dataset("cifar10", data_dir=str(tmp_path))
    assert train.images.shape == (20, 32, 32, 3)
    assert train.images.dtype == np.uint8
    np.testing.assert_array_equal(
        prepared_tfds.numbers(train.images / 255), np.arange(20)
    )
    np.testing.assert_array_equal(train.labels, np.arange(20) % 10)
    assert train.labels.dtype == np.int64
    assert train.class_names == tuple("0123456789")
    assert len(test) == 10
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    again, _ = load_dataset("tfds:cifar10:3.*.*")
    np.testing.assert_array_equal(again.images, train.images)


@pytest.mark.slow
def test_images_of_many_sizes_stay_encoded_in_memory(tmp_path):
    prepared_tfds.write(tmp_path, "flowers", {"train": [15, 10]})
    train, test = load_dataset("tfds:flowers", data_dir=tmp_path)
    assert isinstance(train, LabelledImages)
    assert (len(train), len(test)) == (20, 5)  # there is no test split
    for images, labels in image_batches(train, image_size=8):
        np.testing.assert_array_equal(prepared_tfds.numbers(images) % 5, labels)


def test_what_is_larger_than_memory_is_streamed(tmp_path, monkeypatch):
    monkeypatch.setattr("supcon_tf.data.tfds_images.MAX_BYTES_IN_MEMORY", 0)
    prepared_tfds.write(tmp_path, "imagenet2012", {"train": [9], "test": [3]})
    for part in load_dataset("imagenet2012", data_dir=tmp_path):
        assert isinstance(part, StreamedImages)


@pytest.mark.slow
def test_grey_images_become_rgb(tmp_path):
    prepared_tfds.write(
        tmp_path, "mnist", {"train": [9], "test": [3]}, image=GREY
    )
    train, _ = load_dataset("tfds:mnist", data_dir=tmp_path)
    assert train.images.shape == (9, 6, 6, 3)
    assert (train.images == train.images[..., :1]).all()


@pytest.mark.slow
def test_labels_may_be_plain_integers(tmp_path, monkeypatch):
    label = tfds.features.Scalar(np.int64)
    splits = {"train": [9], "val": [3]}
    prepared_tfds.write(tmp_path, "a", splits, label=label)
    train, test = load_dataset("tfds:a", data_dir=tmp_path)
    assert train.class_names == tuple("01234")
    assert len(test) == 3
    monkeypatch.setattr("supcon_tf.data.tfds_images.MAX_BYTES_IN_MEMORY", 0)
    with pytest.raises(ValueError, match=r"ClassLabel as .* dataset='a/5.1.0'"):
        load_dataset("tfds:a", data_dir=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test", "validation", "val"])
def test_the_test_images_are_those_of_test_or_validation(tmp_path, name):
    splits = {"train": [9], name: [4], "other": [6]}
    prepared_tfds.write(tmp_path, "a", splits)
    _, test = load_dataset("tfds:a", data_dir=tmp_path)
    assert len(test) == 4


@pytest.mark.slow
def test_test_images_without_labels_are_passed_over(tmp_path):
    """As are those of ImageNet: TFDS gives them the label -1."""
    prepared_tfds.write(
        tmp_path,
        "imagenet2012",
        {"train": [9], "validation": [4], "test": [6]},
        unlabelled="test",
    )
    _, test = load_dataset("imagenet2012", data_dir=tmp_path)
    assert len(test) == 4
    assert test.labels.min() >= 0


@pytest.mark.slow
def test_the_newest_version_there_is_taken(tmp_path):
    for version, count in (("2.0.0", 2), ("10.0.0", 10), ("9.1.0", 9)):
        splits = {"train": [count], "test": [1]}
        prepared_tfds.write(tmp_path, "a", splits, version=version)
    for name, count in (("a", 10), ("a:9.*.*", 9), ("a:2.0.0", 2)):
        train, _ = load_dataset(f"tfds:{name}", data_dir=tmp_path)
        assert len(train) == count


def write_imagenette(folder, **configs):
    for config, count in configs.items():
        prepared_tfds.write(
            folder,
            f"imagenette/{config.removeprefix('_').replace('_', '-')}",
            {"train": [count], "validation": [1]},
        )


@pytest.mark.slow
def test_imagenette_is_the_largest_there(tmp_path, caplog):
    logging.getLogger("absl").propagate = True
    write_imagenette(tmp_path, _160px_v2=6)
    assert len(load_dataset("imagenette", data_dir=tmp_path)[0]) == 6
    assert "full-size-v2 is not in" in caplog.text
    assert "160px-v2 is taken" in caplog.text
    write_imagenette(tmp_path, _320px_v2=7)
    assert len(load_dataset("imagenette", data_dir=tmp_path)[0]) == 7
    write_imagenette(tmp_path, full_size_v2=8)
    caplog.clear()
    assert len(load_dataset("imagenette", data_dir=tmp_path)[0]) == 8
    assert not caplog.text


@pytest.mark.slow
def test_a_config_is_named_or_the_only_one_or_the_default(tmp_path):
    write_imagenette(tmp_path, _160px_v2=6)
    assert len(load_dataset("tfds:imagenette", data_dir=tmp_path)[0]) == 6
    write_imagenette(tmp_path, _320px_v2=7)
    name = "tfds:imagenette/160px-v2"
    assert len(load_dataset(name, data_dir=tmp_path)[0]) == 6
    assert len(load_dataset(f"{name}:5.1.0", data_dir=tmp_path)[0]) == 6
    with pytest.raises(
        ValueError,
        match=r"'imagenette/160px-v2', 'imagenette/320px-v2'.*"
        "Received: dataset='imagenette'$",
    ):
        load_dataset("tfds:imagenette", data_dir=tmp_path)
    metadata = tmp_path / "imagenette" / ".config" / "metadata.json"
    metadata.parent.mkdir()
    metadata.write_text('{"default_config_name": "320px-v2"}')
    assert len(load_dataset("tfds:imagenette", data_dir=tmp_path)[0]) == 7


@pytest.mark.slow
def test_what_is_not_prepared_is_named_and_nothing_is_made(tmp_path):
    missing = tmp_path / "nowhere"
    for name in ("cifar10", "tfds:cifar10:2.0.0", "tfds:imagenette/320px-v2"):
        known = name.removeprefix("tfds:")
        with pytest.raises(
            ValueError, match=f"has prepared '{known}'; --download lets"
        ):
            load_dataset(name, data_dir=str(missing))
    assert not missing.exists()
    (tmp_path / "cifar10").mkdir()
    with pytest.raises(ValueError, match="has prepared 'cifar10'; --download"):
        load_dataset("cifar10", data_dir=str(tmp_path))
    with pytest.raises(ValueError, match="none that it knows has that name"):
        load_dataset("tfds:cifar11", data_dir=str(tmp_path))


@pytest.mark.parametrize("name", ["", "a b", "a/b/c", ":1.0.0", "../a"])
def test_what_is_no_name_of_tfds_is_refused(name):
    with pytest.raises(ValueError) as error:
        load_dataset(f"tfds:{name}")
    assert str(error.value) == (
        "`dataset` must be tfds:NAME, with /CONFIG and :VERSION if need be. "
        f"Received: dataset='tfds:{name}'"
    )


def test_an_unknown_name_is_not_downloaded(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"that tensorflow-datasets knows\. Received: dataset='cifar11', ",
    ):
        load_dataset("tfds:cifar11", data_dir=tmp_path, download=True)


def test_files_that_tfds_may_not_fetch_are_asked_for(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"`dataset` must be one whose files tensorflow-datasets may fetch"
        r"\. Received: dataset='imagenet2012', ",
    ):
        load_dataset("imagenet2012", data_dir=tmp_path, download=True)


@pytest.mark.parametrize("limit", [2**31, 0])
def test_data_that_lacks_a_file_is_named(tmp_path, limit, monkeypatch):
    monkeypatch.setattr("supcon_tf.data.tfds_images.MAX_BYTES_IN_MEMORY", limit)
    prepared_tfds.write(tmp_path, "a", {"train": [5, 5, 5], "test": [5]})
    (file,) = tmp_path.rglob("*train*-00001-of-00003")
    file.unlink()
    with pytest.raises(
        ValueError, match=f"whole. Received: one without {file}"
    ):
        load_dataset("tfds:a", data_dir=tmp_path)


@pytest.mark.slow
def test_damaged_data_is_named(tmp_path):
    write_cifar10(tmp_path)
    for record in (tmp_path / "cifar10").rglob("*test.tfrecord*"):
        record.write_bytes(record.read_bytes()[:-10])
    with pytest.raises(ValueError, match="`data_dir` must hold cifar10 whole"):
        load_dataset("cifar10", data_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"image": tfds.features.Tensor(shape=(6, 6, 3), dtype=np.uint8)},
            "im",
        ),
        (
            {"image": tfds.features.Image(shape=(6, 6, 3), dtype=np.uint16)},
            "im",
        ),
        ({"label": tfds.features.Scalar(np.float32)}, "label"),
    ],
)
def test_data_without_images_or_labels_is_refused(tmp_path, kwargs, message):
    prepared_tfds.write(tmp_path, "a", {"train": [5], "test": [5]}, **kwargs)
    with pytest.raises(
        ValueError,
        match=f"the features `image`, uint8.*dataset='a/5.1.0', .*{message}",
    ):
        load_dataset("tfds:a", data_dir=tmp_path)


def test_data_without_a_split_train_is_refused(tmp_path):
    prepared_tfds.write(tmp_path, "a", {"test": [5]})
    with pytest.raises(ValueError, match=r"dataset='a/5.1.0', .* \['test'\]"):
        load_dataset("tfds:a", data_dir=tmp_path)


def test_other_forms_of_files_than_tfrecord_are_refused(tmp_path):
    prepared_tfds.write(tmp_path, "a", {"train": [5], "test": [5]})
    (info,) = tmp_path.rglob("dataset_info.json")
    info.write_text(info.read_text().replace("tfrecord", "array_record"))
    with pytest.raises(
        ValueError,
        match=r"as tfrecord\. Received: dataset='a/5.1.0', .* array_record$",
    ):
        load_dataset("tfds:a", data_dir=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [2**31, 0])
def test_the_imagenet_pipeline_runs_on_imagenette(limit, monkeypatch):
    monkeypatch.setattr("supcon_tf.data.tfds_images.MAX_BYTES_IN_MEMORY", limit)
    train, test = load_dataset(
        "imagenette", data_dir=prepared_tfds.real_data("imagenette")
    )
    assert len(train.class_names) == 10
    assert isinstance(train, StreamedImages if limit == 0 else LabelledImages)
    views = view_batches(
        train,
        augmentations.simclr,
        num_views=2,
        batch_size=16,
        image_size=64,
        seed=0,
    )
    for images, labels in views.take(2):
        assert images.shape == (16, 2, 64, 64, 3)
        assert images.dtype == tf.float32
        assert 0 <= images.numpy().min() < 0.2 < 0.8 < images.numpy().max() <= 1
        assert set(labels.numpy()) <= set(range(10))
    evaluated = image_batches(
        test,
        image_size=64,
        batch_size=16,
        augmentation=augmentations.resize_then_crop,
    )
    for images, _ in evaluated.take(1):
        assert images.shape == (16, 64, 64, 3)
