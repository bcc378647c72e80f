"""Going on with a run: what must be as it was, what may change, what is told."""

import csv
import errno
import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import fails, run
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import TINY

from inception.data.datasets import open_data
from inception.errors import InputError
from inception.models import create_model
from inception.training import records
from inception.training.config import TrainConfig
from inception.training.design import start_from
from inception.training.group import Interrupted
from inception.training.loop import Reports
from inception.training.readable import look
from inception.training.run import RunStart, train
from inception.weights.model_file import ModelInfo, save_model


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    (tmp_path / "tiny.json").write_text(json.dumps(TINY.to_json()))
    return TrainConfig(model=str(tmp_path / "tiny.json"), epochs=2, batch_size=16, threads=1)


def stop_after(steps: int) -> Reports:
    seen: list[object] = []

    def step(*_: object) -> None:
        seen.append(None)
        if len(seen) == steps:
            signal.raise_signal(signal.SIGINT)

    return Reports(step=step)


@pytest.fixture
def cut(colours: Path, config: TrainConfig, tmp_path: Path) -> Path:
    """A run stopped in its second epoch."""
    with pytest.raises(Interrupted):
        train(colours, config, out=tmp_path / "cut", reports=stop_after(4))
    return tmp_path / "cut"


def equal(one: Path, two: Path, name: str = "model.safetensors") -> bool:
    a, b = load_file(one / name), load_file(two / name)
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def repaint(picture: Path) -> None:
    with Image.open(picture) as old:
        colour = old.getpixel((0, 0))
    Image.new("RGB", (24, 24), (colour[0] ^ 1, 0, 0)).save(picture)


CHANGES: dict[str, Callable[[Path], object]] = {
    "pixels": repaint,
    "a picture less": Path.unlink,
    "another name": lambda picture: picture.rename(picture.with_name("other.png")),
    "another label": lambda picture: picture.rename(picture.parents[1] / "red" / "moved.png"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("split", "name"), [("train", "training"), ("val", "validation")])
def test_a_set_that_changed_is_refused_and_named(
    change: str, split: str, name: str, cut: Path, colours: Path
) -> None:
    CHANGES[change](colours / split / "green" / "3.png")
    with pytest.raises(InputError, match=f"the {name} set at .* is not the one .*--init"):
        train(None, resume=cut)


def test_a_set_that_moved_is_the_same_one(cut: Path, colours: Path, tmp_path: Path) -> None:
    colours.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"no more at .*: inception train DATA --resume"):
        train(None, resume=cut)
    train(tmp_path / "elsewhere", resume=cut)


def test_another_network_or_another_run_s_checkpoint_is_refused(
    cut: Path, colours: Path, config: TrainConfig, tmp_path: Path
) -> None:
    saved = json.loads((cut / "config.json").read_text())
    changed = json.loads(json.dumps(saved))
    changed["model"]["stages"]["conv"]["stride"] = 2
    (cut / "config.json").write_text(json.dumps(changed))
    with pytest.raises(InputError, match=r"network in its config.json is not the one"):
        train(None, resume=cut)
    (cut / "config.json").write_text(json.dumps(saved))
    train(colours, replace(config, lr=0.3, steps=1), out=tmp_path / "other")
    (tmp_path / "other" / "last.safetensors").rename(cut / "last.safetensors")
    with pytest.raises(InputError, match=r"last.safetensors is of a run with .*=.*, not"):
        train(None, resume=cut)


