"""The benchmarks of backends and of a large run: they run and count rightly."""

import json
import sys

import pytest

from benchmarks import backends, large_run
from supcon_tf.recipes import RECIPES


@pytest.mark.release
def test_each_case_computes_the_same_loss(tmp_path, capsys):
    path = tmp_path / "new" / "backends.json"
    flags = ["--sizes", "64", "--repeats=1", f"--json={path}"]
    assert backends.main(flags) == 0
    report = json.loads(path.read_text())
    rows = report["rows"]
    assert [row["case"] for row in rows] == list(backends.CASES)
    assert {row["backend"] for row in rows} == {"tensorflow"}
    first = rows[0]["loss"]
    assert [row["loss"] for row in rows] == pytest.approx([first] * 4, rel=1e-5)
    assert report["imports"]["tensorflow"]["ratio"] > 0
    assert "import tensorflow: Keras" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--repeats=0", "--sizes=1"])
def test_wrong_arguments_are_refused(flag):
    with pytest.raises(SystemExit) as error:
        backends.main([flag])
    assert error.value.code == 2


def test_rows_are_of_the_backends_that_have_a_python(monkeypatch, capsys):
    called = []

    def measured(python, backend, call):
        called.append((python, backend, call))
        if call == "measure_import()":
            return {"keras_s": 2.0, "package_s": 1.0, "ratio": 0.5}
        return {
            **{"backend": backend, "case": "tiled", "n": 64, "loss": 5.0},
            **{"median_s": 0.001, "to_formula": 0.25, "extra_mb": 7.0},
        }

    monkeypatch.setattr(backends, "_in_a_process", measured)
    monkeypatch.setattr(backends, "versions_in", lambda *_: {})
    assert backends.main(["--torch_python=/there", "--sizes", "64"]) == 0
    assert {x[:2] for x in called} == {
        (sys.executable, "tensorflow"),
        ("/there", "torch"),
    }
    out = capsys.readouterr().out
    assert "torch       tiled          64      1.0       0.25         7" in out
    assert "1.0 s more, 0.50 of that" in out


@pytest.mark.slow
def test_a_run_on_paper_counts_the_products_of_a_resnet(capsys):
    """The widths of He et al.'s ResNet-50 at 32 pixels, by hand."""
    recipe = "supcon_cifar10_resnet50_one_gpu"
    products = 32 * 32 * 27 * 64  # the stem
    inputs = 64
    for side, width, blocks in (
        (32, 64, 3), (16, 128, 4), (8, 256, 6), (4, 512, 3)
    ):  # fmt: skip
        for block in range(blocks):
            first = side * (2 if block == 0 and width > 64 else 1)
            products += first**2 * inputs * width
            products += side**2 * 9 * width * width
            products += side**2 * width * 4 * width
            if block == 0:
                products += side**2 * inputs * 4 * width
            inputs = 4 * width
    products += 2048 * 2048 + 2048 * 128
    paper = large_run.on_paper(RECIPES[recipe], 50_000)
    assert paper["operations_of_a_view"] == 6 * products
    assert paper["steps"] == 48_000
    assert large_run.main([f"--recipe={recipe}"]) == 0
    assert "H200, 141 GB" in capsys.readouterr().out
