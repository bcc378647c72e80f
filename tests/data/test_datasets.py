"""Data sets from folders, tars, parquet and CSV: classes, labels, splits, and what is refused."""

import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from inception.data.datasets import Data, Dataset, open_data
from inception.errors import InputError


def png(value: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


def write_folder(root: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(i))
    return root


def write_tar(path: Path, labels: Mapping[str, str | None]) -> Path:
    """A tar with a picture and a ``.cls`` for each key; None leaves the label out."""
    pictures = {f"{key}.png": png(i) for i, key in enumerate(labels)}
    texts = {f"{key}.cls": label.encode() for key, label in labels.items() if label is not None}
    with tarfile.open(path, "w") as tar:
        for name, data in (pictures | texts).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_parquet(path: Path, labels: list[int] | list[str], names: Sequence[str] = ()) -> Path:
    images = [{"bytes": png(i), "path": f"{i}.png"} for i in range(len(labels))]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(images, kind), "label": labels})
    features = {"info": {"features": {"label": {"names": list(names)}}}}
    if names:
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, path)
    return path


def labels(data: Data | Dataset, split: str = "all") -> dict[str, str]:
    """Class name by key."""
    dataset = data.splits[split] if isinstance(data, Data) else data
    return {dataset.key(i): dataset.classes[dataset.labels[i]] for i in range(len(dataset))}


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Validation"])
def test_a_folder_has_splits_and_sorted_classes(tmp_path: Path, val: str) -> None:
    names = ["train/b/1.png", "train/a/2.JPEG", "train/a/deep/3.png", f"{val}/a/4.jpeg"]
    data = open_data(write_folder(tmp_path, *names, "train/a/.5.png", "train/.c/6.png"))
    assert data.classes == ("a", "b")
    wanted = {"train/a/2.JPEG": "a", "train/a/deep/3.png": "a", "train/b/1.png": "b"}
    assert labels(data, "train") == wanted
    held = data.for_training(0)[1]
    assert held.name == "val" and labels(held) == {f"{val}/a/4.jpeg": "a"}
    assert held.read(0)[0, 0].tolist() == [3, 0, 0]


def test_classes_are_sorted_plainly_or_as_classes_txt_lists_them(tmp_path: Path) -> None:
    write_folder(tmp_path, "10/1.png", "9/1.png", "Z/1.png", "a/1.png")
    assert open_data(tmp_path).classes == ("10", "9", "Z", "a")
    (tmp_path / "classes.txt").write_text("a\nunused\n\nZ\n9\n10\n", encoding="utf-8")
    data = open_data(tmp_path)
    assert data.classes == ("a", "unused", "Z", "9", "10")
    assert data.splits["all"].labels.tolist() == [4, 3, 2, 0]


def test_one_set_alone_is_split_by_a_hash_of_seed_and_key(tmp_path: Path) -> None:
    names = [f"{c}/{i}.png" for c in "ab" for i in range(200)]
    data = open_data(write_folder(tmp_path, *names))
    train, val = (set(labels(part)) for part in data.for_training(seed=3))
    assert train | val == set(names) and not train & val
    assert 20 <= len(val) <= 60  # a tenth of 400, within three deviations
    assert set(labels(data.for_training(seed=3)[1])) == val
    assert set(labels(data.for_training(seed=4)[1])) != val


def test_what_is_held_out_depends_on_the_pictures_and_not_on_their_names(tmp_path: Path) -> None:
    names = [f"{c}/{i}.png" for c in "ab" for i in range(60)]
    first = open_data(write_folder(tmp_path / "first", *names)).for_training(0)[1]
    renamed = [f"{c}/{'z' if i % 2 else 'k'}{60 - i}.png" for c in "ab" for i in range(60)]
    other = open_data(write_folder(tmp_path / "other", *renamed)).for_training(0)[1]
    pictures = [{data.encoded(i) for i in range(len(data))} for data in (first, other)]
    assert pictures[0] == pictures[1] and len(first) == 12


def test_classes_that_cannot_spare_a_picture_are_told(tmp_path: Path) -> None:
    write_folder(tmp_path, "a/1.png", "a/2.png", "b/1.png", "c/1.png")
    train, val = open_data(tmp_path).for_training(0)
    assert len(val) == 1 and len(train) == 3
    assert train.notes == (
        "no validation set: 1 picture of 4 held out",
        "nothing held out of 2 classes, too small: b, c",
    )