def test_a_checkpoint_whose_tensors_are_others_is_one_line(cut: Path) -> None:
    last = cut / "last.safetensors"
    with safe_open(last, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(last)
    save_file({n: t for n, t in tensors.items() if "conv" not in n}, last, metadata=metadata)
    with pytest.raises(InputError, match=r"last.safetensors does not fit the run's network"):
        train(None, resume=cut)


def rewrite(
    path: Path,
    state: dict[str, Any] | None = None,
    shapes: dict[str, tuple[int, ...]] | None = None,
) -> None:
    """Changes a checkpoint's state and tensors of its optimiser whose names end so."""
    with safe_open(path, framework="pt") as file:
        values = json.loads(file.metadata()["inception_run"])
    tensors = load_file(path)
    for name in tensors:
        for end, shape in (shapes or {}).items():
            if name.startswith("optimiser/") and name.endswith(end):
                tensors[name] = torch.zeros(shape)
    metadata = {"inception_run": json.dumps({**values, "state": values["state"] | (state or {})})}
    save_file(tensors, path, metadata=metadata)


@pytest.mark.parametrize(
    "state",
    [
        {"epoch": "1"},
        {"epoch": 3},
        {"step": -1},
        {"rows": 5},
        {"rows": [{"epoch": 1}]},
        {"sums": {"main": None}},
        {"unreadable": {"a": 1}},
        {"best_loss": "low"},
        {"seconds": None},
    ],
    ids=str,
)
def test_a_state_that_no_run_was_in_is_one_line(state: dict[str, Any], cut: Path) -> None:
    if state == {"rows": [{"epoch": 1}]}:
        state = state | {"epoch": 1}
    rewrite(cut / "last.safetensors", state)
    with pytest.raises(InputError, match=r"last.safetensors is not a checkpoint of a run \("):
        train(None, resume=cut)


@pytest.mark.parametrize("end", ["conv.conv.weight/momentum_buffer", "momentum_buffer"])
def test_an_optimiser_s_tensors_of_other_shapes_are_one_line(end: str, cut: Path) -> None:
    rewrite(cut / "last.safetensors", shapes={end: (3,)})
    with pytest.raises(InputError, match=r"last.safetensors does not fit the run's network"):
        train(None, resume=cut)


def test_a_run_of_an_older_version_goes_on(cut: Path, colours: Path, config: TrainConfig) -> None:
    saved = json.loads((cut / "config.json").read_text())
    saved["config"] |= saved.pop("machine")
    del saved["identity"]
    forget_right_answers(cut / "last.safetensors")
    (cut / "config.json").write_text(json.dumps(saved))
    train(None, resume=cut)
    train(colours, config, out=cut.with_name("whole"))
    assert equal(cut, cut.with_name("whole"))
    with (cut / "metrics.csv").open(newline="") as file:
        assert "train_accuracy" not in next(csv.reader(file))  # of no epoch is it known


def forget_right_answers(checkpoint: Path) -> None:
    """As it was before accuracy in training was counted."""
    with safe_open(checkpoint, framework="pt") as file:
        values = json.loads(file.metadata()["inception_run"])
    for counts in (values["state"], *values["state"]["rows"]):
        counts.pop("right", None)
        counts.pop("train_accuracy", None)
    save_file(load_file(checkpoint), checkpoint, metadata={"inception_run": json.dumps(values)})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"config": 1}', '{"config": {"lr": "x"}}'])
def test_a_config_that_no_run_wrote_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"not what a run wrote|takes a number"):
        train(None, resume=tmp_path)


def test_a_run_moves_to_another_machine_on_request_and_says_so(cut: Path) -> None:
    done = run("train", "--resume", str(cut), "--threads", "2", "--set", "checkpoint_s=60")
    assert done.returncode == 0, done.stderr
    assert "moved: threads 2 (was 1), checkpoint_s 60.0 (was 120.0); from here on" in done.stdout
    saved = json.loads((cut / "config.json").read_text())
    assert saved["machine"]["threads"] == 2 and "threads" not in saved["config"]
    again = run("train", "--resume", str(cut))
    assert "it had ended already; for more epochs: inception train" in again.stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--recipe", "default"], ["--epochs", "3"], ["--lr", "1"], ["--seed", "1"],
        ["--set", "momentum=0.1"], ["--crop", "0.5,1"], ["--out", "x"], ["--model", "nin"],
        ["--init", "x"], ["--freeze", "backbone"], ["--augment", "none"],
    ],
)  # fmt: skip
def test_no_option_is_ignored_where_a_run_goes_on(options: list[str], tmp_path: Path) -> None:
    said = fails("train", "--resume", str(tmp_path), *options)
    assert "keeps its settings; leave out --" in said
    assert f"inception train DATA --init {tmp_path}" in said


