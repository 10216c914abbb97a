"""The evaluate command, on the digits."""

import dataclasses
import json
import shutil
import sys

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds
from prepared_tfds import real_data, write

from supcon_tf import evaluate, load_dataset
from supcon_tf.config import EvaluateConfig, PretrainConfig
from supcon_tf.config.settings import to_json
from supcon_tf.corruptions import LEFT_OUT
from supcon_tf.evaluation import classification_accuracy, linear_probe
from supcon_tf.evaluation.measures import measure
from supcon_tf.evaluation.report.files import titles_of
from supcon_tf.evaluation.robustness.errors import (
    error_shares,
    mean_corruption_error,
    wrong_answers,
)
from supcon_tf.evaluation.robustness.published import PUBLISHED
from supcon_tf.files import only_writer
from supcon_tf.runs import evaluation


def save_encoder(path, filters, seed):
    keras.utils.set_random_seed(seed)
    keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(filters, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
        ]
    ).save(path)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """What the command reads of a run, and another encoder."""
    workdir = tmp_path_factory.mktemp("evaluate")
    save_encoder(workdir / "encoder.keras", 6, seed=0)
    save_encoder(workdir / "other.keras", 2, seed=1)
    (workdir / "history.csv").write_text("epoch,loss\n1,3\n2,2\n")
    return workdir


@pytest.fixture(scope="module")
def config(workdir):
    return EvaluateConfig(
        encoder=str(workdir),
        baseline=str(workdir / "other.keras"),
        dataset="digits",
        transfer_dataset="digits",
        output=str(workdir / "new" / "evaluation"),
        max_samples=500,
        transfer_max_samples=500,
        max_test_images=200,
        neighbors=(1, 5, 900),
        corruptions=("pixelate", "gaussian_noise"),
        severities=(1, 5),
        figures=True,
        seed=3,
    )


@pytest.fixture(scope="module")
def results(config):
    return evaluate.evaluate(config)


@pytest.fixture(scope="module")
def data():
    train, test = load_dataset("digits", max_samples=500)
    chosen = np.random.default_rng(3).permutation(len(test))[:200]
    return train, test.take(np.sort(chosen))


@pytest.mark.slow
def test_the_results_are_those_of_the_functions(config, results, data, workdir):
    train, test = data
    errors = []
    for name, path in (
        ("encoder", "encoder.keras"),
        ("baseline", "other.keras"),
    ):
        encoder = keras.saving.load_model(workdir / path)
        *_, expected = measure(encoder, *data, neighbors=(1, 5), seed=3)
        found = results[name]
        for key, value in json.loads(json.dumps(expected)).items():
            if not isinstance(value, dict):
                value = pytest.approx(value, rel=1e-6)
            assert found[key] == value, key
        probe = linear_probe(encoder, train, verbose=0)
        accuracy = classification_accuracy(probe, test)["top_1_accuracy"]
        top_1 = found["linear_probe"]["top_1_accuracy"]
        assert top_1 == pytest.approx(accuracy)  # the one in float32
        wrong = wrong_answers(
            probe,
            test,
            image_size=8,
            kinds=config.corruptions,
            severities=(1, 5),
            seed=3,
        )
        clean, of_kinds = error_shares(wrong)
        assert found["corruption"]["clean_error"] == clean
        assert clean == pytest.approx(1 - accuracy)
        assert found["corruption"]["errors"] == {
            kind: list(of_kind) for kind, of_kind in of_kinds.items()
        }
        # The second data set is the same here.
        assert found["transfer"] == {
            "dataset": "digits",
            "linear_probe": found["linear_probe"],
            "knn": found["knn"],
            "retrieval": found["retrieval"],
        }
        assert found["image_size"] == [8, 8]
        errors.append(of_kinds)
    assert results["mean_corruption_error"] == pytest.approx(
        mean_corruption_error(*errors)
    )
    assert results["num_train_images"] == 500
    assert results["num_test_images"] == 200
    assert results["left_out"] == LEFT_OUT
    assert results["seconds"] > 0


