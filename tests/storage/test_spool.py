"""Finished parts in files, and from there into the database: nothing is lost, doubled or different."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from aria_docs.errors import QueryError, SpoolError, UsageError
from aria_docs.ingest.folder import find
from aria_docs.ingest.shards import WHOLE, Shard
from aria_docs.run.outcome import Outcome
from aria_docs.run.recipes import Options
from aria_docs.run.run import Run
from aria_docs.schemas.readings import FailureRow, Finished, ReadingRow, RecipeRow, RunRow, SidecarRow, reading_id
from aria_docs.schemas.records import RecordRow, SchemaRow
from aria_docs.schemas.sources import FileRow, PageRow, SourceRow
from aria_docs.schemas.tables import CellRow, TableRow, table_id
from aria_docs.storage import batches, lake
from aria_docs.storage.database import Store
from aria_docs.storage.keeper import Batch, FileStamp, Keeper
from aria_docs.storage.lake import Lake
from aria_docs.storage.load import load
from aria_docs.storage.spool import Spool
from tests.conftest import SharedSandbox, Told, make_pdf

HERE = Path(__file__).parents[1]
ROWS = {
    "files": "*", "sources": "* EXCLUDE (first_seen_at)", "readings": "* EXCLUDE (run_id, seconds, read_at)",
    "pages": "*", "tables": "*", "cells": "*", "shots": "*", "scenes": "*", "summaries": "*",
    "failures": "* EXCLUDE (failed_at)", "recipes": "*", "stacked_tables": "*", "sidecars": "*",
}  # fmt: skip


def dump(store: Store) -> dict[str, list[dict[str, Any]]]:
    """All there is, but for run ids and timings."""
    return {name: store.records(f"SELECT {columns} FROM {name} ORDER BY ALL") for name, columns in ROWS.items()}


def read(keeper: Keeper, *paths: Path, **options: Any) -> Outcome:
    told = Told()
    with Run(keeper, Options(workers=2, **options), command="test", progress=told) as run:
        run.outcome.add(run.read(run.find(paths)))
    return run.outcome


def make_table_over_pages(path: Path) -> None:
    """A ruled table at the foot of the first page that goes on at the head of the second, and one on the third."""
    import pymupdf

    with pymupdf.open() as document:
        for top in (700, 60, 300):
            page = document.new_page()
            page.insert_text((72, 40 if top > 60 else 400), "The stations and their lamps, as counted.", fontsize=11)
            for row in range(4):
                page.draw_line((72, top + 20 * row), (272, top + 20 * row))
                for column, text in enumerate((f"lamp {row}", f"{row}.5") if row else ("Station", "Lamps")):
                    if row < 3:
                        page.insert_text((76 + 100 * column, top + 14 + 20 * row), text, fontsize=11)
            for column in range(3):
                page.draw_line((72 + 100 * column, top), (72 + 100 * column, top + 60))
        document.save(path)


def quiet(sentence: str) -> None:
    pass


@dataclass
class Made:
    """A folder, what one process makes of it, and what two workers leave of it in a spool."""

    folder: Path
    one: dict[str, list[dict[str, Any]]]
    spool: Path
    outcomes: list[Outcome]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, box: Any, video: Path) -> Iterator[Made]:
    top = tmp_path_factory.mktemp("spool")
    folder = top / "in"
    folder.mkdir()
    make_pdf(folder / "long.pdf", 5, tables=(2, 3, 5))
    make_table_over_pages(folder / "over.pdf")
    make_pdf(folder / "other.pdf", 2, tables=(1,), word="Costs")
    shutil.copy(folder / "other.pdf", folder / "copy.pdf")
    make_pdf(folder / "p2.tables.damaged.pdf", 3, word="Wages")
    make_pdf(folder / "locked.pdf", 1, encryption=4, user_pw="x", owner_pw="y")
    for number in range(4):
        make_pdf(folder / f"small{number}.pdf", 1, word=f"Small {number}")
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7\nnothing")
    shutil.copy(folder / "bad.pdf", folder / "worse.pdf")
    (folder / "empty.pdf").touch()
    (folder / "notes.txt").write_text("nothing to read")
    for name in (video, video.with_suffix(".srt")):
        shutil.copy(name, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aria_docs.run.run.Sandbox", lambda **_: SharedSandbox(box))
        one = Store(top / "one.duckdb")
        read(one, folder)
        patch.setattr(batches, "compact", lambda *_, **__: None)
        outcomes = [read(Spool(top / "spool"), folder, shard=Shard(number, 2)) for number in (1, 2)]
        yield Made(folder, dump(one), top / "spool", outcomes)


@pytest.fixture
def spool(made: Made, tmp_path: Path) -> Spool:
    """A copy of the spool."""
    return Spool(Path(shutil.copytree(made.spool, tmp_path / "spool")))


def ids(spool: Spool) -> list[str]:
    """The batches, those in compacted ones too."""
    held = lake.every_batch(spool.path, on_bad=lambda name, error: None)
    return sorted(name for one in held for name in one.manifest.batches)


def test_loaded_it_is_what_one_process_makes(made: Made, spool: Spool, tmp_path: Path) -> None:
    store = Store(tmp_path / "r.duckdb")
    loaded = load(spool.path, store, say=quiet)
    assert dump(store) == made.one
    assert {name: len(rows) for name, rows in made.one.items()} == {
        "files": 13, "sources": 11, "readings": 26, "pages": 17, "tables": 7, "cells": 66, "shots": 2, "scenes": 2,
        "summaries": 8, "failures": 5, "recipes": 4, "stacked_tables": 4, "sidecars": 2,
    }  # fmt: skip
    assert [row["continues"] is not None for row in made.one["tables"]].count(True) == 1
    assert made.one["scenes"][0]["thumbnail"].startswith(b"\xff\xd8")
    assert (loaded.n_files, loaded.n_before, loaded.left) == (len(ids(spool)), 0, {})
    runs = store.records("SELECT run_id, n_read, n_failed, ended_at >= started_at AS ended FROM runs ORDER BY ALL")
    told = [
        {"run_id": o.run_id, "n_read": o.n_read, "n_failed": o.n_failed, "ended": True}
        for o in sorted(made.outcomes, key=lambda outcome: outcome.run_id)
    ]
    assert runs == told


def test_what_is_loaded_is_not_loaded_again(made: Made, spool: Spool, tmp_path: Path) -> None:
    first, second = Store(tmp_path / "a.duckdb"), Store(tmp_path / "b.duckdb")
    for store in (first, first, second):
        before = load(spool.path, store, say=quiet).n_before
        assert (dump(store), len(store.records("FROM runs"))) == (made.one, 2)
        assert before in (0, len(ids(spool)))
    assert before == 0  # another database has its own memory


def test_each_file_falls_to_one_shard_and_its_copies_with_it(made: Made) -> None:
    assert [outcome.n_files + outcome.n_elsewhere for outcome in made.outcomes] == [14, 14]
    assert sum(outcome.n_files for outcome in made.outcomes) == 14
    assert all(outcome.n_read for outcome in made.outcomes)
    files = find([made.folder]).files
    shares = {file.name: [Shard(number, 7).has(file) for number in range(1, 8)] for file in files}
    assert all(share.count(True) == 1 for share in shares.values())
    assert shares["copy.pdf"] == shares["other.pdf"]
    assert len({share.index(True) for share in shares.values()}) > 2
    gone = replace(files[0], path="/nowhere/a.pdf")  # by its path, then
    assert [Shard(number, 7).has(gone) for number in range(1, 8)].count(True) == 1
    assert WHOLE.has(gone)


def test_another_number_of_shards_reads_nothing_twice(made: Made, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    shutil.copytree(made.spool, spool.path)
    shards = [Shard(number, 3) for number in (1, 2, 3)]
    again = [read(spool, made.folder, shard=shard) for shard in shards]
    assert [outcome.n_read for outcome in again] == [0, 0, 0]
    assert sum(outcome.n_skipped for outcome in again) == sum(outcome.n_read for outcome in made.outcomes)
    assert sum(outcome.n_failed for outcome in again) == sum(outcome.n_failed for outcome in made.outcomes)
    store = Store(tmp_path / "r.duckdb")
    assert load(spool.path, store, say=quiet).n_parts == len(made.one["readings"])
    assert dump(store) == made.one


def test_what_changes_in_the_folder_changes_in_the_database(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    shutil.copytree(made.folder, folder)
    spool, one, store = Spool(tmp_path / "spool"), Store(tmp_path / "one.duckdb"), Store(tmp_path / "r.duckdb")

    def both(n_shards: int, **options: Any) -> dict[str, Any]:
        read(one, folder, **options)
        for number in range(n_shards):
            read(spool, folder, shard=Shard(number + 1, n_shards), **options)
        load(spool.path, store, say=quiet)
        assert dump(store) == dump(one)
        return dump(one)

    both(2)
    (folder / "long.pdf").unlink()
    make_pdf(folder / "small0.pdf", 2, word="Grown", tables=(1, 2))
    shutil.copy(folder / "small1.pdf", folder / "empty.pdf")
    (folder / "worse.pdf").write_bytes(b"%PDF-1.7\nsomething else")
    rows = both(3)
    assert [row["path"] for row in rows["files"] if not row["present"]] == [str(folder / "long.pdf")]
    make_pdf(folder / "long.pdf", 5, tables=(2, 3, 5))
    rows = both(2, retry_failed=True, tasks=("tables",))
    assert all(row["present"] for row in rows["files"])
    (folder / "p2.tables.damaged.pdf").rename(folder / "mended.pdf")
    rows = both(2, retry_failed=True)
    assert not [row for row in rows["failures"] if row["part"] == "page:2"]


# Killed


_SLOWLY = f"""if True:
    import sys
    sys.path.insert(0, {str(HERE)!r})
    from aria_docs import cli
    from aria_docs.run import run, scheduler
    from misbehaving import Slow

    run.Sandbox, scheduler.BATCH_PARTS = Slow, 2
    sys.argv[0] = "aria-docs"
    cli.main()
