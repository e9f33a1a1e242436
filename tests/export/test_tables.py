"""Tables as files: each once, numbers as numbers, and nothing that a spreadsheet would run."""

import csv
import json
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from aria_docs.errors import QueryError, UsageError
from aria_docs.export import MANIFEST, Chosen, ExportOutcome, export
from aria_docs.schemas.readings import Finished, ReadingRow, reading_id
from aria_docs.schemas.scenes import SceneRow
from aria_docs.schemas.sources import FileRow, SourceRow
from aria_docs.schemas.tables import CellRow, TableRow, table_id
from aria_docs.storage.database import Batch, Store

NOW = datetime.now(UTC).replace(tzinfo=None)
EVIL = "=cmd|' /C calc'!A0"


def reading(source: str, task: str, part: str) -> ReadingRow:
    return ReadingRow(
        reading_id=reading_id(source_id=source, task=task, part=part, recipe="r"), run_id="run", source_id=source,
        task=task, part=part, engine="embedded", recipe="r", status="ok", seconds=0.5, read_at=NOW,
    )  # fmt: skip


def table(source: str, page: int, rows: list[list[str]], *, spans: dict[tuple[int, int], tuple[int, int]]) -> Finished:
    read = reading(source, "tables", f"page:{page}")
    tid = table_id(reading_id=read.reading_id, page=page, table_no=0)
    head = TableRow(
        table_id=tid, reading_id=read.reading_id, source_id=source, page=page, table_no=0, x0=0, y0=0, x1=9, y1=9,
        n_rows=len(rows), n_cols=len(rows[0]), n_header_rows=1, caption="=A caption()",
    )  # fmt: skip
    cells = []
    for row_no, row in enumerate(rows):
        for col_no, text in enumerate(row):
            row_span, col_span = spans.get((row_no, col_no), (1, 1))
            if text != "^":
                number = float(text.replace(",", "")) if re.fullmatch(r"-?[\d,.]+", text) else None
                cells.append(
                    CellRow(table_id=tid, row_no=row_no, col_no=col_no, row_span=row_span, col_span=col_span,
                            is_header=row_no == 0, text=text, number=number, grounded=True)
                )  # fmt: skip
    return Finished(reading=read, tables=(head,), cells=tuple(cells))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "r.duckdb")
    store.prepare(patience_s=1)
    rows = [["Item", "2025", "^"], [EVIL, "1,204", "x"], ["^", "-5", "@SUM(A1)"], ["+1", "0.5", "+see note"]]
    parts = [table(name, 2, rows, spans={(0, 1): (1, 2), (1, 0): (2, 1)}) for name in ("a", "b")]
    scenes = reading("v", "scenes", "video")
    scene = SceneRow(reading_id=scenes.reading_id, source_id="v", scene_no=0, start_s=0, end_s=61.5, transition="start",
                     title=EVIL)  # fmt: skip
    kinds = {"a": "pdf", "b": "pdf", "v": "video"}
    paths = {"a": "/in/Q1.pdf", "b": "/in/other/q1.pdf", "v": "/in/film.mp4"}
    sources = [SourceRow(source_id=name, path=paths[name], kind=kind, size_bytes=9, first_seen_at=NOW)
               for name, kind in kinds.items()]  # fmt: skip
    files = [FileRow(path=path, source_id=name, size_bytes=9, modified_at=NOW) for name, path in paths.items()]
    files.append(FileRow(path="/in/z copy.pdf", source_id="a", size_bytes=9, modified_at=NOW))
    films = Finished(reading=scenes, scenes=(scene,))
    store.write(Batch(files=files, sources=sources, finished=[*parts, films]))
    store.work_out()
    return store


def manifest(folder: Path) -> list[dict[str, object]]:
    files: list[dict[str, object]] = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
    assert {file["file"] for file in files} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } - {MANIFEST}
    return files


