"""Prediction over millions of pictures: in parts that are whole or not there, here or on Ray."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inception.data.sources import Source, source_at
from inception.errors import InputError, not_installed
from inception.files import replacing, write_text
from inception.pictures import Item, expanded, is_address
from inception.prediction import find_members, find_model
from inception.predictor import Prediction, Predictor
from inception.remote import place_of
from inception.text import csv_text

MANIFEST = "_manifest.json"  # readers of parquet folders leave out what begins so
UNREADABLE = "_unreadable.csv"


@dataclass(frozen=True)
class Job:
    """What is asked of which pictures, and where the answers go.

    Attributes:
        places: files, folders, tars, globs, addresses and URLs.
        out: a folder of parquet files, which readers of parquet take for one table.
        per_part: pictures of which the answers are written together.
        threads: of each worker.
    """

    model: str
    places: tuple[str, ...]
    out: str
    top: int = 5
    crops: int = 1
    engine: str = "auto"
    device: str = "auto"
    batch_size: int = 32
    threads: int | None = None
    fast_decode: bool = False
    per_part: int = 2_000


@dataclass(frozen=True)
class Stretch:
    """Pictures of one place, ``first`` to ``first + count``; ``digest`` is of all that it has."""

    place: str
    first: int
    count: int
    digest: str


@dataclass(frozen=True)
class Part:
    """Pictures whose answers are one file."""

    number: int
    stretches: tuple[Stretch, ...]

    @property
    def name(self) -> str:
        """The file."""
        return f"part-{self.number:06d}.parquet"


@dataclass(frozen=True)
class Written:
    """A part that is done; ``unreadable`` has path and reason."""

    name: str
    pictures: int
    unreadable: tuple[tuple[str, str], ...] = ()


Engine = Callable[[Job, Sequence[Part]], Iterable[Written]]


def predict_parts(
    job: Job, run: Engine, done: Callable[[int, int], None] = lambda done, total: None
) -> list[Written]:
    """Writes the parts that are missing; what is there of the same job stays.

    Args:
        job: what is asked.
        run: ``here`` or ``on_ray``.
        done: told pictures done and in all.

    Raises:
        InputError: no pictures, or the folder holds something else.
    """
    parts = list(plan_parts(job))
    _claim(job, parts)
    out = Path(job.out)
    written = {part.name: found for part in parts if (found := _read_back(out / part.name))}
    total = sum(stretch.count for part in parts for stretch in part.stretches)
    count = sum(each.pictures for each in written.values())
    done(count, total)
    for each in run(job, [part for part in parts if part.name not in written]):
        written[each.name] = each
        count += each.pictures
        done(count, total)
    return _conclude(job, [written[part.name] for part in parts])


def plan_parts(job: Job) -> Iterator[Part]:
    """All pictures in the order of the places, cut into parts."""
    number, room, waiting = 0, job.per_part, list[Stretch]()
    for place in (str(each) for name in job.places for each in expanded(name)):
        keys, digest = _listed(place)
        first = 0
        while first < keys:
            count = min(room, keys - first)
            waiting.append(Stretch(place, first, count, digest))
            first, room = first + count, room - count
            if not room:
                yield Part(number, tuple(waiting))
                number, room, waiting = number + 1, job.per_part, []
    if waiting:
        yield Part(number, tuple(waiting))


def _listed(place: str, source: Source | None = None) -> tuple[int, str]:
    """How many pictures there are, and a digest of their names."""
    if is_address(place):
        return 1, ""
    keys = (source or source_at(place_of(place))).keys
    names = "\n".join(keys).encode("utf-8", "surrogatepass")
    return len(keys), hashlib.sha256(names).hexdigest()[:16]


def here(job: Job, parts: Sequence[Part]) -> Iterator[Written]:
    """The parts, one after the other, in this process."""
    if parts:
        worker = Worker(job)
        yield from map(worker.write, parts)


def on_ray(job: Job, parts: Sequence[Part], *, workers: int | None = None) -> Iterator[Written]:
    """The parts, by workers on the machines of a Ray cluster, as they are done.

    It is the one that ``RAY_ADDRESS`` names, else one on this machine. All of them see the model,
    the pictures and the folder under the same names. A part whose worker dies is done again.

    Raises:
        InputError: Ray is not installed, or a worker's own.
    """
    ray = _ray()
    threads = job.threads or 1
    most = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
    rows = [{"part": json.dumps(asdict(part))} for part in parts]
    if not rows:
        return
    data = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _RayWorker, fn_constructor_args=[job], batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(rows))),
        num_cpus=threads, num_gpus=1 if job.device == "cuda" else 0,
    )  # fmt: skip
    try:
        for row in data.iter_rows():
            told = json.loads(row["written"])
            yield Written(told["name"], told["pictures"], tuple(map(tuple, told["unreadable"])))
    except ray.exceptions.RayError as error:
        raise _own(error) from error


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise not_installed("ray[data]") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    return ray


def _own(error: BaseException) -> InputError:
    """What one of ours said, out of what Ray wraps it in; any other is a worker's end."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return InputError(str(cause.args[0]))
        cause = cause.__cause__
    told = str(error).strip().splitlines() or [type(error).__name__]
    return InputError(f"a worker on Ray failed: {told[-1]}; run it again to go on")


