"""A database in a notebook: on the example files, read once."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import aria_docs
from aria_docs.errors import QueryError, StoreError, Unreachable
from aria_docs.notebook import SHOWN_ROWS, Database
from aria_docs.storage.database import Store

EXAMPLES = Path(__file__).parents[1] / "examples"
INCOME = "Table 2. Consolidated income statement"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "annual_report.pdf").write_bytes((EXAMPLES / "annual_report.pdf").read_bytes())
    (folder / "museum_tour.mp4").write_bytes((EXAMPLES / "museum_tour.mp4").read_bytes())
    command = [sys.executable, "-m", "aria_docs", "run", str(folder), "--db", str(folder / "r.duckdb")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def db(folder: Path) -> Database:
    return aria_docs.open(folder / "r.duckdb")


def test_tables_are_frames_with_right_sums(db: Database) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    [table] = [table for table in db.tables("annual_report.pdf") if table.caption == INCOME]
    frame = table.df()
    lines = ["Ticket revenue", "Vehicles and freight", "On-board sales", "Public service compensation¹"]
    assert frame.set_index("eur_thousand")["_2025"].loc[lines].sum() == 92_218
    assert table.pl().shape == (len(frame), 6) == (len(table.rows), len(table.columns))
    assert table.arrow().column("_2024").type == "double"
    assert db.table(table.table_id).rows == table.rows


def test_columns_of_the_examples_sum_to_the_truth(db: Database) -> None:
    """Operating expenses of the income statement, and the totals under the routes."""
    by_caption = {table.caption: table for table in db.tables()}
    income = {row[1]: row[3] for row in by_caption[INCOME].rows}
    costs = ["Personnel", "Energy and fuel", "Maintenance", "Port charges", "Other operating expenses"]
    assert sum(income[cost] for cost in costs) == income["Operating expenses"] == -71_383
    fleet = [table for caption, table in by_caption.items() if caption and caption.startswith("Table 4")]
    assert {table.columns for table in fleet} == {
        ("row_no", "vessel", "built", "route", "passengers", "cars", "energy", "last_docking")
    }


def test_what_shows_itself_is_escaped(db: Database) -> None:
    rows = db.sql("SELECT '<script>alert(1)</script>' AS \"<b>\", NULL AS empty")
    shown = rows._repr_html_()
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert [line.split("│")[1:3] for line in repr(rows).splitlines() if "│" in line][1][1].strip() == "NULL"
    many = db.sql(f"SELECT unnest(range({SHOWN_ROWS + 7}))")
    assert many._repr_html_().endswith("… 7 more rows")
    assert len(many) == SHOWN_ROWS + 7
    assert "5 tables" in repr(db)
    assert "5" in db._repr_html_()
    assert INCOME in "".join(table._repr_html_() for table in db.tables())


def test_thumbnails_are_pictures(db: Database) -> None:
    scenes = db.scenes("museum_tour.mp4")
    assert len(scenes) == len(db.scenes()) > 5
    assert scenes._repr_html_().count('<img src="data:image/jpeg;base64,') == len(scenes)
    assert Image.open(io.BytesIO(scenes.rows[0][0])).format == "JPEG"


def test_boxes_are_drawn_where_the_table_is(db: Database, folder: Path) -> None:
    page = db.page("annual_report.pdf", 3)
    plain, boxed = page.image(boxes=False, long_edge_px=842), page.image(long_edge_px=842)
    assert plain.size == boxed.size
    changed = [
        (at % plain.width, at // plain.width)
        for at, (one, two) in enumerate(zip(plain.get_flattened_data(), boxed.get_flattened_data(), strict=True))
        if one != two
    ]
    [(x0, y0, x1, y1, width)] = db.sql(
        "SELECT x0, y0, x1, y1, width_pt FROM document_tables JOIN pages USING (source_id, page) WHERE page = 3"
    ).rows
    scale = plain.width / width
    assert min(x for x, _ in changed) == pytest.approx(x0 * scale, abs=5)
    assert max(x for x, _ in changed) == pytest.approx(x1 * scale, abs=5)
    assert min(y for _, y in changed) == pytest.approx(y0 * scale, abs=5)
    assert max(y for _, y in changed) == pytest.approx(y1 * scale, abs=5)
    assert Image.open(io.BytesIO(page._repr_png_())).format == "PNG"
    assert page.tables[0].caption == INCOME
    assert "income statement" in page.text.lower()
    assert page.tables[0].page == page


def test_search_finds_pages(db: Database) -> None:
    assert {row[0] for row in db.search("it's")} <= {"page", "scene", "summary", "caption", "cue"}
    assert ("page", 3) in {(row[0], row[2]) for row in db.search("income statement")}


def test_what_is_not_there_is_one_sentence(db: Database, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="was not read"):
        db.page("annual_report.pdf", 99)
    with pytest.raises(QueryError, match="no single file"):
        db.tables("other.pdf")
    with pytest.raises(QueryError, match="no table"):
        db.table("x'y")
    with pytest.raises(QueryError, match="reading only"):
        db.sql("DROP TABLE cells")
    with pytest.raises(StoreError, match="no such database"):
        aria_docs.open(tmp_path / "none.duckdb")


def test_a_file_that_has_gone_says_so_and_the_table_stays(folder: Path, db: Database) -> None:
    page = db.page("annual_report.pdf", 2)
    file = folder / "annual_report.pdf"
    file.rename(file.with_suffix(".gone"))
    try:
        with pytest.raises(Unreachable, match="has gone"):
            page.image()
        assert page.tables[0].rows
    finally:
        file.with_suffix(".gone").rename(file)


def test_the_file_is_free_between_statements(db: Database, folder: Path) -> None:
    Store(folder / "r.duckdb").prepare(patience_s=1)
    assert db.sql("SELECT 1").rows == [(1,)]


def test_lists_are_short(db: Database) -> None:
    assert len(repr(db.tables()).splitlines()) == 5
    assert repr(db.tables()).count(INCOME) == 1
    assert len(repr(db.scenes())) < 20_000
    assert "<JPEG" in repr(db.scenes())
    assert "\\xff" not in repr(db.scenes())
    assert repr(db.tables("annual_report.pdf", page=99)) == "no tables"


def test_what_to_ask_for(db: Database, folder: Path, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    assert [row[0] for row in db.files] == ["pdf", "video"]
    assert len(db.failures) == 0
    assert "fjord" in (db.summary("annual_report.pdf") or "")
    assert [table.page_no for table in db.tables(caption="INCOME")] == [3]
    assert len(db.tables(path="*.pdf", page=4)) == len(db.tables(page=4)) == 1
    assert db.sql("SELECT ? + 1", [41]).rows == [(42,)]
    [table] = db.tables(caption="income")
    assert table.to_markdown().splitlines()[2].startswith("| Ticket revenue")
    assert [row[5] for row in table.cells][:1] == ["EUR thousand"]
    assert table.image().width < table.page.image().width
    table.to_excel(tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert sheet["A1"].value == f"annual_report.pdf, page 3, table 1: {INCOME}"
    assert sheet["C4"].value == 48213
    with aria_docs.open(folder / "r.duckdb") as again:
        assert len(again.tables()) == 5
    assert not [name for name in dir(table) if name in ("store", "query", "passwords")]


def test_a_run_from_python(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    path = folder / "annual_report.pdf"
    outcome = aria_docs.run([path], db=tmp_path / "n.duckdb", tasks="tables", pages="2-3", on_progress=said.append)
    assert (outcome.n_read, outcome.failures) == (1, [])
    assert said[-1] == f"1/1 {path}"
    assert aria_docs.run(str(path), db=tmp_path / "n.duckdb", tasks="tables", pages="2-3").n_skipped == 1
    with pytest.raises(aria_docs.errors.UsageError, match="no such file"):
        aria_docs.run("nowhere", db=tmp_path / "m.duckdb")
    assert not (tmp_path / "m.duckdb").exists()
    assert set(dir(aria_docs)) == {"AriaDocsError", "__version__", "errors", "open", "read", "run"}
