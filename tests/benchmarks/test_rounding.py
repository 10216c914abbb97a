"""The benchmark of rounding: two replicas in float64 are one device."""

import json

import pytest

from benchmarks import rounding


@pytest.mark.release
def test_replicas_are_one_device_and_batch_norm_of_each_alone_is_not(
    monkeypatch, tmp_path
):
    cases = {
        name: case for name, case in rounding.CASES.items() if "64" in name
    }
    monkeypatch.setattr(rounding, "CASES", cases)
    views = "from benchmarks import rounding; import numpy as np\n"
    views += "x = np.random.default_rng(0).random((8, 2, 32, 32, 3))\n"
    views += "rounding._views = lambda *_: (x, np.arange(8) % 3)\n"
    last_line_of = rounding.last_line_of

    def of_random_images(python, code, what):
        return last_line_of(python, views + code, what)

    monkeypatch.setattr(rounding, "last_line_of", of_random_images)
    path = tmp_path / "rounding.json"
    options = ["--batch_size=8", "--width=0.0625", f"--json={path}"]
    assert rounding.main(options) == 0
    same, other = json.loads(path.read_text())["differences"].values()
    assert same < 1e-10 < 1e-3 < other
