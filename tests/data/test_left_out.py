from supcon_tf.data.left_out import LeftOut, count_of, left_out_lines


def test_a_line_has_the_number_the_reason_and_some_names():
    files = [
        LeftOut("a.jpg", "damaged image", "cut off"),
        *(LeftOut(f"{n}.mov", "video") for n in range(4)),
    ]
    assert left_out_lines(files, names=2) == [
        "     1  damaged image: a.jpg (cut off)",
        "     4  video: 0.mov, 1.mov and 2 more",
    ]
    assert left_out_lines(files)[1].endswith(
        "video: 0.mov, 1.mov, 2.mov, 3.mov"
    )


def test_numbers_go_with_their_nouns():
    assert count_of(1, "class") == "1 class"
    assert count_of(0, "class") == "no classes"
    assert count_of(2_000, "image") == "2,000 images"
