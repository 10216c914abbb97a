from supcon_tf.config.last_lines import print_last_lines


def test_what_was_not_measured_is_not_told(capsys):
    print_last_lines(
        "top-1 0.5",
        compared=[(None, "the baseline"), (0.1, "chance")],
        folder="W",
        written=["a", "b", "c"],
        following=["one", "two"],
    )
    assert capsys.readouterr().out == (
        "top-1 0.5\n"
        "To compare with: 0.1000, chance\n"
        "Wrote a, b and c to W\n"
        "Next: one, or two\n"
    )
    print_last_lines("No run has finished", compared=[(None, "chance")])
    assert capsys.readouterr().out == "No run has finished\n"
