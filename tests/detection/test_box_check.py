"""The data doctor on pictures with boxes: each illness put in is found, and none in a good set."""

import json
from pathlib import Path

from annotating import BOXES, voc_object, voc_xml, write_coco, write_picture, write_voc
from command_line import run

from inception.detection.check import check_boxes


def test_a_good_set_is_healthy_and_counted(tmp_path: Path) -> None:
    for place in (write_voc(tmp_path / "voc"), write_coco(tmp_path / "coco")):
        report = check_boxes(place, threads=1)
        assert report.healthy and not report.notes
        assert report.splits["train"].per_class == {"cat": 1, "dog": 0}
        assert report.splits["val"].per_class == {"cat": 1, "dog": 1}
        assert (report.splits["train"].pictures, report.splits["train"].empty_pictures) == (2, 1)


def test_every_illness_is_found_at_once(tmp_path: Path) -> None:
    place = write_voc(tmp_path)
    first = place / "JPEGImages" / "one.jpg"
    (place / "JPEGImages" / "none.jpg").write_bytes(b"no picture")
    (place / "JPEGImages" / "two words.jpg").write_bytes(first.read_bytes())
    small = "<size><width>6</width><height>4</height></size>"
    text = voc_xml([voc_object(("cat", -9, 0, 20, 20))], size=small)
    (place / "Annotations" / "one.xml").write_text(text)
    done = run("data", "check", str(place))
    assert done.returncode == 1
    for told in (
        "none.jpg: not a picture",
        "is clipped to the picture: -9 0 20 20",
        "one.jpg: told 6x4 but is 60x40",
        f"{first} = {place}/JPEGImages/two words.jpg",
    ):
        assert told in done.stdout
    (place / "Annotations" / "two words.xml").write_text("<annotation>")
    write_picture(first, 5)
    told = json.loads(run("data", "check", str(place), "--json", "-").stdout)
    assert not told["healthy"] and list(told["splits"]) == ["train"] and len(told["faults"]) == 1
    assert told["splits"]["train"]["objects"] == len(BOXES["one"])
