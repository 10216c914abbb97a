"""Pretraining by two processes, as on two machines."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from on_devices import finish, free_cluster, start

from supcon_tf import load_dataset, view_batches
from supcon_tf.recipes import RECIPES
from supcon_tf.training.build import build_encoder, make_augmentation

FLAGS = [
    "--recipe=digits",
    "--encoder=tiny",
    "--batch_size=256",  # 5 steps an epoch
    "--epochs=2",
    "--warmup_epochs=0",
    "--projection_units=8,4",
    "--learning_rate=0.01",
    "--precision=float64",
]


def run_one(workdir, *flags, **options):
    process = start(
        "pretrain", *FLAGS, f"--workdir={workdir}", *flags, float64=True,
        **options,
    )  # fmt: skip
    return finish(process)


def run_two(workdirs, *flags, of_each=({}, {})):
    """The ends of a chief and a worker, with options of each."""
    cluster = free_cluster(2)
    processes = [
        start(
            "pretrain",
            *FLAGS,
            f"--workdir={workdirs[index]}",
            *flags,
            cluster=cluster,
            index=index,
            float64=True,
            **of_each[index],
        )
        for index in range(2)
    ]
    return [finish(process) for process in processes]


def weights(workdir):
    model = keras.saving.load_model(workdir / "encoder.keras", compile=False)
    return model.get_weights()


def distance(a, b):
    return max(np.abs(x - y).max() for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The weights of the encoder that one process trains on one device."""
    workdir = tmp_path_factory.mktemp("one")
    status, _, err = run_one(workdir)
    assert status == 0, err
    return weights(workdir)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of two workers, and how they ended."""
    folder = tmp_path_factory.mktemp("two")
    ends = run_two(
        [folder / "chief", folder / "worker"],
        of_each=[
            {
                "encoder": str(folder / f"encoder_{index}.npz"),
                "views": str(folder / f"views_{index}.npz"),
                "shape": str(folder / f"shape_{index}.json"),
            }
            for index in range(2)
        ],
    )
    return folder, ends


@pytest.mark.slow
def test_two_workers_end_with_the_encoder_of_one_device(undisturbed, finished):
    folder, ends = finished
    for status, _, err in ends:
        assert (status, err) == (0, [])
    assert distance(weights(folder / "chief"), undisturbed) <= 1e-12
    config = dataclasses.replace(RECIPES["digits"], encoder="tiny")
    untrained = build_encoder(config).get_weights()
    assert distance(undisturbed, untrained) > 0.01
    for index in range(2):
        with np.load(folder / f"encoder_{index}.npz") as returned:
            assert distance(returned.values(), undisturbed) <= 1e-12


@pytest.mark.slow
def test_only_the_chief_writes_and_prints(finished):
    folder, ((_, out, _), (_, out_of_worker, _)) = finished
    assert not (folder / "worker").exists()
    assert {path.name for path in (folder / "chief").iterdir()} == {
        ".lock",
        "checkpoint-00001.npz",
        "checkpoint-00002.npz",
        "config.json",
        "encoder.keras",
        "encoder.sha256",
        "history.csv",
        "logs",
        "supcon_model.keras",
    }
    assert "2 replicas in 2 processes, 128 images of a batch on each" in out
    assert out_of_worker == ""


@pytest.mark.slow
def test_each_worker_makes_its_own_rows_of_each_batch(finished):
    folder, _ = finished
    train, _ = load_dataset("digits")
    config = RECIPES["digits"]
    whole = view_batches(
        train,
        make_augmentation(config),
        num_views=2,
        batch_size=256,
        image_size=8,
        seed=config.seed,
    )
    images, labels = next(iter(whole))
    parts = [np.load(folder / f"views_{index}.npz") for index in range(2)]
    for index in range(2):
        shape = json.loads((folder / f"shape_{index}.json").read_text())
        assert shape == [128, 2, 8, 8, 3]
    for name, expected in (("images", images), ("labels", labels)):
        assert [len(part[name]) for part in parts] == [128, 128]
        np.testing.assert_array_equal(
            np.concatenate([part[name] for part in parts]), expected
        )


@pytest.mark.release
def test_a_finished_run_says_so_and_each_worker_has_the_encoder(
    finished, tmp_path
):
    folder, _ = finished
    before = {p: p.stat().st_mtime_ns for p in (folder / "chief").iterdir()}
    ends = run_two(
        [folder / "chief", folder / "worker"],
        of_each=[
            {"encoder": str(tmp_path / f"{index}.npz")} for index in range(2)
        ],
    )
    (_, out, _), (_, out_of_worker, _) = ends
    assert [status for status, _, _ in ends] == [0, 0]
    assert out.startswith("Finished already: ")
    assert out_of_worker == ""
    expected = weights(folder / "chief")
    for index in range(2):
        with np.load(tmp_path / f"{index}.npz") as returned:
            assert distance(returned.values(), expected) == 0
    assert before == {
        p: p.stat().st_mtime_ns for p in (folder / "chief").iterdir()
    }


@pytest.mark.release
def test_what_the_chief_refuses_is_one_line_of_each_worker(finished, tmp_path):
    folder, _ = finished
    ends = run_two([folder / "chief", tmp_path / "worker"], "--temperature=9")
    for status, out, err in ends:
        assert (status, out, len(err)) == (2, "", 1)
        assert "`temperature` must be 0.1, as in the run" in err[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.release
@pytest.mark.parametrize("killed", [0, 1], ids=["chief", "worker"])
def test_a_killed_worker_ends_the_others_and_the_run_can_go_on(
    killed, undisturbed, tmp_path
):
    workdirs = [tmp_path / "chief", tmp_path / "worker"]
    of_each = [{}, {}]
    of_each[killed] = {"dies_in": 2}
    ends = run_two(workdirs, of_each=of_each)
    assert ends[killed][0] == -9
    status, _, err = ends[1 - killed]
    assert (status, len(err)) == (1, 1), err
    assert err[0].startswith("supcon-pretrain: error: Another worker stopped")
    assert "start all workers again" in err[0]
    assert not (workdirs[0] / "encoder.keras").exists()

    if killed == 1:  # and one machine is left
        end = run_one(workdirs[0], "--strategy=one_device")
    else:
        end, (status, _, _) = run_two(workdirs)
        assert status == 0
    assert end[0] == 0, end
    assert "goes on after epoch 1" in end[1]
    assert distance(weights(workdirs[0]), undisturbed) <= 1e-12
