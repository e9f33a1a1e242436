"""A run on a small Ray cluster of this machine: what one process makes of the files, also where an actor is killed."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="pip install 'aria-docs[ray]'")

import pymupdf
import ray

from aria_docs.flows import ray_run
from aria_docs.run import leases
from aria_docs.run.outcome import Outcome
from aria_docs.run.recipes import Options
from aria_docs.storage.database import Store
from aria_docs.storage.lake import Lake
from aria_docs.storage.load import load
from tests.conftest import Told, make_pdf
from tests.storage.test_spool import dump, read

N_FILES, N_PAGES = 6, 12
OPTIONS = Options(tasks=("tables",), workers=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ray") / "in"
    folder.mkdir()
    for number in range(N_FILES):
        make_pdf(folder / f"{number}.pdf", N_PAGES, tables=(1, N_PAGES), word=f"Report {number}")
    (folder / "copy.pdf").write_bytes((folder / "0.pdf").read_bytes())
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7\nnothing")
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """One for all tests; it tells nobody that it is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        context = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, address="local")
        patch.setattr(ray_run, "_connect", lambda address: None)
        patch.setattr(ray_run.ray, "shutdown", lambda: None)
        yield str(context.address_info["gcs_address"])
    ray.shutdown()


def on_ray(folder: Path, spool: Path, db: Path | None = None) -> Outcome:
    return ray_run.read_on_ray([folder], spool, OPTIONS, command="test", progress=Told(), db=db)


@pytest.mark.usefixtures("cluster")
def test_two_actors_make_what_one_process_makes(folder: Path, tmp_path: Path) -> None:
    one, store = Store(tmp_path / "one.duckdb"), Store(tmp_path / "r.duckdb")
    read(one, folder, tasks=("tables",))
    outcome = on_ray(folder, tmp_path / "spool", store.path)
    assert (outcome.n_read, outcome.n_failed, outcome.n_skipped) == (N_FILES + 1, 1, 0)
    assert dump(store) == dump(one)
    query = "SELECT path, page, caption FROM document_tables ORDER BY ALL"
    assert Lake(tmp_path / "spool").ask(query).rows == one.ask(query).rows
    again = on_ray(folder, tmp_path / "spool", store.path)
    assert (again.n_read, again.n_failed, again.n_skipped) == (0, 1, N_FILES + 1)
    assert dump(store) == dump(one)


def make_register(path: Path, n_pages: int) -> None:
    """A table that goes on over all pages, from the head of each to its foot."""
    with pymupdf.open() as document:
        for number in range(n_pages):
            page = document.new_page(width=360, height=240)
            for row in range(11):
                page.draw_line((30, 20 + 20 * row), (330, 20 + 20 * row))
            for column in range(4):
                page.draw_line((30 + 100 * column, 20), (30 + 100 * column, 220))
            for row in range(10):
                line = number * 10 + row
                texts = (f"Ship {line}", f"{line}.5", f"{line * line}") if line else ("Name", "Length", "Crew")
                for column, text in enumerate(texts):
                    page.insert_text((36 + 100 * column, 34 + 20 * row), text, fontsize=10)
        document.save(path)


@pytest.mark.usefixtures("cluster")
def test_a_long_document_is_shared_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_run, "LONG_BYTES", 1)
    monkeypatch.setattr(leases, "STRETCH_PAGES", 4)
    folder, one, store = tmp_path / "in", Store(tmp_path / "one.duckdb"), Store(tmp_path / "r.duckdb")
    folder.mkdir()
    make_register(folder / "long.pdf", 18)
    (folder / "copy.pdf").write_bytes((folder / "long.pdf").read_bytes())
    make_pdf(folder / "short.pdf", 3, tables=(2, 3))
    read(one, folder, tasks=("tables", "summary"))
    told = Told()
    options = Options(tasks=("tables", "summary"), workers=2)
    outcome = ray_run.read_on_ray([folder], tmp_path / "spool", options, command="test", progress=told, db=store.path)
    assert (outcome.n_read, outcome.n_failed, outcome.n_skipped, outcome.n_pages) == (3, 0, 0, 18 + 3)
    assert store.records("SELECT count(DISTINCT run_id) AS n FROM readings WHERE part LIKE 'page:%'") == [{"n": 2}]
    assert one.records("SELECT count(*) AS n FROM tables WHERE continues IS NOT NULL") == [{"n": 17}]
    assert dump(store) == dump(one)


@pytest.mark.usefixtures("cluster")
def test_an_actor_that_is_killed_costs_its_lease(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, one, spool = Store(tmp_path / "r.duckdb"), Store(tmp_path / "one.duckdb"), tmp_path / "spool"

    class Killing(Told):
        """Ends the process of the first actor once it is at work; the one in its place goes on."""

        pid = 0

        def detail(self, sentence: str) -> None:
            super().detail(sentence)
            if sentence.startswith("worker 1 is process "):
                self.pid = int(sentence.split()[4])

        def part(self, path: str) -> None:
            super().part(path)
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)
                self.pid = 0

    told = Killing()
    outcome = ray_run.read_on_ray([folder], spool, replace(OPTIONS, workers=1), command="test", progress=told)
    assert any("has vanished" in said for said in told.said)
    assert capsys.readouterr().out == ""  # where answers go; Ray tells of it, too
    assert outcome.n_failed == 1
    read(one, folder, tasks=("tables",))
    load(spool, store, say=print)
    assert dump(store) == dump(one)
    assert store.records("SELECT count(*) AS n FROM runs WHERE ended_at IS NULL") == [{"n": 1}]
