"""Tests of hub_export/archive.py: a SavedModel as TF-Hub downloads it."""

import functools
import gzip
import hashlib
import http.server
import os
import subprocess
import tarfile
import threading
import tracemalloc

import keras
import numpy as np
import pytest
from keras import layers

from hub_export.archive import write_archive
from hub_export.saved_model import write_saved_model

CONTENTS = {
    "saved_model.pb": b"graph",
    "fingerprint.pb": b"",
    "variables/variables.index": b"index",
    "variables/variables.data-00000-of-00001": bytes(range(256)) * 100,
}


def write_folder(folder, names=tuple(CONTENTS)):
    """Files as a SavedModel has them, and its empty folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(CONTENTS[name])
    (folder / "assets").mkdir()
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "saved_model")


def test_the_same_files_give_the_same_bytes(folder, tmp_path):
    first, second = tmp_path / "first.tar.gz", tmp_path / "second.tar.gz"
    digest = write_archive(folder, first)
    # Made in another order, with other permissions and dates.
    other = write_folder(tmp_path / "other", tuple(reversed(CONTENTS)))
    for path in (other / "saved_model.pb", other / "variables"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    assert write_archive(other, second) == digest
    assert second.read_bytes() == first.read_bytes()
    (other / "fingerprint.pb").write_bytes(b"another")
    assert write_archive(other, second) != digest


def test_an_archive_holds_names_types_and_bytes_and_nothing_else(
    folder, tmp_path
):
    path = tmp_path / "encoder-1.tar.gz"
    write_archive(folder, path)
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        names = [member.name for member in members]
        contents = {
            member.name: archive.extractfile(member).read()
            for member in members
            if member.isfile()
        }
    assert names == sorted({*CONTENTS, "assets", "variables"})
    assert contents == CONTENTS
    for member in members:
        assert member.isfile() or member.isdir()
        assert member.name[0] not in "./"
        assert (member.uid, member.gid, member.mtime) == (0, 0, 0)
        assert (member.uname, member.gname) == ("", "")
        assert member.mode == (0o755 if member.isdir() else 0o644)
        assert not member.pax_headers
    # RFC 1952: magic, deflate, no flags (hence no name), date 0.
    assert path.read_bytes()[:8] == b"\x1f\x8b\x08\x00" + bytes(4)


def test_the_checksum_is_what_sha256sum_checks(folder, tmp_path):
    path = tmp_path / "encoder-1.tar.gz"
    digest = write_archive(folder, path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    text = (tmp_path / "encoder-1.tar.gz.sha256").read_text()
    assert text == f"{digest}  encoder-1.tar.gz\n"
    command = ["sha256sum", "--check", "--strict", f"{path.name}.sha256"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "encoder-1.tar.gz: OK\n"


def test_what_was_there_before_is_replaced(folder, tmp_path):
    path = tmp_path / "encoder.tar.gz"
    path.write_bytes(b"before")
    digest = write_archive(str(folder), str(path))
    assert gzip.decompress(path.read_bytes())
    names = {"encoder.tar.gz", "encoder.tar.gz.sha256", "saved_model"}
    assert {entry.name for entry in tmp_path.iterdir()} == names
    assert digest in (tmp_path / "encoder.tar.gz.sha256").read_text()


@pytest.mark.slow
def test_a_large_file_is_never_whole_in_memory(folder, tmp_path):
    with open(folder / "variables/variables.data-00000-of-00001", "wb") as file:
        file.truncate(32 << 20)
    tracemalloc.start()
    try:
        write_archive(folder, tmp_path / "encoder.tar.gz")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20


def make_link(folder):
    (folder / "variables/more").symlink_to(folder / "saved_model.pb")


def make_linked_folder(folder):
    (folder / "more").symlink_to(folder / "variables")


def make_pipe(folder):
    os.mkfifo(folder / "variables/more")


def make_hidden_file(folder):
    (folder / "variables/.more").touch()


def make_hidden_folder(folder):
    (folder / ".more").mkdir()


@pytest.mark.parametrize(
    "make",
    [
        make_link,
        make_linked_folder,
        make_pipe,
        make_hidden_file,
        make_hidden_folder,
    ],
)
def test_what_hub_cannot_take_is_refused_by_its_path(folder, tmp_path, make):
    make(folder)
    with pytest.raises(ValueError, match=r"without links.*more'$") as error:
        write_archive(folder, tmp_path / "encoder.tar.gz")
    assert len(str(error.value).splitlines()) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["saved_model"]


def test_a_folder_without_a_savedmodel_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"has a saved_model\.pb.*none$"):
            write_archive(folder, tmp_path.parent / "encoder.tar.gz")


@pytest.mark.parametrize(
    "name",
    [
        "encoder.zip",
        "encoder",
        "nowhere/encoder.tar.gz",
        "folder.tar.gz",
        "saved_model/encoder.tar.gz",
        "saved_model/variables/encoder.tar.gz",
    ],
)
def test_a_path_that_cannot_be_an_archive_is_refused(folder, tmp_path, name):
    (tmp_path / "folder.tar.gz").mkdir()
    with pytest.raises(ValueError, match=r"`path` must be a file that ends in"):
        write_archive(folder, tmp_path / name)
    assert not (folder / f"{name}.sha256").exists()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and its server remembers what was asked for."""

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.mark.slow
def test_tf_hub_loads_it_from_a_web_server(tmp_path, monkeypatch):
    hub = pytest.importorskip("tensorflow_hub")
    encoder = keras.Sequential(
        [
            layers.Input((None, None, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
        ]
    )
    write_saved_model(encoder, tmp_path / "saved_model")
    (tmp_path / "served").mkdir()
    write_archive(tmp_path / "saved_model", tmp_path / "served/e.tar.gz")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    handler = functools.partial(Handler, directory=tmp_path / "served")
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/e.tar.gz"
        loaded = hub.load(url)
        server.shutdown()
    assert server.asked == ["/e.tar.gz?tf-hub-format=compressed"]
    images = np.random.default_rng(0).random((2, 9, 8, 3), dtype=np.float32)
    np.testing.assert_allclose(
        loaded(images), encoder(images), rtol=1e-5, atol=1e-6
    )
    assert len(loaded.trainable_variables) == 4
    # The archive is unpacked once.
    np.testing.assert_array_equal(hub.load(url)(images), loaded(images))
