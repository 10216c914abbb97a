"""Tests of hub_export/outputs.py: all files of an export or none."""

import os

import pytest
from kill_points import kills_of, leave

from hub_export.outputs import (
    check_output,
    files_beside,
    move_into_place,
    temporary_folder_beside,
    upload_folder,
)


def saved_model(path, text="new"):
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_text(text)
    return path


def test_the_files_beside_have_the_folders_name(tmp_path):
    names = [p.name for p in files_beside(tmp_path / "a.b", archive=True)]
    assert names == ["a.b.md", "a.b.tar.gz", "a.b.tar.gz.sha256"]
    assert files_beside(tmp_path / "a", archive=False) == [tmp_path / "a.md"]


def test_what_is_there_is_refused_unless_it_is_to_be_overwritten(tmp_path):
    output = saved_model(tmp_path / "out")
    with pytest.raises(ValueError, match="unless --overwrite"):
        check_output(output)
    assert check_output(output, overwrite=True) == output
    (tmp_path / "other.tar.gz").write_text("")
    assert check_output(tmp_path / "other") == tmp_path / "other"
    with pytest.raises(ValueError, match=r"other\.tar\.gz does"):
        check_output(tmp_path / "other", archive=True)


def test_a_folder_for_hugging_face_is_replaced_if_it_holds_no_more(tmp_path):
    output = saved_model(tmp_path / "out")
    folder = upload_folder(output)
    assert folder == tmp_path / "out-hugging_face"
    folder.mkdir()
    (folder / "README.md").write_text("")
    options = {"hugging_face": True, "overwrite": True}
    assert check_output(output, overwrite=True) == output
    assert check_output(output, **options) == output
    with pytest.raises(ValueError, match="nor the files beside it"):
        check_output(tmp_path / "out", hugging_face=True)
    (folder / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="holds something else"):
        check_output(output, **options)


@pytest.mark.parametrize("kind", ["file", "folder", "mixed", "link"])
def test_what_is_no_savedmodel_is_never_overwritten(kind, tmp_path):
    output = tmp_path / "out"
    if kind == "file":
        output.write_text("")
    elif kind == "folder":
        output.mkdir()
        (output / "thesis.tex").write_text("")
    elif kind == "mixed":
        saved_model(output)
        (output / "thesis.tex").write_text("")
    else:
        output.symlink_to(saved_model(tmp_path / "real"))
    with pytest.raises(ValueError, match="holds something else"):
        check_output(output, overwrite=True)


def test_parents_that_were_made_go_if_they_stay_empty(tmp_path):
    output = tmp_path / "a" / "b" / "out"
    with temporary_folder_beside(output) as folder:
        (folder / "draft").write_text("")
    assert list(tmp_path.iterdir()) == []
    with temporary_folder_beside(output) as folder:
        (folder / "draft").write_text("")
        os.rename(folder / "draft", output)
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["out"]


def drafts(work):
    """A new SavedModel and its card, in a folder of their own."""
    work.mkdir()
    (work / "card").write_text("new card")
    return work / "card", saved_model(work / "draft")


def moved(output, overwrite):
    """Puts a new export into place, as the command does."""
    path = check_output(output, overwrite=overwrite)
    with temporary_folder_beside(path) as folder:
        sources = drafts(folder / "new")
        places = (*files_beside(path, archive=False), path)
        for source in sources:
            source.rename(folder / source.name)
        moves = {
            folder / source.name: place
            for source, place in zip(sources, places, strict=True)
        }
        move_into_place(moves, folder)


def test_files_are_moved_and_replace_what_was_there(tmp_path):
    saved_model(tmp_path / "out", "old")
    moved(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "saved_model.pb").read_text() == "new"
    assert (tmp_path / "out.md").read_text() == "new card"
    assert {p.name for p in tmp_path.iterdir()} == {"out", "out.md"}


def test_after_a_failure_everything_is_as_it_was(tmp_path, monkeypatch):
    saved_model(tmp_path / "out", "old")
    (tmp_path / "out.md").write_text("old card")
    rename, calls = os.rename, []

    def fail_once(source, place):
        calls.append(place)
        if len(calls) == 4:  # that of the new folder
            raise OSError("no more")
        rename(source, place)

    monkeypatch.setattr(os, "rename", fail_once)
    with pytest.raises(OSError, match="no more"):
        moved(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "saved_model.pb").read_text() == "old"
    assert (tmp_path / "out.md").read_text() == "old card"
    assert {p.name for p in tmp_path.iterdir()} == {"out", "out.md"}


@pytest.mark.slow
@pytest.mark.parametrize("is_there", [False, True])
def test_a_killed_export_is_repeated_by_the_same_command(is_there, tmp_path):
    """A card without its folder must not stop the command that wrote it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if is_there:
        saved_model(disk / "out", "old")
        (disk / "out.md").write_text("old card")
    kills = kills_of(lambda: moved(disk / "out", is_there), disk)
    assert len(kills) > 15
    for kill in kills:
        leave(kill, disk)
        here = disk / "out" / "saved_model.pb"
        is_new = here.exists() and here.read_text() == "new"
        texts = {p.read_text() for p in disk.rglob("saved_model.pb")}
        assert is_new or not is_there or "old" in texts, kill
        try:
            moved(disk / "out", is_there)
        except ValueError:  # but for clearing its own folder it had finished
            assert is_new, kill
            assert not list(disk.rglob("moves.json")), kill
        assert {p.name for p in disk.iterdir()} == {"out", "out.md"}, kill
        assert (disk / "out" / "saved_model.pb").read_text() == "new"
        assert (disk / "out.md").read_text() == "new card"


@pytest.mark.release
def test_a_repeat_that_is_killed_is_repeated_too(tmp_path):
    """What puts back a killed export may be killed itself."""
    disk = tmp_path / "disk"
    disk.mkdir()
    saved_model(disk / "out", "old")
    (disk / "out.md").write_text("old card")

    def repeat():
        moved(disk / "out", True)

    first = [kill for kill in kills_of(repeat, disk) if is_recorded(kill)]
    assert len(first) > 4
    for kill in first:
        leave(kill, disk)
        for second in kills_of(repeat, disk):
            leave(second, disk)
            repeat()
            assert {p.name for p in disk.iterdir()} == {"out", "out.md"}
            assert (disk / "out" / "saved_model.pb").read_text() == "new"
            assert (disk / "out.md").read_text() == "new card"


def is_recorded(kill):
    return any(name.endswith("/moves.json") for name in kill.files)


def test_what_a_person_has_put_there_since_a_kill_is_refused(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    kills = kills_of(lambda: moved(disk / "out", False), disk)
    leave(next(k for k in kills if "out.md" in k.files), disk)
    (disk / "out.md").write_text("my own notes")
    with pytest.raises(ValueError, match=r"out\.md does"):
        check_output(disk / "out")
    assert (disk / "out.md").read_text() == "my own notes"