@pytest.mark.slow
def test_the_file_holds_the_results_and_the_settings(config, results, workdir):
    output = workdir / "new" / "evaluation"
    assert json.loads((output / "evaluation.json").read_text()) == results
    settings = json.loads(json.dumps(dataclasses.asdict(config)))
    assert results["config"] == settings
    assert results["figures"] == [
        "embedding_map.png",
        "similarities.png",
        "corruptions.png",
        "training.png",
    ]
    assert {path.name for path in output.iterdir()} == {
        ".lock",
        "evaluation.json",
        *results["figures"],
    }


@pytest.mark.parametrize(
    ("encoder", "baseline", "titles"),
    [
        ("runs/a", "runs/b/", ("a", "b")),
        ("runs/1/a", "runs/2/a", ("encoder", "baseline")),
        ("supcon_tf:NAME", None, ("supcon_tf:NAME", "baseline")),
        (".", "runs/b", ("encoder", "baseline")),
    ],
)
def test_figures_name_an_encoder_by_the_last_part_of_where_it_is(
    encoder, baseline, titles
):
    config = EvaluateConfig(encoder=encoder, baseline=baseline)
    assert tuple(titles_of(config).values()) == titles


def run(capsys, *argv):
    status = evaluate.main(argv)
    out, err = capsys.readouterr()
    if status:
        assert err.startswith("supcon-evaluate: error: ")
        assert err.count("\n") == 1, err
    return status, out, err


FEW = ("--max_samples=300", "--max_test_images=50", "--neighbors=1")


@pytest.mark.slow
def test_the_command_prints_a_table_of_what_it_writes(
    workdir, tmp_path, capsys
):
    status, out, _ = run(
        capsys, f"--encoder={workdir}", f"--output={tmp_path}", *FEW
    )
    assert status == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        ".lock",
        "evaluation.json",
    }
    results = json.loads((tmp_path / "evaluation.json").read_text())
    accuracy = results["encoder"]["linear_probe"]["top_1_accuracy"]
    assert f"linear probe, top-1 {accuracy:>32.4f}\n" in out
    score = results["encoder"]["retrieval"]["map_at_r"]
    assert f"retrieval, MAP@R {score:>35.4f}\n" in out
    first, chance, wrote, following = out.splitlines()[-4:]
    assert first.startswith(f"top-1 {accuracy:.4f} by a linear probe, ")
    assert first.endswith(" on 50 test images of digits")
    assert chance == "To compare with: 0.1000, chance"
    assert wrote == f"Wrote evaluation.json to {tmp_path}"
    assert following.startswith("Next: ")
    for key in ("baseline", "mean_corruption_error"):
        assert results[key] is None
    assert results["encoder"]["transfer"] is None
    assert results["encoder"]["corruption"] is None
    assert results["left_out"] == {}