"""


def test_killed_again_and_again_a_worker_loses_nothing_that_was_finished(tmp_path: Path, bench: Any) -> None:
    bench.pdf("all.text.slow.pdf", 24, tables=(1, 2, 9, 10, 23))
    spool = Spool(tmp_path / "spool")
    command = [sys.executable, "-c", _SLOWLY, "run", bench.folder, "--shard", "1/1", "--spool", spool.path]
    for _ in range(3):
        there = len(spool.names()) if spool.path.exists() else 0
        worker = subprocess.Popen(
            [*map(str, command), "--workers", "2"],
            env=os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while not spool.path.exists() or len(spool.names()) < there + 3:  # its run, and two batches
            assert worker.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        half = spool.path / f".{batches.host()}-{worker.pid}-20990101T000000000000-ab-000001.tmp"
        half.mkdir()
        (half / "pages.parquet").write_bytes(b"PAR1half a batch")
    before = parts_read(spool)
    assert 6 <= len(before) < 25

    outcome = read(spool, bench.folder)

    assert outcome.n_parts == 25 - len(before)
    assert [path.name for path in spool.path.iterdir() if path.name[0] == "."] == []
    read(bench.store, bench.folder)
    store = Store(tmp_path / "loaded.duckdb")
    assert load(spool.path, store, say=quiet).n_parts == 25
    assert dump(store) == dump(bench.store)
    assert store.records("SELECT count(*) AS n FROM runs WHERE ended_at IS NULL") == [{"n": 3}]


def test_a_file_half_written_by_a_living_worker_or_another_machine_is_let_be(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    mine = tmp_path / f".{batches.host()}-{os.getpid()}-x.tmp"
    theirs, old = tmp_path / ".elsewhere-1-x.tmp", tmp_path / ".elsewhere-2-x.tmp"
    for path in (mine, theirs, old):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    spool.prepare(patience_s=0)
    assert sorted(tmp_path.iterdir()) == sorted([mine, theirs])
    assert load(tmp_path, Store(tmp_path.parent / "hidden.duckdb"), say=quiet).left == {}


_LOAD_AND_DIE = """if True:
    import os, signal, sys
    from pathlib import Path
    from aria_docs.storage import load
    from aria_docs.storage.database import Store

    folder, db, n, when = sys.argv[1:]
    left = int(n)
    load._AT_ONCE_BATCHES = 1
    replace, merge = load._replace_records, load._merge

    def before(db):
        replace(db)
        if when == "before" and left == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(*arguments):
        global left
        done = merge(*arguments)
        left -= 1
        if when == "after" and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    load._replace_records, load._merge = before, after
    load.load(Path(folder), Store(Path(db)), say=print)
