"""``inception benchmark``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.output import DeviceOption, JsonOption, QuietOption, ThreadsOption, say

if TYPE_CHECKING:
    from inception.benchmark.compare import Candidate, Comparison, Conditions, Row

DEFAULT = "googlenet_bn"
BATCH_SIZES = "1,8,32"
ENGINES = ("openvino", "onnx", "torch")
PRECISIONS = ("fp32", "int8")
EXPORTED_IN = {".xml": "openvino", ".onnx": "onnx"}
NOISE = 8  # pictures to make an int8 model of: its speed does not depend on them

ModelsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL",
        help=f"Models, or architectures with fresh weights; {DEFAULT} where left out.",
        show_default=False,
    ),
]
AgainstOption = Annotated[
    str | None, typer.Option(help="torchvision: its eager model, measured in the same turns.")
]
PicturesOption = Annotated[
    Path | None, typer.Option(help="A folder of pictures to classify from their files too.")
]


def benchmark(
    models: ModelsArgument = None,
    engines: Annotated[
        str | None, typer.Option(help="As torch,openvino,onnx; all that are installed by default.")
    ] = None,
    precisions: Annotated[
        str | None, typer.Option(help="As fp32,int8; all that can be made by default.")
    ] = None,
    batch_sizes: Annotated[str, typer.Option(help="Pictures in one run.")] = BATCH_SIZES,
    against: AgainstOption = None,
    pictures: PicturesOption = None,
    seconds: Annotated[float, typer.Option(min=0, help="To measure each row for.")] = 2,
    plot: Annotated[Path | None, typer.Option(help="Draw the speeds, a PNG.")] = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    json: JsonOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measures how fast models run, engine by engine.

    And what share of what the machine can do that takes.
    Everything runs in turns, in processes of its own; what is given are medians. Where there were
    fewer than a hundred runs, p99 is close to the slowest.
    """
    from inception.benchmark.compare import Conditions, compare_speed, steps
    from inception.cli.output import console, progress, write_json

    how = Conditions(
        batch_sizes=_numbers(batch_sizes),
        files=_files(pictures) if pictures else (),
        against=_known(against),
        seconds=seconds,
        device=device,
        threads=threads,
    )
    made = _candidates(
        models or [DEFAULT],
        _names(engines, "engine", ENGINES),
        _names(precisions, "precision", PRECISIONS),
        device,
    )
    with made as candidates, progress(quiet=quiet) as bar:
        task = bar.add_task("measuring in turns", total=steps(candidates, how))
        result = compare_speed(candidates, how, tell=lambda: bar.advance(task))
    write_json([row.to_json() for row in result.rows], json)
    if plot:
        from inception.drawing import draw_speeds

        draw_speeds([row.to_json() for row in result.rows], plot)
    if json != "-" and not quiet:
        out = console()
        out.print(_table(result, how))
        out.print(_machine(result, how), style="dim")


def _numbers(text: str) -> tuple[int, ...]:
    from inception.errors import InputError

    words = text.replace(" ", "").split(",")
    if not all(word.isdigit() and int(word) > 0 for word in words):
        raise InputError(f"--batch-sizes are whole numbers, as {BATCH_SIZES}; got {text!r}")
    return tuple(dict.fromkeys(int(word) for word in words))


def _known(against: str | None) -> str | None:
    from inception.benchmark import import_torchvision
    from inception.errors import unknown

    if against is None:
        return None
    if against != "torchvision":
        raise unknown("rival", against, ["torchvision"])
    import_torchvision()  # or says how to install it
    return against


def _names(text: str | None, kind: str, known: Sequence[str]) -> list[str] | None:
    from inception.errors import unknown

    if text is None:
        return None
    names = text.replace(" ", "").split(",")
    for name in names:
        if name not in known:
            raise unknown(kind, name, known)
    return names


def _files(folder: Path) -> tuple[str, ...]:
    """The first readable pictures of a folder; unreadable ones are named on standard error."""
    from inception.benchmark.compare import MOST_FILES
    from inception.data.images import UnreadableImageError, read_image
    from inception.data.sources import pictures_at
    from inception.errors import InputError
    from inception.pictures import check_paths

    check_paths([str(folder)])
    good: list[str] = []
    for source, index in pictures_at(folder):
        try:
            read_image(source.read(index), name=source.path(index))
        except UnreadableImageError as error:
            say(f"left out: {error}", err=True)
            continue
        good.append(source.path(index))
        if len(good) == MOST_FILES:
            break
    if not good:
        raise InputError(f"no readable pictures in {folder}")
    return tuple(good)


@contextmanager
def _candidates(
    models: list[str], engines: list[str] | None, precisions: list[str] | None, device: str
) -> Iterator[list[Candidate]]:
    """Every model in every engine and precision; files made for it lie in a folder that goes."""
    from tempfile import TemporaryDirectory

    from inception.benchmark.compare import Candidate
    from inception.errors import InputError
    from inception.prediction import find_model
    from inception.weights.model_file import is_exported, read_info

    with TemporaryDirectory() as folder:
        candidates = []
        for name in models:
            path = _fresh(name, Path(folder)) or find_model(name)
            spec = read_info(path).spec
            if is_exported(path):
                forms = [(EXPORTED_IN[path.suffix], _exported_precision(path), path)]
            else:
                forms = list(_forms(path, Path(folder), engines, precisions, device))
            candidates += [Candidate(name, place, spec, e, p) for e, p, place in forms]
        if not candidates:
            raise InputError("only openvino and onnx run int8; leave out --engines or --precisions")
        yield candidates