def test_csv(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert export(store, folder, form="csv").left == ()
    files = manifest(folder)
    assert [(file["file"], file["source"], file["n_rows"]) for file in files] == [
        ("Q1/page-0002-table-1.csv", "/in/Q1.pdf", 3),
        ("q1-2/page-0002-table-1.csv", "/in/other/q1.pdf", 3),
        ("scenes.csv", None, 1),
    ]
    with (folder / "Q1/page-0002-table-1.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["item", "_2025", "_2025_2"],
            ["'" + EVIL, "1204.0", "x"],
            ["'" + EVIL, "-5.0", "'@SUM(A1)"],
            ["+1", "0.5", "'+see note"],
        ]
    with (folder / "scenes.csv").open(encoding="utf-8", newline="") as file:
        [scene] = csv.DictReader(file)
    assert (scene["title"], scene["end_clock"], scene["path"]) == ("'" + EVIL, "00:01:01.500", "/in/film.mp4")


@pytest.mark.parametrize("form", ["csv", "parquet", "xlsx"])
def test_stacked_tables_are_one_file(store: Store, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "out"
    export(store, folder, form=form, stacked=True)
    [file] = manifest(folder)
    if form == "xlsx":
        [file] = file["stacks"]  # type: ignore[assignment]
    assert (file["n_files"], file["n_tables"], file["n_rows"]) == (2, 2, 6)
    if form != "xlsx":
        query = f"SELECT sum(_2025), count(DISTINCT path) FROM '{folder / str(file['file'])}'"
        assert duckdb.sql(query).fetchall() == [(2 * 1199.5, 2)]


def test_parquet_has_types_and_the_text_as_it_is(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "it's"
    export(store, folder, form="parquet")
    path = str(folder / str(manifest(folder)[0]["file"])).replace("'", "''")
    assert duckdb.sql(f"SELECT item, _2025 FROM '{path}'").fetchall() == [(EVIL, 1204.0), (EVIL, -5.0), ("+1", 0.5)]


def test_xlsx_looks_like_the_table_and_runs_nothing(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    done: ExportOutcome = export(store, folder, form="xlsx")
    assert len(manifest(folder)) == len(done.written) == 1
    with zipfile.ZipFile(done.written[0].file) as book:
        sheet = book.read("xl/worksheets/sheet2.xml").decode()
        strings = re.findall(r"<t[^>]*>(.*?)</t>", book.read("xl/sharedStrings.xml").decode())
        styles = book.read("xl/styles.xml").decode()
    assert "<f>" not in sheet
    assert 'quotePrefix="1"' in styles
    assert {"Item", "2025", "=cmd|' /C calc'!A0", "+see note"} <= set(strings)
    assert '<mergeCell ref="B3:C3"/>' in sheet
    assert '<mergeCell ref="A4:A5"/>' in sheet
    assert re.search(r'<c r="B4"><v>1204</v></c>', sheet)
    assert re.search(r'<c r="B5"><v>-5</v></c>', sheet)


def test_spans_that_overlap_do_not_break_a_workbook(store: Store, tmp_path: Path) -> None:
    part = table("a", 2, [["a", "b"], ["c", "d"]], spans={(0, 0): (2, 2), (1, 1): (5, 5)})
    store.write(Batch(finished=[part]))
    done = export(store, tmp_path / "out", form="xlsx")
    with zipfile.ZipFile(done.written[0].file) as book:
        assert "<mergeCell " not in book.read("xl/worksheets/sheet2.xml").decode()


def test_what_cannot_be_asked_for(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no format of an export"):
        export(store, tmp_path / "out", form="pdf")
    with pytest.raises(UsageError, match="--stacked is for tables"):
        export(store, tmp_path / "out", form="chapters", stacked=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made a folder"):
        export(store, tmp_path / "file" / "out", form="csv")


def book_of(file: Path) -> dict[str, list[str]]:
    """Sheet → the texts and numbers of its cells."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(file)
    return {sheet.title: [cell.value for row in sheet.iter_rows() for cell in row if cell.value is not None]
            for sheet in book}  # fmt: skip


def test_one_workbook_has_an_index_and_each_table_its_source(store: Store, tmp_path: Path) -> None:
    [made] = export(store, tmp_path / "out", form="xlsx").written
    assert made.file.name == "tables.xlsx"
    sheets = book_of(made.file)
    assert list(sheets) == ["Index", "Q1 2-1", "q1 (2) 2-1"]
    assert sheets["Index"][:6] == ["Sheet", "File", "Page", "Table", "Caption", "Rows"]
    assert "/in/other/q1.pdf" in sheets["Index"]
    assert sheets["Q1 2-1"][0] == "Q1.pdf, page 2, table 1: =A caption()"
    assert 1204 in sheets["Q1 2-1"] and EVIL in sheets["Q1 2-1"]
    with zipfile.ZipFile(made.file) as book:
        second = book.read("xl/worksheets/sheet2.xml").decode()
    assert 'ySplit="3"' in second and 'state="frozen"' in second
    assert "<f>" not in second


@pytest.mark.parametrize(
    ("chosen", "sources"),
    [
        (Chosen(path="*other*"), ["/in/other/q1.pdf"]),
        (Chosen(path="q1.pdf"), ["/in/other/q1.pdf"]),
        (Chosen(where="caption LIKE '=%' AND path LIKE '/in/Q%'"), ["/in/Q1.pdf"]),
        (Chosen(where="true -- all of them"), ["/in/Q1.pdf", "/in/other/q1.pdf"]),
    ],
)
def test_some_tables(store: Store, tmp_path: Path, chosen: Chosen, sources: list[str]) -> None:
    for form in ("csv", "parquet"):
        assert [made.source for made in export(store, tmp_path / form, form=form, chosen=chosen).written] == sources
    [made] = export(store, tmp_path / "x", form="xlsx", chosen=chosen).written
    assert len(book_of(made.file)) == 1 + len(sources)


def test_a_choice_of_nothing_is_refused(store: Store, tmp_path: Path) -> None:
    [table_id] = store.ask("SELECT min(table_id) FROM tables").rows[0]
    assert len(export(store, tmp_path / "a", form="csv", chosen=Chosen(tables=(table_id,))).written) == 1
    with pytest.raises(UsageError, match="no table is chosen"):
        export(store, tmp_path / "b", form="csv", chosen=Chosen(path="*nowhere*"))
    with pytest.raises(QueryError, match="captoin"):
        export(store, tmp_path / "c", form="csv", chosen=Chosen(where="captoin = 1"))
    with pytest.raises(QueryError):
        export(store, tmp_path / "d", form="csv", chosen=Chosen(where="true); DROP TABLE cells; --"))
    with pytest.raises(UsageError, match="--separate"):
        export(store, tmp_path / "e", form="csv", separate=True)
    assert len(export(store, tmp_path / "f", form="xlsx", separate=True).written) == 2


def test_an_answer_as_a_workbook(store: Store, tmp_path: Path) -> None:
    from aria_docs.export.xlsx import write_answer

    write_answer(tmp_path / "a.xlsx", store.ask("SELECT text, number FROM cells ORDER BY ALL LIMIT 2"))
    assert book_of(tmp_path / "a.xlsx")["Answer"][:2] == ["text", "number"]


def test_no_stack_is_said(tmp_path: Path) -> None:
    empty = Store(tmp_path / "e.duckdb")
    empty.prepare(patience_s=1)
    with pytest.raises(UsageError, match="no stack"):
        export(empty, tmp_path / "out", form="csv", stacked=True)


def test_sheet_names_are_ones_that_excel_takes() -> None:
    from aria_docs.export.xlsx import sheet_names

    names = sheet_names([("a" * 50, 12, 0), ("A" * 50, 12, 0), ("x[1]:*?/\\'", 1, 1), ("", 3, 2)])
    assert names == ["a" * 26 + " 12-1", "A" * 22 + " (2) 12-1", "x 1 1-2", "Table 3-3"]
