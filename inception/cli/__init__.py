"""The command line. A command is imported when it is chosen, and what it needs when it runs."""

import errno
import gc
import io
import sys
import warnings
from collections.abc import Callable

import typer
from typer.exceptions import TyperException

from inception.cli.on_demand import OnDemand
from inception.cli.output import FAILED, INTERRUPTED, give_up_output, say
from inception.errors import InputError, lacks_memory
from inception.text import shown

OBJECTS = 10_000  # made before the garbage collector looks: of what is imported nothing is garbage
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room for what is written

app = typer.Typer(
    name="inception",
    cls=OnDemand,
    help="The home of GoogLeNet: train, evaluate, understand and use the Inception family.",
    rich_markup_mode=None,
    add_completion=True,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """The home of GoogLeNet: train, evaluate, understand and use the Inception family."""
    if version:
        from inception import __version__

        say(f"inception {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(*context.get_help().splitlines())


def main() -> None:
    """Runs the command line; a caller's mistake is one line and exit status 2."""
    gc.set_threshold(OBJECTS)
    # pictures between Pillow's limit of caution and twice that are refused by our own check
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # whatever the terminal's encoding
    status = _status(lambda: app(standalone_mode=False))
    sys.exit(_status(sys.stdout.flush) or status if sys.stdout else status)


def _status(act: Callable[[], object]) -> int:
    """The exit status after ``act``; what a caller can mend is told in one line."""
    try:
        status = act()
    except TyperException as error:
        return _fail(error.format_message())
    except InputError as error:
        return _fail(str(error))
    except BrokenPipeError:  # whoever read our output has had enough
        give_up_output()
        return 0
    except SystemExit as ended:  # what Typer makes of that
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        give_up_output()
        return 0
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.errno not in FULL:
            raise
        give_up_output()
        return _fail(f"cannot write {error.filename or 'the output'}: {error.strerror}")
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        return _fail("not enough memory; smaller batches and pictures need less")
    return status if isinstance(status, int) else 0


def _fail(message: str) -> int:
    line = shown(" ".join(message.split()))
    if line:
        print(f"inception: {line}", file=sys.stderr)
    return FAILED
