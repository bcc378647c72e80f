"""One server for most tests of the room."""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from running import Running, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def photographs(real_data: Path) -> list[bytes]:
    """Real JPEG files."""
    return [path.read_bytes() for path in sorted((real_data / "ants-bees" / "val").glob("*/*"))]


@pytest.fixture(scope="module")  # while it lasts asyncio has a loop, so no other may run
def browser() -> "Iterator[Browser]":
    from playwright.sync_api import expect, sync_playwright  # the other tests do without

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
    if path is None:
        message = "Chromium is missing: `make test` installs it, or apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=60_000)  # on a busy machine too
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def scenes() -> list[bytes]:
    """Wide ones: Selective Search brings all to one width, and takes time for each pixel."""
    rng, made = np.random.default_rng(0), []
    for _ in range(4):
        pixels = np.full((24, 96, 3), rng.integers(60, 200), np.uint8)
        for x in rng.integers(0, 76, 4):
            pixels[2:20, x : x + 18] = rng.integers(0, 256, 3)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=95)
        made.append(file.getvalue())
    return made