def test_tar_shards_take_names_or_numbers_as_labels(tmp_path: Path) -> None:
    write_tar(tmp_path / "train-000.tar", {"a": "1", "b": "0"})
    write_tar(tmp_path / "train-001.tar", {"c": "1"})
    write_tar(tmp_path / "val-000.tar", {"d": "0\n"})
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    data = open_data(tmp_path)
    assert labels(data, "train") == {"a.png": "dog", "b.png": "cat", "c.png": "dog"}
    assert labels(data, "val") == {"d.png": "cat"}
    (tmp_path / "classes.txt").unlink()
    assert open_data(tmp_path).classes == ("0", "1")
    named = {"a": "dog", "b": "2", "c": "10", "d": "dog"}  # one name makes all of them names
    mixed = open_data(write_tar(tmp_path / "named.tar", named))
    assert [*labels(mixed).values()] == ["dog", "2", "10", "dog"]


@pytest.mark.parametrize("how", ["description", "classes.txt", "numbers", "text"])
def test_parquet_in_the_hugging_face_layout(tmp_path: Path, how: str) -> None:
    text, names = how == "text", ["cat", "dog"] if how == "description" else ()
    path = tmp_path / "train-00000-of-00001.parquet"
    write_parquet(path, ["dog", "cat", "dog"] if text else [1, 0, 1], names)
    write_parquet(tmp_path / "validation-00000-of-00001.parquet", ["cat"] if text else [0], names)
    if how == "classes.txt":
        (tmp_path / "classes.txt").write_text("cat\ndog\n")
    data = open_data(tmp_path)
    assert data.classes == (("0", "1") if how == "numbers" else ("cat", "dog"))
    assert data.splits["train"].labels.tolist() == [1, 0, 1]
    assert data.splits["val"].labels.tolist() == [0]
    assert data.splits["train"].read(2)[0, 0].tolist() == [2, 0, 0]
    assert set(open_data(path).splits) == {"all"}


def test_a_csv_lists_paths_beside_it(tmp_path: Path) -> None:
    write_folder(tmp_path, "x/1.png", "x/2.png", "y 3.png")
    rows = 'label,path,split\nb,x/1.png,train\na,"y 3.png",training\nb,x/2.png,valid\n'
    (tmp_path / "list.csv").write_bytes(b"\xef\xbb\xbf" + rows.encode())  # as Excel writes it
    data = open_data(tmp_path / "list.csv")
    assert data.classes == ("a", "b")
    assert labels(data, "train") == {"x/1.png": "b", "y 3.png": "a"}
    assert labels(data, "val") == {"x/2.png": "b"}
    assert data.splits["train"].read(1)[0, 0].tolist() == [2, 0, 0]


def test_with_classes_takes_the_order_of_a_model_by_name(tmp_path: Path) -> None:
    dataset = open_data(write_folder(tmp_path, "a/1.png", "b/1.png", "c/1.png")).splits["all"]
    moved = dataset.with_classes(["c", "x", "b", "a"])
    assert moved.labels.tolist() == [3, 2, 0]
    assert labels(moved) == labels(dataset)
    with pytest.raises(InputError, match="classes the model does not know: b; the model's are: a"):
        dataset.with_classes(["a", "c"])
    assert dataset.subset(np.array([0, 2]), "part").with_classes("ac").labels.tolist() == [0, 1]


def test_a_limit_draws_once_and_keeps_the_order(tmp_path: Path) -> None:
    names = [f"a/{i}.png" for i in range(40)]
    dataset = open_data(write_folder(tmp_path, *names)).splits["all"]
    some = dataset.limited(10)
    assert list(labels(some)) == sorted(labels(some)) and len(some) == 10
    assert labels(some) == labels(dataset.limited(10)) != labels(dataset.limited(10, seed=1))
    assert labels(some).items() <= labels(dataset.limited(None)).items()
    assert dataset.limited(40) is dataset


