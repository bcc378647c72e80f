"""``inception serve``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from inception.cli.detect_evaluate import MultiBoxOption, SearchOption
from inception.cli.output import (
    DeviceOption,
    EngineOption,
    MaxPixelsOption,
    QuietOption,
    ThreadsOption,
    say,
)
from inception.errors import not_installed

PACKAGES = ("fastapi", "uvicorn", "httptools", "prometheus_client")  # the extra ``serve``

ModelsOption = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME=PATH", help="A further model, by a name; repeatable."),
]
TokenOption = Annotated[
    str,
    typer.Option(envvar="INCEPTION_TOKEN", show_envvar=True, help="Asked of whoever uses it."),
]
WaitOption = Annotated[
    float, typer.Option(min=0, help="How long a run waits for pictures still being decoded.")
]
QueueOption = Annotated[
    int, typer.Option(min=1, help="Pictures taken on at once; over it the answer is 503.")
]
DeadlineOption = Annotated[
    float, typer.Option(metavar="S", help="Seconds for an upload, and as many for its answer.")
]


def serve(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A .safetensors, .xml or .onnx file, a run folder, a tag; cats-and-dogs if none."
        ),
    ] = None,
    more: ModelsOption = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    token: TokenOption = "",
    max_batch: Annotated[int, typer.Option(min=1, help="Most pictures in one run.")] = 32,
    max_wait_ms: WaitOption = 5,
    queue: QueueOption = 256,
    deadline: DeadlineOption = 10,
    max_body_mb: Annotated[float, typer.Option(help="Largest request.")] = 20,
    max_pixels: MaxPixelsOption = None,
    search: SearchOption = None,
    multibox: MultiBoxOption = None,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Serves models over HTTP, with a page to try them on.

    There are health and metrics too.
    Stops on Ctrl-C or SIGTERM, once all that was accepted is answered. docs/serving.md has more.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise not_installed(*missing)
    from inception.serving.app import create_app
    from inception.serving.batching import Batching
    from inception.serving.limits import Limits
    from inception.serving.security import Rules, is_loopback
    from inception.serving.server import bind, run
    from inception.serving.shelf import named
    from inception.serving.workshop import EngineChoice

    sources, local = named(model, more or []), is_loopback(host)
    limits = Limits(queue=queue, body_bytes=int(max_body_mb * 1e6), deadline_s=deadline)
    with bind(host, port) as bound:
        app = create_app(
            sources,
            batching=Batching(max_batch, max_wait_ms / 1000),
            choice=EngineChoice(engine, device, threads, search, multibox),
            limits=limits,
            rules=Rules(token, local_names=local and not token),
        )
        if not local and not token:
            say(f"warning: whoever reaches {host} may use this server; give it a --token", err=True)
        at = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}"
        line = f"serving {', '.join(sources)} at {at}"
        run(app, bound, ready=lambda: say(line), quiet=quiet)
