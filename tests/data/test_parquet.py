"""Parquet files that lie about their classes, labels and sizes: one line each."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inception.data.datasets import open_data
from inception.data.images import UnreadableImageError
from inception.data.parquet import ParquetSource
from inception.errors import InputError


def write(path: Path, labels: Any, described: str | bytes | None = None) -> Path:
    images = [{"bytes": b"%d" % i * 50, "path": "x"} for i in range(len(labels))]
    table = pa.table({"image": images, "label": labels})
    if described is not None:
        table = table.replace_schema_metadata({"huggingface": described})
    pq.write_table(table, path, row_group_size=2)
    return path


def names(value: object) -> str:
    return json.dumps({"info": {"features": {"label": {"names": value}}}})


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ("{", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        (names(5), "lists classes that are no names"),
        (names("ab"), "lists classes that are no names"),
        (names([1, {"a": 2}]), "lists classes that are no names"),
        (names(["a", ""]), "lists classes that are no names"),
        (names(["a"]), r"is labelled 1; the classes of .* are: a"),
    ],
)
def test_a_description_that_is_none_is_one_line(
    tmp_path: Path, described: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        open_data(write(tmp_path / "0.parquet", [0, 1], described))


@pytest.mark.parametrize(
    "described", ["[]", "5", "null", '{"info": null}', '{"info": {"features": []}}', names(None)]
)
def test_a_description_without_classes_leaves_numbers(tmp_path: Path, described: str) -> None:
    assert open_data(write(tmp_path / "0.parquet", [0, 1], described)).classes == ("0", "1")


KINDS = {
    "int8": pa.array([0, 1], pa.int8()),
    "uint64": pa.array([0, 1], pa.uint64()),
    "float": pa.array([0.0, 1.0]),
    "text": pa.array(["0", "1"]),
    "large text": pa.array(["0", "1"], pa.large_string()),
    "dictionary": pa.array(["0", "1"]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_numbers_or_names_of_any_width(tmp_path: Path, kind: str) -> None:
    data = open_data(write(tmp_path / "0.parquet", KINDS[kind]))
    assert data.classes == ("0", "1") and data.splits["all"].labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (pa.array([0, None]), "row 1: a label is a class's name or its number; got None"),
        (pa.array([0.5, 1.0]), r"row 0: a label is .* got 0\.5"),
        (pa.array([float("nan"), 1.0]), "got nan"),
        (pa.array([True, False]), "got True"),
        (pa.array([[1], [2]]), r"got \[1\]|columns image\.bytes and label needed"),
        (pa.array([b"a", b"b"]), "got b'a'"),
        (pa.array(["a", ""]), "row 1: a label is"),
        (pa.array([-1, 1]), "is labelled -1"),
        (pa.array([2**63, 1], pa.uint64()), "a label is 9223372036854775808"),
    ],
)
def test_other_labels_are_refused_with_their_row(tmp_path: Path, labels: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_data(write(tmp_path / "0.parquet", labels))


def test_many_row_groups_are_told_apart(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.parquet", [0] * n) for n in (1, 7, 4)]
    source = ParquetSource(paths)
    places = [f"{p}, row {row}" for p, n in zip(paths, (1, 7, 4), strict=True) for row in range(n)]
    assert [source.path(i) for i in range(12)] == places
    assert [source.read(i) for i in (0, 7, 8, 11)] == [b"0" * 50, b"6" * 50, b"0" * 50, b"3" * 50]
    assert source.sample(0) == source.sample(1) != source.sample(2)


def test_mutated_files_end_in_a_line_or_in_pictures(tmp_path: Path) -> None:
    rng = random.Random(0)
    whole = write(tmp_path / "w.parquet", [0, 1, 0, 1, 1], names(["a", "b"])).read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for round_ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(footer, len(data) - 8) if round_ % 2 else rng.randrange(len(data))
            data[place] = rng.randrange(256)
        (tmp_path / "0.parquet").write_bytes(data)
        try:
            data_set = open_data(tmp_path / "0.parquet").splits["all"]
        except InputError as error:
            assert "0.parquet" in str(error)
            continue
        for i in range(len(data_set)):
            try:
                assert data_set.encoded(i)
            except UnreadableImageError as error:
                assert "0.parquet" in str(error)
