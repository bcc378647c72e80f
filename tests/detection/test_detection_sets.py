"""VOC and COCO sets say the same boxes; their tools' quirks are read, their faults named."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotating import (
    BOXES,
    HEIGHT,
    SPLITS,
    WIDTH,
    coco,
    voc_object,
    voc_xml,
    write_coco,
    write_picture,
    write_voc,
)
from PIL import Image

from inception.detection.datasets import DetectionSet, is_detection, open_detection
from inception.errors import InputError

CAT = ("cat", 4.0, 6.0, 24.0, 30.0)


def said(found: DetectionSet) -> dict[str, list[tuple[Any, ...]]]:
    """Boxes by picture, as in ``BOXES``."""
    return {
        found.name(i).removesuffix(".jpg"): [
            (found.classes[label], *map(float, box))
            for label, box in zip(objects.labels, objects.boxes_xyxy, strict=True)
        ]
        for i in range(len(found))
        for objects in [found.objects(i)]
    }


@pytest.fixture(params=["voc", "coco from 0", "coco from 1"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "voc":
        return write_voc(tmp_path)
    return write_coco(tmp_path, first=int(request.param[-1]))


def test_both_forms_say_the_same_boxes(place: Path) -> None:
    assert is_detection(place)
    for split, names in SPLITS.items():
        found = open_detection(place, split)
        assert said(found) == {name: BOXES[name] for name in names}
        assert sorted(found.classes) == ["cat", "dog"]
        assert [found.read(i).shape for i in range(len(found))] == [(HEIGHT, WIDTH, 3)] * len(names)
        types = {found.objects(0).boxes_xyxy.dtype, found.objects(0).labels.dtype}
        assert types == {np.dtype(np.float32), np.dtype(np.int64)}
    assert open_detection(place).split == "val"
    with pytest.raises(InputError, match="no split named 'tset'"):
        open_detection(place, "tset")


def test_a_set_is_told_by_its_objects_and_its_pixels(place: Path) -> None:
    found = open_detection(place, "val")
    assert open_detection(place, "val").digest() == found.digest()
    digests = {found.digest(), open_detection(place, "train").digest(), found.subset([]).digest()}
    write_picture(next(place.rglob("two words.jpg")), 9)
    assert len(digests | {open_detection(place, "val").digest()}) == 4


def test_labels_follow_the_detectors_classes_or_the_class_is_named(place: Path) -> None:
    found = open_detection(place, "val").with_classes(["fox", "dog", "cat"])
    assert said(found) == {"two words": BOXES["two words"]}
    with pytest.raises(InputError, match=r"does not know: dog; the detector's are: cat, fox"):
        open_detection(place, "val").with_classes(["cat", "fox"])


def flat(place: Path) -> Path:
    """As labelImg leaves them: XML beside the pictures."""
    for name in BOXES:
        write_picture(place / f"{name}.jpg")
        objects = [voc_object(box, difficult=None) for box in BOXES[name]]
        (place / f"{name}.xml").write_text(voc_xml(objects, size=""))
    return place


def roboflow(place: Path, *, of_coco: bool) -> Path:
    for split, names in {"train": SPLITS["train"], "valid": SPLITS["val"]}.items():
        for name in names:
            write_picture(place / split / f"{name}.jpg")
            text = voc_xml([voc_object(box) for box in BOXES[name]])
            if not of_coco:
                (place / split / f"{name}.xml").write_text(text)
        if of_coco:
            text = json.dumps(coco("val" if split == "valid" else split))
            (place / split / "_annotations.coco.json").write_text(text)
    return place


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "roboflow voc": lambda place: roboflow(place, of_coco=False),
    "roboflow coco": lambda place: roboflow(place, of_coco=True),
    "devkit": lambda place: write_voc(place / "VOC2007").parent,
    "a file": lambda place: write_coco(place) / "annotations" / "instances_val.json",
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_other_layouts_are_read(name: str, tmp_path: Path) -> None:
    assert said(open_detection(LAYOUTS[name](tmp_path))) == {"two words": BOXES["two words"]}


def test_a_folder_without_splits_is_parted_by_name(tmp_path: Path) -> None:
    flat(tmp_path)
    assert said(open_detection(tmp_path)) == BOXES
    for number in range(30):
        write_picture(tmp_path / f"{number}.jpg")
        (tmp_path / f"{number}.xml").write_text(voc_xml([voc_object(CAT)]))
    parts = [set(said(open_detection(tmp_path, split))) for split in ("train", "val")]
    assert not parts[0] & parts[1] and len(parts[0] | parts[1]) == 33
    assert 1 <= len(parts[1]) <= 8
    (tmp_path / "bare.jpg").write_bytes((tmp_path / "0.jpg").read_bytes())
    assert open_detection(tmp_path).notes == ("left out: 1 picture without annotation (bare.jpg)",)


def one_voc(place: Path, text: str | bytes) -> Path:
    """A folder of one picture with this annotation."""
    write_picture(place / "a.jpg")
    data = text if isinstance(text, bytes) else text.encode()
    (place / "a.xml").write_bytes(data)
    return place


@pytest.mark.parametrize(
    ("edges", "kept", "told"),
    [
        ((4.4, 6.2, 24.9, 30.5), (4.4, 6.2, 24.9, 30.5), ""),
        ((-1, -1, 60, 40), (0, 0, 60, 40), ""),  # counted from 0: not worth a word
        ((-5, -9, 70, 90), (0, 0, 60, 40), "clipped to the picture: -5 -9 70 90"),
        ((61, 5, 70, 9), None, "left out, outside the picture: 61 5 70 9"),
        ((5, 5, 6, 9), None, "a box without an area is left out: 6 6 6 9"),
        ((9, 5, 10, 9 - 1e9), None, "inverted"),
    ],
)
def test_boxes_beyond_the_picture_are_clipped_or_left_out_and_told(
    edges: tuple[float, ...], kept: tuple[float, ...] | None, told: str, tmp_path: Path
) -> None:
    place = one_voc(tmp_path, voc_xml([voc_object(("cat", *edges))]))  # type: ignore[arg-type]
    if told == "inverted":
        with pytest.raises(InputError, match="inverted"):
            open_detection(place)
        return
    found = open_detection(place)
    expected = np.array([kept] if kept else [], np.float32).reshape(-1, 4)
    assert found.objects(0).boxes_xyxy == pytest.approx(expected, abs=1e-5)
    assert len(found.notes) == bool(told) and told in "".join(found.notes)


def test_the_picture_knows_its_size_better_than_its_annotation(tmp_path: Path) -> None:
    wrong = "<size><width>6</width><height>4</height></size>"
    place = one_voc(tmp_path, voc_xml([voc_object(CAT)], size=wrong))
    assert said(open_detection(place)) == {"a": [CAT]}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_boxes_are_on_the_upright_picture(form: str, tmp_path: Path) -> None:
    place = one_voc(tmp_path, voc_xml([voc_object(("cat", 0, 0, 40, 60))]))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(place / "a.jpg", format=form, exif=exif)
    found = open_detection(place)
    assert found.read(0).shape == (60, 40, 3)
    assert found.objects(0).boxes_xyxy.tolist() == [[0, 0, 40, 60]] and not found.notes


def test_difficult_and_crowd_objects_are_ignored(tmp_path: Path) -> None:
    flags = [None, "0", "1", "Unspecified"]
    objects = [voc_object(CAT, difficult=flag) for flag in flags]
    place = one_voc(tmp_path / "voc", voc_xml(objects))
    assert open_detection(place).objects(0).ignored.tolist() == [False, False, True, False]
    write_coco(tmp_path / "coco")
    path = tmp_path / "coco" / "annotations" / "instances_val.json"
    content = coco("val")
    content["annotations"][0]["iscrowd"] = 1
    del content["annotations"][1]["iscrowd"]
    path.write_text(json.dumps(content))
    assert open_detection(path).objects(0).ignored.tolist() == [True, False]


def test_two_categories_of_one_name_are_one_class(tmp_path: Path) -> None:
    content = coco("val")
    content["categories"].insert(0, {"id": 9, "name": "cat", "supercategory": "none"})
    path = write_coco(tmp_path) / "annotations" / "instances_val.json"
    path.write_text(json.dumps(content))
    assert open_detection(path).classes == ("cat", "dog")


BOMB = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
READS = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
named = "<object><name>&a;</name></object>"
BAD_XML: dict[str, tuple[str | bytes, str]] = {
    "cut short": (voc_xml([voc_object(CAT)])[:-9], "not readable as XML"),
    "empty": ("", "not readable as XML"),
    "binary": (b"\xff\xd8\xff\xe0" * 9, "not readable as XML"),
    "another encoding": ('<?xml version="1.0" encoding="x-none"?><annotation/>', "as XML"),
    "many bytes a letter": ('<?xml version="1.0" encoding="gb2312"?><annotation/>', "as XML"),
    "a bomb": (BOMB + voc_xml([named]), "it defines entities"),
    "a bomb in UTF-16": ((BOMB + voc_xml([named])).encode("utf-16"), "it defines entities"),
    "another file": (READS + voc_xml([named]), "it defines entities"),
    "another root": ("<html/>", "found <html>"),
    "no name": (voc_xml(["<object><bndbox/></object>"]), "object 1 has no name"),
    "no box": (voc_xml(["<object><name>cat</name></object>"]), "object 1 (cat) has no bndbox"),
    "no edge": (voc_xml([voc_object(CAT).replace("xmin", "x_min")]), "edges that are no numbers"),
    "words": (voc_xml([voc_object(CAT).replace(">5.0<", ">five<")]), "edges that are no numbers"),
    "nan": (voc_xml([voc_object(CAT).replace(">5.0<", ">nan<")]), "an edge that is no number"),
    "infinite": (voc_xml([voc_object(CAT).replace(">5.0<", ">1e999<")]), "edge that is no number"),
    "inverted": (voc_xml([voc_object(("cat", 24, 6, 4, 30))]), "a box is inverted"),
    "difficult": (voc_xml([voc_object(CAT, difficult="very")]), "difficult is 'very'"),
}


@pytest.mark.parametrize("name", BAD_XML)
def test_a_bad_voc_annotation_is_named(name: str, tmp_path: Path) -> None:
    text, told = BAD_XML[name]
    place = one_voc(tmp_path, text)
    with pytest.raises(InputError, match=re.escape(told)) as error:
        open_detection(place)
    assert str(error.value).startswith(f"{place}/a.xml")


def without(key: str, *path: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: Any) -> None:
        for step in path:
            content = content[step]
        del content[key]

    return change


def put(value: Any, *path: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: Any) -> None:
        for step in path[:-1]:
            content = content[step]
        content[path[-1]] = value

    return change


BAD_COCO: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no categories": (without("categories"), "it has no list of categories"),
    "no annotations": (without("annotations"), "it has no list of annotations"),
    "images is no list": (put({}, "images"), "it has no list of images"),
    "empty categories": (put([], "categories"), "its list of categories is empty"),
    "a category is gone": (
        without(0, "categories"),
        "annotation 0 (two words.jpg) has category 5; the categories are: 0 cat",
    ),
    "no category": (without("category_id", "annotations", 0), "has no category_id"),
    "category is true": (put(True, "annotations", 0, "category_id"), "has no category_id"),
    "category without a name": (without("name", "categories", 1), "category 0 has no name"),
    "one number twice": (put(5, "categories", 1, "id"), "two categories have the number 5"),
    "another picture": (put(7, "annotations", 0, "image_id"), "is of picture 7, which is not"),
    "no picture": (without("image_id", "annotations", 1), "annotation 1 has no image_id"),
    "a picture twice": (lambda c: c["images"].append(c["images"][0]), "two pictures have"),
    "no file": (without("file_name", "images", 0), "picture 0 has no file_name"),
    "elsewhere": (put("../../a.jpg", "images", 0, "file_name"), "picture 0 lies elsewhere"),
    "absolute": (put("/etc/a.jpg", "images", 0, "file_name"), "picture 0 lies elsewhere"),
    "missing": (put("gone.jpg", "images", 0, "file_name"), "picture 0 is missing: no"),
    "no box": (without("bbox", "annotations", 0), "has no box"),
    "a short box": (put([1, 2, 3], "annotations", 0, "bbox"), "has no box"),
    "a box of words": (put([1, 2, "3", 4], "annotations", 0, "bbox"), "has no box"),
    "nan": (put([1, 2, float("nan"), 4], "annotations", 0, "bbox"), "an edge that is no number"),
    "huge": (put([1, 2, 10**400, 4], "annotations", 0, "bbox"), "an edge that is too large"),
    "inverted": (put([9, 9, -3, 4], "annotations", 0, "bbox"), "a box is inverted"),
    "an annotation is a number": (put(3, "annotations", 0), "an annotation has no id"),
}


@pytest.mark.parametrize("name", BAD_COCO)
def test_a_bad_coco_file_is_named(name: str, tmp_path: Path) -> None:
    change, told = BAD_COCO[name]
    content = coco("val")
    change(content)
    path = write_coco(tmp_path) / "annotations" / "instances_val.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=re.escape(told)) as error:
        open_detection(path)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 200_000, "\udcff"])
def test_what_is_no_coco_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=re.escape(f"{path}: no")):
        open_detection(path)


def test_a_box_without_an_area_is_left_out_and_told(tmp_path: Path) -> None:
    content = coco("val")
    content["annotations"][0]["bbox"] = [5, 5, 0, 9]
    path = write_coco(tmp_path) / "annotations" / "instances_val.json"
    path.write_text(json.dumps(content))
    found = open_detection(path)
    assert len(found.objects(0)) == 1
    assert found.notes[0].endswith("a box without an area is left out: 5 5 5 14")


def test_what_is_missing_in_a_voc_folder_is_named(tmp_path: Path) -> None:
    place = write_voc(tmp_path / "set")
    (place / "JPEGImages" / "one.jpg").unlink()
    with pytest.raises(InputError, match=r"one\.xml: its picture is missing: no one\.jpg in"):
        open_detection(place, "train")
    assert said(open_detection(place, "val"))  # which is whole
    (place / "Annotations" / "two words.xml").unlink()
    with pytest.raises(InputError, match=r"val\.txt names two words, which has no annotation"):
        open_detection(place, "val")
    with pytest.raises(InputError, match="no such file or folder"):
        open_detection(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no pictures with boxes in"):
        open_detection(tmp_path)


def test_several_faults_are_counted(tmp_path: Path) -> None:
    place = write_voc(tmp_path)
    for path in (place / "Annotations").glob("*.xml"):
        path.write_text("")
    with pytest.raises(InputError, match=r"; 1 more: `inception data check` lists them"):
        open_detection(place, "train")


def test_listed_classes_are_those_there_are(tmp_path: Path) -> None:
    place = write_voc(tmp_path)
    (place / "classes.txt").write_text("dog\nfox\ncat\n")
    assert open_detection(place).classes == ("dog", "fox", "cat")
    (place / "classes.txt").write_text("dog\n")
    with pytest.raises(InputError, match=r"objects of 'cat'; its classes\.txt lists dog"):
        open_detection(place)


def test_an_unreadable_picture_is_an_error_where_it_is_read(tmp_path: Path) -> None:
    place = one_voc(tmp_path, voc_xml([voc_object(CAT)]))
    (place / "a.jpg").write_bytes(b"no picture")
    found = open_detection(place)
    assert said(found) == {"a": [CAT]}
    with pytest.raises(InputError, match=r"a\.jpg: not a picture"):
        found.read(0)


def test_real_sets_are_read(real_data: Path) -> None:
    kangaroo = open_detection(real_data / "kangaroo")
    assert (len(kangaroo), kangaroo.classes) == (32, ("kangaroo",))
    bccd = open_detection(real_data / "bccd", "train")
    assert (len(bccd), bccd.classes) == (292, ("Platelets", "RBC", "WBC"))
