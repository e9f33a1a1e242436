"""search_ranked: BM25 over stems where DuckDB's fts extension loads, and one sentence where it does not."""

from collections.abc import Iterator
from math import log
from pathlib import Path

import duckdb
import pytest

from aria_docs.errors import QueryError, StoreError
from aria_docs.schemas.readings import Finished, RunRow
from aria_docs.schemas.sources import PageRow
from aria_docs.storage import search
from aria_docs.storage.database import Batch, Store
from aria_docs.storage.keeper import RunEnd
from tests.storage.test_stacks import NOW, file, source

TEXTS = ["Ferries dock at dawn", "The ferry, the FERRY!\nAnd a cafe", "# Café\n2025", "-"]


def read(store: Store, texts: list[str], *, name: str = "a", run: str = "run") -> None:
    """A run that reads a document of these pages."""
    pages = [PageRow(source_id=name, page=n, width_pt=1, height_pt=1, text=text, from_ocr=False)
             for n, text in enumerate(texts, 1)]  # fmt: skip
    store.begin_run(RunRow(run_id=run, started_at=NOW, command="c", engine="embedded", recipe="r"), [])
    store.write(Batch(files=[file(f"/in/{name}.pdf", name)], sources=[source(name)],
                      finished=[Finished(pages=tuple(pages))]))  # fmt: skip
    store.end_run(run, RunEnd(1, 0, 0))


def found(store: Store, words: str) -> list[tuple[str, int]]:
    return store.ask(f"SELECT path[5:5], page FROM search_ranked('{words}')").rows


def without_fts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "load_fts", lambda db: False)


@pytest.fixture(params=["extension", "stand-in"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """With the extension's stemmer where it is installed, and everywhere with one that knows these tests' words."""
    store = Store(tmp_path / "r.duckdb")
    if request.param == "extension":
        with duckdb.connect() as db:
            if not search.load_fts(db):
                pytest.skip(f"the fts extension is not installed for DuckDB {duckdb.__version__}: INSTALL fts")
        store.prepare(patience_s=1)
    else:
        store.prepare(patience_s=1)
        with duckdb.connect(str(store.path)) as db:
            db.execute("CREATE MACRO stem(word, language) AS regexp_replace(word, '(y|ies)$', 'i')")
        monkeypatch.setattr(search, "load_fts", lambda db: True)
    yield store


def test_stems_case_and_accents_do_not_matter_and_the_rarer_word_weighs_more(store: Store) -> None:
    read(store, TEXTS)
    assert found(store, "ferry") == found(store, "FERRIES") == [("a", 2), ("a", 1)]
    assert found(store, "cafe") == [("a", 3), ("a", 2)], "the shorter text comes first"
    assert found(store, "ferry dawn")[0] == ("a", 1)
    assert found(store, "2025") == [("a", 3)]
    assert found(store, "nothing") == found(store, "") == found(store, "%") == []
    [(snippet,)] = store.ask("SELECT snippet FROM search_ranked('ferry') WHERE page = 1").rows
    assert snippet == "Ferries dock at dawn"


def test_the_score_is_bm25(store: Store) -> None:
    read(store, TEXTS)
    n_words, mean, n, n_having = 7, (4 + 7 + 2 + 0) / 4, 2, 2
    score = log(1 + (4 - n_having + 0.5) / (n_having + 0.5)) * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * n_words / mean))
    assert store.ask("SELECT score FROM search_ranked('ferry') LIMIT 1").rows == [(pytest.approx(score, abs=5e-4),)]


def test_the_index_follows_what_is_read_and_what_goes(store: Store) -> None:
    read(store, TEXTS)
    kept = store.ask("SELECT text_id FROM aria_docs_internal.ranked_texts").rows
    read(store, ["A ferry of b"], name="b", run="second")
    assert {("a", 1), ("a", 2), ("b", 1)} == set(found(store, "ferry"))
    assert set(kept) < set(store.ask("SELECT text_id FROM aria_docs_internal.ranked_texts").rows), "what is in it stays"
    read(store, ["Nothing now"], name="b", run="third")
    store.forget(["/in/a.pdf"])
    assert found(store, "ferry") == [], "at once, not at the next run's end"
    store.rank()
    assert store.ask("SELECT count(DISTINCT text_id), count(*) FROM aria_docs_internal.ranked_terms").rows == [(1, 2)]
    assert store.ask("SELECT count(*) FROM aria_docs_internal.ranked_texts").rows == [(1,)]


