"""The page in a real browser: what people see, hear and press."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import PHONE, carry, opened, serious, sticking_out, tab_to
from playwright.sync_api import Browser, Page, expect
from running import Running, running


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, server: Running, request: pytest.FixtureRequest) -> Iterator[Page]:
    yield from opened(browser, server, color_scheme=request.param)


@pytest.fixture(scope="module")
def pets(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A photograph of a cat and one of a dog."""
    folder, found = tmp_path_factory.mktemp("pets"), {}
    with tarfile.open(real_data / "dogs-vs-cats" / "val-000.tar") as tar:
        for member in tar:
            label = Path(member.name).name.split("_")[0]
            if member.name.endswith(".jpg") and label not in found:
                found[label] = folder / Path(member.name).name
                found[label].write_bytes(tar.extractfile(member).read())  # type: ignore[union-attr]
            if len(found) == 2:
                break
    return found


def heat_shows(page: Page) -> bool:
    return bool(
        page.evaluate(
            """() => {
              const heat = document.getElementById("heat");
              if (heat.hidden || !heat.width) return false;
              const data = heat.getContext("2d").getImageData(0, 0, heat.width, heat.height).data;
              return data.some((value, place) => place % 4 === 3 && value > 0);
            }"""
        )
    )


def test_a_dropped_picture_is_named_and_explained(page: Page, pets: dict[str, Path]) -> None:
    assert serious(page) == []
    for label, path in pets.items():
        carry(page, "drop", path)
        expect(page.locator("#file-name")).to_have_text(path.name)
        first = page.locator("#answers button").first
        expect(first.locator(".label")).to_have_text(label)
        expect(first).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#time")).to_contain_text("with the upload")
        expect(page.get_by_role("status")).to_contain_text(f"{path.name}: {label}, ")
    assert heat_shows(page)
    page.get_by_role("switch", name="Heat map").uncheck(force=True)
    assert not heat_shows(page)
    page.get_by_role("switch", name="Heat map").check(force=True)
    page.get_by_label("Opacity").fill("20")
    assert page.locator("#heat").evaluate("heat => heat.style.opacity") == "0.2"
    second = page.locator("#answers button").nth(1)
    second.click()
    expect(page.locator("#answers button").nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#legend-class")).to_have_text("cat")
    page.locator("#branches summary").click()
    expect(page.locator("#modules .module")).to_have_count(9, timeout=240_000)
    expect(page.locator("#modules .module").last).to_contain_text("5b")
    page.locator("#card summary").click()
    expect(page.locator("#facts")).to_contain_text("googlenet_bn")
    assert serious(page) == []


def test_a_broken_file_is_told_and_the_others_stay(
    page: Page, pets: dict[str, Path], real_data: Path
) -> None:
    carry(page, "paste", pets["cat"])
    expect(page.locator("#answers button").first).to_contain_text("cat")
    page.set_input_files("#files", [real_data / "odd-images" / "half.jpg"])
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("half.jpg: image file is truncated (98 bytes not processed)")
    expect(page.locator("#result")).to_be_hidden()
    thumbs = page.locator("#thumbs button")
    expect(thumbs.nth(1)).to_have_accessible_name("half.jpg: unreadable")
    assert serious(page) == []
    thumbs.nth(0).click()
    expect(alert).to_be_hidden()
    expect(page.locator("#file-name")).to_have_text(pets["cat"].name)
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("#result")).to_be_hidden()


def test_it_works_on_a_phone(browser: Browser, server: Running, pets: dict[str, Path]) -> None:
    for page in opened(browser, server, viewport=PHONE, has_touch=True, is_mobile=True):
        expect(page.get_by_text("Take a photo")).to_be_visible()
        page.set_input_files("#camera", pets["cat"])
        page.set_input_files("#files", pets["dog"])
        expect(page.locator("#thumbs b").nth(1)).to_have_text("dog")
        expect(page.locator("#answers button").first).to_be_visible()
        for element in ("#picture", "#answers", "#thumbs", "#card"):
            box = page.locator(element).bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert sticking_out(page) == []
        assert serious(page) == []


def test_the_keyboard_alone_is_enough(
    browser: Browser, server: Running, pets: dict[str, Path]
) -> None:
    for page in opened(browser, server):
        tab_to(page, "#files")
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(list(pets.values()))
        expect(page.locator("#answers button").first).to_be_visible()
        tab_to(page, "#heat-on")
        page.keyboard.press("Space")
        expect(page.locator("#heat-on")).not_to_be_checked()
        tab_to(page, "#opacity")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#opacity")).to_have_value("69")
        tab_to(page, "#answers li:nth-child(2) button")
        page.keyboard.press("Enter")
        pressed = page.locator("#answers li:nth-child(2) button")
        expect(pressed).to_have_attribute("aria-pressed", "true")
        expect(pressed).to_be_focused()
        tab_to(page, "#thumbs li:nth-child(2) button")
        page.keyboard.press("Enter")
        expect(page.locator("#file-name")).to_have_text(pets["dog"].name)
        tab_to(page, "#card summary")
        page.keyboard.press("Enter")
        expect(page.locator("#facts")).to_be_visible()


def test_a_guarded_server_s_page_asks_for_the_token(
    browser: Browser, pets: dict[str, Path]
) -> None:
    with running(token="s3cret") as server:
        for page in opened(browser, server):
            field = page.get_by_label("This server asks for its token")
            field.fill("wrong")
            page.get_by_role("button", name="Continue").click()
            expect(field).to_have_value("")
            assert serious(page) == []
            field.fill("s3cret")
            page.get_by_role("button", name="Continue").click()
            page.set_input_files("#files", pets["cat"])
            expect(page.locator("#answers button").first).to_contain_text("cat")


def test_the_api_s_page_needs_nothing_from_elsewhere(browser: Browser, server: Running) -> None:
    for page in opened(browser, server):
        page.get_by_role("link", name="API").click()
        expect(page.get_by_text("/v1/predict", exact=True)).to_be_visible()
        expect(page.locator("#addresses")).to_contain_text(f"curl -F file=@cat.jpg {server.url}")
        assert serious(page) == []
