"""`aria-docs prune`: what nobody can ask for any more goes, after it was named; all else stays."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from aria_docs.errors import StoreError
from aria_docs.schemas.readings import Finished
from aria_docs.storage.database import Store
from aria_docs.storage.keeper import Batch
from aria_docs.storage.prune import prunable
from tests.storage.test_database import NOW, failure, file, part, source

TABLES = ("files", "sources", "readings", "pages", "tables", "cells", "cues", "failures", "recipes")


def counts(store: Store) -> dict[str, int]:
    found = store.records("SELECT " + ", ".join(f"(SELECT count(*) FROM {name}) AS {name}" for name in TABLES))
    return found[0]


def later(finished: Finished) -> Finished:
    assert finished.reading
    return replace(finished, reading=finished.reading.model_copy(update={"read_at": NOW + timedelta(hours=1)}))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """s1 is there, its first page read twice; s2 has vanished; s3 has two files of which one has vanished."""
    store = Store(tmp_path / "r.duckdb")
    store.prepare(patience_s=1)
    with store.writing() as db:
        db.executemany("INSERT INTO recipes VALUES (?, '{}')", [["r1"], ["r2"], ["r3"]])
    names = ("s1", "s2", "s3")
    store.write(
        Batch(
            files=[*(file(f"/in/{name}.pdf", name) for name in names), file("/in/copy.pdf", "s3")],
            sources=[source(name) for name in names],
            finished=[part(page, source_id=name, recipe="r1") for name in names for page in (1, 2)],
            failures=[failure(part="page:3"), failure(part="page:4"), failure(path="/in/s2.pdf", source_id="s2")],
        )
    )
    with store.writing() as db:
        db.execute("INSERT INTO cues VALUES ('s2', 0, 0, 1, 'words', 'track'), ('s3', 0, 0, 1, 'words', 'track')")
        of_page = "source_id = 's1' AND page ="
        first = f"(SELECT min(table_id) FROM tables WHERE {of_page} 1)"
        db.execute(f"UPDATE tables SET continues = {first} WHERE {of_page} 2")
    store.write(Batch(finished=[later(part(1, recipe="r2")), later(part(4, recipe="r2"))]))
    store.forget(["/in/s2.pdf", "/in/copy.pdf"])
    return store


def test_what_is_superseded_or_vanished_goes_and_the_rest_stays(store: Store) -> None:
    before, shown = counts(store), store.records("FROM document_tables ORDER BY ALL")
    assert (before["readings"], before["failures"]) == (8, 2)
    said = list(prunable(store).as_lines())
    assert counts(store) == before, "nothing is changed by asking"
    assert said[:2] == ["vanished: /in/copy.pdf", "vanished: /in/s2.pdf"]
    assert "superseded: 1 reading of tables by embedded, recipe r1" in said
    found = store.prune()
    after = counts(store)
    assert {name: before[name] - after[name] for name in TABLES} == {
        name: n for name, n in found.counts.items() if name in TABLES
    }
    assert after == {
        "files": 2, "sources": 2, "readings": 5, "pages": 5, "tables": 5, "cells": 10, "cues": 1,
        "failures": 1,  # of page 3, which nobody has read since; page 4 was read by r2
        "recipes": 2,  # r1 still has readings, r3 never had one
    }  # fmt: skip
    again = store.records("FROM document_tables ORDER BY ALL")
    assert [row | {"continues": None} for row in again] == [row | {"continues": None} for row in shown]
    assert store.records("SELECT count(*) AS n FROM tables WHERE continues NOT IN (SELECT table_id FROM tables)") == [
        {"n": 0}
    ]
    assert not store.prune()
    assert list(prunable(store).as_lines()) == [
        "nothing to drop: every reading is the newest of its part, and every file is there"
    ]


def test_what_comes_back_under_its_old_recipe_is_read_anew(store: Store) -> None:
    store.prune()
    assert {name for _, name, _ in store.load_known(["s1"], ["r1"])["s1"].read} == {"page:2"}
    assert store.load_known(["s2"], ["r1"])["s2"].read == set()


def test_only_where_there_is_a_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such database"):
        prunable(Store(tmp_path / "none.duckdb"))
    assert not (tmp_path / "none.duckdb").exists()
