"""The benchmarks that train for hours: what they run, choose and print."""

import json

import numpy as np
import pytest

from benchmarks import (
    evidence,
    fine_tuning,
    kept_runs,
    label_structure,
    objectives,
    scarce_labels,
)
from supcon_tf.training.unused_settings import refuse_unused_settings


@pytest.fixture
def trained(monkeypatch):
    """The arguments of each training, which takes no time.

    A learning rate of 1 is the best, and for fine-tuning one of 0.001; so is a
    contrast weight of 0.3.
    """
    calls = []

    def train(self, name, module, arguments):
        calls.append(arguments)
        rate = arguments.get("learning_rate")
        weight = arguments.get("contrast_weight")
        right = 0.5 + 0.1 * (rate in (1.0, 1e-3)) + 0.1 * (weight == 0.3)
        return {
            "top_1_accuracy": right,
            "classifier_top_1_accuracy": right,
            "own_top_1": None,
            "own_top_1_accuracy": None,
            "precision_at_1": 0.25,
            "map_at_r": 0.125,
            "seconds": 60,
            "scores": {"top-1": right},
        }

    monkeypatch.setattr(kept_runs.KeptRuns, "_in_process", train)
    return calls


def test_test_images_come_after_the_choice_on_held_out_ones(
    trained, tmp_path, capsys
):
    path = tmp_path / "objectives.json"
    assert objectives.main([f"--json={path}"]) == 0
    is_held_out = [call["is_held_out"] for call in trained]
    assert is_held_out == sorted(is_held_out, reverse=True)
    tested = [call for call in trained if not call["is_held_out"]]
    assert {call["learning_rate"] for call in tested} == {1.0}
    assert {call["contrast_weight"] for call in tested} == {None, 0.3}
    assert "contrast weight 0.3" in capsys.readouterr().out


def test_what_is_finished_is_not_run_again(trained, tmp_path):
    path = tmp_path / "objectives.json"
    objectives.main([f"--json={path}"])
    results = json.loads(path.read_text())
    run = results["runs"].popitem()[0]
    path.write_text(json.dumps(results))
    trained.clear()
    objectives.main([f"--json={path}"])
    assert len(trained) == 1
    assert run in json.loads(path.read_text())["runs"]


def test_what_ends_is_kept_though_another_run_fails(monkeypatch, tmp_path):
    def train(self, name, module, arguments):
        if arguments["seed"] == 1:
            raise SystemExit(f"{name} ended with status 1")
        return {"top_1_accuracy": 0.5}

    monkeypatch.setattr(kept_runs.KeptRuns, "_in_process", train)
    path = tmp_path / "runs.json"
    calls = {str(i): ("module", {"seed": i}, {"seed": i}) for i in range(4)}
    with pytest.raises(SystemExit, match=r"1 runs failed: \['1'\]"):
        kept_runs.KeptRuns(path, 1).keep(calls)
    assert sorted(json.loads(path.read_text())["runs"]) == ["0", "2", "3"]


@pytest.mark.parametrize("objective", objectives.OBJECTIVES)
def test_no_objective_has_a_setting_without_effect(objective):
    weight = 0.3 if objective == objectives.JOINT else None
    refuse_unused_settings(objectives.config_of(objective, weight))


def test_fine_tuning_has_every_number_of_images_and_seed(
    trained, tmp_path, capsys
):
    path = tmp_path / "fine_tuning.json"
    fine_tuning.main(
        [f"--json={path}", "--data_dir=D", "--encoder=E", "--jobs=1"]
    )
    tested = [call for call in trained if not call["is_held_out"]]
    assert len(tested) == 4 * 3 * 4  # images a class, seeds, objectives
    assert {call["learning_rate"] for call in tested} == {None, 1e-3}
    assert {(c["data_dir"], c["encoder"]) for c in trained} == {("D", "E")}
    assert "8 a class, frozen: top_1_accuracy 0.500 +- 0.000" in (
        capsys.readouterr().out
    )


