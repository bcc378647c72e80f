"""Two models on the same pictures, counted by hand beside SciPy's test."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import fails, run
from scipy.stats import binomtest

from inception.data.datasets import Dataset
from inception.evaluation.comparison import compare
from inception.evaluation.evaluate import evaluate
from inception.evaluation.request import Request
from inception.runtime import Floats


def test_counts_are_those_of_each_model_alone(
    make_model: Callable[..., Path], odd_pictures: Path
) -> None:
    first = make_model(3)
    names = sorted(("blue", "green", "black", "red", "grey", "white", "pink"))
    second = make_model(5, classes=names)  # in another order
    right: list[set[str]] = []
    for model in (first, second):
        found: set[str] = set()

        def see(data: Dataset, index: int, p: Floats, found: set[str] = found) -> None:
            found |= {data.path(index)} if p.argmax() == data.labels[index] else set()

        evaluate(model, odd_pictures, observe=see)
        right.append(found)
    told = compare(first, second, odd_pictures, Request())
    one, other = right
    assert (told.both, told.only_first) == (len(one & other), len(one - other))
    assert (told.only_second, told.neither) == (len(other - one), 21 - len(one | other))
    total = told.only_first + told.only_second
    assert total and told.p_value == pytest.approx(binomtest(told.only_first, total).pvalue)
    assert told.surely_different == (told.p_value < 0.05)


def test_the_command_prints_and_writes_it(
    make_model: Callable[..., Path], odd_pictures: Path, tmp_path: Path
) -> None:
    models = [str(make_model(seed)) for seed in (3, 5)]
    file = tmp_path / "told.json"
    lines = run("evaluate", *models, str(odd_pictures), "--compare", "--json", str(file)).stdout
    values = json.loads(file.read_text())
    assert f"p = {values['p_value']:.3g} (McNemar)" in lines
    assert f"{values['only_first']} the first, {values['only_second']} the second" in lines
    difference = values["second"]["top1_accuracy"] - values["first"]["top1_accuracy"]
    assert values["top1_difference"] == pytest.approx(difference)


@pytest.mark.parametrize("more", [["--grid"], ["--report", "x"], ["--calibrate"]])
def test_it_is_of_two_models(make_model: Callable[..., Path], more: list[str]) -> None:
    models = [str(make_model(seed)) for seed in (3, 5)]
    assert "--compare is of two models" in fails("evaluate", models[0], "data", "--compare")
    told = fails("evaluate", *models, "data", "--compare", *more)
    assert "--compare is of two models" in told or "give one" in told
