"""The demo of `make demo`, and the whole path from images to hub.load."""

import json
import re

import pytest

from hub_export import demo


@pytest.mark.release
def test_the_demo_ends_with_a_table_of_what_it_did(tmp_path, capsys):
    workdir = tmp_path / "demo"
    assert demo.main([f"--workdir={workdir}"]) == 0
    out = capsys.readouterr().out
    table = out[out.index("stage ") :]
    for name in ("encoder.keras", "classifier.keras", "saved_model"):
        assert str(workdir / name) in table
        assert (workdir / name).exists()
    results = json.loads((workdir / "linear_eval.json").read_text())
    for key in (
        "top_1_accuracy",
        "raw_pixel_1nn_accuracy",
        "untrained_top_1_accuracy",
    ):
        assert f"{results[key]:.4f}" in table
    # The README's mean of ten seeds, 0.990, less four binomial standard
    # deviations for 360 images.
    assert results["top_1_accuracy"] >= 0.97
    difference = re.search(r"encoder.keras by (\S+) at most", table)
    assert float(difference[1]) <= 1e-5


def test_the_demo_asks_for_a_workdir(capsys):
    assert demo.main([]) == 2
    assert "`workdir` must be" in capsys.readouterr().err


@pytest.mark.slow
def test_the_demo_needs_a_new_folder(tmp_path, capsys):
    assert demo.main([f"--workdir={tmp_path}"]) == 2
    assert "does not exist yet" in capsys.readouterr().err
