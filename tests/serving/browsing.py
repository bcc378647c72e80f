"""The page in a browser, and what tests do with it."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from running import Running

PHONE = {"width": 390, "height": 844}
SERIOUS = ("serious", "critical")


def opened(browser: Browser, server: Running, **options: Any) -> Iterator[Page]:
    """The page; at its end nothing it wrote to the console was an error of its own."""
    context = browser.new_context(**options)
    page = context.new_page()
    errors: list[str] = []
    elsewhere: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("filechooser", lambda _: None)  # from the start, or the first one may be missed
    page.on("request", lambda r: r.url.startswith((server.url, "blob:")) or elsewhere.append(r.url))
    page.goto(server.url)
    yield page
    assert (errors, elsewhere) == ([], [])
    context.close()


def carry(page: Page, event: str, *files: Path) -> None:
    """Drops or pastes files."""
    told = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in files]
    page.evaluate(
        """([event, files]) => {
          const carried = new DataTransfer();
          for (const [name, text] of files) {
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            carried.items.add(new File([bytes], name, { type: "image/jpeg" }));
          }
          const options = { bubbles: true, cancelable: true };
          document.body.dispatchEvent(event === "drop"
            ? new DragEvent("drop", { ...options, dataTransfer: carried })
            : new ClipboardEvent("paste", { ...options, clipboardData: carried }));
        }""",
        [event, told],
    )


def serious(page: Page) -> list[str]:
    """What axe finds that is serious, or worse."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in SERIOUS]


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until it is reached."""
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"no way to {selector}")


def sticking_out(page: Page) -> list[str]:
    """What is shown to the right of the card that it stands in, where it would be cut off."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll(".panel *")]
          .filter((part) => part.checkVisibility() && part.getBoundingClientRect().right
            > part.closest(".panel").getBoundingClientRect().right + 0.5)
          .map((part) => part.id || part.className || part.tagName)"""
    )
    return found