def test_a_fingerprint_tells_keys_labels_and_classes_apart(tmp_path: Path) -> None:
    dataset = open_data(write_folder(tmp_path, "a/1.png", "b/1.png")).splits["all"]
    others = [dataset.with_classes("ba"), dataset.subset(np.array([0]), "all")]
    assert len({d.fingerprint() for d in [dataset, *others]}) == 3
    assert open_data(tmp_path).splits["all"].fingerprint() == dataset.fingerprint()


def test_evaluation_reads_val_else_test_else_all(tmp_path: Path) -> None:
    data = open_data(write_folder(tmp_path, *(f"{s}/a/1.png" for s in ("train", "test", "val"))))
    assert data.for_evaluation().name == "val"
    assert data.for_evaluation("train").name == "train"
    with pytest.raises(InputError, match="no split named 'vall'; did you mean 'val'"):
        data.for_evaluation("vall")
    (tmp_path / "val").rename(tmp_path / ".val")
    assert open_data(tmp_path).for_evaluation().name == "test"
    assert open_data(tmp_path / "train").for_evaluation().name == "all"


def test_the_real_sets_are_as_their_readme_says(real_data: Path) -> None:
    for name, classes, side in (("dogs-vs-cats", 2, 160), ("cifar10", 10, 32)):
        held = open_data(real_data / name).for_evaluation()
        assert np.bincount(held.labels).tolist() == [1000] * classes
        assert held.classes.index("cat") == {2: 0, 10: 3}[classes]
        assert held.read(len(held) - 1).shape == (side, side, 3)


