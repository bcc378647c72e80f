"""``inception search`` as its users meet it."""

import json
from pathlib import Path

import pytest
from command_line import fails, run

from inception.models.cost import cost
from inception.training.design import design
from inception.training.given import configured

WORDS = ("--epochs", "1", "--pictures", "8", "--threads", "1", "--set", "precision=fp32")


def test_a_search_prints_its_trials_goes_on_and_gives_a_spec(colours: Path, tmp_path: Path) -> None:
    out, values = tmp_path / "out", tmp_path / "out.json"
    score = ("--filter", "multiply-adds", "--filter-of", "8")
    asked = ["search", str(colours), "--out", str(out), "--budget-macs", "8M", *score, *WORDS]
    first = run(*asked, "--trials", "1")
    assert first.returncode == 0, first.stderr
    assert "8 draws scored by multiply-adds; trained first: the best 1" in first.stdout
    assert "  1/1  trial 0: " in first.stdout and "made by hand" in first.stdout
    assert f"inception train {colours} --model {out}/best.json" in first.stdout
    again = run(*asked, "--trials", "2", "--json", str(values))
    assert "going on: 1 of 2 trials have ended" in again.stdout
    assert "draws scored" not in again.stdout  # once a study
    assert "what the paper believes" in again.stdout
    told = json.loads(values.read_text())
    assert len(told["trials"]) == 2
    spec, _ = design(configured(None, {"model": str(out / "best.json")}), 2)
    assert cost(spec).multiply_adds <= 8_000_000
    assert "differs in budget" in fails(*asked[:4], "--budget-macs", "9M", *WORDS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget-macs", "many"], "--budget-macs must be a number above 0"),
        (["--budget-latency-ms", "-1"], "--budget-latency-ms must be a number above 0"),
        (["--sampler", "tpee"], "did you mean 'tpe'?"),
        (["--filter", "sinflow"], "did you mean 'synflow'?"),
        (["--house", "googlenet_b"], "did you mean 'googlenet_bn'?"),
        (["--house", "vgg16"], "no house named 'vgg16'"),
        (["--set", "epochs=2"], "--set epochs is the search's own to say"),
        (["--precision", "fp16", "--budget-latency-ms", "3"], "--precision is fp32 or int8"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_one_line(
    words: list[str], message: str, colours: Path, tmp_path: Path
) -> None:
    assert message in fails("search", str(colours), "--out", str(tmp_path / "out"), *words)
