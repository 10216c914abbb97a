"""The benchmark of the image cache: it runs, and reports what it measured."""

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import image_cache


@pytest.mark.release
def test_epochs_are_measured_with_and_without_copies(
    tmp_path, capsys, monkeypatch
):
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "given" / name).mkdir(parents=True)
        for number in range(5):
            pixels = random.integers(0, 256, (6, 8, 3), np.uint8)
            path = tmp_path / "given" / name / f"{number}.png"
            Image.fromarray(pixels).save(path)
    monkeypatch.setattr(image_cache, "LARGE", (1200, 900))
    monkeypatch.setattr(image_cache, "SMALL", (96, 72))
    monkeypatch.setattr(image_cache, "SIZE", 32)
    path = tmp_path / "new" / "cache.json"
    status = image_cache.main(
        [
            *(f"--data_dir={tmp_path / 'given'}", "--count=10"),
            *("--repeats=1", f"--json={path}"),
        ]
    )
    assert status == 0
    report = json.loads(path.read_text())
    assert report["photographs"] == 8  # a fifth is held out
    assert report["line"].startswith("8 copies at 64 pixels")
    assert [len(s) for s in report["seconds"].values()] == [1, 1, 1]
    assert min(report["medians"].values()) > 0
    assert capsys.readouterr().out.count("goal <=") == 2


def test_too_few_photographs_are_refused(capsys):
    with pytest.raises(SystemExit):
        image_cache.main(["--data_dir=D", "--count=4"])
    assert "`count` must be >= 10" in capsys.readouterr().err
