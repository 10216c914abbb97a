"""The table of predictions."""

from supcon_tf.photographs.prediction import Prediction, table


def test_the_table_shows_classes_scores_and_what_is_none_of_them():
    pairs = (["cat", "dog", "hen"], [0.7, 0.2, 0.1])
    known = Prediction("a.jpg", "cat", *pairs, 0.1, True)
    unknown = Prediction("b\udce9.jpg", "none of these", *pairs, 0.9, False)
    assert table([known, unknown], 2).splitlines() == [
        "photograph   class          score",
        "a.jpg        cat             0.70  dog 0.20",
        "b\\udce9.jpg  none of these         cat 0.70, dog 0.20",
        "1 of 2: none of these",
    ]
    assert table([known]).splitlines() == [
        "photograph  class  score",
        "a.jpg       cat     0.70",
    ]
