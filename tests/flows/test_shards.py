"""Shards by two workers of a Prefect work pool: one is killed in the middle, and nothing is lost or different."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prefect")

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.deployments import run_deployment
from prefect.flows import Flow

from aria_docs.errors import AriaDocsError
from aria_docs.flows.shards import load_spool, shard, shards
from aria_docs.ingest.folder import find
from aria_docs.ingest.shards import Shard
from aria_docs.run.recipes import Options
from aria_docs.run.run import Run
from aria_docs.storage.database import Store
from aria_docs.storage.lake import Lake
from aria_docs.storage.spool import Spool
from tests.conftest import Told, make_pdf
from tests.storage.test_spool import dump, parts_read

ROOT = Path(__file__).parents[2]
OPTIONS = Options(tasks=("tables",))
N_FILES, N_PAGES = 8, 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small PDFs, enough of them to be killed in the middle, and as many in either of two shards."""
    folder = tmp_path_factory.mktemp("shards") / "in"
    folder.mkdir()
    n_of = {True: 0, False: 0}
    while sum(n_of.values()) < N_FILES:
        name = f"{sum(n_of.values())}.pdf"
        pdf = make_pdf(folder / name, N_PAGES, tables=tuple(range(1, N_PAGES + 1)), word=f"Report {name}")
        [found] = find([pdf]).files
        is_first = Shard(1, 2).has(found)
        if n_of[is_first] < N_FILES // 2:  # else another in its place: no two PDFs have the same id
            n_of[is_first] += 1
    return folder


@pytest.fixture(scope="module")
def one(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What a single process makes of them."""
    store = Store(folder.parent / "one.duckdb")
    with Run(store, Options(tasks=("tables",), workers=2), command="test", progress=Told()) as run:
        run.outcome.add(run.read(run.find([folder])))
    return dump(store)


def until(condition: Callable[[], Any], what: str, patience_s: float = 120) -> Any:
    deadline = time.monotonic() + patience_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {patience_s} s: {what}"
        time.sleep(0.05)
    return answer


def kill_tree(pid: int) -> None:
    """The process and what descends from it, as when a machine is gone."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # ended meanwhile
            continue
    doomed = [pid]
    for parent in doomed:
        doomed += [child for child, of in parents.items() if of == parent]
    for process in doomed:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def n_read(spool: Path) -> int:
    return len(parts_read(Spool(spool))) if spool.exists() else 0


# A Prefect work pool


@pytest.fixture
def deployed(tmp_path: Path) -> str:
    """A process pool of its own, and the flows as its deployments, as `prefect.yaml` has them; its name."""
    name = f"pool-{os.getpid()}"
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    for flow in (shard, load_spool):
        there: Flow[Any, Any] = flow.from_source(source=str(ROOT), entrypoint=f"flows/shards.py:{flow.fn.__name__}")
        there.deploy(name=name, work_pool_name=name, print_next_steps=False, build=False, push=False)
    return name


@pytest.fixture
def workers(deployed: str, prefect_server_url: str) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Two, each with room for one run at a time."""
    environment = os.environ | {"PREFECT_API_URL": prefect_server_url, "PREFECT_WORKER_QUERY_SECONDS": "1"}
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", deployed, "--limit", "1"]
    started = [
        subprocess.Popen(
            [*command, "--name", f"worker-{number}"], env=environment, cwd=ROOT, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for number in (1, 2)
    ]  # fmt: skip
    yield started
    for worker in started:
        kill_tree(worker.pid)
        worker.wait()


def test_two_workers_of_a_process_pool(
    deployed: str, workers: list["subprocess.Popen[bytes]"], folder: Path, one: dict[str, Any], tmp_path: Path
) -> None:
    spool, db = tmp_path / "spool", tmp_path / "r.duckdb"
    called = {"paths": [str(folder)], "spool": str(spool), "options": OPTIONS}
    for share in ("1/2", "2/2"):
        run_deployment(f"shard/{deployed}", parameters=called | {"share": share}, timeout=0, as_subflow=False)
    until(lambda: both_are_at_work(spool), "both shards are at work")
    kill_tree(workers[0].pid)
    assert 0 < n_read(spool) < N_FILES * N_PAGES

    shards([str(folder)], str(spool), str(db), n=2, options=OPTIONS, deployments=deployed)

    assert dump(Store(db)) == one
    assert len(Store(db).records("FROM readings")) == N_FILES * N_PAGES
    assert len(Store(db).records("FROM runs WHERE ended_at IS NULL")) == 1


def both_are_at_work(spool: Path) -> bool:
    """Two runs have left pages whose tables were read."""
    rows = Lake(spool).records("SELECT DISTINCT run_id FROM readings") if n_read(spool) else []
    return len(rows) == 2


def test_a_share_that_fails_for_good_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[str]]] = []

    def run_all(deployment: str, calls: dict[str, dict[str, Any]]) -> list[str]:
        asked.append((deployment, list(calls)))
        return [key for key in calls if key == "2/3"]

    monkeypatch.setattr("aria_docs.flows.shards._run_all", run_all)
    with pytest.raises(AriaDocsError, match=r"not read, after 3 runs: shards 2/3; all else is in r\.duckdb"):
        shards(["in"], "spool", "r.duckdb", n=3)
    assert asked == [
        ("shard/aria-docs", ["1/3", "2/3", "3/3"]),
        ("shard/aria-docs", ["2/3"]),
        ("shard/aria-docs", ["2/3"]),
        ("load/aria-docs", ["load"]),
    ]
