"""The database: what is written is there, once; who waits gets in; who reads cannot do more than read."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from aria_docs.errors import QueryError, StoreBusy, StoreError
from aria_docs.schemas.readings import FailureRow, Finished, ReadingRow, RecipeRow, RunRow, SidecarRow, reading_id
from aria_docs.schemas.scenes import CueRow, SceneRow, ShotRow
from aria_docs.schemas.sources import FileRow, PageRow, SourceRow
from aria_docs.schemas.summaries import KeyPointRow, SummaryRow
from aria_docs.schemas.tables import CellRow, TableRow, table_id
from aria_docs.storage.database import Store
from aria_docs.storage.keeper import Batch, FileStamp, Known, RunEnd, Wanted

NOW = datetime(2026, 11, 22, 9, 30, 0, 123456)


def source(name: str = "s1") -> SourceRow:
    return SourceRow(source_id=name, path=f"/in/{name}.pdf", kind="pdf", size_bytes=9, n_pages=2, first_seen_at=NOW)


def file(path: str, source_id: str = "s1") -> FileRow:
    return FileRow(path=path, source_id=source_id, size_bytes=9, modified_at=NOW)


def part(page: int, texts: tuple[str, ...] = ("a", "1"), *, recipe: str = "r1", source_id: str = "s1") -> Finished:
    rid = reading_id(source_id=source_id, task="tables", part=f"page:{page}", recipe=recipe)
    tid = table_id(reading_id=rid, page=page, table_no=0)
    reading = ReadingRow(
        reading_id=rid, run_id="run", source_id=source_id, task="tables", part=f"page:{page}", engine="embedded",
        recipe=recipe, status="ok", seconds=0.5, read_at=NOW,
    )  # fmt: skip
    table = TableRow(
        table_id=tid, reading_id=rid, source_id=source_id, page=page, table_no=0, x0=0, y0=0, x1=9, y1=9,
        n_rows=len(texts), n_cols=1, n_header_rows=0,
    )  # fmt: skip
    cells = tuple(
        CellRow(
            table_id=tid, row_no=row, col_no=0, row_span=1, col_span=1, is_header=False, text=text,
            number=float(text) if text.isdigit() else None, grounded=True,
        )
        for row, text in enumerate(texts)
    )  # fmt: skip
    page_row = PageRow(source_id=source_id, page=page, width_pt=595, height_pt=842, text=f"p{page}", from_ocr=False)
    return Finished(reading=reading, pages=(page_row,), tables=(table,), cells=cells)


def failure(**changes: object) -> FailureRow:
    values = {
        "path": "/in/s1.pdf", "source_id": "s1", "task": "tables", "part": "page:1", "recipe": "r1", "stage": "tables",
        "error": "TimedOut", "message": "m", "retryable": False, "failed_at": NOW,
    }  # fmt: skip
    return FailureRow.model_validate(values | changes)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "r.duckdb")
    store.prepare(patience_s=1)
    return store


def one(store: Store, query: str) -> object:
    [record] = store.records(query)
    [value] = record.values()
    return value


def test_all_kinds_of_rows_come_back_as_they_went_in(store: Store) -> None:
    odd = 'tab\t"quote" \\ é 表 \u2028 {"a": [1]}'
    shot = ShotRow(
        source_id="v", shot_no=0, start_s=0, end_s=4.004, transition="start", transition_start_s=0, transition_end_s=0
    )
    scene = SceneRow(
        reading_id="x", source_id="v", scene_no=0, start_s=0, end_s=4.004, transition="start",
        thumbnail=bytes(range(256)),
    )  # fmt: skip
    points = [KeyPointRow(text=odd, start_s=1.5), KeyPointRow(text="p", page=3)]
    summary = SummaryRow(reading_id="y", source_id="v", title=None, language="en", text=odd, key_points=points)
    video = Finished(shots=(shot,), scenes=(scene,), summaries=(summary,))
    store.write(Batch(files=[file("/in/s1.pdf")], sources=[source()], finished=[part(1, (odd, "2")), video]))
    assert one(store, "SELECT text FROM cells WHERE row_no = 0") == odd
    assert one(store, "SELECT thumbnail FROM scenes") == bytes(range(256))
    assert one(store, "SELECT end_s FROM shots") == 4.004
    assert one(store, "SELECT key_points FROM summaries") == [
        {"text": odd, "page": None, "start_s": 1.5},
        {"text": "p", "page": 3, "start_s": None},
    ]
    assert one(store, "SELECT read_at FROM readings") == NOW
    assert one(store, "SELECT sum(number) FROM cells") == 2


def test_reading_again_replaces_and_another_recipe_adds(store: Store) -> None:
    batch = Batch(files=[file("/in/s1.pdf")], sources=[source()], finished=[part(1), part(2)])
    store.write(batch)
    store.write(batch)
    store.write(Batch(finished=[part(1, ("b", "2", "3"))]))
    assert one(store, "SELECT count(*) FROM readings") == 2
    assert (
        one(store, "SELECT string_agg(text, '' ORDER BY row_no) FROM cells JOIN tables USING (table_id) WHERE page = 1")
        == "b23"
    )
    assert one(store, "SELECT count(*) FROM pages") == 2
    store.write(Batch(finished=[part(1, recipe="r2")]))
    assert one(store, "SELECT count(*) FROM readings") == 3
    assert one(store, "SELECT count(*) FROM tables") == 3


def test_what_lay_beside_a_file_is_known_until_it_is_read_again(store: Store) -> None:
    reading = part(1).reading
    assert reading
    beside = SidecarRow(reading_id=reading.reading_id, sha256="5f")
    store.write(Batch(finished=[Finished(reading=reading, sidecars=(beside,)), part(2)]))
    assert store.load_known(["s1"], ["r1"])["s1"].read == {("tables", "page:1", "5f"), ("tables", "page:2", None)}
    store.write(Batch(finished=[part(1)]))
    assert store.load_known(["s1"], ["r1"])["s1"].read == {("tables", "page:1", None), ("tables", "page:2", None)}


def test_what_is_said_is_kept_by_source_and_found_at_its_second(store: Store) -> None:
    def said(*texts: str) -> tuple[CueRow, ...]:
        return tuple(
            CueRow(source_id="s1", cue_no=i, start_s=60.0 * i, end_s=60.0 * i + 2, text=text, origin="speech")
            for i, text in enumerate(texts)
        )

    first, second = part(1), part(2)
    both = [replace(first, cues=said("Kuleshov", "Eisenstein")), replace(second, cues=said("Kuleshov", "Vertov"))]
    store.write(Batch(files=[file("/in/s1.pdf")], sources=[source()], finished=both))
    assert store.records("SELECT kind, start_s, snippet FROM search('vertov')") == [
        {"kind": "cue", "start_s": 60.0, "snippet": "Vertov"}
    ]
    store.write(Batch(finished=[part(1)]))  # whoever has not looked says nothing
    assert one(store, "SELECT count(*) FROM video_cues WHERE path = '/in/s1.pdf' AND origin = 'speech'") == 2
    store.write(Batch(finished=[replace(part(1), cues=())]))
    assert one(store, "SELECT count(*) FROM cues") == 0


def test_what_is_known(store: Store) -> None:
    store.begin_run(
        RunRow(run_id="run", started_at=NOW, command="c", engine="embedded", recipe="r1"),
        [RecipeRow(recipe="r1", options="{}"), RecipeRow(recipe="r1", options="{}")],
    )
    store.write(Batch(files=[file("/in/s1.pdf")], sources=[source()], finished=[part(1), part(2, recipe="r2")]))
    store.write(Batch(failures=[failure(part="page:9"), failure(recipe="r2"), failure(task="", part="", recipe="")]))
    stamp = FileStamp("/in/s1.pdf", file("/in/s1.pdf").size_bytes, file("/in/s1.pdf").modified_at)
    assert store.find_unchanged([stamp, replace(stamp, size_bytes=7), replace(stamp, path="/in/s2.pdf")]) == {
        stamp.path: "s1"
    }
    assert store.load_known(["other"], ["r1"]) == {"other": Known()}
    known = store.load_known(["s1"], ["r1"])["s1"]
    assert known.row == source()
    assert known.read == {("tables", "page:1", None)}
    assert [(row.part, row.recipe) for row in known.failures] == [("", ""), ("page:9", "r1")]
    store.end_run("run", RunEnd(1, 2, 3))
    assert one(store, "SELECT n_read * 100 + n_failed * 10 + n_skipped FROM runs WHERE ended_at > started_at") == 123
    assert one(store, "SELECT count(*) FROM recipes") == 1


def test_a_failure_is_kept_until_its_part_is_read(store: Store) -> None:
    store.write(Batch(failures=[failure(), failure(message="again"), failure(task="", part="", recipe="")]))
    assert one(store, "SELECT string_agg(message, ',' ORDER BY message) FROM failures") == "again,m"
    store.write(Batch(finished=[part(2)], opened=["s1"]))
    assert one(store, "SELECT message FROM failures") == "again"
    store.write(Batch(finished=[part(1)]))
    assert store.records("SELECT * FROM failures") == []


def test_a_changed_file_moves_and_a_gone_one_is_absent(store: Store) -> None:
    unreachable = failure(path="/in/b.pdf", source_id=None, task="", part="", recipe="")
    store.write(Batch(files=[file("/in/a.pdf")], failures=[failure(path="/in/a.pdf"), unreachable]))
    store.write(Batch(files=[file("/in/a.pdf", "s2"), file("/in/b.pdf", "s2")]))
    assert store.records("SELECT path, source_id, present FROM files ORDER BY path") == [
        {"path": "/in/a.pdf", "source_id": "s2", "present": True},
        {"path": "/in/b.pdf", "source_id": "s2", "present": True},
    ]
    assert store.records("SELECT * FROM failures") == []
    store.write(Batch(failures=[failure(path="/in/a.pdf", source_id="s2")]))
    store.forget(["/in/a.pdf"])
    assert one(store, "SELECT present FROM files WHERE path = '/in/a.pdf'") is False
    assert store.records("SELECT * FROM failures") == []


def test_views_show_the_newest_reading_of_present_files(store: Store) -> None:
    newer = part(1, ("new", "7"), recipe="r2")
    assert newer.reading
    newer = Finished(
        reading=newer.reading.model_copy(update={"read_at": datetime(2027, 1, 1)}),
        tables=newer.tables,
        cells=newer.cells,
    )
    store.write(Batch(files=[file("/in/a.pdf"), file("/in/b.pdf")], sources=[source()], finished=[newer, part(1)]))
    store.write(Batch(files=[file("/gone.pdf", "s9")], finished=[part(1, source_id="s9")]))
    store.forget(["/gone.pdf"])
    assert store.records("SELECT path, text FROM document_cells WHERE row_no = 0 ORDER BY path") == [
        {"path": "/in/a.pdf", "text": "new"},
        {"path": "/in/b.pdf", "text": "new"},
    ]
    [table] = store.records("SELECT DISTINCT table_id FROM document_tables")
    rows = store.records(f"SELECT * FROM extracted_table('{table['table_id']}')")
    assert [(row["row_no"], row["c0"], row["c63"]) for row in rows] == [(0, "new", None), (1, "7", None)]


def test_a_database_of_the_future_and_one_that_is_none(tmp_path: Path, store: Store) -> None:
    with duckdb.connect(str(store.path)) as db:
        db.execute("INSERT INTO aria_docs_internal.migrations VALUES ('9999_future.sql', now()::TIMESTAMP)")
    with pytest.raises(StoreError, match="newer aria-docs"):
        store.prepare(patience_s=1)
    (tmp_path / "text.duckdb").write_text("hello " * 1000)
    with pytest.raises(StoreError, match=r"text\.duckdb cannot be opened"):
        Store(tmp_path / "text.duckdb").prepare(patience_s=1)
    with pytest.raises(StoreError, match="no such database"):
        Store(tmp_path / "none.duckdb").records("SELECT 1")
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / "no" / "folder.duckdb").prepare(patience_s=1)


_HOLD = """
import sys, time, duckdb
with duckdb.connect(sys.argv[1], read_only=True):
    print("held", flush=True)
    time.sleep(4)
