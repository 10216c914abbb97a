from supcon_tf.data.equal_files import (
    COPY,
    LEAK,
    WRONG_LABEL,
    find_equal_files,
)


def test_equal_contents_are_found_and_the_gravest_comes_first(tmp_path):
    files = []
    for name, content, label, part in (
        ("a1", b"aaa", 0, "train"),
        ("a2", b"aaa", 0, "train"),
        ("b1", b"bbb", 0, "train"),
        ("b2", b"bbb", 1, "train"),
        ("b3", b"bbb", 1, "train"),
        ("c1", b"ccc", 0, "train"),
        ("c2", b"ccc", 1, "test"),
        ("d1", b"ddd", 0, "train"),  # of the size of others
        ("e1", b"eeee", 0, "train"),
    ):
        (tmp_path / name).write_bytes(content)
        files.append((str(tmp_path / name), len(content), label, part))
    found = [
        (equal.kind, [path[-2:] for path in equal.paths])
        for equal in find_equal_files(files)
    ]
    assert found == [
        (LEAK, ["c1", "c2"]),
        (WRONG_LABEL, ["b1", "b2", "b3"]),
        (COPY, ["a1", "a2"]),
    ]


def test_files_of_a_size_of_their_own_are_not_read(tmp_path):
    files = [(str(tmp_path / "none"), 5, 0, "train"), ("gone", 6, 0, "train")]
    assert find_equal_files(files) == []
    assert find_equal_files([*files, ("gone too", 6, 0, "train")]) == []