def _forms(
    path: Path, folder: Path, engines: list[str] | None, precisions: list[str] | None, device: str
) -> Iterator[tuple[str, str, Path]]:
    """Engine, precision and file of every way to run a model; without names, of all installed."""
    from inception.runtime import has_gpu

    on_gpu = device == "cuda" or (device == "auto" and has_gpu())
    for engine in engines or (["torch"] if device == "cuda" else _installed(ENGINES)):
        if not precisions or "fp32" in precisions:
            yield engine, "bf16" if on_gpu and engine == "torch" else "fp32", path
        if engine == "torch":
            continue
        if "int8" in precisions if precisions else _installed(["int8"]):
            yield engine, "int8", _int8(path, engine, folder)


def _installed(parts: Iterable[str]) -> list[str]:
    """Engines, or int8, whose packages are there."""
    from importlib.util import find_spec

    from inception.runtime import PACKAGES

    return [part for part in parts if all(map(find_spec, PACKAGES.get(part, ())))]


def _int8(path: Path, engine: str, folder: Path) -> Path:
    """The model in int8 as ``inception export`` writes it, but for ranges measured on noise."""
    from inception.benchmark.ways import noise
    from inception.export.formats import FORMATS, Content
    from inception.runtime import check_installed, read_program
    from inception.weights.model_file import read_info

    for part in (engine, "int8"):
        check_installed(part)
    info, chosen = read_info(path), FORMATS[engine]
    shown = list(noise(NOISE, info.preprocessing.size)[:, None])
    made = folder / f"{path.stem}-{len(list(folder.iterdir()))}{chosen.suffix}"
    chosen.write(Content(read_program(path), info, "int8", shown), made)
    return made


def _exported_precision(path: Path) -> str:
    """``int8`` where an exported graph has operations that quantise."""
    graph = path.read_bytes()
    return "int8" if b"FakeQuantize" in graph or b"QuantizeLinear" in graph else "fp32"


def _fresh(name: str, folder: Path) -> Path | None:
    """A file with fresh weights where ``name`` is an architecture."""
    from dataclasses import replace

    from inception.models import MODELS, create_model
    from inception.weights.model_file import ModelInfo, save_model

    if name not in MODELS or Path(name).exists():
        return None
    import torch

    torch.manual_seed(0)
    network = create_model(replace(MODELS[name], aux={}))
    classes = tuple(map(str, range(network.spec.num_classes)))
    path = folder / f"{name}.safetensors"
    save_model(path, network.state_dict(), ModelInfo(network.spec, classes))
    return path


def _table(result: Comparison, how: Conditions) -> Any:
    from inception.cli.output import table

    columns = ["model", "engine", "precision", "batch", "pictures/s", "p50 ms", "p99 ms"]
    columns += ["peak MB", "GMAC/s", "of ceiling"]
    if how.against:
        columns.insert(5, "×")
    if how.files:
        columns.append("from files/s")
    if how.files and how.against:
        columns.append("×")
    return table(columns, [_cells(row, result, how) for row in result.rows], left=3)


def _cells(row: Row, result: Comparison, how: Conditions) -> list[str]:
    share = row.share_of_ceiling
    cells = [row.name, row.engine, row.precision, str(row.batch), f"{row.images_per_second:,.1f}"]
    cells += [f"{row.latency_ms_p50:,.1f}", f"{row.latency_ms_p99:,.1f}"]
    cells += [f"{row.peak_memory_mb:,.0f}", f"{row.macs_per_second / 1e9:,.1f}"]
    cells.append("–" if share is None else f"{100 * share:.0f} %")
    rival = _rival(row, result)
    if how.against:
        cells.insert(5, _times(row.images_per_second, rival.images_per_second if rival else None))
    if how.files:
        cells.append(f"{row.files_per_second or 0:,.1f}")
    if how.files and how.against:
        cells.append(_times(row.files_per_second, rival.files_per_second if rival else None))
    return cells


def _rival(row: Row, result: Comparison) -> Row | None:
    from inception.benchmark.compare import USUAL

    same = (r for r in result.rows if (r.name, r.batch) == (row.name, row.batch))
    return next((r for r in same if r.engine == USUAL), None)


def _times(one: float | None, other: float | None) -> str:
    return f"{one / other:.2f}" if one and other else "–"


def _machine(result: Comparison, how: Conditions) -> str:
    from inception.machine import available_cores

    reached = ", ".join(f"{p} {c / 1e9:,.0f} GMAC/s" for p, c in result.ceilings.items())
    threads = how.threads or available_cores()
    files = f"; {len(how.files)} files" if how.files else ""
    rival = f"; ×: as fast as {how.against}" if how.against else ""
    kernel = f"; the machine's best dense kernel: {reached}" if reached else ""
    return f"{threads} threads{kernel}{files}{rival}"
