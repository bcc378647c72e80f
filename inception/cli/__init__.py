"""The command line. Commands' bodies import what they need when they are chosen."""

import errno
import io
import sys
import warnings
from collections.abc import Callable

import typer
from typer.exceptions import TyperException

from inception.cli.benchmark import benchmark
from inception.cli.catalogue import list_weights, pull
from inception.cli.data import data_app
from inception.cli.demo import demo
from inception.cli.detect import detect_app
from inception.cli.detect_evaluate import evaluate as detect_evaluate
from inception.cli.detect_export import export as detect_export
from inception.cli.detect_multibox import multibox
from inception.cli.detect_predict import predict as detect_predict
from inception.cli.detect_train import train as detect_train
from inception.cli.doctor import doctor
from inception.cli.embed import embed, similar
from inception.cli.evaluate import evaluate
from inception.cli.explain import explain
from inception.cli.export import export
from inception.cli.fid import fid
from inception.cli.grouped import GroupedCommand
from inception.cli.models import compare, models
from inception.cli.output import FAILED, INTERRUPTED, give_up_output, say
from inception.cli.predict import predict
from inception.cli.prune import prune
from inception.cli.recipes import recipes
from inception.cli.reproduce import reproduce
from inception.cli.search import search
from inception.cli.serve import serve
from inception.cli.train import train
from inception.cli.verify import verify
from inception.cli.weights import weights_app
from inception.errors import InputError, lacks_memory
from inception.text import shown

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room for what is written

app = typer.Typer(
    name="inception",
    help="The home of GoogLeNet: train, evaluate, understand and use the Inception family.",
    rich_markup_mode=None,
    add_completion=True,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)
for command in (
    *(models, compare, recipes, train, evaluate, predict, explain, embed, similar, fid),
    *(serve, export, prune, search, benchmark, reproduce, demo),
):
    app.command(cls=GroupedCommand)(command)
weights_app.command("list", cls=GroupedCommand)(list_weights)
weights_app.command(cls=GroupedCommand)(pull)
weights_app.command(cls=GroupedCommand)(verify)
weights_app.command(cls=GroupedCommand)(doctor)
detect_app.command("train", cls=GroupedCommand)(detect_train)
detect_app.command("evaluate", cls=GroupedCommand)(detect_evaluate)
detect_app.command("predict", cls=GroupedCommand)(detect_predict)
detect_app.command("export", cls=GroupedCommand)(detect_export)
detect_app.command(cls=GroupedCommand)(multibox)
app.add_typer(data_app)
app.add_typer(detect_app)
app.add_typer(weights_app)


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
