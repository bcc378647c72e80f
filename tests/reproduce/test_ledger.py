"""The ledger: figures compared by hand-made examples, and the page that is made of it."""

import ast
from pathlib import Path
from typing import get_args

import pytest

import inception.reproduce.claims
from inception.reproduce.claims import LEDGER
from inception.reproduce.ledger import (
    Check,
    Claim,
    Row,
    Verdict,
    about,
    above,
    below,
    checked,
    figure,
    figure_between,
    parse,
    same,
)
from inception.reproduce.page import page

ROOT = Path(__file__).parents[2]
ROWS = [row for claims in LEDGER.values() for row in checked(claims)]


@pytest.mark.parametrize(
    ("said", "value"),
    [("112.9 M", 112.9e6), ("2.7K", 2700), ("−3.45", -3.45), ("56.5 %", 0.565), ("9.73×", 9.73)],
)
def test_a_printed_figure_is_read_with_its_unit(said: str, value: float) -> None:
    assert parse(said).value == pytest.approx(value)


@pytest.mark.parametrize("said", ["", "many", "3 apples", "1.2.3"])
def test_what_is_no_figure_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="not a figure"):
        parse(said)


@pytest.mark.parametrize(
    ("check", "ours", "holds"),
    [
        (figure("112.9 M", 112_896_000), "112.90 M", True),
        (figure("112.9 M", 112_849_000), "112.85 M", False),  # rounds to 112.8
        (figure("13,385,816", 13_385_816), "13,385,816", True),
        (figure("13,385,816", 13_385_817), "13,385,817", False),
        (figure("0.1", 0.15), "0.15", True),  # may be rounded either way
        (figure("56.5 %", 0.5641), "56.41 %", False),
        (figure("159K", 163_328, unit=1024), "159.5K", True),  # 159.5 exactly
        (figure_between("380K", 388_096, 388_736, unit=1024), "379.0K to 379.6K", True),
        (figure_between("437K", 448_512, 449_160, unit=1024), "438.0K to 438.6K", False),
        (about("20×", 21.43), "21.4×", True),
        (about("20×", 22.1), "22.1×", False),
        (above("2×", 2.0), "2×", False),
        (below("50 %", 0.356), "35.6 %", True),
        (same("4a, 4d", ["4a", "4d"]), "4a, 4d", True),
        (same((112, 56), [112, 28]), "112, 28", False),
    ],
)
def test_a_figure_agrees_as_far_as_it_is_printed(check: Check, ours: str, holds: bool) -> None:
    assert (check.ours, check.holds) == (ours, holds)


@pytest.mark.parametrize(
    ("held", "verdict"),
    [
        ((True,), "holds"),
        ((True, True), "holds"),
        ((False, True), "holds in part"),
        ((False, False), "does not hold"),
    ],
)
def test_the_verdict_follows_from_the_checks(held: tuple[bool, ...], verdict: Verdict) -> None:
    claim = Claim("somewhere", "something", "somehow", tuple)
    assert Row(claim, tuple(Check("1", "1", h) for h in held)).verdict == verdict


def test_no_verdict_is_written_beside_a_claim() -> None:
    for path in Path(inception.reproduce.claims.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant):
                assert node.value not in get_args(Verdict)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Check":
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                assert not any(ast.unparse(value) in ("True", "False") for value in given)


def test_every_claim_says_where_what_and_how_and_has_a_figure() -> None:
    for row in ROWS:
        claim = row.claim
        assert claim.where and claim.says and claim.how and row.checks, claim
        assert all(check.said and check.ours for check in row.checks), claim
    said = [(row.claim.where, row.claim.says) for row in ROWS]
    assert len(set(said)) == len(said)