WRONG: dict[str, tuple[Callable[[Path], Path], str]] = {
    "class called train": (
        lambda p: write_folder(p, "car/1.png", "plane/1.png", "train/day/1.png"),
        "train would be a split, but car, plane beside it is none.*/train/<class>/ or list",
    ),
    "class called test": (
        lambda p: write_folder(p, "car/1.png", "test/1.png"),
        "test would be a split, but car",
    ),
    "no classes": (
        lambda p: write_folder(p, "train/1.png", "test/1.png"),
        "the pictures of .*/train lie in no class folder",
    ),
    "only others": (
        lambda p: write_folder(p, "a/1.heic", "a/2.heic", "b/c.txt"),
        r"no pictures in .*\(2 \.heic files; 1 \.txt file; 2 folders without pictures \(a, b\)\)",
    ),
    "two classes of a name": (
        lambda p: (p / "classes.txt").write_text("a\nb\na\n") and write_folder(p, "a/1.png"),
        "classes.txt lists 'a' twice",
    ),
    "gzip": (lambda p: write_folder(p, "a.tar.gz") / "a.tar.gz", "is compressed, .*unpack it"),
    "nonexistent": (lambda p: p / "gone", "no such file or folder: .*gone"),
    "empty folder": (lambda p: p, "no pictures in .*; wanted: .*/<class>/<picture>"),
    "split": (lambda p: write_folder(p, "train/a/1.png", "val/a/1.txt"), "no pictures in .*/val;"),
    "loose": (lambda p: write_folder(p, "a/1.png", "2.png"), r"2\.png lies in no class folder"),
    "two vals": (
        lambda p: write_folder(p, "train/a/1.png", "val/a/1.png", "valid/a/1.png"),
        "more than one folder for a split: train, val, valid$",
    ),
    "val without a class of train": (
        lambda p: write_folder(p, "train/a/1.png", "val/b/1.png"),
        r"val/b/1\.png is labelled 'b'; the classes of .* are: a$",
    ),
    "file": (lambda p: write_folder(p, "a.png") / "a.png", r"a folder, a \.tar, a \.parquet or"),
    "tar label": (lambda p: write_tar(p / "0.tar", {"a": "0", "b": None}), r"b\.png has no label"),
    "tar number": (lambda p: write_tar(p / "0.tar", {"a": "9" * 12}), "a label is 999999999999;"),
    "tar without": (lambda p: write_tar(p / "0.tar", {}), r"no pictures in .*0\.tar"),
    "parquet without": (lambda p: write_parquet(p / "0.parquet", []), "no pictures in .*parquet"),
    "unsplit shard": (
        lambda p: write_tar(write_tar(p / "train.tar", {"a": "0"}).with_name("x.tar"), {}).parent,
        "some pictures belong to no split",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_data_set_is_refused_by_name(tmp_path: Path, case: str) -> None:
    make, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        open_data(make(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"columns path,label\[,split\]; found None"),
        (b"path,kind\na.png,b\n", r"found \['path', 'kind'\]"),
        (b"path,label\n", r"list\.csv: no pictures listed"),
        (b"path,label\na.png,b\nc.png,\n", r"list\.csv, line 3: a path and a label"),
        (b"path,label\na.png\n", r"list\.csv, line 2: a path and a label"),
        (b"path,label,split\na.png,b,tarin\n", "line 2: split is train, val or test; got 'tarin'"),
        (b"path,label,split\na.png,b,train\nc.png,b,\n", "some pictures belong to no split"),
        (b"path,label\na\xff.png,b\n", r"list\.csv: not a CSV file in UTF-8"),
    ],
)
def test_a_bad_csv_is_refused_with_its_line(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "list.csv").write_bytes(text)
    with pytest.raises(InputError, match=message):
        open_data(tmp_path / "list.csv")


UNTRAINABLE = {
    "train/a/1.png val/a/1.png": "at least two classes; .* has a$",
    "test/a/1.png test/b/1.png": "no training set in .*: found test",
    "a/1.png b/1.png": r"too few pictures \(2\) to hold some out",
}


@pytest.mark.parametrize("names", UNTRAINABLE)
def test_training_needs_a_training_set_of_two_classes(tmp_path: Path, names: str) -> None:
    with pytest.raises(InputError, match=UNTRAINABLE[names]):
        open_data(write_folder(tmp_path, *names.split())).for_training(0)


SPLIT_NAMES = [
    ("training_set", "test_set"),
    ("seg_train", "seg_test"),
    ("Train", "Test"),
    ("trainset", "testset"),
    ("train2017", "test1"),
    ("pets_training", "pets_testing"),
    ("TrainImages", "TestImages"),
]


@pytest.mark.parametrize(("train", "test"), SPLIT_NAMES)
@pytest.mark.parametrize("nested", [False, True])
def test_folders_whose_names_speak_of_splits_are_splits(
    tmp_path: Path, train: str, test: str, nested: bool
) -> None:
    within = [f"{name}/{name}" if nested else name for name in (train, test)]
    data = open_data(write_folder(tmp_path, *(f"{s}/{c}/1.png" for s in within for c in "ab")))
    assert set(data.splits) == {"train", "test"} and data.classes == ("a", "b")


@pytest.mark.parametrize(
    "names", [("freight_train", "car"), ("test_tube", "flask"), ("training shoe", "validity"),
              ("train_station", "test_tube"), ("developer", "tester")],
)  # fmt: skip
def test_classes_whose_names_only_hold_such_a_word_are_classes(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    data = open_data(write_folder(tmp_path, *(f"{name}/x/1.png" for name in names)))
    assert data.classes == tuple(sorted(names)) and set(data.splits) == {"all"}


def test_classes_txt_says_that_train_is_a_class(tmp_path: Path) -> None:
    write_folder(tmp_path, "car/1.png", "plane/1.png", "train/day/1.png")
    (tmp_path / "classes.txt").write_text("car\nplane\ntrain\n")
    assert len(open_data(tmp_path).splits["all"]) == 3


def test_what_is_left_out_is_told_in_one_line(tmp_path: Path) -> None:
    names = ["train/a/1.png", "train/b/1.png", "val/a/1.png", "test/1.png", "test/2.png"]
    write_folder(tmp_path, *names, "extra/x/1.png", "train/a/1.heic", "train/b/raw", "README.md")
    (tmp_path / "train" / "bird").mkdir()
    data = open_data(tmp_path)
    assert set(data.splits) == {"train", "val"}
    assert data.notes == data.for_training(0)[0].notes == (
        "left out: 2 pictures in no class folder (test); 1 picture in no split (extra); "
        "1 file without an ending; 1 .heic file; 1 folder without pictures (train/bird)",
    )  # fmt: skip


def test_names_that_are_no_utf8_have_a_fingerprint(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    dataset = open_data(write_folder(tmp_path, f"{name}/{name}.png", "b/1.png")).splits["all"]
    assert dataset.classes == ("b", name) and len(dataset.fingerprint()) == 16
    assert dataset.read(1).shape == (4, 4, 3)
