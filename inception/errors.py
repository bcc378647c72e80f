"""The one error a caller can mend, and how it names the way out."""

import difflib
import shlex
from collections.abc import Iterable
from pathlib import Path


class InputError(Exception):
    """The caller's mistake, told in one line with the way out; the command line exits 2 on it.

    Example:
        >>> create_model("googlenet_b")
        Traceback (most recent call last):
        inception.errors.InputError: no model named 'googlenet_b'; did you mean 'googlenet_bn'?
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not among ``known``: offers the nearest, else lists them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"
    return InputError(f"no {kind} named {name!r}; {hint}")


def not_installed(*packages: str) -> InputError:
    """The error for an optional package that is missing: what to type.

    Args:
        packages: the missing one, then those that belong to it. They are named rather than an
            extra of ours: the package index has a stranger's project called ``inception``.
    """
    return InputError(f"{packages[0]} is not installed: pip install {' '.join(packages)}")


def command(*words: str | Path) -> str:
    """What to type: ``inception`` and the words, each quoted for the shell where it needs it."""
    return shlex.join(["inception", *map(str, words)])


def lacks_memory(error: BaseException) -> bool:
    """Whether there was no memory left: Python's, torch's on a processor or on a GPU."""
    told = str(error).lower()
    torch_said = "out of memory" in told or "allocate memory" in told
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and torch_said)
