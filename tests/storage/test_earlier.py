"""What earlier versions wrote opens, keeps every row, and is not read again for what only our version changed."""

import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer

from aria_docs import prompts
from aria_docs.model.embedded.engine import EmbeddedEngine
from aria_docs.model.engine import ModelId
from aria_docs.run.outcome import Outcome
from aria_docs.run.recipes import Options
from aria_docs.run.run import Run
from aria_docs.storage.database import Keeper, Store
from aria_docs.storage.lake import Lake
from aria_docs.storage.load import load
from aria_docs.storage.spool import Spool
from tests.conftest import Told
from tests.data.make_earlier import dump

DATA = Path(__file__).parents[1] / "data"
EMBEDDED = Options(ocr=None)
# What is worked out from other rows, and what says which files of a spool were loaded.
DERIVED = {"migrations", "stacked_tables", "ranked_texts", "ranked_terms", "loaded_spool_files"}
SQL = Path(__file__).parents[2] / "schemas" / "sql"
# A database that has a script's name among its migrations is taken to have all that it does: one that somebody has run
# is never changed, the next one changes what it made. When yours has landed, add it.
LANDED = {
    "0001_initial.sql": "570073a6d6259c21",
    "0002_stacked_tables.sql": "af2bfe50bf9b04bc",
    "0003_ranked.sql": "a003c43287d5c072",
    "0004_custom_schemas.sql": "0a01536b60fc6da7",
    "0005_loaded_spool_files.sql": "c6bc5d7348c20bee",
    "0006_sidecars.sql": "c3ec50dba412c325",
    "0007_newest.sql": "a654d00e6cc3e283",
    "0008_meanings.sql": "1e09ff14e6f9f349",
    "0009_cues.sql": "d84b0684007fc961",
    "0010_documents.sql": "389716c30f7a3455",
    "0012_trust.sql": "0b518b07e84380f3",
    "0013_confidence.sql": "5db4f52460e2d585",
    "0014_spools.sql": "4beeaf1bf2925489",
    "0015_unread.sql": "be9c9737c44045a5",
    "0016_due_tables.sql": "d01f5a8b02cfe73b",
}


@pytest.fixture(params=sorted(path.parent for path in DATA.glob("*/rows.json")), ids=lambda folder: folder.name)
def version(request: pytest.FixtureRequest) -> Path:
    """The folder of what one earlier version wrote."""
    folder: Path = request.param
    return folder


@pytest.fixture
def database(version: Path, tmp_path: Path) -> Store:
    path = tmp_path / "r.duckdb"
    path.write_bytes(gzip.decompress((version / "r.duckdb.gz").read_bytes()))
    return Store(path)


@pytest.fixture
def spool(version: Path, tmp_path: Path) -> Spool:
    return Spool(Path(shutil.copytree(version / "spool", tmp_path / "spool")))


