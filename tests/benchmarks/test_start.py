"""The benchmarks of the start and of encoding judge numbers as they say."""

import json

import pytest

from benchmarks import encoding, start


def test_what_is_late_misses_its_goal(monkeypatch, capsys, tmp_path):
    seconds = {("-m", "supcon_tf.evaluate", "--help"): 1.6}
    monkeypatch.setattr(
        start, "seconds_of", lambda *words: seconds.get(words, 1.4)
    )
    steps = {"resnet18": (4.0, 4.3), "vit_ti16": (4.0, 4.5)}
    monkeypatch.setattr(start, "_command_until_first_step", steps.get)
    path = tmp_path / "start.json"
    assert start.main(["--repeats=1", f"--json={path}"]) == 0
    lines = [
        line.split()
        for line in capsys.readouterr().out.splitlines()
        if line.endswith(("PASS", "MISS"))
    ]
    missed = [line[0] for line in lines if line[-1] == "MISS"]
    assert missed == ["supcon-evaluate", "vit_ti16"]
    assert len(lines) == len(start.AT_ONCE) + len(start.ENCODERS)
    assert json.loads(path.read_text())["first_step"]["vit_ti16"] == {
        "first_line": 4.0,
        "first_step": 4.5,
        "plain_keras": 1.4,
    }


@pytest.mark.release
def test_a_first_step_is_waited_for_and_the_run_is_stopped():
    first_line, first_step = start._command_until_first_step("resnet18")
    assert 0 < first_line < first_step


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(1.09, "PASS"), (1.12, "MISS")]
)
def test_encode_all_is_held_against_the_bare_loop(seconds, verdict):
    report = {
        "machine": {},
        "images": 10,
        "seconds": {"bare loop": [1.0], "encode_all": [seconds]},
    }
    last = encoding.table(report).splitlines()[-1]
    assert last.endswith(f"measured {seconds:.2f}: {verdict}")


@pytest.mark.release
def test_all_ways_to_encode_are_timed(capsys):
    assert encoding.main(["--images=40", "--repeats=1"]) == 0
    out = capsys.readouterr().out
    for way in ("bare loop", "encode_all", "predict"):
        assert f"\n{way} " in out