def test_a_copy_is_found_under_each_of_its_paths_and_counted_once(store: Store) -> None:
    read(store, TEXTS)
    read(store, TEXTS, name="b", run="second")
    assert found(store, "dawn") == [("a", 1), ("b", 1)]
    assert store.ask("SELECT count(*) FROM aria_docs_internal.ranked_texts").rows == [(len(TEXTS),)]


def test_a_run_that_changes_no_text_does_not_take_the_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read(store, TEXTS)
    monkeypatch.setattr(store, "writing", lambda: pytest.fail("written"))
    store.rank()


def test_a_run_without_the_extension_takes_a_stale_search_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read(store, TEXTS)
    with monkeypatch.context() as elsewhere:
        without_fts(elsewhere)
        store.rank()
        assert store.ask("SELECT count(*) FROM duckdb_functions() WHERE function_name = 'search_ranked'").rows == [(1,)]
        read(store, ["A ferry of b"], name="b", run="second")
        with pytest.raises(QueryError, match="INSTALL fts"):
            found(store, "ferry")
    store.rank()
    assert ("b", 1) in found(store, "ferry")


def test_an_index_that_cannot_be_written_leaves_the_run_recorded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = search.copy_to
    monkeypatch.setattr(search, "copy_to", lambda db, query, path, form: copy(db, query, path + "/no/folder", form))
    with pytest.raises(StoreError, match=r"no full-text index: .*the next run tries again"):
        read(store, TEXTS)
    assert store.ask("SELECT n_read FROM runs").rows == [(1,)]


def test_without_the_extension_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_fts(monkeypatch)
    store = Store(tmp_path / "r.duckdb")
    store.prepare(patience_s=1)
    read(store, TEXTS)
    assert store.ask("SELECT count(*) FROM aria_docs_internal.ranked_texts").rows == [(0,)]
    assert len(store.ask("FROM search('ferr')").rows) == 2
    with pytest.raises(QueryError, match=r"^search_ranked needs DuckDB's fts extension: .*`INSTALL fts`.*[^.]$"):
        found(store, "ferry")
    assert store.ask("SELECT 'search_ranked' AS word").rows == [("search_ranked",)]
    with pytest.raises(QueryError, match='"stem" is not in the catalog'):
        store.ask("SELECT stem('ferries', 'english')")


def test_a_file_with_the_index_is_read_without_the_extension(store: Store, tmp_path: Path) -> None:
    """In a client that never loaded it: everything but search_ranked, and whole copies."""
    read(store, TEXTS)
    with duckdb.connect(str(store.path)) as db:  # the stand-in's stemmer goes, the macro bound to it stays
        db.execute("DROP MACRO IF EXISTS stem")
    with duckdb.connect(config={"autoload_known_extensions": False, "autoinstall_known_extensions": False}) as db:
        db.execute(f"ATTACH '{store.path}' AS results (READ_ONLY)")
        db.execute(f"ATTACH '{tmp_path / 'copy.duckdb'}' AS copy")
        db.execute("COPY FROM DATABASE results TO copy")
    with duckdb.connect(str(tmp_path / "copy.duckdb"), config={"autoload_known_extensions": False}) as db:
        assert db.execute("SELECT count(*) FROM search('ferr')").fetchall() == [(2,)]
        with pytest.raises(duckdb.CatalogException, match="fts extension"):
            db.execute("FROM search_ranked('ferry')")


def test_closed_means_closed_with_the_extension_loaded(store: Store, tmp_path: Path) -> None:
    read(store, TEXTS)
    (tmp_path / "secret.csv").write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(QueryError, match=r"(?i)disabled"):
        store.ask(f"SELECT * FROM search_ranked('ferry'), read_csv('{tmp_path / 'secret.csv'}')")
