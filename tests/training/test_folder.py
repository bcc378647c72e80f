"""Whose a run folder is, and who works in it."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from inception.errors import InputError, command
from inception.training.folder import LOCK, RUN_FILES, check_free, is_run, locked

A_RUN = json.dumps({"config": {}, "data": {}, "model": {}})


@pytest.mark.parametrize("name", RUN_FILES)
@pytest.mark.parametrize("content", ["mine", '{"mine": true}', "[1]", ""])
def test_what_no_run_wrote_is_not_written_over(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=f"holds {name} of something else"):
        check_free(tmp_path)
    assert (tmp_path / name).read_text() == content


def test_a_run_that_kept_nothing_may_begin_again_and_one_that_did_may_not(tmp_path: Path) -> None:
    check_free(tmp_path / "new")
    (tmp_path / "notes.txt").write_text("not in the way")
    check_free(tmp_path)
    (tmp_path / "config.json").write_text(A_RUN)
    assert is_run(tmp_path)
    check_free(tmp_path)
    (tmp_path / "last.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="holds a run already: `inception train --resume"):
        check_free(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        check_free(tmp_path / "notes.txt")


def test_a_folder_in_use_is_refused_and_its_holder_named(tmp_path: Path) -> None:
    said = f"in use by process {os.getpid()} on"
    with locked(tmp_path), pytest.raises(InputError, match=said), locked(tmp_path):
        pass
    with locked(tmp_path):  # given back
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from inception.training.folder import locked\n"
        "with locked(Path(sys.argv[1])): os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["os.link", "os.replace", "Path.write_text", "Path.unlink"])
def test_killed_while_it_takes_the_lock_a_process_holds_up_nobody(
    call: str, tmp_path: Path
) -> None:
    stale = {"process": 1, "host": platform.node(), "since": "then", "started": "0"}
    (tmp_path / LOCK).write_text(json.dumps(stale))
    code = f"""
import os, sys
from pathlib import Path
from inception.training.folder import locked
def die(*args, **_):
    if {call!r} == "Path.write_text":
        args[0].touch()
    os._exit(9)
{call} = die
with locked(Path(sys.argv[1])): pass
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == 9
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_later_process_of_the_same_number_is_not_the_holder(tmp_path: Path) -> None:
    holder = {"process": os.getpid(), "host": platform.node(), "since": "then", "started": "1"}
    (tmp_path / LOCK).write_text(json.dumps(holder))
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("holder", ['{"process": 1, "host": "elsewhere"}', "", "[]", "{}"])
def test_a_holder_that_cannot_be_asked_is_believed(holder: str, tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text(holder)
    with pytest.raises(InputError, match="if it is gone, delete") as told, locked(tmp_path):
        pass
    assert str(tmp_path / LOCK) in str(told.value)
    assert (tmp_path / LOCK).read_text() == holder


def test_what_is_to_be_typed_is_quoted() -> None:
    assert command("evaluate", Path("my run"), "a$b", "c") == "inception evaluate 'my run' 'a$b' c"
