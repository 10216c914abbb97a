"""The benchmarks: they run, and judge numbers as they say."""

import json
import pathlib
import subprocess
import sys

import pytest

from benchmarks import (
    device_views,
    input_cases,
    input_pipeline,
    loss,
    loss_cases,
    nearest_neighbors,
    small_batches,
    training_step,
)

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def measured(monkeypatch):
    """Seconds, MB and loss of each case, in place of what takes minutes."""
    numbers = {case: (1.0, 100.0, 5.0) for case in loss_cases.CASES}

    def measure(python, case, size, repeats):
        seconds, extra_mb, value = numbers[case]
        scale = (size / 8192) ** 2
        return {
            "case": case,
            "n": size,
            "median_s": seconds * scale,
            "seconds": [seconds * scale] * repeats,
            "extra_mb": None if case == "gemm" else extra_mb * scale**0.5,
            "loss": None if case == "gemm" else value,
        }

    def versions(python, packages):
        return dict.fromkeys(packages, "1.0")

    monkeypatch.setattr(loss, "_measure_in_a_process", measure)
    monkeypatch.setattr(loss, "versions_in", versions)
    return numbers


@pytest.mark.release
def test_every_case_runs_and_all_compute_the_same_loss(tmp_path):
    path = tmp_path / "new" / "loss.json"
    without_torch = tmp_path / "python"
    without_torch.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    without_torch.chmod(0o755)
    process = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.loss", "--sizes=64"),
            *("--large=0", "--repeats=1", f"--json={path}"),
            f"--torch_python={without_torch}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    table, _, rest = process.stdout.partition("ms: median")
    lines = table.splitlines()
    report = json.loads(path.read_text())
    for case in loss_cases.CASES:
        starts = [line for line in lines if line.startswith(f"{case}  ")]
        rows = [row for row in report["rows"] if row["case"] == case]
        expected = [] if case in loss_cases.TORCH_CASES else [64]
        assert [int(line[len(case) :].split()[0]) for line in starts] == (
            expected
        )
        assert [row["n"] for row in rows] == expected
    assert all(len(line) <= 100 for line in lines)

    losses = [
        row["loss"]
        for row in report["rows"]
        if row["case"] not in loss_cases.NOT_EQ_2
    ]
    assert len(losses) == 8
    assert losses == pytest.approx([losses[0]] * 8, rel=1e-4)
    assert all(len(row["seconds"]) == 20 for row in report["rows"])
    assert report["left_out"] == list(loss_cases.TORCH_CASES)
    assert f"Left out: {'; '.join(loss_cases.TORCH_CASES)}." in rest
    assert report["machine"]["tensorflow"]
    assert report["machine"]["torch"] is None


def test_ratios_slopes_and_targets_come_from_the_rows(
    measured, tmp_path, capsys
):
    path = tmp_path / "loss.json"
    measured["gemm"] = (0.25, None, None)
    measured["dense formula, XLA"] = (0.75, 800.0, 5.0)
    measured["dense formula, N unknown"] = (2.0, 800.0, 5.0)
    measured["supcon_tf tiled"] = (0.5, 60.0, 5.0)
    assert loss.main([f"--json={path}", "--repeats=3"]) == 0
    report = json.loads(path.read_text())
    rows = {(row["case"], row["n"]): row for row in report["rows"]}
    assert rows["supcon_tf tiled", 8192]["to_gemm"] == 2
    assert rows["supcon_tf tiled", 8192]["to_dense"] == pytest.approx(2 / 3)
    assert rows["supcon_tf tiled, N unknown", 8192]["to_dense"] == 0.5
    assert rows["supcon_tf tiled", 65536]["to_dense"] is None
    assert [n for case, n in rows if case in loss_cases.TORCH_CASES] == [
        *(512, 512, 2048, 2048, 8192, 8192),
    ]
    slopes = report["slopes"]["supcon_tf tiled"]
    assert slopes == pytest.approx({"median_s": 2, "extra_mb": 1})
    assert [
        (row["target"], row["measured"], row["verdict"])
        for row in report["targets"]
    ] == [
        ("N = 8192: dense formula / tiled", 1.5, "MISS"),
        ("N = 8192 unknown: dense formula / tiled", 2.0, "PASS"),
        ("N = 8192: tiled / gemm", 2.0, "MISS"),
        ("N = 512: auto / dense formula", 1.0, "PASS"),
        ("N = 8192: extra MB of tiled", 60.0, "PASS"),
        ("N = 65536: extra MB of tiled", 480.0, "PASS"),
    ]
    out = capsys.readouterr().out
    assert "Left out" not in out
    assert out.count("PASS") == 4


@pytest.mark.parametrize("value", [5.001, float("nan")])
def test_cases_that_compute_another_loss_are_an_error(measured, value, capsys):
    measured["supcon_tf auto"] = (1.0, 100.0, value)
    assert loss.main(["--large=0", "--sizes=512"]) == 1
    assert "the losses for N = 512 differ" in capsys.readouterr().err


