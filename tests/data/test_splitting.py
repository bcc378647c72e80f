"""Splits: each class in its share, equal pictures and groups together, nothing lost."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from colours import colour_picture
from command_line import fails, run

from inception.data.datasets import open_data


def write(root: Path, pictures: dict[str, int]) -> Path:
    """Pictures by path; equal numbers are equal pictures."""
    for name, number in pictures.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        colour_picture((90, 60, 30), number, side=6).save(root / name)
    return root


def divided(data: Path, *options: str) -> dict[str, set[str]]:
    out = data.parent / "table.csv"
    done = run("data", "split", str(data), "--out", str(out), *options)
    assert done.returncode == 0, done.stderr
    splits = open_data(out).splits
    return {n: {s.key(i).removeprefix("d/") for i in range(len(s))} for n, s in splits.items()}


def test_each_class_is_divided_and_nothing_is_lost(tmp_path: Path) -> None:
    names = {f"{c}/{i}.png": 100 * k + i for k, c in enumerate("ab") for i in range(20)}
    names |= {f"c/{i}.png": 300 + i for i in range(3)}
    found = divided(write(tmp_path / "d", names))
    assert sorted(path for own in found.values() for path in own) == sorted(names)
    counts = {n: Counter(path[0] for path in own) for n, own in found.items()}
    assert counts["train"] == {"a": 16, "b": 16, "c": 1}
    assert counts["val"] == counts["test"] == {"a": 2, "b": 2, "c": 1}
    assert divided(tmp_path / "d") == found != divided(tmp_path / "d", "--seed", "1")
    assert divided(tmp_path / "d", "--test", "0").keys() == {"train", "val"}


def test_equal_pictures_and_groups_stay_together_and_what_they_join(tmp_path: Path) -> None:
    """Picture 7 is in groups 0 and 1, so both are one; classes may differ within."""
    names = {f"{c}/g{g}-{c}{i}.png": 1000 * g + 100 * ord(c) + i
             for c in "ab" for g in range(12) for i in range(2)}  # fmt: skip
    names |= {"a/g0-x.png": 7, "b/g1-x.png": 7}
    found = divided(write(tmp_path / "d", names), "--group", r"(g\d+)-", "--val", "0.25")
    where = defaultdict(set)
    for split, own in found.items():
        for path in own:
            where[path.partition("/")[2].partition("-")[0]].add(split)
    assert len(where) == 12 and all(len(splits) == 1 for splits in where.values())
    assert where["g0"] == where["g1"]
    assert {n: round(len(own) / len(names), 1) for n, own in found.items()} == pytest.approx(
        {"train": 0.65, "val": 0.25, "test": 0.1}, abs=0.1
    )


def test_a_table_is_divided_as_a_folder_is(tmp_path: Path) -> None:
    names = {f"a b/{i}, é.png": i for i in range(10)} | {f"c/{i}.png": 50 + i for i in range(10)}
    write(tmp_path / "d", names)
    found = divided(tmp_path / "d")
    rows = "".join(f'"d/{name}",{name[0]}\n' for name in names)
    (tmp_path / "all.csv").write_text("path,label\n" + rows)
    out = tmp_path / "elsewhere" / "table.csv"
    assert run("data", "split", str(tmp_path / "all.csv"), "--out", str(out)).returncode == 0
    again = {n: {s.key(i).removeprefix("../d/") for i in range(len(s))}
             for n, s in open_data(out).splits.items()}  # fmt: skip
    assert again == found


def test_mistakes_of_splitting_are_one_line(colours: Path, tmp_path: Path) -> None:
    one, out = str(colours / "train"), str(tmp_path / "table.csv")
    assert "is split already" in fails("data", "split", str(colours), "--out", out)
    assert "leave nothing" in fails("data", "split", one, "--out", out, "--val=.5", "--test=.5")
    assert "no regular expression" in fails("data", "split", one, "--out", out, "--group", "(")
    assert "finds nothing" in fails("data", "split", one, "--out", out, "--group", "patient")
    assert "table.csv" in fails("data", "split", one, "--out", str(tmp_path / "table"))
    run("data", "pack", one, "--out", str(tmp_path / "s"))
    assert "no files of their own" in fails("data", "split", str(tmp_path / "s"), "--out", out)