class Worker:
    """A model made ready, which writes parts."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.predictor = Predictor(
            job.model, job.engine, device=job.device, crops=job.crops, batch_size=job.batch_size,
            threads=job.threads, fast_decode=job.fast_decode,
        )  # fmt: skip
        self._source: tuple[str, Source] | None = None  # the latest place

    def write(self, part: Part) -> Written:
        """One row a picture, readable or not; then the file is moved to its place."""
        items = (item for stretch in part.stretches for item in self._items(stretch))
        rows = list(self.predictor.stream(items, top=self.job.top))
        with replacing(Path(self.job.out) / part.name) as beside:
            _write_parquet(rows, beside)
        return _written(part.name, rows)

    def _items(self, stretch: Stretch) -> Iterator[Item]:
        if is_address(stretch.place):
            yield Item(stretch.place, stretch.place)
            return
        if self._source is None or self._source[0] != stretch.place:
            self._source = (stretch.place, source_at(place_of(stretch.place)))
            if _listed(*self._source)[1] != stretch.digest:
                raise InputError(f"{stretch.place} has other pictures than when this began")
        source = self._source[1]
        for index in range(stretch.first, stretch.first + stretch.count):
            yield Item(source.path(index), (source, index))


class _RayWorker(Worker):
    """The same, as Ray Data hands out rows."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        told = [asdict(self.write(_part(json.loads(str(text))))) for text in batch["part"]]
        return {"written": [json.dumps(each) for each in told]}


def _part(values: dict[str, Any]) -> Part:
    return Part(values["number"], tuple(Stretch(**each) for each in values["stretches"]))


def _written(name: str, rows: Sequence[Prediction]) -> Written:
    unreadable = tuple((row.path, row.error) for row in rows if row.error is not None)
    return Written(name, len(rows), unreadable)


def _write_parquet(rows: Sequence[Prediction], path: Path) -> None:
    pa, parquet = _pyarrow()
    label = pa.struct({"label": pa.string(), "index": pa.int64(), "probability": pa.float64()})
    schema = pa.schema({"path": pa.string(), "top": pa.list_(label), "error": pa.string()})
    values = [row.to_json() | {"path": _utf8(row.path)} for row in rows]
    parquet.write_table(pa.Table.from_pylist(values, schema), path)


def _utf8(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def _read_back(path: Path) -> Written | None:
    """What a finished part holds; nothing where it is not there, or no part."""
    parquet = _pyarrow()[1]
    try:
        table = parquet.read_table(path, columns=["path", "error"]).to_pylist()
    except (OSError, ValueError, LookupError):
        return None
    unreadable = ((row["path"], row["error"]) for row in table if row["error"] is not None)
    return Written(path.name, len(table), tuple(unreadable))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise not_installed("pyarrow") from error
    return pyarrow, pyarrow.parquet


def _claim(job: Job, parts: Sequence[Part]) -> None:
    """Makes the folder this job's. Raises ``InputError`` where it is anything else's."""
    if not parts:
        raise InputError(f"no pictures in {', '.join(job.places)}")
    settings = {n: v for n, v in asdict(job).items() if n not in ("out", "threads", "places")}
    digests = [_sha256(find_model(member)) for member in find_members(job.model)]
    stretches = json.dumps([asdict(part) for part in parts])
    pictures = hashlib.sha256(stretches.encode()).hexdigest()
    identity = json.dumps({**settings, "model": digests, "pictures": pictures})
    out = Path(job.out)
    try:
        there = [name for name in os.listdir(out) if name[0] != "."] if out.exists() else []
        before = json.loads((out / MANIFEST).read_text("utf-8")) if MANIFEST in there else None
    except (OSError, ValueError) as error:
        raise InputError(f"{out} is no folder of predictions: name another --out") from error
    if before is None and there:
        raise InputError(f"{out} holds other files: name another --out")
    if before is not None and before.get("identity") != identity:
        raise InputError(
            f"{out} holds answers of another model, to other pictures or settings: name another "
            "--out"
        )
    if before is None:
        write_text(out / MANIFEST, json.dumps({"identity": identity, "parts": len(parts)}))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _conclude(job: Job, written: list[Written]) -> list[Written]:
    """Writes down that all is done, and what could not be read."""
    out = Path(job.out)
    rows = [{"path": p, "reason": r} for each in written for p, r in each.unreadable]
    write_text(out / UNREADABLE, csv_text(rows))
    manifest = json.loads((out / MANIFEST).read_text("utf-8"))
    parts = [{"name": e.name, "pictures": e.pictures, "unreadable": len(e.unreadable)}
             for e in written]  # fmt: skip
    write_text(out / MANIFEST, json.dumps({"identity": manifest["identity"], "parts": parts}))
    return written
