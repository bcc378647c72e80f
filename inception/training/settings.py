"""A setting: a field that says what it means and which values it may take.

Help, the parser of ``key=value`` and the check are made from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import Field, field, fields
from typing import Any

from inception.errors import InputError, unknown

LARGEST = 2**63 - 1  # whole number; torch's largest seed
_KINDS = {
    "tuple": "numbers with commas between, LOW,HIGH for a range",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
}
_TYPES: dict[str, Any] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "str": str,
    "tuple": tuple,
}


def setting(
    default: Any,
    about: str,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    choices: Sequence[str] = (),
    machine: bool = False,
) -> Any:
    """A field with what help, parser and check are made from.

    Args:
        default: where nothing is said.
        about: what it decides, for ``--set help``.
        above: numbers must be larger; ``least`` and ``most`` are the ends of a range.
        least: likewise.
        most: likewise.
        choices: the only values.
        machine: it tells where a run computes and how it is kept, not what is learnt: a resumed
            run may change it.
    """
    bounds = {"above": above, "least": least, "most": most, "choices": tuple(choices)}
    return field(default=default, metadata={"about": about, "machine": machine, **bounds})


def find_setting(name: str, among: Sequence[Field[Any]]) -> Field[Any]:
    """The field of that name. Raises ``InputError`` that offers the nearest where there is none."""
    known = {f.name: f for f in among}
    if name not in known:
        raise unknown("setting", name, known)
    return known[name]


def _kind(of: Field[Any]) -> str:
    return next((kind for kind in _KINDS if str(of.type).startswith(kind)), "str")


def _optional(of: Field[Any]) -> bool:
    return str(of.type).endswith("| None")


def _open(of: Field[Any]) -> bool:
    return str(of.type).endswith(", ...]")


def shown(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, tuple):
        return ",".join(str(v) for v in value) or "none"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def values_of(of: Field[Any]) -> str:
    """The values a setting may take, in words."""
    return range_of(of) or _KINDS[_kind(of)]


def range_of(of: Field[Any]) -> str:
    """The values a setting may take, in words; nothing where all do."""
    m = of.metadata
    if m["choices"]:
        return ", ".join(m["choices"])
    if m["above"] is not None:
        return f"above {m['above']:g}" + (f", at most {m['most']:g}" if m["most"] else "")
    if m["most"] is not None:
        return f"from {m['least']:g} to {m['most']:g}"
    return "" if m["least"] is None else f"{m['least']:g} or more"


def check(of: Field[Any], value: Any) -> None:
    """Raises ``InputError`` where a value is of another type, no choice, or out of range."""
    if value is None and _optional(of):
        return
    kind, bounds = _kind(of), of.metadata
    if not _is(kind, value) or (kind == "tuple" and not _fits(str(of.type), value)):
        raise InputError(f"{of.name} takes {_KINDS[kind]}; got {value!r}")
    if bounds["choices"] and value not in bounds["choices"]:
        raise unknown("augmentation" if of.name == "augment" else of.name, value, bounds["choices"])
    numbers = [v for v in (value if kind == "tuple" else (value,)) if isinstance(v, int | float)]
    if not all(_within(number, bounds) for number in numbers):
        raise InputError(
            f"{of.name} must be {range_of(of) or 'a finite number'}; got {shown(value)}"
        )


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))


def _fits(kind: str, values: tuple[Any, ...]) -> bool:
    """Whether they are as many, and of the kind, as ``tuple[float, float]`` says."""
    parts = kind.removesuffix(" | None").removeprefix("tuple[").removesuffix("]").split(", ")
    as_many = parts[-1] == "..." or len(values) == len(parts)
    return as_many and all(_is(parts[0], value) for value in values)


def _within(value: float, bounds: Mapping[str, Any]) -> bool:
    above, least, most = bounds["above"], bounds["least"], bounds["most"]
    return (
        (abs(value) <= LARGEST if isinstance(value, int) else math.isfinite(value))
        and (above is None or value > above)
        and (least is None or value >= least)
        and (most is None or value <= most)
    )


def parse(of: Field[Any], text: str) -> Any:
    """The value that a text means. Raises ``InputError`` where it means none."""
    if text == "none" and _optional(of):
        return None
    if text == "none" and _open(of):
        return ()
    kind = _kind(of)
    try:
        if kind == "tuple":
            return _parse_tuple(str(of.type), text)
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        return {"int": int, "float": float, "str": str}[kind](text)
    except (ValueError, KeyError):
        raise InputError(f"{of.name} takes {_KINDS[kind]}; got {text!r}") from None


def known_settings(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values from JSON as a dataclass takes them. Raises ``InputError`` on what is no setting."""
    for name in values:
        find_setting(name, fields(kind))
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def parse_settings(kind: type[Any], settings: Sequence[str]) -> dict[str, Any]:
    """Values by name of ``key=value`` settings of a dataclass, read by the field's type.

    Raises:
        InputError: no such setting, or a value of another type.
    """
    changes: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"a setting is key=value; got {text!r}; --set help lists them")
        changes[name] = parse(find_setting(name, fields(kind)), value)
    return changes


def settings_help(kind: type[Any]) -> list[tuple[str, str, str]]:
    """Of every setting its name and default, the values it takes, and what it is."""
    return [
        (f"{f.name}={shown(f.default)}", values_of(f), f.metadata["about"]) for f in fields(kind)
    ]


def _parse_tuple(kind: str, text: str) -> tuple[Any, ...]:
    if kind.startswith("tuple[str"):
        return tuple(text.split(","))
    if kind.startswith("tuple[int"):
        return tuple(int(part) for part in text.split(","))
    return tuple(float(part) for part in text.split(","))
