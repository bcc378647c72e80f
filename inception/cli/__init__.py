"""The command line. Commands' bodies import what they need when they are chosen."""

import sys
import warnings

import typer
from typer.exceptions import TyperException

from inception.cli.benchmark import benchmark
from inception.cli.catalogue import list_weights, pull
from inception.cli.data import data_app
from inception.cli.demo import demo
from inception.cli.doctor import doctor
from inception.cli.evaluate import evaluate
from inception.cli.export import export
from inception.cli.models import compare, models
from inception.cli.output import INTERRUPTED
from inception.cli.predict import predict
from inception.cli.reproduce import reproduce
from inception.cli.train import train
from inception.cli.verify import verify
from inception.cli.weights import weights_app
from inception.errors import InputError

app = typer.Typer(
    name="inception",
    help="The home of GoogLeNet: train, evaluate, understand and use the Inception family.",
    rich_markup_mode=None,
    add_completion=True,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)
for command in (models, compare, train, evaluate, predict, export, benchmark, reproduce, demo):
    app.command()(command)
weights_app.command("list")(list_weights)
weights_app.command()(pull)
weights_app.command()(verify)
weights_app.command()(doctor)
app.add_typer(data_app)
app.add_typer(weights_app)


@app.callback()
def options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """The home of GoogLeNet: train, evaluate, understand and use the Inception family."""
    if version:
        from inception import __version__

        typer.echo(f"inception {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Runs the command line; a caller's mistake is one line and exit status 2."""
    # pictures between Pillow's limit of caution and twice that are refused by our own check
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")
    try:
        status = app(standalone_mode=False)
    except TyperException as error:
        status = _fail(error.format_message())
    except InputError as error:
        status = _fail(str(error))
    except BrokenPipeError:  # whoever read our output has had enough
        sys.stderr.close()
        status = 0
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> int:
    line = " ".join(message.split())
    if line:
        print(f"inception: {line}", file=sys.stderr)
    return 2
