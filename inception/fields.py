"""Whether the fields of a dataclass hold what their annotations say: types, choices and ranges."""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from inception.errors import InputError, unknown

LONGEST = 80  # characters of a value that a message repeats
NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Range:
    """The numbers that an ``Annotated`` field takes, both ends included."""

    low: float
    high: float


def check_fields(owner: Any, what: str) -> None:
    """Raises ``InputError`` for the first field that does not hold what its annotation says.

    Mappings are looked at from outside: their keys are text, their values may be anything.
    """
    hints = _hints(type(owner))  # type: ignore[arg-type]
    for field in fields(owner):
        value, hint = getattr(owner, field.name), hints[field.name]
        if not fits(value, hint):
            wanted = f"{described(hint)}; got {shown(value)}{_nearest(value, hint)}"
            raise InputError(f"{field.name} of {what} must be {wanted}")


def known_fields(values: Any, kind: type[Any], what: str) -> dict[str, Any]:
    """A dataclass's fields from JSON.

    Raises:
        InputError: no mapping, a field that the class does not have, or one that is missing.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"not {what}: {shown(values)}")
    known = {f.name: f for f in fields(kind)}
    for name in values:
        if name not in known:
            raise unknown(f"field of {what}", shown(name)[1:-1], known)
    required = [n for n, f in known.items() if f.default is f.default_factory is MISSING]
    missing = [name for name in required if name not in values]
    if missing:
        raise InputError(f"not {what}: {' and '.join(missing)} missing")
    return dict(values)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says; a number is finite, and true is none."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return fits(value, args[0]) and args[1].low <= value <= args[1].high
    if origin in (Union, UnionType):
        return any(fits(value, arg) for arg in args)
    if origin is Literal:
        return isinstance(value, str) and value in args
    if origin is tuple:
        return isinstance(value, tuple) and _all_fit(value, args)
    if origin is list:
        return isinstance(value, list) and _all_fit(tuple(value), (*args, ...))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    if hint in (int, float):
        kinds = (int,) if hint is int else (int, float)
        return type(value) in kinds and (type(value) is int or math.isfinite(value))
    return isinstance(value, hint)


def _all_fit(values: tuple[Any, ...], args: tuple[Any, ...]) -> bool:
    if args[-1] is Ellipsis:
        return all(fits(value, args[0]) for value in values)
    return len(values) == len(args) and all(map(fits, values, args))


def described(hint: Any) -> str:
    """An annotation in words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return f"{described(args[0])} from {args[1].low:g} to {args[1].high:g}"
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(described, args)))
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin in (tuple, list):
        pair = origin is tuple and args[-1] is not Ellipsis
        return f"a {'pair' if pair else 'list'}, each {described(args[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a mapping by names"
    if hint is NoneType:
        return "nothing (null)"
    return NAMES.get(hint) or f"a {hint.__name__}"


def _nearest(value: Any, hint: Any) -> str:
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    close = difflib.get_close_matches(shown(value), map(repr, choices), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def shown(value: Any) -> str:
    """A value in one line that is not long, whatever it is."""
    text = reprlib.repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)
