"""What CI installs is pinned by version and hash, and all of it."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
MAKE = ("torch", "torchvision")  # the Makefile's own, for their builds differ


def pins() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", LOCK, re.MULTILINE))


def wanted() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    found = [Requirement(line) for line in lines]
    return [r for r in found if r.name not in (PROJECT["name"], *MAKE)]


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_every_requirement_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    name = re.sub(r"[-_.]+", "-", requirement.name).lower()
    assert name in pins(), f"make lock pins {name}"
    assert pins()[name] in requirement.specifier


def test_every_pin_has_a_hash() -> None:
    parts = re.split(r"^(?=[a-z])", LOCK, flags=re.MULTILINE)[1:]
    assert len(parts) == len(pins())
    assert all("--hash=sha256:" in part for part in parts)


def test_every_requirement_has_a_bound() -> None:
    unbound = [r.name for r in wanted() if not r.specifier]
    assert unbound == []