"""


def test_killed_before_and_after_a_commit_a_loader_loads_each_batch_once(
    made: Made, spool: Spool, tmp_path: Path
) -> None:
    store, names = Store(tmp_path / "r.duckdb"), spool.names()
    for n, when in ((2, "before"), (2, "after"), (1, "after"), (1, "before")):
        arguments = [str(spool.path), str(store.path), str(n), when]
        done = subprocess.run([sys.executable, "-c", _LOAD_AND_DIE, *arguments], capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert store.loaded_files() == set(names[:4])
    assert load(spool.path, store, say=quiet).n_before == 4
    assert dump(store) == made.one
    assert len(store.records("FROM loaded_spool_files")) == len(names)
    assert len(store.records("FROM runs")) == 2


def test_it_can_be_asked_without_loading(made: Made, spool: Spool, tmp_path: Path) -> None:
    store = Store(tmp_path / "r.duckdb")
    load(Path(shutil.copytree(spool.path, tmp_path / "copy")), store, say=quiet)
    for query in (
        "FROM document_tables ORDER BY ALL", "FROM document_cells ORDER BY ALL", "FROM figures ORDER BY ALL",
        "FROM search('lamp') ORDER BY ALL", "SELECT * EXCLUDE (thumbnail) FROM video_scenes ORDER BY ALL",
        "FROM failures ORDER BY ALL",
        "FROM review ORDER BY ALL", "FROM file_summaries ORDER BY ALL", "FROM stacks ORDER BY ALL",
        """
            SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main' AND database_name <> 'temp'
            AND NOT starts_with(table_name, 'stacked_') ORDER BY ALL
        """,
    ):  # fmt: skip
        assert Lake(spool.path).ask(query).rows == store.ask(query).rows, query
    with pytest.raises(QueryError):
        Lake(spool.path).ask(f"FROM read_text('{__file__}')")


# What else may be in a spool


def test_what_cannot_be_loaded_is_told_of_and_its_shard_reads_it_again(
    made: Made, spool: Spool, tmp_path: Path
) -> None:
    store = Store(tmp_path / "r.duckdb")
    cut, bent, *_ = sorted(path.parent for path in spool.path.glob("*/cells.parquet"))
    cells, readings = cut / "cells.parquet", bent / "readings.parquet"
    cells.write_bytes(cells.read_bytes()[:-30])
    content = bytearray(readings.read_bytes())
    content[len(content) // 2] ^= 0xFF
    readings.write_bytes(content)
    newer, foreign = (spool.path / f"29990101T000000000000-ab-00000{no}" for no in (0, 1))
    for folder, manifest in ((newer, '{"aria-docs spool": 3, "by": "9.0"}'), (foreign, "[1]")):
        folder.mkdir()
        (folder / lake.MANIFEST).write_text(manifest)
    (spool.path / "notes.txt").write_text("of somebody")
    (spool.path / "more").mkdir()
    n = len(spool.names())
    said: list[str] = []

    loaded = load(spool.path, store, say=said.append)

    assert loaded.left.keys() == {cut.name, bent.name, newer.name, foreign.name, "notes.txt", "more"}
    assert said == [f"left out: {sentence}" for sentence in loaded.left.values()]
    assert all(str(spool.path / name) in sentence for name, sentence in loaded.left.items())
    assert "notes.txt is no part of a spool: move it elsewhere" in loaded.left["notes.txt"]
    assert "remove it and run its shard again" in loaded.left[cut.name]
    assert "written by aria-docs 9.0" in loaded.left[newer.name]
    assert loaded.n_files == n - 4
    assert dump(store) != made.one

    for path in (cut, bent, newer, foreign):
        shutil.rmtree(path)
    for number in (1, 2):
        read(spool, made.folder, shard=Shard(number, 2))
    load(spool.path, store, say=quiet)
    assert dump(store) == made.one


def test_a_batch_that_does_not_fit_the_database_costs_itself_only(made: Made, spool: Spool, tmp_path: Path) -> None:
    """Of a schema whose table the user has made otherwise: the transaction of all fails, then each has its own."""
    store = Store(tmp_path / "r.duckdb")
    spool.begin_run(run_row("ab"), [], schema=SCHEMA)
    store.prepare(patience_s=0)
    with store.writing() as db:
        db.execute("CREATE TABLE x_invoice (mine VARCHAR)")

    loaded = load(spool.path, store, say=quiet)

    [(name, sentence)] = loaded.left.items()
    assert re.search("-ab-000000", name) and "does not fit into the database" in sentence and "x_invoice" in sentence
    assert dump(store) == made.one


def test_a_disk_that_is_full_leaves_no_half_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "spool")
    spool.prepare(patience_s=0)
    spool.begin_run(run_row("ab"), [])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SpoolError, match=r"-ab-000001: No space left on device"):
            spool.forget(["/a.pdf"])
    assert len(list(spool.path.iterdir())) == 1
    spool.forget(["/a.pdf"])
    assert [name[-6:] for name in spool.names()] == ["000000", "000001"]


def test_a_run_comes_after_those_it_has_seen_whatever_its_clock_says(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    (tmp_path / "29990101T000000000000-ff-000000").mkdir()
    spool.begin_run(run_row("aa"), [])
    assert spool.names()[-1] == "29990101T000000000001-aa-000000"


# The rules of a database


SCHEMA = SchemaRow(
    name="invoice", hash="0" * 64, columns='{"total": "DECIMAL(18,2)", "day": "DATE"}',
    json_schema="{}",
)  # fmt: skip
NOW = datetime(2026, 1, 1)


def run_row(run_id: str) -> RunRow:
    return RunRow(run_id=run_id, started_at=NOW, command="test", engine="embedded", recipe="r")


def a_reading(
    source: str, task: str, part: str, recipe: str = "r1", note: str | None = None, *, read_at: datetime = NOW
) -> ReadingRow:
    own = reading_id(source_id=source, task=task, part=part, recipe=recipe)
    return ReadingRow(
        reading_id=own, run_id="ab", source_id=source, task=task, part=part, engine="embedded", recipe=recipe,
        status="ok", note=note, seconds=1.0, read_at=read_at,
    )  # fmt: skip


def test_records_of_a_custom_schema_travel_too(tmp_path: Path) -> None:
    spool, store = Spool(tmp_path / "spool"), Store(tmp_path / "r.duckdb")
    spool.prepare(patience_s=0)
    spool.begin_run(run_row("ab"), [RecipeRow(recipe="r1", options="{}")], schema=SCHEMA)
    reading = a_reading("a", "invoice", "page:1")
    record = RecordRow(
        name="invoice", hash="0" * 64, reading_id=reading.reading_id, source_id="a", page=1,
        fields='{"total": "1234.50", "day": "2026-02-28"}',
    )  # fmt: skip
    spool.write(Batch(finished=[Finished(reading=reading, records=(record,))]))
    load(spool.path, store, say=quiet)
    assert store.records("SELECT page, total::VARCHAR AS total, year(day) AS y FROM x_invoice") == [
        {"page": 1, "total": "1234.50", "y": 2026}
    ]


def random_part(rng: random.Random, source: str, read_at: datetime, *, stable: bool) -> Finished:
    page = rng.randint(1, 3)
    recipe = rng.choice(["r1", "r2"])
    if rng.random() < 0.2:
        reading = a_reading(source, "summary", "document", recipe, rng.choice([None, "no words here"]), read_at=read_at)
        beside = SidecarRow(reading_id=reading.reading_id, sha256=f"{rng.random()}")
        return Finished(reading=reading, sidecars=(beside,) if rng.random() < 0.5 else ())
    row = PageRow(
        source_id=source,
        page=page,
        width_pt=100 + page,
        height_pt=200,
        from_ocr=False,
        text="é" if stable else f"é{rng.random()}",
    )
    if rng.random() < 0.2:
        return Finished(pages=(row,))
    reading = a_reading(source, "tables", f"page:{page}", recipe, rng.choice([None, "no words here"]), read_at=read_at)
    tables, cells = [], []
    for no in range(rng.randint(0, 2)):
        own = table_id(reading_id=reading.reading_id, page=page, table_no=no)
        tables.append(
            TableRow(
                table_id=own,
                reading_id=reading.reading_id,
                source_id=source,
                page=page,
                table_no=no,
                x0=0.1,
                y0=1 / 3,
                x1=rng.random(),
                y1=99,
                n_rows=2,
                n_cols=2,
                n_header_rows=1,
                caption=rng.choice([None, "A table"]),
            )
        )
        for row_no, col_no in rng.sample([(0, 0), (0, 1), (1, 0), (1, 1)], rng.randint(0, 4)):
            cells.append(
                CellRow(
                    table_id=own,
                    row_no=row_no,
                    col_no=col_no,
                    row_span=1,
                    col_span=1,
                    is_header=row_no == 0,
                    text=f"{row_no}{col_no}",
                    grounded=True,
                )
            )
    return Finished(reading=reading, pages=(row,), tables=tuple(tables), cells=tuple(cells))


def random_batch(rng: random.Random, number: int, *, stable: bool = False) -> Batch:
    """Of three sources that go from path to path, with failures of files and parts; the first batch has them all.

    stable:  each stays at its path, and pages keep their text.
    """
    batch, first, now = Batch(), number == 0, datetime.now(UTC).replace(tzinfo=None)
    sources, paths = ["a" * 32, "b" * 32, "c" * 32], ["/1", "/2", "/3", "/4"]
    for source in sources:
        path = paths[sources.index(source)] if stable else rng.choice(paths)
        if rng.random() < 0.4:
            batch.files.append(
                FileRow(path=path, source_id=source, size_bytes=5, modified_at=NOW + timedelta(days=rng.random()))
            )
        if first or rng.random() < 0.4:
            facts = {"size_bytes": 5, "n_pages": 3, "first_seen_at": NOW}
            batch.sources.append(SourceRow(source_id=source, path=f"/{source[0]}", kind="pdf", **facts))
        finished = [random_part(rng, source, now, stable=stable) for _ in range(rng.randint(0, 2))]
        batch.finished += finished
        if rng.random() < 0.2 or (stable and any(part.reading for part in finished)):  # what is read has been opened
            batch.opened.append(source)
        if rng.random() < 0.6:
            task, part = rng.choice([("", ""), ("tables", "page:1"), ("tables", "page:2"), ("summary", "document")])
            batch.failures.append(
                FailureRow(
                    path=path,
                    source_id=rng.choice([source, source, None]) if task == "" else source,
                    task=task,
                    part=part,
                    recipe=rng.choice(["r1", "r2"]) if task else "",
                    stage="s",
                    error="Damaged",
                    message=f"{rng.random()}",
                    retryable=False,
                    failed_at=now,
                )
            )
    done = {part.reading.reading_id: part for part in batch.finished if part.reading}  # one of a kind in a batch
    batch.finished = [part for part in batch.finished if not part.reading] + list(done.values())
    return batch


SOURCES = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
STAMPS = [FileStamp(f"/{number}", size, NOW) for number in range(5) for size in (1, 2, 3)]


def parts_read(spool: Spool) -> set[tuple[str, str, str]]:
    """All that a spool's files say was read."""
    rows = Lake(spool.path).records("SELECT DISTINCT source_id, task, part FROM readings") if spool.names() else []
    return {(row["source_id"], row["task"], row["part"]) for row in rows}


