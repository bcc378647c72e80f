"""Fixtures: the shared real pictures, and small sets made here."""

import os
from pathlib import Path

import pytest
from colours import write_colours

DATA = Path(os.environ.get("INCEPTION_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indices of tars are cached; a test must not read another run's."""
    monkeypatch.setenv("INCEPTION_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; where it is missing the test is skipped, in CI it fails."""
    if not DATA.is_dir():
        message = f"real pictures are missing: no folder {DATA} (set INCEPTION_DATA)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return DATA


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A learnable set: red and green pictures, 24 to train and 8 to validate a class."""
    return write_colours(tmp_path / "colours")