@pytest.mark.parametrize("head", ["own", "cosine"])
def test_a_run_stopped_before_its_first_checkpoint_begins_as_the_same_network(
    head: str, colours: Path, config: TrainConfig, tmp_path: Path
) -> None:
    config = replace(config, head=head, epochs=1)
    train(colours, config, out=tmp_path / "whole")
    (tmp_path / "cut").mkdir()
    config_json = (tmp_path / "whole" / "config.json").read_text()
    (tmp_path / "cut" / "config.json").write_text(config_json)
    train(None, resume=tmp_path / "cut")
    assert equal(tmp_path / "whole", tmp_path / "cut")


def test_settings_given_in_python_must_be_the_run_s(cut: Path, config: TrainConfig) -> None:
    with pytest.raises(InputError, match=r"is of a run with lr=0.05, not 1"):
        train(None, replace(config, lr=1.0), resume=cut)
    train(None, config, resume=cut)


@pytest.mark.parametrize(
    ("classes", "kept"),
    [(("ant", "bee"), ()), (("dog", "cat"), ("dog", "cat")), (("ant", "cat", "bee"), ("cat",))],
)
def test_rows_of_a_classifier_go_by_the_names_of_classes(
    classes: tuple[str, ...], kept: tuple[str, ...], tmp_path: Path
) -> None:
    torch.manual_seed(1)
    old = create_model(replace(TINY, num_classes=2))
    path = tmp_path / "m.safetensors"
    save_model(path, old.state_dict(), ModelInfo(old.spec, ("cat", "dog")))
    torch.manual_seed(2)
    new = create_model(replace(TINY, num_classes=len(classes)))
    fresh = new.state_dict()["classifier.logits.linear.weight"].clone()
    moved = start_from(new, path, classes)
    assert moved.kept_classes == kept
    assert bool(moved.transplant.fresh) == (not kept)
    rows = old.state_dict()["classifier.logits.linear.weight"]
    for i, name in enumerate(classes):
        wanted = rows[("cat", "dog").index(name)] if name in kept else fresh[i]
        assert torch.equal(new.state_dict()["classifier.logits.linear.weight"][i], wanted)
    assert torch.equal(new.state_dict()["conv.conv.weight"], old.state_dict()["conv.conv.weight"])
    assert start_from(old, path, ("cat", "dog")).kept_classes is None


def test_what_was_kept_of_another_model_is_printed(
    colours: Path, config: TrainConfig, tmp_path: Path
) -> None:
    network = create_model(replace(TINY, num_classes=2))
    save_model(tmp_path / "m.safetensors", network.state_dict(),
               ModelInfo(network.spec, ("blue", "red")))  # fmt: skip
    done = run("train", str(colours), "--init", str(tmp_path / "m.safetensors"), "--steps", "1",
               "--out", str(tmp_path / "my run"))  # fmt: skip
    assert f"classes kept from {tmp_path}/m.safetensors: red\n" in done.stdout
    assert "classes begun afresh: green\n" in done.stdout
    assert f"  inception predict '{tmp_path}/my run' PICTURES" in done.stdout