def told(keeper: Keeper, recipes: list[str], note: str | None) -> Any:
    """All that a run may ask."""
    known = keeper.load_known(SOURCES, recipes, unless_noted=note)
    of_sources = {
        source: (found.row, found.read, sorted(row.model_dump_json() for row in found.failures))
        for source, found in known.items()
    }
    return of_sources, keeper.find_unchanged(STAMPS), keeper.missing(["/"], ["/3"])


@pytest.mark.parametrize("seed", range(2))
def test_a_spool_knows_what_the_database_knows_that_has_loaded_it(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    direct, loaded = Store(tmp_path / "a.duckdb"), Store(tmp_path / "b.duckdb")
    spool = Spool(tmp_path / "spool")
    for keeper in (direct, spool):
        keeper.prepare(patience_s=0)
        keeper.begin_run(run_row("ab"), [])
    with direct.together():
        for number in range(12):
            gone, batch = [path for path in ("/1", "/2") if rng.random() < 0.1], random_batch(rng, number)
            for keeper in (direct, spool):
                if gone:
                    keeper.forget(gone)
                keeper.write(batch)
    direct.work_out()
    load(spool.path, loaded, say=quiet)
    fresh = Spool(spool.path)
    for recipes in (["r1"], ["r1", "r2"], []):
        for note in (None, "no words"):
            expected = told(direct, recipes, note)
            assert told(fresh, recipes, note) == expected
            assert told(loaded, recipes, note) == expected
    for source, pages in zip(SOURCES, (None, [1, 3, 7], None, [2]), strict=True):
        assert spool.page_texts(source, pages) == direct.page_texts(source, pages)
        assert spool.table_parts(source, "r1") == direct.table_parts(source, "r1")
    assert dump(loaded) == dump(direct)


@pytest.mark.parametrize("seed", range(2))
def test_in_any_order_it_is_the_same(seed: int, tmp_path: Path) -> None:
    """Some batches at a time, whatever their order, compacted in between, and all of them by way of a second spool."""
    rng, direct, loaded = random.Random(seed), Store(tmp_path / "a.duckdb"), Store(tmp_path / "b.duckdb")
    spool, elsewhere = Spool(tmp_path / "spool"), tmp_path / "elsewhere"
    for keeper in (direct, spool):
        keeper.prepare(patience_s=0)
        keeper.begin_run(run_row("ab"), [])
    with direct.together():
        for number in range(10):
            batch = random_batch(rng, number, stable=True)
            for keeper in (direct, spool):
                keeper.write(batch)
    direct.work_out()
    spool.path.rename(elsewhere)
    spool.path.mkdir()
    names = sorted(path.name for path in elsewhere.iterdir())
    rng.shuffle(names)
    while names:
        for name in names[:4]:
            shutil.copytree(elsewhere / name, spool.path / name)
        del names[:4]
        assert load(spool.path, loaded, say=quiet).left == {}
    assert load(elsewhere, loaded, say=quiet).n_files == 0
    assert len(spool.names()) == 1
    assert dump(loaded) == dump(direct)


def test_readings_of_one_moment_are_told_apart_the_same_in_any_order(tmp_path: Path) -> None:
    spool, alone = Spool(tmp_path / "spool"), tmp_path / "alone"
    spool.prepare(patience_s=0)
    for run, recipe, note in (("cd", "r1", "first"), ("ab", "r1", "second"), ("ef", "r2", "third")):
        spool.begin_run(run_row(run), [])
        reading = a_reading("a", "tables", "page:1", recipe, note).model_copy(update={"run_id": run})
        spool.write(Batch(finished=[Finished(reading=reading)]))
    found, written = [], spool.names()[1::2]
    for number, names in enumerate([[written], *permutations([name] for name in written)]):
        store = Store(tmp_path / f"{number}.duckdb")
        for some in names:
            shutil.rmtree(alone, ignore_errors=True)
            for name in some:
                shutil.copytree(spool.path / name, alone / name)
            load(alone, store, say=quiet)
        kept = store.records("SELECT run_id, recipe, note FROM readings ORDER BY ALL")
        found.append((kept, store.records("SELECT reading_id FROM aria_docs_internal.newest")))
    assert found.count(found[0]) == len(found) == 7
    assert [row["note"] for row in found[0][0]] == ["first", "third"], "the later run's name counts"


# The commands


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["run", "in", "--shard", "1/2"], 2, "nowhere to store what is read: add --db FILE"),
        (["run", "in", "--spool", "s"], 2, "--spool is for a share of the files: add --shard 1/4"),
        (["run", "in", "--spool", "s", "--db", "d", "--shard", "1/2"], 2, "--db and --spool"),
        (["run", "in", "--spool", "s", "--shard", "0/2"], 2, "--shard 0/2: there are shards 1/2 to 2/2"),
        (["run", "in", "--spool", "s", "--shard", "3/2"], 2, "--shard 3/2: there are shards 1/2 to 2/2"),
        (["run", "in", "--spool", "s", "--shard", "1/0"], 2, "--shard 1/0"),
        (["run", "in", "--spool", "s", "--shard", "half"], 2, "--shard half: write for example 1/4"),
        (["run", "in", "--spool", "file", "--shard", "1/2"], 2, "--spool file: this is a file"),
        (["run", "in", "--spool", "file/in", "--shard", "1/2"], 1, "file/in: Not a directory; a spool is a folder"),
        (["run", "texts", "--spool", "s", "--shard", "1/1"], 2, "no PDF, image or video"),
        (["load", "none", "--db", "d"], 2, "none: no such folder"),
        (["load", "empty", "--db", "d"], 0, "0 batches loaded, 0 loaded before; 0 parts"),
        (["load", "texts", "--db", "d"], 1, "a.txt is no part of a spool"),
        (["load", "empty", "--db", "file"], 1, "file cannot be opened as a DuckDB database"),
    ],
)  # fmt: skip
def test_one_line_and_an_exit_status(tmp_path, monkeypatch, capsys, arguments, status, says) -> None:
    from aria_docs import cli

    monkeypatch.chdir(tmp_path)
    for folder in ("in", "empty", "texts"):
        (tmp_path / folder).mkdir()
    (tmp_path / "in" / "a.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "texts" / "a.txt").write_text("x")
    (tmp_path / "file").write_text("hello " * 1000)
    monkeypatch.setattr(sys, "argv", ["aria-docs", *arguments])
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code or 0) == status
    said = capsys.readouterr().err
    assert says in said and "Traceback" not in said