"""


def test_a_busy_file_is_waited_for(store: Store) -> None:
    command = [sys.executable, "-c", _HOLD, str(store.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout and reader.stdout.readline() == "held\n"
        with pytest.raises(StoreBusy, match=f"PID {reader.pid}"):
            store.prepare(patience_s=0.2)
        said: list[str] = []
        Store(store.path, on_wait=said.append).write(Batch(files=[file("/in/a.pdf")]))
    assert one(store, "SELECT path FROM files") == "/in/a.pdf"
    [sentence] = said
    assert "waiting for" in sentence


def test_threads_share_a_store(store: Store) -> None:
    threads = [threading.Thread(target=store.write, args=(Batch(finished=[part(page)]),)) for page in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one(store, "SELECT count(*) FROM readings") == 8


def test_killed_while_writing_nothing_is_half_written(tmp_path: Path) -> None:
    program = f"""if True:
        import sys
        sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[2])!r}]
        from pathlib import Path
        from test_database import Batch, Store, part
        store = Store(Path(sys.argv[1]))
        store.prepare(patience_s=5)
        for page in range(1, 10**6):
            store.write(Batch(finished=[part(page, tuple("0123456789" * 20))]))
            print(page, flush=True)
    """
    path = tmp_path / "r.duckdb"
    acknowledged = 0
    for lines in (1, 3, 8):
        with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            for _ in range(lines):
                acknowledged = max(acknowledged, int(writer.stdout.readline()))
            os.kill(writer.pid, signal.SIGKILL)
        store = Store(path)
        assert one(store, "SELECT count(*) FROM readings") >= acknowledged
        assert store.records("SELECT part FROM readings GROUP BY part HAVING count(*) > 1") == []
        whole = (
            "SELECT r.reading_id FROM readings r LEFT JOIN tables USING (reading_id) LEFT JOIN cells c USING (table_id)"
        )
        assert store.records(whole + " GROUP BY 1 HAVING count(c.table_id) <> 200") == []


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE cells", "DELETE FROM cells", "CREATE TABLE x (i INT)", "CREATE TEMP TABLE x (i INT)",
        "ATTACH ':memory:' AS z", "COPY cells TO 'stolen.csv'", "INSTALL fts", "LOAD json", "SET threads = 1",
        "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd.csv'", "SELECT * FROM glob('/*')",
        "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE cells", "", "SELEC 1", "SELECT nothing FROM cells",
        "EXPORT DATABASE 'stolen'", "CALL duckdb_tables()", "BEGIN", "SELECT 1) TO 'stolen.csv'; --",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["table", "csv"])
def test_a_query_reads_and_does_no_more(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str, form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(QueryError) as caught:
        store.answer(query, form=form, target=None)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_answers_in_every_form(store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store.write(Batch(finished=[part(1, ("a,b", "1"))]))
    query = "SELECT row_no, text, number FROM cells ORDER BY ALL -- all of them"
    store.answer(query, form="csv", target=None)
    assert capfd.readouterr().out == 'row_no,text,number\n0,"a,b",\n1,1,1.0\n'
    store.answer(query, form="json", target=None)
    assert '{"row_no":0,"text":"a,b","number":null}' in capfd.readouterr().out
    store.answer(query + ";", form="table", target=None)
    assert "a,b" in capfd.readouterr().out
    store.answer(query, form="parquet", target=tmp_path / "it's.parquet")
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{tmp_path}/it''s.parquet')").fetchall() == [(2,)]
    with pytest.raises(QueryError, match="-o"):
        store.answer(query, form="parquet", target=None)


def test_tables_are_joined_over_pages(store: Store) -> None:
    store.write(Batch(finished=[part(1), part(2)]))
    first, second = store.table_parts("s1", "r1")
    assert (first.page, first.box, first.size_pt, first.n_cols, first.header) == (1, (0, 0, 9, 9), (595, 842), 1, [])
    store.write(Batch(continues={second.table_id: first.table_id}))
    assert store.records("SELECT page, continues FROM tables ORDER BY page") == [
        {"page": 1, "continues": None},
        {"page": 2, "continues": first.table_id},
    ]


def test_files_that_are_done_are_found_by_one_question(store: Store) -> None:
    """Unchanged, whole, without failures; what was read with subtitles beside it is looked at one by one."""
    names = ("whole", "half", "failed", "noted", "spoken", "zero", "gone")
    for name in names:
        read = [part(page, source_id=name) for page in ((1, 2) if name != "half" else (1,)) if name != "zero"]
        store.write(
            Batch(
                files=[file(f"/in/{name}.pdf", name).model_copy(update={"present": name != "gone"})],
                sources=[source(name).model_copy(update={"n_pages": 0 if name == "zero" else 2})],
                finished=[*read, summary_of(name, note="no text was read" if name == "noted" else None)],
            )
        )
    store.write(
        Batch(failures=[failure(part="page:9").model_copy(update={"path": "/in/failed.pdf", "source_id": "failed"})])
    )
    reading = part(1, source_id="spoken").reading
    assert reading
    store.write(Batch(finished=[Finished(reading, sidecars=(SidecarRow(reading_id=reading.reading_id, sha256="5f"),))]))
    stamps = [FileStamp(f"/in/{name}.pdf", 9, NOW) for name in (*names, "never")]

    def done(kind: str = "pdf", whole: tuple[str, ...] = ("r1",), noted: str | None = None) -> set[str]:
        return set(store.find_finished(stamps, Wanted(kind, ("r1",), whole, noted)).values())

    assert done() == {"whole", "noted", "zero"}
    assert done(noted="no text") == {"whole", "zero"}
    assert done(whole=("r1", "r2")) == set()
    assert done(kind="image") == set()
    assert store.find_finished([replace(stamps[0], size_bytes=8)], Wanted("pdf", ("r1",), ("r1",))) == {}


def summary_of(source_id: str, *, note: str | None) -> Finished:
    return Finished(
        ReadingRow(
            reading_id=reading_id(source_id=source_id, task="summary", part="document", recipe="r1"), run_id="run",
            source_id=source_id, task="summary", part="document", engine="embedded", recipe="r1",
            status="partial" if note else "ok", note=note, seconds=0.1, read_at=NOW,
        )
    )  # fmt: skip


def test_files_that_are_gone(store: Store) -> None:
    for path in ("/in/a.pdf", "/in/sub/b.pdf", "/inner/c.pdf"):
        store.write(Batch(files=[file(path)]))
    store.write(Batch(failures=[failure().model_copy(update={"path": "/in/failed.pdf"})]))
    assert store.missing(["/in"], ["/in/a.pdf"]) == ["/in/failed.pdf", "/in/sub/b.pdf"]
    store.forget(["/in/sub/b.pdf", "/in/failed.pdf"])
    assert store.missing(["/in", "/inner/c.pdf"], []) == ["/in/a.pdf", "/inner/c.pdf"]


def test_readings_that_come_in_any_order_leave_the_newest_in_the_views(store: Store) -> None:
    early, late = part(1, ("old",)), part(1, ("new",), recipe="r2")
    assert early.reading and late.reading
    late = replace(late, reading=late.reading.model_copy(update={"read_at": NOW.replace(year=2027)}))
    store.write(Batch(files=[file("/in/s1.pdf")], sources=[source()], finished=[late]))
    store.write(Batch(finished=[early]))
    assert store.records("SELECT text FROM document_cells") == [{"text": "new"}]
    store.write(
        Batch(finished=[replace(early, reading=early.reading.model_copy(update={"read_at": NOW.replace(year=2028)}))])
    )
    assert store.records("SELECT text FROM document_cells") == [{"text": "old"}]


def test_threads_of_one_process_read_and_write_one_file(tmp_path: Path) -> None:
    """Each thread with a `Store` of its own, as the tasks of a flow: DuckDB refuses a reader beside a writer."""
    stores = [Store(tmp_path / "r.duckdb") for _ in range(4)]
    stores[0].prepare(patience_s=5)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for page in range(1, 6):
                stores[number].write(Batch(finished=[part(page, source_id=f"s{number}")]))
                assert len(stores[number].page_texts(f"s{number}", None)) == page
                stores[number].load_known([f"s{number}"], ["r1"])
        except BaseException as error:  # noqa: BLE001 - for the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert one(stores[0], "SELECT count(*) FROM readings") == 20


def test_an_empty_file_as_mktemp_makes_it_is_a_new_database(tmp_path: Path) -> None:
    (tmp_path / "r.duckdb").touch()
    store = Store(tmp_path / "r.duckdb")
    store.prepare(patience_s=1)
    assert one(store, "SELECT count(*) FROM readings") == 0
