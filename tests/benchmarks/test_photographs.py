"""The benchmarks of photographs: they run, and report what they measured."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import photograph_index, similarity_head

RESULTS = pathlib.Path(photograph_index.__file__).parent / "results"


@pytest.mark.slow
def test_the_index_is_measured_in_both_dtypes(tmp_path, capsys):
    path = tmp_path / "new" / "index.json"
    status = photograph_index.main(
        [
            *("--sizes", "300", "--width=8", "--repeats=1"),
            *("--approximate_size=0", f"--json={path}"),
        ]
    )
    assert status == 0
    rows = json.loads(path.read_text())["rows"]
    assert [(row["dtype"], row["queries"]) for row in rows] == [
        (dtype, count)
        for dtype in photograph_index.DTYPES
        for count in photograph_index.QUERIES
    ]
    assert all(row["median_s"] > 0 for row in rows)
    out = capsys.readouterr().out
    assert out.count("300 x 8") == 4 and "not measured, faiss is not" in out


@pytest.mark.slow
def test_the_approximate_index_is_measured_beside_the_exact_one():
    pytest.importorskip("faiss").omp_set_num_threads(1)
    found = photograph_index.measure_approximate(400, 8, 1)
    assert found["recall_at_10"] > 0.9 and found["size"] == 400
    report = {"machine": "m", "rows": [], "approximate": found}
    assert "approximate: 400 x 8, built in" in photograph_index.table(report)


@pytest.mark.release
def test_the_head_is_measured_beside_cross_entropy(
    tmp_path, capsys, monkeypatch
):
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 10)
    shift = labels[:, None].astype(np.float32)
    data = {
        "train": random.normal(size=(30, 2, 6)).astype("float32")
        + shift[:, None],
        "train_labels": labels,
        "test": random.normal(size=(30, 6)).astype("float32") + shift,
        "test_labels": labels,
    }
    monkeypatch.setattr(
        similarity_head, "cached_features", lambda *_: (data, {"classes": 3})
    )
    monkeypatch.setattr(similarity_head, "HELD_OUT", 3)
    monkeypatch.setattr(similarity_head, "UNKNOWN_PER_CLASS", 6)
    monkeypatch.setattr(similarity_head, "_UNITS", (4, 3))
    monkeypatch.setattr(
        similarity_head,
        "SETTINGS",
        (
            {"dropout": 0.5, "temperature": 0.2, "epochs": 1},
            {"dropout": 0.5, "temperature": 0.1, "epochs": 1},
        ),
    )
    path = tmp_path / "head.json"
    tf.config.run_functions_eagerly(True)  # a graph takes longer than an epoch
    try:
        assert 0 == similarity_head.main(
            [
                *("--data_dir=D", "--encoder=E", "--per_class", "4", "8"),
                *("--seeds", "0", f"--json={path}"),
            ]
        )
    finally:
        tf.config.run_functions_eagerly(False)
    report = json.loads(path.read_text())
    methods = ["frozen", *similarity_head.OBJECTIVES]
    assert [row["method"] for row in report["rows"]] == 2 * methods
    assert [row["method"] for row in report["unknown"]] == methods
    assert len(report["unknown"][0]["auroc"]) == 3  # a class each
    # Cross-entropy has no temperature, and so less to choose from.
    held_out = [report["choice"][o]["held_out"] for o in methods[1:]]
    assert [len(values) for values in held_out] == [2, 1]
    out = capsys.readouterr().out
    assert "      4  supcon  " in out and "kept of the known" in out


def test_the_defaults_of_the_head_are_those_that_were_chosen():
    from supcon_tf.photographs import similarity_head as head

    report = json.loads((RESULTS / "similarity_head.json").read_text())
    assert report["choice"]["supcon"]["settings"] == {
        "dropout": head.DROPOUT,
        "temperature": head.TEMPERATURE,
        "epochs": head.EPOCHS,
    }
