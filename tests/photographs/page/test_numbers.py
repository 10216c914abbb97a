"""The rows of the table of numbers."""

import numpy as np

from supcon_tf.photographs.page.numbers import measured_numbers, number_rows

LABELS = np.array([0, 0, 0, 1])
MEASURED = {
    "linear_probe": {"top_1_accuracy": 0.875, "top_5_accuracy": 0.99},
    "knn": {"top_1_accuracy": 0.5, "neighbors": 20},
    "retrieval": {
        "precision_at_1": 0.75,
        "r_precision": 0.5,
        "map_at_r": 0.25,
        "queries": 3,
        "queries_left_out": 1,
    },
    "alignment": 0.5,
    "uniformity": -2.0,
    "effective_rank": 7.25,
    "num_features": 1280,
    "open_set": {
        "auroc": 0.875,
        "fpr_at_95_tpr": 0.25,
        "neighbors": 5,
        "num_unknown_images": 300,
    },
    "corruption": {"mean_error": 0.4, "errors": {"fog": [0.4]}},
}


def test_each_row_has_the_value_of_each_encoder_and_a_sentence():
    other = {**MEASURED, "alignment": 0.25}
    rows = number_rows([MEASURED, other], LABELS)
    found = {name: values for name, values, _ in rows}
    assert found == {
        "linear probe, top-1": ["87.5 %"] * 2,
        "linear probe, top-5": ["99.0 %"] * 2,
        "nearest neighbours, top-1": ["50.0 %"] * 2,
        "precision@1": ["75.0 %"] * 2,
        "R-precision": ["50.0 %"] * 2,
        "MAP@R": ["25.0 %"] * 2,
        "alignment": ["0.500", "0.250"],
        "uniformity": ["-2.000"] * 2,
        "effective rank": ["7.2"] * 2,
        "unknown classes, AUROC": ["87.5 %"] * 2,
        "unknown classes, taken for known": ["25.0 %"] * 2,
        "error on corrupted images": ["40.0 %"] * 2,
    }
    for _, _, meaning in rows:
        assert meaning.endswith(".")
    # Three of four images are of the largest class.
    assert "75.0 %" in rows[0][2]
    assert "1 images are alone" in rows[3][2]


def test_a_similarity_head_has_rows_beside_an_encoder_without():
    head = {**MEASURED, "similarity_head": MEASURED["retrieval"]}
    rows = number_rows([head, {**MEASURED, "similarity_head": None}], LABELS)
    found = {name: values for name, values, _ in rows}
    assert found["similarity head, MAP@R"] == ["25.0 %", "-"]
    alone = {**MEASURED["retrieval"], "queries": 0, "map_at_r": None}
    rows = number_rows([{**MEASURED, "similarity_head": alone}], LABELS)
    assert not [name for name, *_ in rows if "head" in name]


def test_what_was_not_measured_has_no_row():
    probe = {"top_1_accuracy": 0.5, "top_5_accuracy": None}
    retrieval = {**MEASURED["retrieval"], "queries": 0}
    measured = {
        **MEASURED,
        "linear_probe": probe,
        "retrieval": retrieval,
        "open_set": None,
        "corruption": None,
    }
    names = [name for name, _, _ in number_rows([measured], LABELS)]
    assert names == [
        "linear probe, top-1",
        "nearest neighbours, top-1",
        "alignment",
        "uniformity",
        "effective rank",
    ]


def test_arrays_alone_are_measured_as_far_as_they_go():
    x = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    labels = np.array([0, 0, 1, 1])
    numbers = measured_numbers(x, labels, [0, 0, 1, 0])
    rows = {name: values for name, values, _ in number_rows([numbers], labels)}
    assert rows["right predictions"] == ["75.0 %"]
    assert rows["precision@1"] == rows["MAP@R"] == ["100.0 %"]
    assert "accuracy" not in measured_numbers(x, labels)
