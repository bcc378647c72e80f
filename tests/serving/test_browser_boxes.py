"""The page of a detector: boxes over the picture, and the list of what is in them."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from browsing import PHONE, carry, opened, serious, sticking_out, tab_to
from playwright.sync_api import Browser, Page, expect
from running import Running, running
from small_detectors import small_detector, small_network

from inception.detection.detector_file import DetectorInfo, save_detector
from inception.serving import workshop

PATIENCE_MS = 120_000
LEAN = (1.5, 0.5)  # added to the logits of the two classes, so that some regions are sure enough


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    detector = small_detector(classes=("kangaroo", "a duck-billed platypus"))
    network, file = small_network(detector), tmp_path_factory.mktemp("roos") / "roos.safetensors"
    with torch.no_grad():
        network.get_parameter("classifier.logits.linear.bias")[:2] += torch.tensor(LEAN)
    save_detector(file, network.state_dict(), DetectorInfo(detector))
    with pytest.MonkeyPatch.context() as patch:  # in a thread: a process takes seconds to start
        patch.setattr(workshop, "search_pool", lambda _: ThreadPoolExecutor(1))
        with running({"roos": file}) as server:
            yield server


@pytest.fixture(scope="module")
def photos(scenes: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    files = [tmp_path_factory.mktemp("photos") / f"{number}.jpg" for number in range(2)]
    for file, data in zip(files, scenes, strict=False):
        file.write_bytes(data)
    return files


def scores(page: Page) -> list[float]:
    """Of the objects in the list, in percent."""
    expect(page.locator("#answers .waiting")).to_have_count(0, timeout=PATIENCE_MS)
    told = page.locator("#answers .object .percent").all_inner_texts()
    return [float(text.removesuffix(" %")) for text in told]


def set_least(page: Page, percent: int) -> None:
    page.get_by_label("At least").fill(str(percent))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_objects_are_boxed_and_listed(
    browser: Browser, finder: Running, photos: list[Path], scheme: str
) -> None:
    for page in opened(browser, finder, color_scheme=scheme):
        expect(page.locator("#lead")).to_contain_text("objects")
        carry(page, "drop", photos[0])
        shown = scores(page)
        assert shown == sorted(shown, reverse=True) and len(shown) > 1 and min(shown) >= 50
        expect(page.get_by_role("heading", name="What was found")).to_be_visible()
        expect(page.locator("#boxes .box")).to_have_count(len(shown))
        expect(page.get_by_role("status").first).to_contain_text(photos[0].name)
        check_boxes_lie_in_the_picture(page)
        assert serious(page) == []
        set_least(page, 95)
        assert (page.locator("#boxes .box").count(), scores(page)) == (0, [])
        expect(page.locator("#answers")).to_have_text("Nothing that is so sure.")
        set_least(page, 5)
        more = scores(page)
        assert more[: len(shown)] == shown and len(more) > len(shown)
        page.get_by_role("switch", name="Boxes").uncheck(force=True)
        expect(page.locator("#boxes")).to_be_hidden()
        expect(page.locator("#heat")).to_be_hidden()
        page.locator("#card summary").click()
        expect(page.locator("#facts")).to_contain_text("Selective Search (fast)")
        assert serious(page) == []


def check_boxes_lie_in_the_picture(page: Page) -> None:
    picture = page.locator("#picture").bounding_box()
    assert picture is not None
    for kind in (".box", ".box-label"):
        for part in page.locator(f"#boxes {kind}").all():
            place = part.bounding_box()
            assert place is not None
            for start, side in (("x", "width"), ("y", "height")):
                assert place[start] >= picture[start] - 0.5  # type: ignore[literal-required]
                end = place[start] + place[side]  # type: ignore[literal-required]
                assert end <= picture[start] + picture[side] + 0.5  # type: ignore[literal-required]


def test_an_object_is_picked_out_by_the_keyboard(
    browser: Browser, finder: Running, photos: list[Path]
) -> None:
    for page in opened(browser, finder):
        tab_to(page, "#files")
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(photos[0])
        count = len(scores(page))
        tab_to(page, "#boxes-on")
        tab_to(page, "#least")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#least-shown")).to_have_text("45 %")
        page.keyboard.press("ArrowRight")
        tab_to(page, "#answers li:nth-child(2) button")
        page.keyboard.press("Enter")
        second = page.locator("#answers button").nth(1)
        expect(second).to_have_attribute("aria-pressed", "true")
        expect(second).to_be_focused()
        expect(page.locator("#boxes .box.faint")).to_have_count(count - 1)
        page.keyboard.press("Enter")
        expect(second).to_have_attribute("aria-pressed", "false")
        expect(page.locator("#boxes .box.faint")).to_have_count(0)


def test_boxes_on_a_phone_and_in_the_gallery(
    browser: Browser, finder: Running, photos: list[Path], real_data: Path
) -> None:
    for page in opened(browser, finder, viewport=PHONE, has_touch=True, is_mobile=True):
        page.set_input_files("#files", [*photos, real_data / "odd-images" / "half.jpg"])
        thumbs = page.locator("#thumbs button")
        expect(thumbs.nth(2)).to_have_accessible_name("half.jpg: unreadable", timeout=PATIENCE_MS)
        found = re.compile("kangaroo|platypus")
        expect(thumbs.nth(1)).to_have_accessible_name(found, timeout=PATIENCE_MS)
        thumbs.nth(1).click()
        assert scores(page)
        check_boxes_lie_in_the_picture(page)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert sticking_out(page) == []
        assert serious(page) == []
