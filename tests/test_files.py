"""Files that are whole or not there, and where the cache lies."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from inception.errors import InputError
from inception.files import (
    MOST_BYTES,
    cache_folder,
    create_text,
    read_bytes,
    replacing,
    write_text,
)


def test_text_is_written_over_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "note.txt"
    write_text(path, "old")
    write_text(path, "grün")
    assert path.read_bytes() == "grün".encode()
    assert [p.name for p in path.parent.iterdir()] == ["note.txt"]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="midway"), replacing(path) as beside:
        beside.write_text("half of the n")
        raise RuntimeError("midway")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stands_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")
    with replacing(path) as beside:
        beside.write_text("new")
        assert beside.parent == path.parent
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    path = tmp_path / "file" / "note.txt"
    with pytest.raises(InputError, match=f"cannot write {path}"):
        write_text(path, "text")


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_a_file_is_made_by_one_only(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "note.txt"
    create_text(path, "first")
    with pytest.raises(FileExistsError):
        create_text(path, "second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of a file")
def test_a_full_disk_is_told_in_one_line_and_leaves_the_old_model(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("old")
    code = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from inception.errors import InputError
from inception.files import replacing
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
path = Path(sys.argv[1])
try:
    with replacing(path) as beside:
        save_file({"a": np.zeros(1000)}, beside)
except InputError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert ran.stdout.startswith(f"cannot write {path}: ") and ran.stderr == ""
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"), replacing(tmp_path / "note.txt"):
        pass


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    ordinary, path = tmp_path / "ordinary", tmp_path / "note.txt"
    ordinary.touch()
    with replacing(path) as beside:
        os.close(os.open(beside, os.O_CREAT | os.O_WRONLY, 0o600))
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"INCEPTION_CACHE": "/own", "XDG_CACHE_HOME": "/shared"}, "/own"),
        ({"XDG_CACHE_HOME": "/shared"}, "/shared/inception"),
        ({"HOME": "/home/somebody"}, "/home/somebody/.cache/inception"),
    ],
)
def test_the_cache_lies_where_the_variables_say(
    variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("INCEPTION_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(folder)


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder", "missing"])
@pytest.mark.parametrize("through", ["itself", "a link"])
def test_only_a_regular_file_is_opened(tmp_path: Path, kind: str, through: str) -> None:
    path = {"device": Path("/dev/zero"), "folder": tmp_path}.get(kind, tmp_path / "x.jpg")
    if kind == "pipe":
        os.mkfifo(path)
    if through == "a link":
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    with socket.socket(socket.AF_UNIX) as made:
        if kind == "socket":
            made.bind(str(tmp_path / "x.jpg"))
        with pytest.raises(OSError, match=r"not a regular file|directory"):
            read_bytes(path)


def test_a_file_larger_than_memory_should_hold_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.jpg").open("wb") as file:
        file.truncate(MOST_BYTES + 1)  # a hole, of no bytes on the disk
    with pytest.raises(OSError, match="more than 1 GiB"):
        read_bytes(tmp_path / "x.jpg")


def test_text_keeps_the_bytes_of_names_that_are_no_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "x.csv", os.fsdecode(b"caf\xe9\n"))
    assert (tmp_path / "x.csv").read_bytes() == b"caf\xe9\n"


def test_without_a_home_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.delenv("INCEPTION_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(InputError, match="set INCEPTION_CACHE"):
        cache_folder()


def test_what_a_killed_process_left_is_swept_and_a_living_one_s_is_not(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    write = f"""
import os, time
from pathlib import Path
from inception.files import replacing
with replacing(Path({str(path)!r})) as beside:
    beside.write_text("half")
    if os.fork():
        os.kill(os.getpid(), 9)
    print(os.getpid(), flush=True)
    with replacing(Path({str(path)!r})) as own:
        own.write_text("half")
        time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", write], stdout=subprocess.PIPE, text=True) as done:
        assert done.stdout is not None
        living = int(done.stdout.readline())
        done.wait()
        parts = [p for p in tmp_path.iterdir() if f"-{living}-" not in p.name]
        assert len(parts) == 1 and parts[0].name.startswith(".last.safetensors.")
        other = tmp_path / ".last.safetensors.0a1b2c-999999999-ab.part"  # another machine's
        other.write_text("half")
        write_text(path, "whole")
        assert not parts[0].exists() and other.exists() and path.read_text() == "whole"
        os.kill(living, 9)