@pytest.mark.parametrize(("every_s", "drawings"), [(-1.0, 2), (3600.0, 1)])
def test_a_picture_that_cannot_be_drawn_is_a_warning(
    colours: Path,
    config: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    every_s: float,
    drawings: int,
) -> None:
    def broken(*_: object) -> None:
        assert (tmp_path / "run" / "last.safetensors").exists()  # before any picture
        raise ValueError("no such font")

    monkeypatch.setattr(records, "draw_curves", broken)
    monkeypatch.setattr(records, "DRAW_EVERY_S", every_s)
    told: list[str] = []
    train(colours, config, out=tmp_path / "run", reports=Reports(warning=told.append))
    assert told == ["the run's pictures were not drawn: no such font"] * drawings
    assert (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize("name", ["metrics.csv", "log.txt"])
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(
    name: str,
    colours: Path,
    config: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = Path.open

    def full(path: Path, mode: str = "r", *args: object, **kwargs: object) -> object:
        if name in path.name and mode != "r":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, mode, *args, **kwargs)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(InputError, match=r"No space left on device; the run is saved, `incep"):
            train(colours, config, out=tmp_path / "run")
    train(None, resume=tmp_path / "run")
    train(colours, config, out=tmp_path / "whole")
    assert equal(tmp_path / "run", tmp_path / "whole")
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2"]


def test_a_reader_that_has_had_enough_stops_the_run_as_ctrl_c_does(
    colours: Path, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inception.cli.run_printer import RunPrinter

    def closed(self: RunPrinter, row: dict[str, object], best: bool) -> None:
        self._out.print = lambda *_, **__: (_ for _ in ()).throw(BrokenPipeError())  # type: ignore
        self.line("a row")

    monkeypatch.setattr(RunPrinter, "epoch", closed)
    done = run("train", str(colours), "--model", str(config.model), "--epochs", "2", "--threads",
               "1", "--batch-size", "16", "--out", str(tmp_path / "run"))  # fmt: skip
    assert done.returncode == 130
    assert f"go on with: inception train --resume {tmp_path}/run" in done.stderr
    train(None, resume=tmp_path / "run")
    train(colours, config, out=tmp_path / "whole")
    assert equal(tmp_path / "run", tmp_path / "whole")


def test_pictures_are_looked_at_before_the_first_epoch(
    colours: Path, config: TrainConfig, tmp_path: Path
) -> None:
    broken = colours / "train" / "red" / "broken.png"
    broken.write_bytes((colours / "train" / "red" / "0.png").read_bytes()[:300])
    starts: list[RunStart] = []
    with pytest.raises(InputError, match=r"1 of 49 pictures .* --max-unreadable 0.01.*broken"):
        train(colours, config, out=tmp_path / "run", started=starts.append)
    assert not starts and not (tmp_path / "run").exists()
    done = run("train", str(colours), "--model", str(config.model), "--max-unreadable", "0.1",
               "--out", str(tmp_path / "run"), "--steps", "1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "train: 1 of 49 pictures cannot be read and is left out; the first: " in done.stdout


def test_a_set_too_large_to_look_at_is_looked_at_in_part(colours: Path) -> None:
    looked = look(open_data(colours).splits["train"], threads=1, most=0.0, longest_s=0.0)
    assert (looked.pictures, looked.total) == (1, 48)


def test_the_digest_of_a_large_set_reads_some_of_it(
    colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_data(colours).splits["train"]
    assert whole.digest() == open_data(colours).splits["train"].digest()
    read: list[int] = []
    monkeypatch.setattr("inception.data.dataset.DIGESTED", 10)
    monkeypatch.setattr(type(whole), "encoded", lambda self, index: read.append(index) or b"")
    whole.digest()
    assert 10 <= len(read) <= 20


def test_earlier_checkpoints_stay_to_go_back_to(
    colours: Path, config: TrainConfig, tmp_path: Path
) -> None:
    whole, back = tmp_path / "whole", tmp_path / "back"
    train(colours, replace(config, epochs=4, keep=2), out=whole)
    kept = sorted(path.name for path in whole.glob("epoch-*"))
    assert kept == ["epoch-3.safetensors", "epoch-4.safetensors"]
    shutil.copytree(whole, back)
    (back / "last.safetensors").write_bytes(b"damaged")
    starts: list[RunStart] = []
    train(None, resume=back / "epoch-3.safetensors", started=starts.append)
    assert starts[0].resumed_at == (3, 0)
    assert equal(whole, back, "last.safetensors") and equal(whole, back)
    with pytest.raises(InputError, match=r"model\.safetensors is not a checkpoint"):
        train(None, resume=back / "model.safetensors")
