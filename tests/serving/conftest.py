"""One server for most tests of the room."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Running, running


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def photographs(real_data: Path) -> list[bytes]:
    """Real JPEG files."""
    return [path.read_bytes() for path in sorted((real_data / "ants-bees" / "val").glob("*/*"))]