def test_shards_and_a_loader_from_the_command_line(aria_docs: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pdf = make_pdf(tmp_path / "in" / "a.pdf", 1, tables=(1,))
    options = ("--spool", "s", "--workers", "1")
    dry = aria_docs("run", "in", "--shard", "1/1", *options, "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    assert json.loads(dry.stdout)["pending"] == [str(pdf)]
    assert not (tmp_path / "s").exists()
    own = next(number for number in (1, 2) if Shard(number, 2).has(find([pdf]).files[0]))
    other = aria_docs("run", "in", "--shard", f"{3 - own}/2", *options, "--json")
    assert (other.returncode, json.loads(other.stdout)["n_elsewhere"], json.loads(other.stdout)["spool"]) == (0, 1, "s")
    first = aria_docs("run", "in", "--shard", f"{own}/2", *options)
    assert first.returncode == 0 and "1 file read, 0 done before, 0 failed" in first.stderr
    assert "aria-docs load s --db FILE" in first.stderr
    loaded = aria_docs("load", "s", "--db", "r.duckdb", "--json")
    assert (loaded.returncode, json.loads(loaded.stdout)["n_parts"]) == (0, 2)
    answer = aria_docs("sql", "SELECT sum(number) AS s FROM cells", "--db", "r.duckdb", "--format", "csv")
    assert answer.stdout == "s\n-6.5\n"


def test_shards_there_cannot_be() -> None:
    with pytest.raises(UsageError, match="there are shards 1/4 to 4/4"):
        Shard(5, 4)


def test_the_operations_page_names_options_that_exist() -> None:
    from typer.main import get_command

    from aria_docs.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    text = (HERE.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    lines = re.findall(r"aria-docs (run|load|schedule) ([^`\n]*)", text)
    assert {name for name, _ in lines} == {"run", "load", "schedule"}
    for name, rest in lines:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", rest)) <= known, rest


# A file that somebody else wrote


def repr_sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def rewrite(batch: Path, table: str, values: dict[str, str]) -> None:
    """Other values in all rows of a batch's table, in SQL, and a manifest that agrees."""
    import duckdb

    path = batch / f"{table}.parquet"
    query = f"SELECT * REPLACE ({', '.join(f'{value} AS {name}' for name, value in values.items())}) FROM '{path}'"
    replace_file(batch, table, lambda to: duckdb.sql(f"COPY ({query}) TO '{to}' (FORMAT parquet)"))


def replace_file(batch: Path, table: str, write: Callable[[Path], object]) -> None:
    path, beside = batch / f"{table}.parquet", batch / "beside"
    write(beside)
    beside.rename(path)
    manifest = json.loads((batch / lake.MANIFEST).read_text())
    manifest["tables"][table] = {"n_rows": 1, "n_bytes": path.stat().st_size, "sha256": lake.sha256_of(path)}
    (batch / lake.MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("table", "query"),
    [
        ("runs", "SELECT *, 1 AS more FROM '{}'"),
        ("runs", "SELECT * REPLACE (1 AS command) FROM '{}'"),
        ("runs", "SELECT * EXCLUDE (batch) FROM '{}'"),
        ("runs", "SELECT * RENAME (command AS \"x); DROP TABLE runs; --\") FROM '{}'"),
        ("../runs", "FROM '{}'"),
        ("loaded_spool_files", "FROM '{}'"),
    ],
)
def test_a_table_that_is_none_of_ours_is_refused_by_name(tmp_path: Path, table: str, query: str) -> None:
    import duckdb

    spool = Spool(tmp_path / "spool")
    spool.prepare(patience_s=0)
    spool.begin_run(run_row("ab"), [RecipeRow(recipe="r1", options="{}")])
    [name] = spool.names()
    text = query.format(spool.path / name / "runs.parquet")
    replace_file(spool.path / name, table, lambda to: duckdb.sql(f"COPY ({text}) TO '{to}' (FORMAT parquet)"))
    store, said = Store(tmp_path / "r.duckdb"), []
    loaded = load(spool.path, store, say=said.append)
    assert loaded.n_files == 0 and name in loaded.left
    assert any(name in sentence for sentence in said)
    assert store.records("SELECT recipe FROM recipes UNION ALL SELECT run_id FROM runs") == []


@pytest.mark.parametrize(
    "schema",
    [
        {"name": "x (a INT); COPY (SELECT 1) TO '{folder}/written'; --"},
        {"hash": "'); COPY (SELECT 1) TO '{folder}/written'; --"},
        {"columns": json.dumps({"a": "INTEGER); COPY (SELECT 1) TO '{folder}/written'; --"})},
        {"columns": json.dumps({"a": "STRUCT(b INTEGER, c (SELECT 1))"})},
        {"columns": json.dumps({"a": "INTEGER DEFAULT (SELECT 1)"})},
        {"columns": json.dumps(["a"])},
    ],
)
def test_a_hostile_file_is_refused_by_name_and_runs_nothing(tmp_path: Path, schema: dict[str, str]) -> None:
    spool = Spool(tmp_path / "spool")
    spool.prepare(patience_s=0)
    good = {
        "name": "bill",
        "hash": "0123456789abcdef",
        "columns": json.dumps({"a": "DECIMAL(9,2)[]"}),
        "json_schema": "{}",
    }
    spool.begin_run(run_row("ab"), [], schema=SchemaRow(**good))
    [name] = spool.names()
    bad = good | {key: value.replace("{folder}", str(tmp_path)) for key, value in schema.items()}
    rewrite(spool.path / name, "custom_schemas", {name: repr_sql(value) for name, value in bad.items()})
    store, said = Store(tmp_path / "r.duckdb"), []
    loaded = load(spool.path, store, say=said.append)
    assert (loaded.n_files, list(loaded.left)) == (0, [name])
    assert name in said[0]
    assert not (tmp_path / "written").exists()
    assert store.records("SELECT * FROM runs") == []


def test_kinds_of_columns_that_a_schema_may_have() -> None:
    columns = {
        "a": "DECIMAL(18,4)", "b": 'STRUCT("q ""x""" VARCHAR, n BIGINT[])[]', "c": "MAP(VARCHAR, DATE)",
        "d": "TIMESTAMP",
    }  # fmt: skip
    SchemaRow(name="bill", hash="0123456789abcdef", columns=json.dumps(columns), json_schema="{}")


def test_a_file_of_another_content_is_refused_however_sound(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.prepare(patience_s=0)
    spool.begin_run(run_row("ab"), [])
    [name] = spool.names()
    manifest = spool.path / name / lake.MANIFEST
    told_of = json.loads(manifest.read_text())
    told_of["tables"]["runs"]["sha256"] = "0" * 64
    manifest.write_text(json.dumps(told_of))
    loaded = load(spool.path, Store(tmp_path / "r.duckdb"), say=quiet)
    assert "runs.parquet" in loaded.left[name] and loaded.n_files == 0