# Verdicts that were worked out by hand, from the tables and the documents
KNOWN: dict[Verdict, tuple[str, ...]] = {
    "does not hold": (
        "12× fewer parameters than Krizhevsky's network",
        "the params and ops columns, summed",
        "torchvision's heads end in AuxLogits.fc",
        "average pooling samples down without changing the size",
        "its code prints GoogLeNet",
        "figure 16 is VGG, figure 17 GoogLeNet",
        "GoogLeNet uses more parameters than VGG",
        "27 times faster than VGG",
        "100 convolution layers",
        "the 5×5 convolution has padding 1",
        "the first stage is VGG's",
        "the grid is kept where 2 × padding = kernel",
        "heads after 4a and 4b",
        "GoogLeNet brought in batch normalisation",
        "V3 has depthwise separable convolutions",
        "V4 brings Inception-ResNet modules",
        "weights and computation are evenly spread over the layers",
        "superpixels doubled, for more false positives",
        "with reductions only 358 M",
        "dropout of 70 %, probably on the last layer",
        "13.6 million parameters",
        "25 % more parameters than Inception",
        "4c, 4d, 4e give 576, 576, 1024",
        "residual modules end 1154 and 2048 wide",
        "Inception V3 has 23,626,728 parameters",
    ),
    "holds in part": (
        *(f"inception ({name}): params {params}, ops {ops}" for name, params, ops in (
            ("4a", "364K", "73M"), ("4b", "437K", "88M"), ("4c", "463K", "100M"),
            ("4d", "580K", "119M"), ("4e", "840K", "170M"), ("5a", "1072K", "54M"),
            ("5b", "1388K", "71M"))),
        "conv1: params 2.7K, ops 34M",
        "a module's ops and params belong together",
        "about 100 independent building blocks",
        "the share of 3×3 and 5×5 should rise towards higher layers",
        "top-5 error compared to base, in points",
        "an ensemble improves detection from 40 % to 43.9 %",
        "5×5×480 multiplications for each pixel",
        "linear layers hold even 90 % of AlexNet's parameters",
        "grids shrink by convolutions of stride 2 or pools",
        "convolutions of GoogLeNet have no biases",
        "heads are gone in V2 and V3",
        "V3 has two 3×3 in place of 5×5",
        "the naive module costs 854 M operations in the first layer",
        "a detection counts from 50 % overlap",
        "computation only about 2.5 times GoogLeNet's",
        "Inception-ResNet-v1 costs about what V3 does, v2 what V4 does",
    ),
    "holds": (
        *(f"inception ({name}): params {params}, ops {ops}" for name, params, ops in (
            ("3a", "159K", "128M"), ("3b", "380K", "304M"))),
        "conv2: params 112K, ops 360M",
        "linear: params 1000K, ops 1M",
        "22 layers deep, counting those with parameters",
        "27 layers with pools",
        "144 crops of a picture",
        "a 5×5 on 14×14×480 to 48 maps: 112.9 million operations",
        "reduced to 16 first: 1.5 M + 3.8 M = 5.3 M",
        "about 20 times less",
        "a 3×3 from 192 to 128: 221,184 parameters",
        "with a 1×1 to 96 first: 129,024 parameters",
        "its GoogLeNet has 13,385,816 parameters",
        "its GoogLeNet: 31.82 G multiply-adds",
        "its GoogLeNet: 1034.49 MB forward and backward",
        "VGG-16: 309.68 G multiply-adds",
        "3a makes [30, 256, 28, 28] of [30, 192, 28, 28]",
        "4a gives 192 + 208 + 48 + 64 = 512 channels",
        "less than half of the naive module",
        "Xception has 22,855,952 parameters",
        "about 60 % of R-CNN's proposals",
    ),
}  # fmt: skip


def test_verdicts_are_those_worked_out_by_hand() -> None:
    computed = {row.claim.says: row.verdict for row in ROWS}
    by_hand = {says: verdict for verdict, claims in KNOWN.items() for says in claims}
    assert {says: computed.get(says) for says in by_hand} == by_hand


def test_there_are_at_least_45_claims_from_every_kind_of_source() -> None:
    assert len(ROWS) >= 45 and all(LEDGER.values())
    where = " ".join(row.claim.where for row in ROWS)
    assert all(f"{number:03d}" in where for number in range(5))  # the source documents
    assert {"does not hold", "holds in part", "holds"} == {row.verdict for row in ROWS}


def test_the_page_in_docs_is_what_the_code_computes() -> None:
    ledger = {source: checked(claims) for source, claims in LEDGER.items()}
    written = (ROOT / "docs" / "claims.md").read_text("utf-8")
    assert written == page(ledger), "run: inception reproduce claims --markdown docs/claims.md"