def test_l_in_need_not_agree(measured):
    measured["supcon_tf L_in tiled"] = (1.0, 100.0, 4.0)
    assert loss.main(["--large=0", "--sizes=512"]) == 0


def test_what_some_cases_leave_unknown_is_not_judged(measured, capsys):
    assert loss.main(["--cases", "gemm", "supcon_tf dense"]) == 0
    out = capsys.readouterr().out
    assert out.count("not measured") == 6


@pytest.mark.parametrize(
    "argument",
    ["--sizes=1", "--sizes=x", "--large=1", "--repeats=0", "--cases=other",
     "--torch_python=/no/python"],
)  # fmt: skip
def test_wrong_arguments_are_refused(argument):
    with pytest.raises(SystemExit) as error:
        loss.main([argument])
    assert error.value.code == 2


def test_small_batches_reports_every_case(monkeypatch, tmp_path, capsys):
    def measure(call, name):
        if call.startswith("measure_step"):
            images, _ = small_batches.STEPS[name]
            return {"images": images, "median_s": images / 100, "extra_mb": 7.0}
        return {"top_1": 0.5 + 0.1 * int(call[-2]), "pretrain_s": 3.0}

    monkeypatch.setattr(small_batches, "_in_a_process", measure)
    path = tmp_path / "new" / "small_batches.json"
    assert small_batches.main([f"--json={path}"]) == 0
    report = json.loads(path.read_text())
    assert set(report["steps"]) == {"machine", *small_batches.STEPS}
    assert set(report["digits"]) == {"machine", *small_batches.DIGITS}
    out = capsys.readouterr().out
    for name in (*small_batches.STEPS, *small_batches.DIGITS):
        assert name in out
    assert "10.00 ms/image  1.00x      7 MB" in out
    assert "top-1 0.6000 (0.5000 to 0.7000), 3 s" in out
    again = [f"--json={path}", "--parts", "digits", "--seeds", "1"]
    assert small_batches.main(again) == 0
    assert json.loads(path.read_text())["steps"] == report["steps"]


@pytest.mark.release
def test_a_step_of_small_batches_is_measured():
    name = "64, queue of 1920, momentum encoder"
    row = small_batches._in_a_process(f"measure_step({name!r}, 1)", name)
    assert row["median_s"] > 0
    assert row["extra_mb"] > 0


def test_training_step_reports_every_case(monkeypatch, tmp_path, capsys):
    def measure(call, name):
        if call.startswith("measure_memory"):
            return {"median_s": 0.5, "extra_mb": 70.0}
        if call.startswith("measure_variants"):
            return {n: {"median_s": 0.2} for n in training_step.VARIANTS}
        medians = dict.fromkeys(training_step.OBJECTIVES, 0.1)
        medians["supcon"] = 0.104
        return {name: {"median_s": value} for name, value in medians.items()}

    monkeypatch.setattr(training_step, "_in_a_process", measure)
    path = tmp_path / "new" / "training_step.json"
    assert training_step.main([f"--json={path}"]) == 0
    report = json.loads(path.read_text())
    images = {str(count) for count in training_step.IMAGES}
    assert set(report["steps"]) == images
    assert set(report["memory"]) == set(training_step.MEMORY)
    assert set(report["variants"]) == set(training_step.VARIANTS)
    out = capsys.readouterr().out
    assert "104 ms  supcon / it  1.00" in out
    assert "100 ms  supcon / it  1.04" in out
    assert "measured 1.04: PASS" in out
    for name in (*training_step.MEMORY, *training_step.VARIANTS):
        assert name in out


@pytest.mark.release
def test_a_training_step_is_measured(capsys):
    training_step.measure_steps(8, 1)
    rows = json.loads(capsys.readouterr().out)
    assert set(rows) == set(training_step.OBJECTIVES)
    assert all(row["median_s"] > 0 for row in rows.values())
    for name in training_step.MEMORY:
        training_step.measure_memory(name, 8)
        assert json.loads(capsys.readouterr().out)["median_s"] > 0


def test_input_pipeline_compares_what_computes_the_same(
    monkeypatch, tmp_path, capsys
):
    def measure(case, size, options):
        rate = {
            "supcon_tf simclr": 13_000.0 if size == 32 else 200.0,
            "layers of Keras": 6_500.0,
            "tf.image, whole file": 400.0,
        }.get(case, 100.0)
        row = {"case": case, "size": size, "images_per_s": rate}
        return {**row, "rates": [rate] * options.repeats, "extra_mb": 7.0}

    monkeypatch.setattr(input_pipeline, "_measure_in_a_process", measure)
    path = tmp_path / "new" / "input_pipeline.json"
    assert input_pipeline.main([f"--json={path}"]) == 0
    report = json.loads(path.read_text())
    ratios = {
        (size, row["case"]): row["to_fastest_rival"]
        for size in ("32", "224")
        for row in report[size]["rows"]
    }
    assert ratios["32", "supcon_tf simclr"] == 2
    assert ratios["32", "layers of Keras"] is None
    assert ratios["32", "supcon_tf autoaugment"] is None  # has no rival
    assert ratios["224", "supcon_tf simclr"] == 0.5
    assert ratios["224", "supcon_tf crop_flip"] == 1  # not to a SimCLR
    assert [x["verdict"] for x in report["32"]["goals"]] == ["PASS", "MISS"]
    out = capsys.readouterr().out
    assert "13000   13000-13000      2.00         7" in out
    assert "supcon_tf simclr / rival >= 1.1, measured 0.5: MISS" in out
    assert "supcon_tf crop_flip / rival >= 1, measured 1: PASS" in out
    assert "supcon_tf autoaugment, extra MB <= 300, measured 7: PASS" in out
    again = [f"--json={path}", "--sizes", "224", "--repeats=1"]
    assert input_pipeline.main(again) == 0
    changed = json.loads(path.read_text())
    assert changed["32"] == report["32"] and changed["224"] != report["224"]


