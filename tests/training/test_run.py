"""Whole runs on a tiny learnable set: folders, resume, freezing, starting from a model."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from colours import write_colours
from command_line import run
from PIL import Image
from safetensors.torch import load_file

from inception.data.loading import epoch_plan, steps_per_epoch
from inception.errors import InputError
from inception.evaluation.evaluate import evaluate
from inception.models import MODELS, create_model
from inception.models.spec import Dropout, map_spec
from inception.prediction import load
from inception.training.checkpoint import State
from inception.training.config import Optimiser, TrainConfig
from inception.training.group import Interrupted
from inception.training.loop import Reports
from inception.training.optimisers import create_optimiser, rate_at
from inception.training.run import RunStart, train
from inception.weights.model_file import ModelInfo, save_model

TINY = TrainConfig(
    model="googlenet_small",
    width=0.25,
    image_size=16,
    epochs=2,
    batch_size=16,
    lr=0.01,
    threads=1,
    eval_crop=1.0,
)


def weights(folder: Path, name: str = "model.safetensors") -> dict[str, torch.Tensor]:
    return load_file(folder / name)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def assert_equal_weights(one: Path, two: Path, name: str = "model.safetensors") -> None:
    a, b = weights(one, name), weights(two, name)
    assert a.keys() == b.keys()
    assert [n for n in a if not torch.equal(a[n], b[n])] == []


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once")
    config = replace(TINY, epochs=4, optimiser="adamw", lr=5e-3)
    train(write_colours(folder / "colours"), config, out=folder / "run")
    return folder / "run"


@pytest.fixture
def finished(once: Path, tmp_path: Path) -> Path:
    """A finished run, the test's own to change."""
    return Path(shutil.copytree(once, tmp_path / "finished"))


def test_a_run_learns_and_leaves_its_whole_folder(finished: Path, colours: Path) -> None:
    names = {p.name for p in finished.iterdir()}
    tables = {"metrics.csv", "confusion.csv", "unreadable.csv"}
    tensors = {"model.safetensors", "last.safetensors"}
    assert names == {"config.json", "log.txt", "curves.png", "confusion.png"} | tables | tensors
    rows = rows_of(finished / "metrics.csv")
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert {"lr", "loss", "loss_main", "loss_inception_4a", "loss_inception_4d"} <= set(rows[0])
    assert {"top5_accuracy", "images_per_second", "seconds", "peak_memory_mb"} <= set(rows[0])
    best = max(float(row["top1_accuracy"]) for row in rows)
    assert best >= 0.9
    assert evaluate(finished, colours).top1_accuracy == best
    model = load(finished)
    assert model.classes == ("green", "red")
    assert model.preprocessing.size == 16
    assert model.metadata["metrics"]["top1_accuracy"] == best
    assert model.metadata["training"]["config"]["seed"] == 0
    assert json.loads((finished / "config.json").read_text())["machine"]["precision"] != "auto"


def test_loss_columns_add_up(finished: Path) -> None:
    for row in rows_of(finished / "metrics.csv"):
        heads = float(row["loss_inception_4a"]) + float(row["loss_inception_4d"])
        assert float(row["loss"]) == pytest.approx(float(row["loss_main"]) + 0.3 * heads)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    colours: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(colours, replace(TINY, epochs=1, seed=seed), out=tmp_path / name)
    assert_equal_weights(tmp_path / "a", tmp_path / "b")
    one, other = weights(tmp_path / "a"), weights(tmp_path / "c")
    assert not torch.equal(one["conv1.conv.weight"], other["conv1.conv.weight"])


