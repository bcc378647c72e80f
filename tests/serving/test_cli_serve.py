"""``inception serve`` before it serves: what it says, what it refuses."""

import socket
from pathlib import Path
from typing import Any

import pytest

from inception import InputError
from inception.cli.serve import serve
from inception.serving.shelf import named


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(app: Any, bound: Any, *, ready: Any, quiet: bool) -> None:
        ready()

    monkeypatch.setattr("inception.serving.server.run", run)


def test_it_warns_where_anybody_may_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    serve(host="0.0.0.0", port=0)
    told = capsys.readouterr()
    assert told.out.startswith("serving cats-and-dogs at http://0.0.0.0:")
    assert told.err == ("warning: whoever reaches 0.0.0.0 may use this server; give it a --token\n")
    serve(host="0.0.0.0", port=0, token="t")
    serve(port=0)
    assert capsys.readouterr().err == ""


def test_a_taken_port_is_told_before_a_model_is_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1:{port}: Address already in use; take"):
            serve("no-such-model.xml", port=port)
    with pytest.raises(InputError, match=r"cannot listen at nowhere\.invalid:8000"):
        serve(host="nowhere.invalid")
    with pytest.raises(InputError, match=r"no such model: no-such-model\.xml"):
        serve("no-such-model.xml", port=0)


def test_models_have_the_names_of_their_files(tmp_path: Path) -> None:
    assert named("runs/pets", ["b=other.xml"]) == {"pets": "runs/pets", "b": "other.xml"}
    assert list(named("models/pets.v2.xml", [])) == ["pets.v2"]
    assert list(named(None, [])) == ["cats-and-dogs"]
    with pytest.raises(InputError, match="--model takes NAME=PATH; got pets"):
        named(None, ["pets"])
    with pytest.raises(InputError, match="two models named pets"):
        named("runs/pets", ["pets=other"])
