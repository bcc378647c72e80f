"""What is fuzzed, and how files are damaged: bytes, and within text and JSON what they mean."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

NUMBERS = (0, 1, 2, 127, 128, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32, 2**63, 2**64, -1)
ODD = (
    *(None, True, False, 0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), "", "0", "nan"),
    *("a" * 3000, "\0", "\ud800", "../..", "/", "\n", [], {}, [[]], [None], [0, 1], {"": {}}),
    *({"layer": "Conv"}, *NUMBERS),
)
TOKEN = re.compile(rb"<[^>]*>|[^<\s]+|\s+")


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """One to four changes: bytes, written numbers, pieces cut out, doubled or moved."""
    changed = bytearray(data)
    for _ in range(random.integers(1, 5)):
        reach = len(changed) if random.random() < 0.5 else min(len(changed), 400)
        at, few = int(random.integers(max(reach, 1))), random.bytes(int(random.integers(1, 9)))
        kind = random.integers(8)
        if kind == 0:
            del changed[at : at + int(random.integers(1, 1 + len(changed) // 4 + 1))]
        elif kind == 1:
            changed[at:at] = few
        elif kind == 2:
            changed[at : at + len(few)] = few
        elif kind == 3:
            changed[at:at] = changed[at : at + int(random.integers(1, 200))]
        elif kind == 4 and (digits := list(re.finditer(rb"\d+", bytes(changed[:4000])))):
            found = digits[int(random.integers(len(digits)))]
            changed[found.start() : found.end()] = str(random.choice(NUMBERS)).encode()
        elif kind == 5:
            order = random.choice(["little", "big"])
            changed[at : at + 4] = (int(random.choice(NUMBERS)) % 2**32).to_bytes(4, order)
        elif at < len(changed):
            changed[at] = random.choice([0, 1, 127, 128, 255, changed[at] ^ 1])
    return sealed(bytes(changed)) if random.random() < 0.8 else bytes(changed)


@cache
def _kept(name: str) -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix=f"{name}-")


def folder_for(name: str) -> Path:
    """A folder of that name's own, as long as this process lasts."""
    return Path(_kept(name).name)


@dataclass(frozen=True)
class Target:
    """Files of one kind.

    Attributes:
        name: of the file, whose ending some readers look at; it may lie in folders.
        whole: what is damaged.
        read: opens it; must succeed or raise ``InputError``.
        damage: what it is damaged by.
    """

    name: str
    whole: Callable[[], bytes]
    read: Callable[[Path], object]
    damage: Callable[[bytes, np.random.Generator], bytes] = damaged


def sealed(data: bytes) -> bytes:
    """A PNG's checksums made right again, for decoders look no further where one is wrong."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    made, place = bytearray(data), 8
    while place + 12 <= len(made):
        end = place + 8 + int.from_bytes(made[place : place + 4], "big")
        if end + 4 > len(made):
            break
        made[end : end + 4] = zlib.crc32(made[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(made)


def damaged_text(data: bytes, random: np.random.Generator) -> bytes:
    """Bytes, or words and tags lost, doubled, moved or replaced by odd ones."""
    if random.random() < 0.3:
        return damaged(data, random)
    tokens = TOKEN.findall(data)
    for _ in range(random.integers(1, 5)):
        one, other = (int(random.integers(len(tokens))) for _ in range(2))
        kind = random.integers(5)
        if kind == 0 and len(tokens) > 2:
            del tokens[one]
        elif kind == 1:
            tokens.insert(one, tokens[other])
        elif kind == 2:
            tokens[one], tokens[other] = tokens[other], tokens[one]
        elif kind == 3:
            tokens[one] = str(_odd(random)).encode("utf-8", "surrogatepass")
        else:
            tokens[one:one] = tokens[one : other + 1] * int(random.integers(1, 4))
    return b"".join(tokens)


def damaged_json(data: bytes, random: np.random.Generator) -> bytes:
    """Bytes, or values lost, replaced by odd ones or by others of the same file."""
    if random.random() < 0.3:
        return damaged(data, random)
    return _written(_changed(json.loads(data), random))


def damaged_tensors(data: bytes, random: np.random.Generator) -> bytes:
    """Bytes of a safetensors file, or values in its header or in the JSON texts within that."""
    if random.random() < 0.3:
        return damaged(data, random)
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    within = header.get("__metadata__", {})
    if within and random.random() < 0.85:
        name = str(random.choice(sorted(within)))
        within[name] = _written(_changed(json.loads(within[name]), random)).decode("latin-1")
        if random.random() < 0.1:
            within[str(random.choice(["inception", "x", ""]))] = str(_odd(random))
    else:
        header = _changed(header, random)
    text = json.dumps(header, ensure_ascii=True).encode()
    return len(text).to_bytes(8, "little") + text + data[end:]


def _changed(value: Any, random: np.random.Generator) -> Any:
    """One to three of the values within a JSON value changed."""
    for _ in range(random.integers(1, 4)):
        places = list(_places(value))
        if not places:
            return _odd(random)
        parent, key = places[int(random.integers(len(places)))]
        other, of = places[int(random.integers(len(places)))]
        kind = random.integers(5)
        if kind == 0:
            del parent[key]
        elif kind == 1:
            parent[key] = json.loads(json.dumps(other[of]))
        elif kind == 2 and isinstance(parent, dict):
            parent[str(_odd(random))[:40]] = parent.pop(key)
        else:
            parent[key] = _odd(random)
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every value within, as what holds it and under what."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else range(len(value))
    return [place for key in keys for place in [(value, key), *_places(value[key])]]


def _odd(random: np.random.Generator) -> Any:
    return json.loads(json.dumps(ODD[int(random.integers(len(ODD)))]))


def _written(value: Any) -> bytes:
    return json.dumps(value).encode()