@pytest.fixture
def as_then(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules, prompts and libraries have the numbers that they had then, but for patch levels: whatever else differs is
    our own version."""
    readings = rows_of(version, "r.duckdb")["readings"]
    then = {
        row["task"]: ModelId(without_patch_levels(row["model"]), row["model_revision"], row["prompt_version"])
        for row in readings
        if row["engine"] == "embedded"
    }
    monkeypatch.setattr(EmbeddedEngine, "model_id", lambda self, task: then[task])
    [prompted] = {row["prompt_version"] for row in readings if row["engine"] == "remote"}
    monkeypatch.setattr(prompts, "VERSION", prompted)


def without_patch_levels(model: str) -> str:
    return re.sub(r"-([0-9]+)\.([0-9]+)[^ ]*", r"-\1.\2", model)


def rows_of(version: Path, kept_in: str) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = json.loads((version / "rows.json").read_text())[kept_in]
    return rows


def lost(before: dict[str, list[dict[str, Any]]], now: dict[str, list[dict[str, Any]]]) -> list[tuple[str, Any]]:
    """The rows that are not there any more with every value they had; columns that have come since do not count."""
    missing = []
    for table, rows in before.items():
        if table in DERIVED or not rows:
            continue
        left = [json.dumps({name: row[name] for name in rows[0]}, sort_keys=True) for row in now[table]]
        for row in rows:
            text = json.dumps(row, sort_keys=True)
            if text in left:
                left.remove(text)
            else:
                missing.append((table, row))
    return missing


def read(keeper: Keeper, options: Options, *paths: Path) -> Outcome:
    with Run(keeper, options, command="test", progress=Told()) as run:
        run.outcome.add(run.read(run.find(paths)))
    return run.outcome


def test_the_dump_sees_a_row_that_is_lost(version: Path) -> None:
    before, now = rows_of(version, "r.duckdb"), rows_of(version, "r.duckdb")
    now["cells"][7]["text"] += "?"
    del now["readings"][0]
    assert [table for table, _ in lost(before, now)] == ["cells", "readings"]


def test_a_database_keeps_every_row(version: Path, database: Store) -> None:
    database.prepare(patience_s=0)
    now = dump(database.path)
    assert lost(rows_of(version, "r.duckdb"), now) == []
    assert {table: len(rows) for table, rows in now.items() if table in ("readings", "cells", "files", "x_letter")} == {
        "readings": 10, "cells": 108, "files": 4, "x_letter": 1
    }  # fmt: skip


@pytest.mark.parametrize("name", LANDED)
def test_a_migration_that_has_landed_is_as_it_was(name: str) -> None:
    assert hashlib.sha256((SQL / name).read_bytes()).hexdigest()[:16] == LANDED[name]


def test_what_was_due_before_there_were_numbers_is_worked_out(database: Store) -> None:
    database.prepare(patience_s=0)
    with database.writing() as db:  # as it was then
        db.execute("DELETE FROM migrations WHERE name >= '0017'")
        db.execute("ALTER TABLE due_tables DROP COLUMN number")
        db.execute("INSERT INTO due_tables SELECT DISTINCT source_id FROM tables")
    database.prepare(patience_s=0)
    database.work_out()
    assert database.records("SELECT count(*) AS n FROM aria_docs_internal.due_tables") == [{"n": 0}]
    assert database.records("SELECT count(*) AS n FROM aria_docs_internal.table_meanings")[0]["n"] > 0


def test_its_views_show_what_was_read(database: Store) -> None:
    database.prepare(patience_s=0)
    tables = database.records("SELECT page, n_rows, continues IS NOT NULL AS goes_on FROM document_tables ORDER BY ALL")
    # Not the letter's: its newest reading, by a server, found none.
    assert [tuple(row.values()) for row in tables] == [(1, 11, False), (2, 11, True), (3, 11, False)]
    [letter] = database.records("SELECT CAST(written AS VARCHAR) AS written FROM latest_x_letter")
    assert letter == {"written": "2026-01-31"}
    found = database.records("SELECT DISTINCT parse_filename(path) AS name FROM search('Ålesund')")
    assert found == [{"name": "letter.pdf"}]


def test_a_question_to_a_spool_changes_nothing_in_it(version: Path, spool: Spool, tmp_path: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in spool.path.rglob("*"))
    [asked] = Lake(spool.path).records("SELECT count(*) AS n FROM readings")
    assert sorted((path, path.stat().st_mtime_ns) for path in spool.path.rglob("*")) == before
    load(spool.path, store := Store(tmp_path / "new.duckdb"), say=lambda _: None)
    assert [asked] == store.records("SELECT count(*) AS n FROM readings"), version


def test_a_spool_loads_with_every_row(version: Path, spool: Spool, tmp_path: Path) -> None:
    loaded = load(spool.path, Store(tmp_path / "new.duckdb"), say=lambda _: None)
    assert (loaded.n_files, loaded.left) == (len(list((version / "spool").iterdir())), {})
    assert lost(rows_of(version, "spool"), dump(tmp_path / "new.duckdb")) == []


def test_it_hashed_patch_levels(version: Path) -> None:
    """So the tests below say that what differs in these alone is not read again."""
    models = [row["model"] for row in rows_of(version, "r.duckdb")["readings"]]
    assert any(without_patch_levels(model) != model for model in models)


@pytest.mark.usefixtures("as_then")
def test_nothing_in_a_database_is_read_again(version: Path, database: Store) -> None:
    outcome = read(database, EMBEDDED, DATA / "files")
    assert (outcome.n_read, outcome.n_skipped, outcome.n_failed, outcome.n_parts) == (0, 3, 1, 0)
    assert len(dump(database.path)["readings"]) == len(rows_of(version, "r.duckdb")["readings"])


@pytest.mark.usefixtures("as_then")
def test_nothing_that_a_server_answered_is_asked_again(database: Store) -> None:
    with FakeServer() as server:
        asked = Options(
            engine="remote", servers=(server.url,), tasks=("tables",), schema=f"{DATA / 'letter.py'}:Letter"
        )
        outcome = read(database, asked, DATA / "files" / "letter.pdf")
        assert (outcome.n_read, outcome.n_skipped, server.asked) == (0, 1, [])


@pytest.mark.usefixtures("as_then")
def test_nothing_in_a_spool_is_read_again(spool: Spool) -> None:
    outcome = read(spool, EMBEDDED, DATA / "files")
    assert (outcome.n_read, outcome.n_skipped, outcome.n_failed, outcome.n_parts) == (0, 3, 1, 0)
