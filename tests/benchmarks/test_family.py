"""The family's benchmark: formulas and tiles compute the same loss."""

import json

import pytest

from benchmarks import family
from benchmarks.family_cases import CASES, measure


@pytest.mark.release
@pytest.mark.parametrize("case", CASES)
def test_the_formula_and_the_tiles_have_the_same_loss(case, capsys):
    losses = []
    for way in ("tiles", "formula"):
        measure(case, way, 256, 0)  # 100 classes
        losses.append(json.loads(capsys.readouterr().out)["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_it_measures_every_case_each_way_and_writes_what_it_prints(
    monkeypatch, tmp_path, capsys
):
    asked = []

    def measured(case, way, size, repeats):
        asked.append((case, way, size, repeats))
        return {
            "case": case,
            "way": way,
            "n": size,
            "passes": 1,
            "median_s": 2.0 if case == "SINCERE" else 1.0,
            "seconds": [1.0],
            "to_supcon": 2.0,
            "extra_mb": 1.0,
            "loss": 1.0,
        }

    monkeypatch.setattr(family, "_measure", measured)
    path = tmp_path / "family.json"
    arguments = ["--cases", "SINCERE", "--sizes=64", "--large", "128"]
    assert family.main([*arguments, f"--json={path}"]) == 0
    assert [call[2:] for call in asked] == [(64, 7)] * 6 + [(128, 0)] * 2
    rows = json.loads(path.read_text())["rows"]
    # The largest are measured one after the other, not in turns.
    assert [row["to_supcon"] for row in rows[-2:]] == [1.0, 2.0]
    assert "SINCERE" in capsys.readouterr().out
