"""Predictions in parts: a row a picture, whatever dies, and on Ray the same as here."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from colours import write_colours
from command_line import fails, run

from inception import cluster
from inception.cluster import Job, Part, Worker, Written, here, on_ray, plan_parts, predict_parts
from inception.data.datasets import open_data
from inception.data.packing import Packing, pack
from inception.errors import InputError
from inception.predictor import Predictor


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 pictures in a folder and in tars, one of them unreadable."""
    root = tmp_path_factory.mktemp("pets")
    write_colours(root / "folder")
    pack(open_data(root / "folder"), root / "shards", Packing(per_shard=20), threads=1)
    (root / "folder" / "train" / "red" / "3.png").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def local(pets: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A finished job of this process."""
    out = tmp_path_factory.mktemp("local") / "out.parquet"
    job = Job("cats-and-dogs", (str(pets / "folder"), str(pets / "shards")), str(out),
              top=2, engine="torch", device="cpu", threads=1, per_part=30)  # fmt: skip
    assert [each.pictures for each in predict_parts(job, here)] == [30, 30, 30, 30, 8]
    return job


def table(job: Job) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(job.out).to_pylist()
    return rows


def test_parts_hold_a_row_a_picture_as_predict_gives_them(pets: Path, local: Job) -> None:
    predictor = Predictor("cats-and-dogs", "torch", device="cpu", threads=1)
    wanted = [p.to_json() for p in predictor.predict(list(local.places), top=2)]
    for ours, theirs in zip(table(local), wanted, strict=True):
        assert (ours["path"], ours["error"]) == (theirs["path"], theirs["error"])
        labels = [[(t["label"], t["index"]) for t in row["top"]] for row in (ours, theirs)]
        assert labels[0] == labels[1]
        chances = [[t["probability"] for t in row["top"]] for row in (ours, theirs)]
        assert chances[0] == pytest.approx(chances[1], abs=1e-5)  # other batches
    unreadable = (Path(local.out) / cluster.UNREADABLE).read_text().splitlines()
    red = pets / "folder" / "train" / "red" / "3.png"
    assert unreadable == ["path,reason", f"{red},not a picture in any known format"]


class Died(BaseException):
    pass


@pytest.mark.parametrize("at", [0, 2])
def test_run_again_after_a_death_only_what_is_missing_is_done(
    local: Job, tmp_path: Path, at: int
) -> None:
    job = replace(local, out=str(tmp_path / "out"))

    def dies(job: Job, parts: list[Part]) -> Iterator[Written]:
        worker = Worker(job)
        for part in parts[:at]:
            yield worker.write(part)
        raise Died

    with pytest.raises(Died):
        predict_parts(job, dies)  # type: ignore[arg-type]
    begun = []

    def counted(job: Job, parts: list[Part]) -> Iterator[Written]:
        begun.extend(parts)
        return here(job, parts)

    predict_parts(job, counted)  # type: ignore[arg-type]
    assert [part.number for part in begun] == list(range(at, 5))
    assert table(job) == table(local)
    names = {path.name for path in Path(job.out).iterdir()}
    assert names == {f"part-{n:06d}.parquet" for n in range(5)} | {
        cluster.MANIFEST, cluster.UNREADABLE
    }  # fmt: skip


def test_a_folder_of_another_job_is_left_alone(pets: Path, local: Job, tmp_path: Path) -> None:
    for other in ({"top": 1}, {"crops": 10}, {"places": (str(pets / "shards"),)}):
        with pytest.raises(InputError, match="answers of another model, to other pictures or sett"):
            predict_parts(replace(local, **other), here)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="holds other files"):
        predict_parts(replace(local, out=str(pets)), here)
    changed = shutil.copytree(pets / "folder", tmp_path / "folder")
    job = replace(local, places=(str(changed),), out=str(tmp_path / "out"))
    parts = list(plan_parts(job))
    (changed / "train" / "red" / "0.png").unlink()
    with pytest.raises(InputError, match="has other pictures than when this began"):
        list(here(job, parts))


def test_the_command_line_writes_parts(pets: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out.parquet")
    words = ["predict", str(pets / "folder"), "--threads", "1", "--engine", "torch"]
    done = run(*words, "--out", out)
    assert done.returncode == 1 and done.stdout == f"64 pictures in 1 parts: {out}\n"
    assert "1 of 64 pictures could not be read" in done.stderr
    assert run(*words, "--out", out).returncode == 1
    assert "go together" in fails(*words, "--out", out, "--json", "-")
    assert "go together" in fails("predict", str(pets / "folder"), "--engine", "ray")
    assert "--workers is of" in fails(*words, "--out", out, "--workers", "2")


@pytest.fixture(scope="module")
def ray(pets: Path) -> Iterator[Any]:
    """One Ray for the module: two workers' cores, whatever the machine has."""
    module = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *os.sys.path]))  # type: ignore[attr-defined]
        module.init(num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False,
                    object_store_memory=80_000_000, logging_level="ERROR")  # fmt: skip
        yield module
        module.shutdown()


class Mortal(cluster._RayWorker):
    """Dies once, in the middle of a part."""

    def write(self, part: Part) -> Written:
        grave = Path(f"{self.job.out}.grave")
        if part.number == 1 and not grave.exists():
            grave.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().write(part)


@pytest.mark.filterwarnings("ignore")
def test_ray_gives_what_this_process_does_though_a_worker_dies(
    ray: Any, local: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_RayWorker", Mortal)
    job = replace(local, out=str(tmp_path / "out"))
    seen: list[tuple[int, int]] = []
    predict_parts(job, on_ray, lambda done, total: seen.append((done, total)))
    assert Path(f"{job.out}.grave").exists()
    assert table(job) == table(local)
    assert seen[0] == (0, 128) and seen[-1] == (128, 128)
    (Path(job.out) / "part-000003.parquet").unlink()
    again = predict_parts(job, on_ray)
    assert [each.pictures for each in again] == [30, 30, 30, 30, 8]
    assert table(job) == table(local)


@pytest.mark.filterwarnings("ignore")
def test_a_mistake_of_a_worker_on_ray_is_one_line(ray: Any, local: Job, tmp_path: Path) -> None:
    job = replace(local, out=str(tmp_path / "out"), places=local.places[:1], engine="nonsense")
    with pytest.raises(InputError, match="nonsense"):
        predict_parts(job, on_ray)
