import pytest

from supcon_tf.files import written_whole


def test_the_file_is_there_when_the_block_has_ended(tmp_path):
    target = tmp_path / "a.txt"
    with written_whole(target) as path:
        path.write_text("whole")
        assert path.suffix == ".txt"
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(OSError, match="full"), written_whole(target) as path:
        path.write_text("half")
        raise OSError("disk full")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