@pytest.mark.parametrize(
    "argument", ["--sizes=64", "--repeats=0", "--seconds=0"]
)
def test_wrong_arguments_of_input_pipeline_are_refused(argument):
    with pytest.raises(SystemExit) as error:
        input_pipeline.main([argument])
    assert error.value.code == 2


def test_the_photographs_are_as_long_as_those_of_imagenet():
    (file,) = input_cases.photographs(count=1)
    # 0.2 to 0.6 bytes a pixel; ImageNet's have about 110 KB.
    assert 40_000 < len(file) < 110_000


@pytest.mark.release
@pytest.mark.parametrize(
    ("size", "case"),
    [(size, case) for size in input_cases.CASES
     for case in input_cases.CASES[size]],
)  # fmt: skip
def test_every_case_yields_batches_of_two_views(size, case, monkeypatch):
    monkeypatch.setitem(input_cases.BATCH_SIZES, size, 4)
    if size == input_cases.SMALL:
        images = input_cases.small_images(8)
    else:
        images = input_cases.photographs(count=8)
    views = next(iter(input_cases.pipeline(case, images, size))).numpy()
    assert views.shape == (4, 2, size, size, 3)
    assert views.min() >= 0 and 0.5 < views.max() <= 1
    assert (views[:, 0] != views[:, 1]).any(axis=(1, 2, 3)).all()


@pytest.mark.release
def test_a_case_of_the_input_pipeline_is_measured(capsys):
    input_cases.measure("supcon_tf crop_flip", 32, 2, 0.01)
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert row["images_per_s"] > 0 and len(row["rates"]) == 2


@pytest.mark.parametrize("rate, verdict", [(3.0, "PASS"), (0.5, "MISS")])
def test_views_on_the_device_are_compared_with_the_host(
    monkeypatch, tmp_path, capsys, rate, verdict
):
    def measure(name, repeats, seconds):
        return {
            "pipeline": name,
            "images_per_s": {"host": 1.0, "device": rate},
            "core_us_an_image": {"host": 7.0, "device": 8.0},
            "device_to_host": rate,
            "verdict": verdict,
        }

    monkeypatch.setattr(device_views, "measure", measure)
    path = tmp_path / "new" / "views.json"
    assert device_views.main([f"--json={path}"]) == 0
    assert f"goal >= 1: {verdict}" in capsys.readouterr().out
    assert len(json.loads(path.read_text())["rows"]) == 2


def test_what_views_move_on_paper_follows_from_their_sizes():
    paper = device_views.on_paper(32, 32)
    assert paper["sent_by_host_as_views"] == 2 * 32 * 32 * 3 * 4
    assert paper["sent_as_image"] == 32 * 32 * 3 + 8
    large = device_views.on_paper(256, 224)
    # Two products of matrices a view, and two more of the blur.
    products = 2 * 3 * (224 * 256 * 256 + 224 * 224 * 256 + 2 * 224**3)
    assert 2 * products < large["operations"] < 1.05 * 2 * products


@pytest.mark.parametrize("argument", ["--repeats=0", "--seconds=0"])
def test_wrong_arguments_of_device_views_are_refused(argument):
    with pytest.raises(SystemExit) as error:
        device_views.main([argument])
    assert error.value.code == 2


def test_the_search_of_neighbours_is_compared_with_its_products(
    tmp_path, capsys
):
    path = tmp_path / "new" / "neighbors.json"
    arguments = ["--train=40", "--test=6", "--k=3", "--repeats=1"]
    assert nearest_neighbors.main([f"--json={path}", *arguments]) == 0
    assert "goal of supcon_tf: <= 2 x the products" in capsys.readouterr().out
    rows = json.loads(path.read_text())["rows"]
    assert [row["way"] for row in rows][1:] == ["supcon_tf", "scikit-learn"]
    assert rows[0]["to_products"] == 1 and rows[1]["seconds"] > 0


@pytest.mark.parametrize("argument", ["--k=60000", "--repeats=0"])
def test_wrong_arguments_of_nearest_neighbors_are_refused(argument):
    with pytest.raises(SystemExit) as error:
        nearest_neighbors.main([argument])
    assert error.value.code == 2