def test_label_structure_runs_each_loss_with_each_seed(
    trained, tmp_path, capsys
):
    path = tmp_path / "label_structure.json"
    label_structure.main([f"--json={path}"])
    assert len(trained) == 3 * (2 + 3)
    assert "imbalanced, BalancedSupConLoss: top-1 0.500" in (
        capsys.readouterr().out
    )


def test_scarce_labels_choose_a_rate_for_each_row_and_objective(
    trained, tmp_path, capsys
):
    path = tmp_path / "scarce_labels.json"
    scarce_labels.main([f"--json={path}", "--precision=mixed_bfloat16"])
    is_held_out = [call["is_held_out"] for call in trained]
    assert is_held_out == sorted(is_held_out, reverse=True)
    tested = [call for call in trained if not call["is_held_out"]]
    assert len(tested) == 7 * 3 * 3  # rows, objectives, seeds
    assert {call["learning_rate"] for call in tested} == {1.0}
    assert {call["precision"] for call in trained} == {"mixed_bfloat16"}
    assert "25 a class, supcon, learning rate 1: top_1_accuracy 0.600 +-" in (
        capsys.readouterr().out
    )


def test_the_classes_of_scarce_labels_have_the_sizes_of_their_row():
    labels = np.repeat(np.arange(10), 5000)
    few = scarce_labels._drawn(labels, 25, 1, seed=0)
    assert np.bincount(labels[few]).tolist() == [25] * 10
    others = scarce_labels._drawn(labels, 25, 1, seed=1)
    assert not np.array_equal(few, others)
    unequal = scarce_labels._drawn(labels, 3500, 50, seed=0)
    sizes = np.bincount(labels[unequal])
    assert (sizes[0], sizes[9]) == (3500, 70)
    ratios = sizes[:-1] / sizes[1:]
    np.testing.assert_allclose(ratios, 50 ** (1 / 9), rtol=0.01)


def scores_of(objective, seed):
    """What `evidence.train` measures: cross-entropy is 0.25 ahead."""
    value = 0.5 + 0.125 * seed + 0.25 * (objective == "cross_entropy")
    own = {"top_1_accuracy": value, "expected_calibration_error": value}
    return {
        "linear_probe": own,
        "own_classifier": None if objective == "supcon" else own,
        "knn": own,
        "retrieval": {"map_at_r": value},
        "corruption": {"mean_error": value, "errors": {"fog": [value, 0.5]}},
        "open_set": {"auroc": value, "fpr_at_95_tpr": value},
        "noise": {"auroc": value, "fpr_at_95_tpr": value},
        "transfer": {"1000": value, "50000": value},
    }


def test_evidence_tells_the_difference_to_cross_entropy(
    monkeypatch, tmp_path, capsys
):
    def train(self, name, module, run):
        workdir = evidence._workdir(tmp_path, run)
        workdir.mkdir()
        wrong = {("fog", s): np.arange(8) < 4 + s for s in (1, 2)}
        wrong |= {(None, 0): np.zeros(8, bool)}
        evidence._write_wrong(evidence._wrong_file(workdir), wrong)
        assert evidence._read_wrong(workdir / "wrong.npz").keys() == {
            (None, 0), ("fog", 1), ("fog", 2),
        }  # fmt: skip
        return {
            "scores": scores_of(run["objective"], run["seed"]),
            "seconds": 60,
        }

    monkeypatch.setattr(kept_runs.KeptRuns, "_in_process", train)
    path = tmp_path / "evidence.json"
    evidence.main([f"--json={path}", f"--output={tmp_path}", "--data_dir=D"])
    out = capsys.readouterr().out
    assert (
        "MAP@R: supcon 0.6250 +- 0.1250 (-0.2500, standard error 0.0000); "
        in out
    )
    assert "its own classifier, top-1: supcon -; supcon_cross" in out
    # (0.5 + 0.5) / (0.75 + 0.5), and the same images are wrong.
    assert "supcon, 32 epochs, seed 0: mCE 80.0 % +- 0.0" in out
    assert len(json.loads(path.read_text())["runs"]) == 9
