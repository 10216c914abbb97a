"""The table of an evaluation."""

import pytest

from supcon_tf.corruptions import LEFT_OUT
from supcon_tf.evaluation.report.table import evaluation_table
from supcon_tf.evaluation.retrieval import SCORES


def model(where, accuracy, errors, transfer=None, top_5=0.99, alone=0):
    part = {
        "linear_probe": {
            "top_1_accuracy": accuracy,
            "top_5_accuracy": top_5,
            "expected_calibration_error": 0.0625,
        },
        "knn": {"top_1_accuracy": accuracy / 2, "neighbors": 20},
        "retrieval": {
            "precision_at_1": accuracy / 3,
            "r_precision": accuracy / 4,
            "map_at_r": accuracy / 5,
            "queries": 1000 - alone,
            "queries_left_out": alone,
        },
    }
    return {
        **part,
        "where": where,
        "image_size": [32, 24],
        "num_features": 128,
        "alignment": 0.5,
        "uniformity": -2.5,
        "effective_rank": 12.34,
        "open_set": None,
        "transfer": transfer and {"dataset": transfer, **part},
        "corruption": errors
        and {
            "clean_error": 0.1,
            "mean_error": 0.25,
            "errors": {"gaussian_noise": errors, "jpeg_compression": errors},
        },
    }


def results(encoder, baseline=None, **values):
    return {
        "encoder": encoder,
        "baseline": baseline,
        "mean_corruption_error": None,
        "relative_mean_corruption_error": None,
        "notes": [],
        "left_out": {},
        "num_train_images": 50000,
        "num_test_images": 1000,
        "config": {
            "dataset": "cifar10",
            "severities": [1, 5],
            "corrupted": "generated",
        },
        **values,
    }


def cells(text, start):
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return line.removeprefix(start).split()


def test_an_encoder_has_one_column():
    text = evaluation_table(results(model("runs/a", 0.9, None)))
    assert "50,000 training and 1,000 test images" in text
    assert cells(text, "linear probe, top-1") == ["0.9000"]
    assert cells(text, "linear probe, top-5") == ["0.9900"]
    assert cells(text, "linear probe, ECE") == ["0.0625"]
    assert cells(text, "k-NN, top-1") == ["0.4500"]
    assert cells(text, "retrieval, precision@1") == ["0.3000"]
    assert cells(text, "retrieval, R-precision") == ["0.2250"]
    assert cells(text, "retrieval, MAP@R") == ["0.1800"]
    assert "alone" not in text
    assert cells(text, "images, pixels") == ["32", "x", "24"]
    assert cells(text, "effective rank") == ["12.3"]
    assert "baseline" not in text
    assert "mCE" not in text
    assert "error" not in text


def test_a_baseline_stands_beside_it():
    text = evaluation_table(
        results(
            model("runs/a", 0.9, [0.1, 0.2], "cifar100"),
            model("runs/b", 0.8, [0.2, 0.4], "cifar100"),
            mean_corruption_error=50.04,
            relative_mean_corruption_error=33.3,
            left_out={"fog": "why", "snow": "why"},
            notes=["so it is"],
        )
    )
    assert "encoder: runs/a\nbaseline: runs/b\n" in text
    assert cells(text, "linear probe, top-1") == ["0.9000", "0.8000"]
    assert cells(text, "cifar100: linear probe, top-1") == ["0.9000", "0.8000"]
    assert cells(text, "cifar100: retrieval, MAP@R") == ["0.1800", "0.1600"]
    assert cells(text, "jpeg_compression") == ["10.0", "20.0", "15.0", "30.0"]
    assert cells(text, "not corrupted") == ["10.0", "10.0"]
    assert cells(text, "mean") == ["25.0", "25.0"]
    assert cells(text, "mCE, % (2 kinds)") == ["50.0"]
    assert cells(text, "relative mCE, % (2 kinds)") == ["33.3"]
    assert "not made here: fog, snow" in text
    assert text.endswith("\nso it is")


@pytest.mark.parametrize("severities", [[3], [1, 2, 3, 4, 5]])
def test_it_is_at_most_80_columns_wide(severities):
    errors = [0.999] * len(severities)
    values = results(
        model("a", 0.9, errors, "imagenet2012", alone=1000),
        model("b", 0.8, errors, "imagenet2012", alone=1000),
        left_out=LEFT_OUT,
    )
    values["config"]["severities"] = severities
    assert max(map(len, evaluation_table(values).splitlines())) <= 80


def test_of_five_classes_there_is_no_top_5():
    text = evaluation_table(results(model("a", 0.9, None, top_5=None)))
    assert "top-5" not in text


def test_images_that_are_alone_in_their_class_are_counted():
    text = evaluation_table(
        results(model("a", 0.9, None, alone=7), model("b", 0.8, None, alone=7))
    )
    assert cells(text, "retrieval, images alone in class") == ["7", "7"]


def test_scores_that_are_not_there_are_a_dash():
    alone = model("a", 0.9, None, alone=1000)
    alone["retrieval"] |= dict.fromkeys(SCORES)
    text = evaluation_table(results(alone))
    assert cells(text, "retrieval, MAP@R") == ["-"]
    assert cells(text, "retrieval, images alone in class") == ["1,000"]


def test_unknown_classes_have_two_rows_if_they_were_measured():
    scores = {"auroc": 0.875, "fpr_at_95_tpr": 0.25}
    measured = model("a", 0.9, None) | {"open_set": scores}
    text = evaluation_table(results(measured))
    assert cells(text, "unknown classes, AUROC") == ["0.8750"]
    assert cells(text, "unknown classes, FPR at 95 % TPR") == ["0.2500"]
    assert "unknown" not in evaluation_table(results(model("a", 0.9, None)))