def stop_after(steps: int) -> Reports:
    """Reports that interrupt as Ctrl-C does, after so many steps."""
    seen = 0

    def step(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == steps:
            signal.raise_signal(signal.SIGINT)

    return Reports(step=step)


@pytest.mark.parametrize(
    ("steps", "optimiser"), [(1, "adamw"), (3, "adamw"), (4, "adamw"), (3, "muon")]
)
def test_an_interrupted_run_resumes_to_the_same_weights(
    colours: Path, tmp_path: Path, steps: int, optimiser: Optimiser
) -> None:
    config = replace(TINY, optimiser=optimiser, lr=1e-3, average="polyak", clip_norm=1.0)
    train(colours, config, out=tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(colours, config, out=tmp_path / "cut", reports=stop_after(steps))
    train(None, resume=tmp_path / "cut")
    assert_equal_weights(tmp_path / "whole", tmp_path / "cut")
    assert_equal_weights(tmp_path / "whole", tmp_path / "cut", "last.safetensors")


def test_a_run_killed_at_five_random_moments_ends_with_the_same_weights(
    colours: Path, tmp_path: Path
) -> None:
    config = replace(TINY, epochs=6, width=0.125, checkpoint_s=0.01)
    train(colours, config, out=tmp_path / "whole")
    folder = tmp_path / "killed"
    code = (
        "import sys; from inception.training.run import train;"
        "from inception.training.config import TrainConfig; import json;"
        "a = json.loads(sys.argv[1]);"
        "c = TrainConfig.from_json(a['config']);"
        "train(a['data'], c, out=a['folder']) if a['begin'] else train(None, resume=a['folder'])"
    )
    rng = np.random.default_rng(5)
    kills = 0
    while kills < 5:
        begin = not (folder / "config.json").exists()
        values = {"config": config.to_json(), "data": str(colours), "folder": str(folder)}
        process = subprocess.Popen(
            [sys.executable, "-c", code, json.dumps({**values, "begin": begin})]
        )
        kill_during_training(process, folder, rng)
        assert process.returncode == -signal.SIGKILL, "the run ended before it could be killed"
        kills += 1
    train(None, resume=folder)
    assert_equal_weights(tmp_path / "whole", folder)
    assert_equal_weights(tmp_path / "whole", folder, "last.safetensors")


def kill_during_training(
    process: subprocess.Popen[bytes], folder: Path, rng: np.random.Generator
) -> None:
    """Kills once the run has written something new, a random moment later."""
    last = folder / "last.safetensors"
    before = last.stat().st_mtime_ns if last.exists() else 0
    while process.poll() is None:
        if last.exists() and last.stat().st_mtime_ns != before:
            time.sleep(float(rng.uniform(0, 0.4)))  # the moment is the point of the test
            process.kill()
            process.wait()


def test_metrics_are_cut_back_to_the_checkpoint(colours: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(colours, TINY, out=run, reports=stop_after(4))
    with (run / "metrics.csv").open("a") as file:
        file.write("7,nonsense\n")
    train(None, resume=run)
    rows = rows_of(run / "metrics.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]


def test_checkpointed_activations_end_in_the_same_weights(colours: Path, tmp_path: Path) -> None:
    for name, thrifty in (("plain", False), ("thrifty", True)):
        config = replace(TINY, steps=2, checkpoint_activations=thrifty)
        train(colours, config, out=tmp_path / name)
    assert_equal_weights(tmp_path / "plain", tmp_path / "thrifty")


def test_starting_from_a_model_replaces_its_classifiers_and_names_them(
    finished: Path, tmp_path: Path
) -> None:
    other = tmp_path / "three"
    for i, label in enumerate(("a", "b", "c")):
        for split in ("train", "val"):
            (other / split / label).mkdir(parents=True)
            for n in range(4):
                colour = np.full((20, 20, 3), 60 * i + n, np.uint8)
                Image.fromarray(colour).save(other / split / label / f"{n}.png")
    starts: list[RunStart] = []
    config = replace(TINY, init=str(finished), freeze="backbone", epochs=1, image_size=None)
    train(other, config, out=tmp_path / "tuned", started=starts.append)
    heads = ("classifier", "aux.inception_4a", "aux.inception_4d")
    logits = {f"{h}.logits.linear.{p}" for h in heads for p in ("weight", "bias")}
    moved = starts[0].transplant
    assert set(moved.dropped) == set(moved.fresh) == logits
    before, after = weights(finished), weights(tmp_path / "tuned")
    for name, tensor in before.items():
        if name.split(".")[0] not in ("classifier", "aux"):  # frozen, norm statistics too
            assert torch.equal(tensor, after[name]), name
    assert load(tmp_path / "tuned").info.parents == (str(finished),)


@pytest.mark.parametrize("unfrozen", [None, "inception_5a"])
def test_frozen_stages_neither_train_nor_keep_statistics(
    finished: Path, colours: Path, tmp_path: Path, unfrozen: str | None
) -> None:
    config = replace(TINY, init=str(finished), freeze="backbone", unfreeze_from=unfrozen, epochs=1)
    train(colours, config, out=tmp_path / "tuned")
    before, after = weights(finished), weights(tmp_path / "tuned")
    changed = {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])}
    again = {"inception_5a", "inception_5b"} if unfrozen else set()
    assert changed == {"classifier", "aux"} | again


def test_earlier_stages_take_smaller_steps() -> None:
    network = create_model("googlenet_small", num_classes=2)
    optimiser = create_optimiser(network, replace(TINY, layer_decay=0.5))
    scale = {id(p): g["scale"] for g in optimiser.param_groups for p in g["params"]}
    scales = {n: scale[id(p)] for n, p in network.named_parameters()}
    assert scales["classifier.logits.linear.weight"] == 1.0
    assert scales["inception_5b.conv1x1.conv.weight"] == 0.5
    assert scales["inception_5a.conv1x1.norm.bias"] == 0.25
    assert scales["conv1.conv.weight"] == 0.5 ** len(network.spec.stages)


def test_a_batch_cut_into_parts_takes_the_same_step(colours: Path, tmp_path: Path) -> None:
    """Without norms and dropout a part does not know of the others, so gradients add up."""
    spec = map_spec(MODELS["googlenet"], lambda x: {} if isinstance(x, Dropout) else x)
    (tmp_path / "spec.json").write_text(json.dumps(spec.to_json()))
    config = replace(TINY, model=str(tmp_path / "spec.json"), image_size=32, steps=1, lr=1e-3,
                     batch_size=48, precision="fp32", average="none", augment="none")  # fmt: skip
    for parts in (1, 3):
        train(colours, replace(config, accumulate=parts), out=tmp_path / str(parts))
    torch.manual_seed(config.seed)
    start = create_model(load(tmp_path / "1").info.spec).state_dict()
    whole, cut = weights(tmp_path / "1"), weights(tmp_path / "3")
    for name in ("conv1.conv.weight", "inception_4a.conv3x3.conv.conv.weight"):
        step = whole[name] - start[name]
        difference = (whole[name] - cut[name]).abs().max()
        assert float(difference) <= 1e-3 * float(step.abs().max())


def test_patience_ends_a_run_that_no_longer_gets_better(colours: Path, tmp_path: Path) -> None:
    config = replace(TINY, epochs=30, lr=1e-9, patience=2)
    summary = train(colours, config, out=tmp_path / "run")
    assert summary.epochs < 30


def test_steps_end_a_run_within_an_epoch(colours: Path, tmp_path: Path) -> None:
    states: list[int] = []
    reports = Reports(step=lambda state, steps, rate: states.append(state.step))
    train(colours, replace(TINY, steps=4), out=tmp_path / "run", reports=reports)
    assert states == [1, 2, 3, 1]  # 48 pictures, batches of 16


def test_unreadable_pictures_are_listed_and_too_many_stop_the_run(
    colours: Path, tmp_path: Path
) -> None:
    broken = colours / "train" / "red" / "broken.png"
    broken.write_bytes(b"no picture")
    config = replace(TINY, epochs=1)
    train(colours, replace(config, max_unreadable=0.1), out=tmp_path / "run")
    listed = rows_of(tmp_path / "run" / "unreadable.csv")
    assert [row["path"] for row in listed] == [str(broken)]
    with pytest.raises(InputError, match=r"1 of 49 pictures cannot be read.*broken\.png"):
        train(colours, config, out=tmp_path / "other")


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_good_model(
    colours: Path, tmp_path: Path
) -> None:
    config = replace(TINY, lr=1e12, model="googlenet", image_size=32, clip_norm=None)
    with pytest.raises(InputError, match=r"loss is (nan|inf) at step \d+ \(epoch 1, batch.*lower"):
        train(colours, config, out=tmp_path / "run")


@pytest.mark.parametrize("views", [0, 1])
def test_a_validation_that_is_not_finite_stops_the_run_and_nothing_is_the_best(
    colours: Path, tmp_path: Path, views: int
) -> None:
    config = replace(TINY, lr=1e6, steps=4)
    if views:
        spec = create_model("googlenet_small", num_classes=2).spec
        save_model(tmp_path / "m.safetensors", create_model(spec).state_dict(),
                   ModelInfo(spec, ("a", "b")))  # fmt: skip
        config = replace(config, model=None, width=1.0, init=str(tmp_path / "m.safetensors"),
                         freeze="backbone", cached_views=1, lr=1e38, clip_norm=None)  # fmt: skip
    with pytest.raises(InputError, match=r"loss is (nan|inf) (after epoch 1|at step).*lower --lr"):
        train(colours, config, out=tmp_path / "run")
    left = {p.name for p in (tmp_path / "run").iterdir()}
    assert left <= {"config.json", "last.safetensors"}


def test_the_rate_in_the_table_is_that_of_the_epoch_s_last_step(finished: Path) -> None:
    config = TrainConfig.from_json(json.loads((finished / "config.json").read_text())["config"])
    rates = [float(row["lr"]) for row in rows_of(finished / "metrics.csv")]
    assert rates == [rate_at(config, 3 * epoch - 1, 12, 3) for epoch in (1, 2, 3, 4)]
    assert rates[-1] > 0


def test_a_batch_of_one_learns_where_no_batch_norm_does(colours: Path, tmp_path: Path) -> None:
    config = replace(TINY, batch_size=1, steps=3)
    with pytest.raises(InputError, match="--batch-size 1 leaves batch norm one picture"):
        train(colours, config, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    train(colours, replace(config, norm="none", accumulate=4), out=tmp_path / "run")
    assert float(rows_of(tmp_path / "run" / "metrics.csv")[0]["loss_main"]) > 0


def test_batch_norm_gets_no_last_batch_of_one() -> None:
    for count, size in ((3, 2), (49, 2), (5, 4), (2, 64)):
        plan = epoch_plan(count, size, 0, 0, least=2)
        assert sorted(np.concatenate(plan)) == list(range(count))
        assert min(len(rows) for rows in plan) >= 2
        assert len(plan) == steps_per_epoch(count, size, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"freeze": "backbone"}, "--freeze needs --init"),
        ({"unfreeze_from": "inception_5a"}, "unfreeze_from needs --freeze backbone"),
        ({"image_size": 2}, "googlenet_small needs pictures of at least 4 px"),
        ({"model": "googlnet"}, "no model named 'googlnet'; did you mean 'googlenet'"),
        ({"model": "missing.json"}, "missing.json: not a network's description"),
        ({"init": "googlenet"}, "googlenet is an architecture and has no weights"),
    ],
)
def test_a_run_that_cannot_work_is_refused_before_it_starts(
    colours: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train(colours, replace(TINY, **change), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_run_in_it_is_not_overwritten(finished: Path, colours: Path) -> None:
    with pytest.raises(InputError, match="holds a run already"):
        train(colours, TINY, out=finished)


def test_resuming_on_other_data_is_refused(finished: Path, colours: Path) -> None:
    next((colours / "train" / "red").iterdir()).unlink()
    with pytest.raises(InputError, match="is not the one"):
        train(colours, resume=finished)


def test_a_spec_in_json_trains_like_a_name(colours: Path, tmp_path: Path) -> None:
    spec = create_model("googlenet_small").spec
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**spec.to_json(), "name": "mine"}))
    train(colours, replace(TINY, model=str(path), epochs=1), out=tmp_path / "run")
    assert load(tmp_path / "run").info.spec.name == "mine"


def test_state_survives_json() -> None:
    state = State(epoch=2, sums={"main": 0.1}, unreadable={"a": "b"})
    assert State(**json.loads(json.dumps(state.__dict__))) == state


def test_a_result_no_better_than_the_largest_class_says_what_to_try(
    once: Path, colours: Path, tmp_path: Path
) -> None:
    learnt = json.loads((once / "config.json").read_text())["config"]
    good = train(colours, {**learnt, "epochs": 4}, out=tmp_path / "good")
    assert good.top1_accuracy > 0.9 and good.to_try == ()
    assert (good.majority_accuracy, good.val_pictures) == (0.5, 16)
    told = run("train", str(colours), "--model", "lenet5", "--lr", "1e-9", "--epochs", "1",
               "--threads", "1", "--out", str(tmp_path / "bad"))  # fmt: skip
    lines = told.stdout.splitlines()
    at = lines.index(
        "that is no better than always answering the largest class (50.00 %), as far as 16 "
        "pictures can tell; what may help:"
    )
    assert lines[at + 1].startswith("  --init: ") and lines[at + 2].startswith("  --recipe ")