@pytest.mark.slow
def test_images_of_other_classes_are_told_from_the_known_ones(
    workdir, tmp_path, capsys
):
    random = np.random.default_rng(0)
    for name in ("noise", "3"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            keras.utils.save_img(
                tmp_path / "photos" / name / f"{number}.png",
                random.integers(256, size=(8, 8, 3)),
                scale=False,
            )
    output = tmp_path / "new"
    status, out, _ = run(
        capsys,
        f"--encoder={workdir}",
        f"--output={output}",
        "--unknown_dataset=folder",
        f"--unknown_data_dir={tmp_path / 'photos'}",
        *FEW,
    )
    assert status == 0
    results = json.loads((output / "evaluation.json").read_text())
    scores = results["encoder"]["open_set"]
    assert scores["num_unknown_images"] == 2  # a fifth of the ten are test ones
    # Noise is no digit.
    assert scores["auroc"] == 1
    assert scores["fpr_at_95_tpr"] == 0
    assert "unknown classes, AUROC" in out
    assert "folder: images of 3 are left out of the unknown" in out


@pytest.mark.slow
def test_earlier_results_are_replaced_only_if_asked(workdir, tmp_path, capsys):
    earlier = tmp_path / "evaluation.json"
    earlier.write_text("earlier")
    argv = (f"--encoder={workdir}", f"--output={tmp_path}", *FEW)
    status, _, err = run(capsys, *argv)
    assert (status, earlier.read_text()) == (2, "earlier")
    assert "--overwrite" in err
    assert run(capsys, *argv, "--overwrite")[0] == 0
    assert json.loads(earlier.read_text())["encoder"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_results(workdir, tmp_path):
    config = EvaluateConfig(
        encoder=str(workdir),
        output=str(tmp_path / "a"),
        max_samples=300,
        max_test_images=40,
        corruptions=("shot_noise",),
        seed=1,
    )
    first = evaluate.evaluate(config)
    again = evaluate.evaluate(
        dataclasses.replace(config, output=str(tmp_path / "b"))
    )
    other = evaluate.evaluate(
        dataclasses.replace(config, output=str(tmp_path / "c"), seed=2)
    )
    assert first["encoder"] == again["encoder"] != other["encoder"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--encoder=missing",), "`encoder` must be a .keras file"),
        (("--baseline=missing",), "`baseline` must be a .keras file"),
        (
            ("--image_size=9",),
            "`image_size` must be that of (8, 8, 3), which the model was made "
            "for. Received: image_size=9",
        ),
        (("--encoder=supcon_tf:NOPE",), "`encoder` must be supcon_tf: and one"),
        (
            ("--baseline=supcon_tf:NOPE",),
            "Received: baseline='supcon_tf:NOPE'",
        ),
        (("--dataset=mnist",), "`dataset` must be one of"),
        (
            ("--transfer_dataset=mnist",),
            "transfer_dataset: `dataset` must be one of",
        ),
        (
            ("--transfer_dataset=digits", "--transfer_max_samples=1438"),
            "transfer_dataset: `max_samples` must be from 1 to the number of "
            "training images, 1437. Received: max_samples=1438",
        ),
        (
            ("--transfer_max_samples=9",),
            "`transfer_max_samples` must be left out with transfer_dataset",
        ),
        (
            ("--transfer_data_dir=there",),
            "Received: transfer_data_dir=there",
        ),
        (
            ("--severities=3",),
            "`severities` must be left out with corruptions=None, which has no "
            "such thing. Received: severities=(3,)",
        ),
        (
            ("--unknown_data_dir=there",),
            "`unknown_data_dir` must be left out with unknown_dataset=None",
        ),
        (
            ("--unknown_dataset=mnist",),
            "unknown_dataset: `dataset` must be one",
        ),
        (
            ("--unknown_dataset=digits",),
            "unknown_dataset: `dataset` must have images of classes that are ",
        ),
        (("--corrupted=tfds",), "`corrupted` must be left out with corrup"),
        (("--corruptions=all,none",), "`corruptions` must be all, none or of"),
        (("--corruptions=fog",), "'fog', which is left out: it needs random"),
        (
            ("--corruptions=all", "--severities=1,6"),
            "`severities` must be one or more ints from 1",
        ),
        (("--severities=a",), "`severities` must be comma-separated numbers"),
        (("--max_samples=1438",), "`max_samples` must be from 1 to"),
        (
            ("--max_samples=30", "--validation_fraction=0.1"),
            "`validation_fraction` must leave 10 images",
        ),
        (("--neighbors=2000",), "training images that are not held out, 1293"),
        (("--max_test_images=1",), "test images of two or more classes"),
        (
            ("--corruptions=fog", "--corrupted=tfds"),
            "`dataset` must be one who",
        ),
        (
            ("--corruptions=fog", "--corrupted=tfds", "--max_test_images=9"),
            "`max_test_images` must be none with corrupted=tfds",
        ),
        (
            ("--dataset=cifar10", "--corruptions=fog", "--corrupted=tfds"),
            "has prepared 'cifar10_corrupted/fog_1'",
        ),
        (("--output=",), "`output` must be a folder to write to"),
        (("--output={}/encoder.keras",), "where {}/encoder.keras cannot"),
        (("more",), "takes flags alone"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    workdir, flags, words, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    status, _, err = run(
        capsys,
        f"--encoder={workdir}",
        f"--output={tmp_path / 'new'}",
        *(flag.format(workdir) for flag in flags),
    )
    assert status == 2
    assert words.format(workdir) in err
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_and_an_output_must_be_given(workdir, tmp_path, capsys):
    assert "`output` must be" in run(capsys, f"--encoder={workdir}")[2]
    assert "`encoder` must be" in run(capsys, f"--output={tmp_path}/new")[2]
    assert list(tmp_path.iterdir()) == []


def test_figures_that_cannot_be_drawn_are_refused_beforehand(
    workdir, tmp_path, capsys, monkeypatch
):
    shutil.copy(workdir / "encoder.keras", tmp_path)
    (tmp_path / "history.csv").write_text("nothing")
    argv = (f"--encoder={tmp_path}", f"--output={tmp_path / 'new'}")
    status, _, err = run(capsys, *argv, "--figures")
    assert status == 2
    assert "must be the history.csv of a run" in err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, _, err = run(capsys, *argv, "--figures")
    assert status == 2
    assert "install supcon_tf[figures]" in err
    assert not (tmp_path / "new").exists()


def test_an_encoder_of_nans_is_one_line_and_nothing_is_written(
    tmp_path, capsys
):
    keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Flatten(),
            keras.layers.Rescaling(np.nan),
        ]
    ).save(tmp_path / "encoder.keras")
    output = tmp_path / "new"
    status, _, err = run(
        capsys, f"--encoder={tmp_path}", f"--output={output}", *FEW
    )
    assert status == 1
    assert "must return finite representations" in err
    assert not [path for path in output.iterdir() if path.name != ".lock"]


def test_all_published_corruptions_are_those_of_the_benchmark(
    workdir, tmp_path, monkeypatch
):
    asked = []

    def published(name, **arguments):
        asked.append((name, arguments["kinds"]))
        raise ValueError("none there")

    monkeypatch.setattr(evaluation, "published_corruptions", published)
    config = EvaluateConfig(
        encoder=str(workdir),
        dataset="cifar10",
        corruptions=("all",),
        corrupted="tfds",
        output=str(tmp_path / "new"),
    )
    with pytest.raises(ValueError, match="none there"):
        evaluate.evaluate(config)
    assert asked == [("cifar10", PUBLISHED["cifar10"].kinds)]


@pytest.mark.slow
def test_what_was_measured_is_kept_if_drawing_fails(
    workdir, tmp_path, monkeypatch, capsys
):
    argv = (f"--encoder={workdir}", f"--output={tmp_path}", *FEW)
    (tmp_path / "training.png").write_text("of something else")
    assert run(capsys, *argv)[0] == 0
    assert (tmp_path / "training.png").read_text() == "of something else"
    (tmp_path / "evaluation.json").write_text("{}")

    def fail(*_, **__):
        raise RuntimeError("no ink")

    monkeypatch.setattr(evaluation, "draw_evaluation", fail)
    with pytest.raises(RuntimeError, match="no ink"):
        run(capsys, *argv, "--figures", "--overwrite")
    assert "effective rank" in capsys.readouterr().out
    assert not (tmp_path / "evaluation.json").exists()
    unfinished = tmp_path / "unfinished_evaluation.json"
    written = json.loads(unfinished.read_text())
    assert written["encoder"]["knn"]["neighbors"] == 1
    assert written["figures"] == []
    # Those of the replaced evaluation are gone with it.
    assert not (tmp_path / "training.png").exists()
    monkeypatch.undo()
    assert run(capsys, *argv)[0] == 0  # the unfinished one is nobody's result
    assert not unfinished.exists()


@pytest.mark.slow
def test_an_encoder_of_one_feature_is_drawn(tmp_path, capsys):
    keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(1, kernel_initializer="ones"),
        ]
    ).save(tmp_path / "encoder.keras")
    output = tmp_path / "new"
    status, _, err = run(
        capsys, f"--encoder={tmp_path}", f"--output={output}", "--figures", *FEW
    )
    assert (status, err.count("error")) == (0, 0)
    assert (output / "embedding_map.png").stat().st_size > 5_000


