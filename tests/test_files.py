import multiprocessing

import pytest

from supcon_tf.files import (
    FolderInUseError,
    check_folder,
    only_writer,
    written_whole,
)


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


def test_folders_that_are_or_can_be_made_are_fine(tmp_path):
    check_folder(tmp_path, "workdir")
    check_folder(tmp_path / "new" / "one", "workdir")
    assert list(tmp_path.iterdir()) == []


def test_a_file_or_what_lies_below_one_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        with pytest.raises(ValueError, match="`workdir` must be a folder that"):
            check_folder(path, "workdir")


def _hold(folder, ready, done):
    with only_writer(folder):
        ready.set()
        done.wait()


def test_a_second_process_is_kept_out_while_the_first_one_writes(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path, ready, done))
    process.start()
    try:
        assert ready.wait(60)
        with pytest.raises(FolderInUseError, match="must not be in use"):
            with only_writer(tmp_path):
                pass
    finally:
        done.set()
        process.join()
    with only_writer(tmp_path):
        pass


def test_what_a_killed_writer_left_half_written_is_removed(tmp_path):
    stale = tmp_path / ".encoder.123.partial.keras"
    stale.write_text("half")
    with only_writer(tmp_path):
        assert not stale.exists()
