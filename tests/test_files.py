import errno
import json
import multiprocessing
import os
import threading

import pytest

from supcon_tf.files import (
    FolderInUseError,
    NoSpaceError,
    abandoned_folders,
    as_json,
    check_folder,
    folder_aside,
    lasting_path,
    only_writer,
    opened,
    read_text,
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
    with pytest.raises(OSError, match="lost") as error:
        with written_whole(target) as path:
            path.write_text("half")
            raise OSError(errno.EIO, "connection lost")
    assert not isinstance(error.value, NoSpaceError)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def _raise_from(error):
    raise ValueError("cannot close an archive that is half written") from error


def _raise_while_handling(error):
    try:
        raise error
    finally:
        raise ValueError("cannot close an archive that is half written")


def _raise(error):
    raise error


# As h5py 3.14 has it, abridged, of a model that a full disk cuts short.
H5PY = (
    "Can't decrement id ref count (file write failed: time = Sun Nov 22 "
    "13:27:33 2026\n, filename = 'a.keras', file descriptor = 5, errno = 28, "
    "error message = 'No space left on device', offset = 4096)"
)


@pytest.mark.parametrize("how", [_raise, _raise_from, _raise_while_handling])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        OSError(H5PY),
        RuntimeError(H5PY),
    ],
    ids=["disk", "quota", "h5py", "h5py_on_close"],
)
def test_a_full_disk_is_one_line_and_keeps_the_old_file(how, error, tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(NoSpaceError) as raised, written_whole(target) as path:
        path.write_text("half")
        how(error)
    why = os.strerror(getattr(error, "errno", None) or errno.ENOSPC)
    assert str(raised.value) == (
        f"{target} must fit on its disk, which is full; what was there before "
        "is kept, and the same command goes on once there is space. "
        f"Received: {why}"
    )
    assert isinstance(raised.value, OSError)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_is_full_at_the_end_is_named_too(
    call, tmp_path, monkeypatch
):
    def no_space(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, no_space)
    with pytest.raises(NoSpaceError, match=r"a.txt must fit on its disk"):
        with written_whole(tmp_path / "a.txt") as path:
            path.write_text("whole")
    assert list(tmp_path.iterdir()) == []


def test_another_failure_that_h5py_numbers_is_no_full_disk(tmp_path):
    with pytest.raises(OSError, match="errno = 5,") as error:
        with written_whole(tmp_path / "a.txt"):
            raise OSError("file write failed: errno = 5, offset = 28")
    assert not isinstance(error.value, NoSpaceError)


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


@pytest.mark.slow
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


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path):
    target, other = tmp_path / "a.txt", tmp_path / ".b.123.partial.txt"
    for stale in (tmp_path / ".a.123.partial.txt", other):
        stale.write_text("half")
    with written_whole(target) as path:
        path.write_text("whole")
    assert set(tmp_path.iterdir()) == {target, other}


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    """Its file is locked: neither age nor number tells that it is alive."""
    with written_whole(tmp_path / "a.txt") as path:
        theirs = path.rename(tmp_path / ".a.123.partial.txt")
        with written_whole(tmp_path / "a.txt") as mine, only_writer(tmp_path):
            mine.write_text("mine")
        assert theirs.exists()
        theirs.rename(path)
        path.write_text("theirs")
    assert (tmp_path / "a.txt").read_text() == "theirs"


def test_folders_that_killed_processes_left_are_found(tmp_path):
    target = tmp_path / "a[1]"
    stale = tmp_path / ".a[1].123.partial"
    stale.mkdir()
    with folder_aside(target) as folder:
        assert folder.parent == tmp_path
        with abandoned_folders(target) as folders:
            assert folders == [stale]
            with abandoned_folders(target) as others:
                assert others == []  # they are the first one's
    assert list(tmp_path.iterdir()) == [stale]


def test_what_a_killed_writer_left_half_written_is_removed(tmp_path):
    stale = tmp_path / ".encoder.123.partial.keras"
    stale.write_text("half")
    with only_writer(tmp_path):
        assert not stale.exists()


def test_a_writer_waits_for_another_where_it_is_told_to(tmp_path):
    order = []

    def second():
        with only_writer(tmp_path, wait=True):
            order.append("second")

    thread = threading.Thread(target=second)
    with only_writer(tmp_path):
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_nothing_but_a_regular_file_of_a_sane_length_is_read(tmp_path):
    """A pipe named config.json was waited for; a device ate the memory."""
    text = tmp_path / "text"
    text.write_bytes("Tür\r\n".encode())
    assert read_text(text) == read_text(str(text)) == "Tür\r\n"
    with opened(text) as file:
        assert file.read(1) == b"T"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "long").touch()
    os.truncate(tmp_path / "long", 1 << 40)  # it takes no room on the disk
    for name, number in (
        ("pipe", errno.EINVAL),
        ("device", errno.EINVAL),
        ("long", errno.EFBIG),
        ("none", errno.ENOENT),
        (".", errno.EISDIR),
    ):
        with pytest.raises(OSError) as error:
            read_text(tmp_path / name)
        assert error.value.errno == number
    text.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="utf-8"):
        read_text(text)


def test_json_keeps_letters_and_escapes_what_is_no_letter():
    """supcon-search wrote "T\\u00fcr"; bytes of a name are no UTF-8."""
    text = as_json({"Tür": "caf\udce9.jpg"})
    assert "Tür" in text and text.encode()
    assert json.loads(text) == {"Tür": "caf\udce9.jpg"}


def test_a_folder_where_a_file_goes_is_refused_beforehand(tmp_path):
    (tmp_path / "results.json").mkdir()
    check_folder(tmp_path, "output", ["other.json"])
    with pytest.raises(ValueError, match=r"move it away.*results\.json"):
        check_folder(tmp_path, "output", ["other.json", "results.json"])


def test_a_lasting_path_is_the_same_from_every_folder(tmp_path, monkeypatch):
    """A run from ../encoder.keras was another one in the next folder."""
    for name in ("a", "b", "far/deep"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/deep")
    found = set()
    for folder in ("a", "b"):
        monkeypatch.chdir(tmp_path / folder)
        found.add(lasting_path("../e.keras"))
    assert found == {tmp_path.resolve() / "e.keras"}
    monkeypatch.chdir(tmp_path)
    assert lasting_path("./e.keras") == tmp_path / "e.keras"
    assert lasting_path("link/x") == tmp_path / "link" / "x"
    assert lasting_path("link/../x") == tmp_path.resolve() / "far" / "x"