def test_a_folder_is_tested_on_the_images_that_the_run_held_out(
    workdir, tmp_path, monkeypatch, capsys
):
    for label, name in enumerate("ab"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(20):
            keras.utils.save_img(
                tmp_path / "photos" / name / f"{index}.png",
                np.full((8, 8, 3), 100 * label + index),
                scale=False,
            )
    run_of = PretrainConfig(
        dataset="folder", seed=5, validation_fraction=0.4, image_size=8
    )
    shutil.copy(workdir / "encoder.keras", tmp_path)
    (tmp_path / "config.json").write_text(to_json(run_of))
    measured = []
    monkeypatch.setattr(
        evaluation,
        "measure",
        lambda *parts, **_: measured.append(parts) or 1 / 0,
    )
    arguments = {"data_dir": str(tmp_path / "photos"), "image_size": 8}
    config = EvaluateConfig(
        encoder=str(tmp_path),
        dataset="folder",
        output=str(tmp_path / "new"),
        **arguments,
    )
    with pytest.raises(ZeroDivisionError):
        evaluate.evaluate(config)
    ((_, train, test),) = measured
    expected = load_dataset(
        "folder",
        data_dir=arguments["data_dir"],
        seed=5,
        validation_fraction=0.4,
    )
    assert train.images.tolist() == expected[0].images.tolist()
    assert test.images.tolist() == expected[1].images.tolist()


def test_one_evaluation_at_a_time_writes_to_a_folder(workdir, tmp_path, capsys):
    argv = (f"--encoder={workdir}", f"--output={tmp_path}", *FEW)
    with only_writer(tmp_path):
        status, _, err = run(capsys, *argv)
    assert status == 1
    assert "must not be in use" in err
    assert not (tmp_path / "evaluation.json").exists()


def test_help_names_every_flag(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for field in dataclasses.fields(EvaluateConfig):
        assert f"--{'[no]' if field.type is bool else ''}{field.name}" in out


@pytest.mark.slow
def test_published_corruptions_are_measured_where_they_are(tmp_path, workdir):
    options = {"image": tfds.features.Image(shape=(8, 8, 3)), "num_classes": 2}
    write(tmp_path, "cifar10", {"train": [60], "test": [20]}, **options)
    write(tmp_path, "cifar10_corrupted/fog_2", {"test": [30]}, **options)
    results = evaluate.evaluate(
        EvaluateConfig(
            encoder=str(workdir),
            dataset="cifar10",
            data_dir=str(tmp_path),
            corruptions=("fog",),
            severities=(2,),
            corrupted="tfds",
            output=str(tmp_path / "new"),
        )
    )
    train, _ = load_dataset("cifar10", data_dir=tmp_path)
    encoder = keras.saving.load_model(workdir / "encoder.keras")
    probe = linear_probe(encoder, train, verbose=0)
    # (As the training images: told apart by their number alone.)
    expected = classification_accuracy(probe, train.take(np.arange(30)))
    (error,) = results["encoder"]["corruption"]["errors"]["fog"]
    assert error == pytest.approx(1 - expected["top_1_accuracy"])
    assert results["left_out"] == {}


@pytest.mark.release
def test_the_pretrained_encoder_is_as_good_as_its_card_says(tmp_path):
    results = evaluate.evaluate(
        EvaluateConfig(
            encoder="supcon_tf:cifar10_resnet18_w025",
            dataset="cifar10",
            data_dir=str(real_data("cifar10")),
            max_samples=5000,
            max_test_images=1000,
            output=str(tmp_path),
        )
    )
    # 0.8743 on all test images; 4 standard deviations of 1000 are 0.042.
    assert 0.83 < results["encoder"]["linear_probe"]["top_1_accuracy"] < 0.92
    assert 0.82 < results["encoder"]["knn"]["top_1_accuracy"] < 0.92


def test_a_run_is_evaluated_on_what_it_was_trained_on(tmp_path, capsys):
    save_encoder(tmp_path / "encoder.keras", 2, seed=0)
    (tmp_path / "config.json").write_text(
        json.dumps(
            {
                "dataset": "folder",
                "data_dir": str(tmp_path / "gone"),
                "image_size": 8,
            }
        )
    )
    flags = [f"--encoder={tmp_path}", f"--output={tmp_path / 'out'}"]
    assert evaluate.main(flags) == 2
    assert str(tmp_path / "gone") in capsys.readouterr().err


def test_a_folder_of_images_is_not_taken_for_the_digits(tmp_path, capsys):
    save_encoder(tmp_path / "encoder.keras", 2, seed=0)
    flags = [
        f"--encoder={tmp_path / 'encoder.keras'}",
        f"--output={tmp_path / 'out'}",
        f"--data_dir={tmp_path}",
    ]
    assert evaluate.main(flags) == 2
    assert "`dataset` must be given with data_dir" in capsys.readouterr().err
    assert evaluate.main([*flags, "--dataset=digits"]) == 2
    assert "`data_dir` must be None with 'digits'" in capsys.readouterr().err
