"""Typed views of single tables, and the views that hold tables of one header under each other."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from aria_docs.errors import QueryError, UsageError
from aria_docs.schemas.readings import Finished, ReadingRow, RunRow, reading_id
from aria_docs.schemas.sources import FileRow, SourceRow
from aria_docs.schemas.tables import CellRow, TableRow, table_id
from aria_docs.storage import stacks
from aria_docs.storage.database import Batch, Store
from aria_docs.storage.internal import WORKED_OUT
from aria_docs.storage.keeper import RunEnd

NOW = datetime(2026, 11, 22, 9, 30)
Cell = tuple[str, float | None] | tuple[str, float | None, int, int] | None


def table(source: str, page: int, rows: list[list[Cell]], *, header: int = 1, continues: str | None = None) -> Finished:
    """A table of (text, number[, row_span, col_span]); None under a span."""
    rid = reading_id(source_id=source, task="tables", part=f"page:{page}", recipe="r")
    tid = table_id(reading_id=rid, page=page, table_no=0)
    reading = ReadingRow(
        reading_id=rid, run_id="run", source_id=source, task="tables", part=f"page:{page}", engine="embedded",
        recipe="r", status="ok", seconds=0.5, read_at=datetime.now(UTC).replace(tzinfo=None),
    )  # fmt: skip
    head = TableRow(
        table_id=tid, reading_id=rid, source_id=source, page=page, table_no=0, x0=0, y0=0, x1=9, y1=9,
        n_rows=len(rows), n_cols=len(rows[0]), n_header_rows=header, continues=continues,
    )  # fmt: skip
    cells = [
        CellRow(
            table_id=tid, row_no=row_no, col_no=col_no, row_span=(*cell, 1, 1)[2], col_span=(*cell, 1, 1)[3],
            is_header=row_no < header, text=cell[0], number=cell[1], grounded=True,
        )
        for row_no, row in enumerate(rows) for col_no, cell in enumerate(row) if cell
    ]  # fmt: skip
    return Finished(reading=reading, tables=(head,), cells=tuple(cells))


def id_of(part: Finished) -> str:
    return part.tables[0].table_id


def source(name: str) -> SourceRow:
    return SourceRow(source_id=name, path=f"/in/{name}.pdf", kind="pdf", size_bytes=9, first_seen_at=NOW)


def file(path: str, source_id: str) -> FileRow:
    return FileRow(path=path, source_id=source_id, size_bytes=9, modified_at=NOW)


def head(*texts: str) -> list[Cell]:
    return [(text, None) for text in texts]


INCOME: list[list[Cell]] = [
    head("Region", "EUR", "Share", "Docked", "Note"),
    [("North", None, 2, 1), ("1,204", 1204), ("4.6 %", 4.6), ("25 Nov 2025", None), ("a", None)],
    [None, ("(36)", -36), ("–", None), ("", None), ("2", 2)],
    [("all in thousands", None, 1, 5), None, None, None, None],
    [("South", None), ("486*", 486), ("3.0 %", 3), ("5 Feb 2024", None), ("", None)],
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "r.duckdb")
    store.prepare(patience_s=1)
    return store


def write(store: Store, *parts: Finished, run: str = "run") -> None:
    names = {part.reading.source_id for part in parts if part.reading}
    files = [file(f"/in/{name}.pdf", name) for name in sorted(names)]
    store.begin_run(RunRow(run_id=run, started_at=NOW, command="c", engine="embedded", recipe="r"), [])
    store.write(Batch(files=files, sources=[source(name) for name in sorted(names)], finished=list(parts)))
    store.end_run(run, RunEnd(1, 0, 0))


def test_a_typed_view_has_names_types_and_right_sums(store: Store) -> None:
    part = table("a", 1, INCOME)
    write(store, part)
    answer = store.ask(f"SELECT * FROM tbl_{id_of(part)}")
    assert answer.names == ("row_no", "region", "eur", "share", "docked", "note")
    assert answer.types == ("INTEGER", "VARCHAR", "BIGINT", "DOUBLE", "DATE", "VARCHAR") or answer.types[0] == "BIGINT"
    assert [row[1] for row in answer.rows] == ["North", "North", "all in thousands", "South"]
    assert store.ask(f"SELECT sum(eur), min(docked)::VARCHAR FROM TBL_{id_of(part).upper()}").rows == [
        (1654, "2024-02-05")
    ]
    assert store.ask(f"SELECT region, sum(eur) FROM tbl_{id_of(part)} GROUP BY 1 ORDER BY 2 DESC LIMIT 1").rows == [
        ("North", 1168)
    ]


def test_a_number_that_spans_rows_is_counted_once(store: Store) -> None:
    part = table("a", 1, [head("x", "y"), [("p", None), ("7", 7, 3, 1)], [("q", None), None], [("r", None), None]])
    write(store, part)
    assert store.ask(f"SELECT sum(y), count(*) FROM tbl_{id_of(part)}").rows == [(7, 3)]


def test_a_table_that_goes_on_has_the_header_it_began_with(store: Store) -> None:
    first = table("a", 1, INCOME)
    second = table("a", 2, [[("East", None), ("5", 5), ("", None), ("", None), ("", None)]], header=0,
                   continues=id_of(first))  # fmt: skip
    third = table("a", 3, [[("West", None), ("6", 6), ("", None), ("", None), ("", None)]], header=0,
                  continues=id_of(second))  # fmt: skip
    other = table("a", 4, [[("1", 1), ("2", 2)]], header=0, continues=id_of(third))
    write(store, first, second, third, other)
    assert store.ask(f"SELECT region, eur FROM tbl_{id_of(third)}").rows == [("West", 6)]
    assert store.ask(f"SELECT c0, c1 FROM tbl_{id_of(other)}").rows == [(1, 2)]


def test_a_table_of_nothing_and_one_that_is_not_there(store: Store) -> None:
    part = table("a", 1, [[("", None)]], header=1)
    write(store, part)
    assert store.ask(f"SELECT * FROM tbl_{id_of(part)}").rows == []
    with pytest.raises(QueryError, match="tbl_0123456789abcdef"):
        store.ask("SELECT * FROM tbl_0123456789abcdef")


def test_tables_of_one_header_are_stacked(store: Store) -> None:
    a, b = table("a", 3, INCOME), table("b", 1, [INCOME[0], [("East", None), ("0.5", 0.5), *head("", "", "")]])
    only_in_a = [table("a", page, [head("Once", "Twice"), head("1", "2")]) for page in (4, 5)]
    write(store, a, b, *only_in_a)
    [stack] = store.ask("SELECT stack, n_tables, n_files, n_rows FROM stacks").rows
    assert stack[1:] == (2, 2, 5)
    assert stack[0].startswith("stacked_region_eur_share_docked_note_")
    answer = store.ask(f"SELECT path, page, count(*), sum(eur) FROM {stack[0]} GROUP BY ALL ORDER BY ALL")
    assert answer.rows == [("/in/a.pdf", 3, 4, 1654.0), ("/in/b.pdf", 1, 1, 0.5)]


def test_a_stack_counts_a_content_once_and_drops_what_has_gone(store: Store) -> None:
    parts = [table(name, 1, INCOME) for name in ("a", "b")]
    write(store, *parts)
    store.write(Batch(files=[file("/in/copy of a.pdf", "a")]))
    [(stack,)] = store.ask("SELECT stack FROM stacks").rows
    assert store.ask(f"SELECT sum(eur) FROM {stack}").rows == [(2 * 1654,)]
    store.forget(["/in/b.pdf"])
    assert store.ask(f"SELECT sum(eur) FROM {stack}").rows == [(1654,)]


def test_stacks_follow_what_is_read_and_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "MAX_STACKS", 1)
    pair = [table(name, 1, [head("x", "y"), [("1", 1), ("2", 2)]]) for name in ("a", "b")]
    write(store, *pair)
    [(before,)] = store.ask("SELECT stack FROM stacks").rows
    write(store, *(table(name, 2, INCOME) for name in ("a", "b", "c")), run="second")
    views = store.ask("SELECT view_name FROM duckdb_views() WHERE starts_with(view_name, 'stacked_')").rows
    assert len(views) == 2
    assert (before,) not in views, "the header of more files comes first"


def test_a_run_that_read_no_table_lays_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write(store, table("a", 1, INCOME))
    monkeypatch.setattr(store, "work_out", lambda: pytest.fail("laid again"))
    write(store, run="second")


def test_nothing_stays_of_a_table_that_a_page_no_longer_has(store: Store) -> None:
    write(store, table("a", 1, INCOME), table("b", 1, INCOME), table("b", 2, INCOME))
    assert store.ask("SELECT n_files FROM stacks").rows == [(2,)]
    for page in (1, 2):
        before = table("b", page, INCOME)
        assert before.reading
        write(store, Finished(reading=before.reading), run=f"without {page}")
    assert store.ask("SELECT view_name FROM duckdb_views() WHERE starts_with(view_name, 'stacked_')").rows == []
    left = id_of(table("a", 1, INCOME))
    for name in WORKED_OUT:
        assert {row["table_id"] for row in store.records(f"SELECT table_id FROM {name}")} <= {left}, name


def test_what_comes_while_a_run_ends_is_done_by_the_run_that_brought_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [table(name, 1, INCOME) for name in ("a", "b")]
    work_out = stacks.stack

    def stack(database: Store) -> None:  # another run writes meanwhile, and ends later
        work_out(database)
        store.write(Batch(files=[file("/in/b.pdf", "b")], sources=[source("b")], finished=parts[1:]))

    monkeypatch.setattr(stacks, "stack", stack)
    write(store, parts[0])
    monkeypatch.undo()
    store.end_run("other", RunEnd(1, 0, 0))
    assert store.ask("SELECT n_files FROM stacks").rows == [(2,)]


def test_what_a_killed_run_left_undone_is_done_by_the_next_one_that_ends(store: Store) -> None:
    parts = [table(name, 1, INCOME) for name in ("a", "b")]
    store.write(Batch(files=[file("/in/a.pdf", "a")], sources=[source("a")], finished=parts[:1]))
    write(store, parts[1])
    assert store.ask("SELECT n_files FROM stacks").rows == [(2,)]


@pytest.mark.parametrize(
    ("words", "found"),
    [("ferry REVENUE", [("page", 2)]), ("école", [("page", 1)]), ("ecole", [("page", 1)]), ("数量", [("page", 3)]),
     ("ferry nothing", []), ("", []), ("100%", []), ("it's", []), ("a.b", []), ("”École”", [("page", 1)]),
     ("the revenue of a ferry", [("page", 2)])],
)  # fmt: skip
def test_search(store: Store, words: str, found: list[tuple[str, int]]) -> None:
    from aria_docs.schemas.sources import PageRow

    texts = ["# L'E\N{COMBINING ACUTE ACCENT}cole\nfermée", "Revenue of the Ferry: a", "商品数量表"]
    pages = [PageRow(source_id="a", page=n, width_pt=1, height_pt=1, text=text, from_ocr=False)
             for n, text in enumerate(texts, 1)]  # fmt: skip
    store.write(Batch(files=[file("/in/a.pdf", "a")], sources=[source("a")], finished=[Finished(pages=tuple(pages))]))
    quoted = words.replace("'", "''")
    assert store.ask(f"SELECT kind, page FROM search('{quoted}')").rows == found


def test_what_a_search_passes_over_has_no_accent_that_duckdb_strips(store: Store) -> None:
    passed_over = store.records(
        "SELECT f, x FROM (SELECT chr(c) AS x, strip_accents(lower(chr(c))) AS f "
        "FROM (SELECT unnest(range(1, 131072))::INTEGER AS c) WHERE c NOT BETWEEN 55296 AND 57343) "
        "WHERE f <> x AND length(f) = 1 AND regexp_matches(f, '[\\p{L}\\p{N}]') "
        "AND NOT regexp_matches(x, aria_docs_internal.may_be(f))"
    )
    assert not passed_over
    # What is its own folded form is found by any word that may have it; a pattern each would take a minute.
    others = store.records(
        "SELECT chr(c) AS x FROM (SELECT unnest(range(128, 131072))::INTEGER AS c) WHERE c NOT BETWEEN 55296 AND 57343 "
        "AND NOT regexp_matches(chr(c), aria_docs_internal.may_be('a'))"
    )
    assert [row["x"] for row in others] == ["\u017f", "\u212a"], "s and k to a pattern that minds no case"
    for row in others:
        match = "SELECT regexp_matches('{x}', aria_docs_internal.may_be('{x}')) AS is_found".format_map(row)
        assert store.records(match) == [{"is_found": True}]


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames(store: Store, library: str) -> None:
    pytest.importorskip(library, reason=f"pip install {library}")
    part = table("a", 1, INCOME)
    write(store, part)
    frame = store.frame(f"FROM tbl_{id_of(part)}", library)  # type: ignore[arg-type]
    assert type(frame).__module__.startswith(library)
    assert frame.shape == (4, 6)


def test_a_library_that_is_missing_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(UsageError, match="polars is not installed"):
        store.frame("SELECT 1", "polars")


def test_a_query_does_not_see_the_callers_variables(store: Store) -> None:
    pytest.importorskip("pandas")
    import pandas as pd

    secret = pd.DataFrame({"a": [1]})  # noqa: F841 - DuckDB would find it by its name
    with pytest.raises(QueryError, match="secret"):
        store.ask("SELECT * FROM secret")
