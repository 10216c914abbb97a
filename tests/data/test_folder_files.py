import os

from supcon_tf.data.folder_files import files_below


def make(folder, *names):
    for name in names:
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"x")


def test_files_of_all_folders_are_listed_in_order(tmp_path):
    make(tmp_path, "b/2", "b/1", "b/c/3", "a", b"\xe9/\xff.jpg")
    (tmp_path / "empty").mkdir()
    files, folders, left_out = files_below(str(tmp_path))
    assert files == ["a", "b/1", "b/2", "b/c/3", "\udce9/\udcff.jpg"]
    assert folders == ["b", "b/c", "empty", "\udce9"]
    assert left_out == []


def test_what_systems_write_is_passed_over(tmp_path):
    make(
        tmp_path,
        *(".DS_Store", "a/._1.jpg", ".git/x", "__MACOSX/a/._1.jpg"),
        *("Thumbs.db", "a/thumbs.db", "Desktop.ini", "Icon\r"),
    )
    assert files_below(str(tmp_path)) == ([], ["a"], [])


def test_hidden_images_and_folders_of_images_are_named(tmp_path):
    """A class called .net was passed over without a word."""
    make(
        tmp_path,
        *(".net/1.jpg", ".net/2.jpg", "a/.1.JPG", "@eaDir/b/1.png"),
        *("Desktop.ini/1.jpg", "a/.1.txt"),
    )
    files, folders, left_out = files_below(str(tmp_path))
    assert (files, folders) == ([], ["a"])
    assert {file.path: file.reason for file in left_out} == {
        "a/.1.JPG": "hidden file",
        **dict.fromkeys(
            (".net/", "@eaDir/", "Desktop.ini/"), "hidden folder of images"
        ),
    }


def test_nothing_but_files_of_the_folder_is_opened(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    make(tmp_path, "inside/a/1", "outside/2")
    links = {
        "file": "a/1",
        "out": "../outside/2",
        "far": outside / "2",
        "up": "..",
        "round": ".",
        "folder": "a",
        "self": "self",
        "gone": "nothing",
        "device": "/dev/zero",
        "to pipe": "pipe",
    }
    os.mkfifo(inside / "pipe")
    for name, target in links.items():
        (inside / name).symlink_to(target)
    files, _, left_out = files_below(str(inside))
    assert files == ["a/1", "file"]
    assert {file.path: file.reason for file in left_out} == {
        "pipe": "pipe",
        "to pipe": "link to a pipe",
        "self": "link to nothing",
        "gone": "link to nothing",
        "folder": "link to a folder",
        "round": "link to a folder",
        **dict.fromkeys(("out", "far", "up", "device"), "link out of the f"
                        "older"),
    }  # fmt: skip


def test_the_folder_itself_may_be_a_link(tmp_path):
    make(tmp_path, "real/a/1")
    (tmp_path / "link").symlink_to("real")
    assert files_below(str(tmp_path / "link"))[0] == ["a/1"]


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    make(tmp_path, "a/1", "b/1")
    scan = os.scandir

    def refuse(path):  # root may open all folders
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    files, _, ((path, reason, detail, _),) = files_below(str(tmp_path))
    assert files == ["a/1"]
    assert (path, reason) == ("b", "folder that cannot be opened")
    assert detail == "Permission denied"
