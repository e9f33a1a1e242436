"""Corrections: where they apply, where they are stale, and that they outlive every reading."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aria_docs.correct import read_corrections
from aria_docs.errors import UsageError
from aria_docs.export import Chosen, export
from aria_docs.media import Check, Shot
from aria_docs.model.checks import row_of
from aria_docs.reading.rows import shot_row
from aria_docs.schemas.corrections import Anchor, GivenCorrection
from aria_docs.schemas.readings import Finished, ReadingRow, RunRow, reading_id
from aria_docs.schemas.scenes import SceneRow
from aria_docs.schemas.sources import FileRow, SourceRow
from aria_docs.schemas.tables import CellRow, TableRow, table_id
from aria_docs.storage.database import Batch, Store
from aria_docs.storage.load import load
from aria_docs.storage.spool import Spool

NOW = datetime(2026, 11, 27, 9, 30)
ROWS = [["Item", "2025", "2024"], ["Ferries", "1,204", "1,151"], ["Trams", "96", "88"], ["Total", "1,300", "1,239"]]
BOX = (10.0, 10.0, 310.0, 90.0)


def page(
    rows: list[list[str]], *, recipe: str = "r", shift: float = 0.0, boxes: bool = True, sure: float | None = None
) -> Finished:
    """A table on page 1, cells of 100 × 20 points, moved by some points."""
    rid = reading_id(source_id="s", task="tables", part="page:1", recipe=recipe)
    tid = table_id(reading_id=rid, page=1, table_no=0)
    reading = ReadingRow(
        reading_id=rid, run_id="ab", source_id="s", task="tables", part="page:1", engine="embedded", recipe=recipe,
        status="ok", seconds=0.5, read_at=datetime.now(UTC).replace(tzinfo=None),
    )  # fmt: skip
    height = 10 + 20 * len(rows)
    head = TableRow(
        table_id=tid, reading_id=rid, source_id="s", page=1, table_no=0, x0=10 + shift, y0=10 + shift,
        x1=310 + shift, y1=height + shift, n_rows=len(rows), n_cols=len(rows[0]), n_header_rows=1, caption="Fleet",
        confidence=sure,
    )  # fmt: skip
    cells = []
    for row, texts in enumerate(rows):
        for col, text in enumerate(texts):
            x, y = 10 + 100 * col + shift, 10 + 20 * row + shift
            box = {"x0": x, "y0": y, "x1": x + 100, "y1": y + 20} if boxes else {}
            number = float(text.replace(",", "")) if text.replace(",", "").isdecimal() else None
            cells.append(
                CellRow(
                    table_id=tid, row_no=row, col_no=col, row_span=1, col_span=1, is_header=row == 0, text=text,
                    number=number, grounded=True, confidence=sure, **box,
                )
            )  # fmt: skip
    return Finished(reading=reading, tables=(head,), cells=tuple(cells))


def batch(*parts: Finished, path: str = "/in/fleet.pdf") -> Batch:
    source = SourceRow(source_id="s", path=path, kind="pdf", size_bytes=1, n_pages=1, first_seen_at=NOW)
    return Batch(
        files=[FileRow(path=path, source_id="s", size_bytes=1, modified_at=NOW, present=True)], sources=[source],
        finished=list(parts), opened=["s"],
    )  # fmt: skip


def begin(keeper: Any) -> None:
    keeper.prepare(patience_s=1)
    keeper.begin_run(RunRow(run_id="ab", started_at=NOW, command="c", engine="embedded", recipe="r"), [])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "r.duckdb")
    begin(store)
    store.write(batch(page(ROWS)))
    store.work_out()
    return store


def cell(row: int, col: int, before: str, after: str, **more: Any) -> GivenCorrection:
    x, y = 10 + 100 * col, 10 + 20 * row
    anchor = Anchor(box=(x, y, x + 100, y + 20), row=row, col=col)
    return GivenCorrection(
        path="/in/fleet.pdf", page=1, target="cell", anchor=anchor, before=before, after=after, **more
    )


def of_table(target: Any, before: Any, after: Any, **anchor: int) -> GivenCorrection:
    return GivenCorrection(
        source_id="s", page=1, target=target, anchor=Anchor(box=BOX, **anchor), before=before, after=after
    )


def shown(store: Store) -> list[list[str]]:
    rows: dict[int, list[str]] = {}
    for row in store.records("SELECT row_no, text FROM document_cells ORDER BY row_no, col_no"):
        rows.setdefault(row["row_no"], []).append(row["text"])
    return list(rows.values())


def values(store: Store, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in store.records(query)]


def test_a_cell_is_shown_corrected_everywhere_and_the_reading_stays(store: Store, tmp_path: Path) -> None:
    done = store.correct([cell(1, 1, "1,204", "1,294")])
    assert (done.applied, done.stale, done.known) == (1, (), 0)
    query = "SELECT text, number, corrected FROM document_cells WHERE row_no = 1 AND col_no > 0 ORDER BY col_no"
    assert values(store, query) == [("1,294", 1294.0, True), ("1,151", 1151.0, False)]
    assert values(store, "SELECT corrected FROM document_tables") == [(True,)]
    assert values(store, "SELECT text FROM cells WHERE row_no = 1 AND col_no = 1") == [("1,204",)]
    assert values(store, "SELECT value FROM figures WHERE row_no = 1 AND col_no = 1") == [(1294.0,)]
    [(id_,)] = values(store, "SELECT table_id FROM document_tables")
    assert values(store, f"SELECT c1 FROM extracted_table('{id_}') WHERE row_no = 1") == [("1,294",)]
    assert store.ask(f"SELECT _2025 FROM tbl_{id_} WHERE row_no = 1").rows == [(1294,)]
    export(store, tmp_path / "out", form="csv", stacked=False, separate=False, chosen=Chosen(), on_left=print)
    assert any("1294" in path.read_text() for path in (tmp_path / "out").rglob("*.csv"))


def test_a_confirmation_changes_nothing_and_is_kept(store: Store) -> None:
    store.correct([cell(2, 1, "96", "96")])
    assert values(store, "SELECT state, before = after FROM corrections") == [("applied", True)]
    assert values(store, "SELECT DISTINCT corrected FROM document_cells") == [(False,)]


def test_of_two_corrections_of_a_cell_the_later_stands_and_both_are_kept(store: Store) -> None:
    store.correct([cell(1, 1, "1,204", "1,294", made_by="Ann")])
    store.correct([cell(1, 1, "1,204", "1,264", made_by="Bob")])
    assert shown(store)[1][1] == "1,264"
    query = "SELECT made_by, state FROM corrections ORDER BY made_at"
    assert values(store, query) == [("Ann", "applied"), ("Bob", "applied")]


def test_the_same_file_twice_adds_nothing_but_a_change_of_mind_counts(store: Store) -> None:
    first, second = cell(1, 1, "1,204", "1,294"), cell(1, 1, "1,294", "1,204")
    assert store.correct([first]).known == 0
    assert store.correct([first]).known == 1
    store.correct([second])
    store.correct([first])
    assert shown(store)[1][1] == "1,294"
    assert values(store, "SELECT count(*) FROM corrections") == [(3,)]


def again(store: Store) -> None:
    store.write(batch(page(ROWS)))


def under_another_recipe(store: Store) -> None:
    store.write(batch(page(ROWS, recipe="other", shift=3.0)))


def renamed(store: Store) -> None:
    store.forget(["/in/fleet.pdf"])
    store.write(batch(path="/in/renamed.pdf"))


@pytest.mark.parametrize("change", [again, under_another_recipe, renamed])
def test_corrections_outlive(store: Store, change: Callable[[Store], None]) -> None:
    wanted = [
        cell(1, 1, "1,204", "1,294"), of_table("caption", "Fleet", "The fleet"), of_table("header_rows", 1, 2),
        of_table("row", ["Trams", "96", "88"], [["Trams", "9", "8"], ["Buses", "87", "80"]], row=2),
    ]  # fmt: skip
    assert store.correct(wanted).applied == 4
    before = shown(store)
    assert before[2:4] == [["Trams", "9", "8"], ["Buses", "87", "80"]]
    change(store)
    store.work_out()
    assert shown(store) == before
    query = "SELECT DISTINCT caption, n_header_rows, n_rows FROM document_tables"
    assert values(store, query) == [("The fleet", 2, 5)]
    assert values(store, "SELECT DISTINCT state FROM corrections") == [("applied",)]


def test_a_row_more_above_does_not_lead_astray(store: Store) -> None:
    """The correction is of what stood in its box: no other row gets it, though its number is the same."""
    store.correct([cell(2, 1, "96", "98")])
    moved = [ROWS[0], ["Boats", "96", "70"], *ROWS[1:]]
    store.write(batch(page(moved, recipe="new")))
    assert shown(store) == moved
    assert values(store, "SELECT state FROM corrections") == [("stale",)]
    store.write(batch(page(ROWS, recipe="newest")))
    assert shown(store)[2][1] == "98"
    assert values(store, "SELECT state FROM corrections") == [("applied",)]


def test_where_a_cell_has_no_box_row_column_and_shape_say_which(store: Store) -> None:
    store.write(batch(page(ROWS, boxes=False)))
    [(id_,)] = values(store, "SELECT table_id FROM document_tables")
    store.correct([store.cell_correction(id_, 1, 1, "1,294")])
    assert shown(store)[1][1] == "1,294"
    store.write(batch(page([*ROWS, ["Note", "", ""]], recipe="new", boxes=False)))
    assert shown(store)[1][1] == "1,204"
    assert values(store, "SELECT state FROM corrections") == [("stale",)]


def test_rows_and_columns_join_split_and_go(store: Store) -> None:
    assert store.correct([of_table("row", [ROWS[1], ROWS[2]], [["All", "1,300", "1,239"]], row=1)]).applied == 1
    assert shown(store) == [ROWS[0], ["All", "1,300", "1,239"], ROWS[3]]
    assert store.correct([of_table("row", ["All", "1,300", "1,239"], None, row=1)]).applied == 1
    assert shown(store) == [ROWS[0], ROWS[3]]
    assert store.correct([of_table("column", ["2024", "1,239"], None, col=2)]).applied == 1
    assert shown(store) == [["Item", "2025"], ["Total", "1,300"]]
    assert values(store, "SELECT n_rows, n_cols, n_header_rows FROM document_tables") == [(2, 2, 1)]
    query = "SELECT number, is_header FROM document_cells WHERE row_no = 1 AND col_no = 1"
    assert values(store, query) == [(1300.0, False)]


def test_what_is_no_table_is_shown_nowhere(store: Store) -> None:
    assert store.correct([of_table("table", ROWS, None)]).applied == 1
    for view in ("document_tables", "document_cells", "tables_once", "figures"):
        assert values(store, f"SELECT count(*) FROM {view}") == [(0,)]
    assert values(store, "SELECT count(*) FROM tables") == [(1,)]


def test_scenes_have_other_titles_and_edges(store: Store) -> None:
    rid = reading_id(source_id="s", task="scenes", part="video", recipe="r")
    reading = ReadingRow(
        reading_id=rid, run_id="ab", source_id="s", task="scenes", part="video", engine="aria", recipe="r",
        status="ok", seconds=1, read_at=NOW,
    )  # fmt: skip
    scenes = [
        SceneRow(reading_id=rid, source_id="s", scene_no=n, start_s=10.0 * n, end_s=10.0 * n + 10, transition="cut")
        for n in range(3)
    ]
    store.write(batch(Finished(reading=reading, scenes=tuple(scenes))))

    def of(field: Any, before: Any, after: Any) -> GivenCorrection:
        anchor = Anchor(start_s=10, end_s=20, field=field)
        return GivenCorrection(source_id="s", target="scene", anchor=anchor, before=before, after=after)

    done = store.correct([of("title", "Scene 2", "Harbour"), of("start_s", 10.0, 12.5), of("end_s", 20, 99)])
    assert (done.applied, len(done.stale)) == (2, 1)
    query = "SELECT start_s, end_s, title, corrected FROM video_scenes ORDER BY scene_no"
    assert values(store, query) == [(0, 12.5, None, True), (12.5, 20, "Harbour", True), (20, 30, None, False)]


def test_a_spool_is_loaded_under_the_corrections(store: Store, tmp_path: Path) -> None:
    store.correct([cell(1, 1, "1,204", "1,294"), cell(3, 1, "1,300", "1,390")])
    spool = Spool(tmp_path / "spool")
    begin(spool)
    other = [*ROWS[:3], ["Total", "1,301", "1,239"]]
    spool.write(batch(page(other, recipe="spooled")))
    load(tmp_path / "spool", store, say=print)
    assert [row[1] for row in shown(store)] == ["2025", "1,294", "96", "1,301"]
    assert values(store, "SELECT state FROM corrections ORDER BY made_at") == [("applied",), ("stale",)]


def test_files_of_corrections(store: Store, tmp_path: Path) -> None:
    entry = cell(1, 1, "1,204", "1,294").model_dump(mode="json", exclude_none=True)
    as_json = tmp_path / "corrections.json"
    as_json.write_text(json.dumps([entry]))
    as_csv = tmp_path / "corrections.csv"
    with as_csv.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, ["path", "page", "target", "anchor", "before", "after"])
        writer.writeheader()
        writer.writerow(entry | {"anchor": json.dumps(entry["anchor"])})
        lines = {"anchor": json.dumps({"box": BOX, "row": 2}), "before": json.dumps(ROWS[2]), "after": ""}
        writer.writerow({"path": "/in/fleet.pdf", "page": 1, "target": "row"} | lines)
    assert read_corrections(as_json) == read_corrections(as_csv)[:1]
    assert store.correct(read_corrections(as_csv)).applied == 2
    assert shown(store) == [ROWS[0], ["Ferries", "1,294", "1,151"], ROWS[3]]
    as_json.write_text(json.dumps([entry, entry | {"target": "word"}]))
    with pytest.raises(UsageError, match="correction 2: target"):
        read_corrections(as_json)
    with pytest.raises(UsageError, match="is not in the database"):
        store.correct([cell(1, 1, "1,204", "1").model_copy(update={"path": "/in/none.pdf"})])


def test_a_cell_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(UsageError, match="is not in document_tables"):
        store.cell_correction("0" * 16, 0, 0, "x")
    [(id_,)] = values(store, "SELECT table_id FROM document_tables")
    with pytest.raises(UsageError, match="no cell that begins at row 9, column 0: it has 4 rows and 3 columns"):
        store.cell_correction(id_, 9, 0, "x")


def test_a_failed_check_is_reviewed_until_it_is_mended(store: Store) -> None:
    wrong = [*ROWS[:2], ["Trams", "96", "98"], ROWS[3]]
    store.write(batch(page([[*row, ""] for row in wrong])))
    store.work_out()
    [(row, col, found)] = values(store, "SELECT row_no, col_no, found FROM checks WHERE NOT holds")
    assert (row, col, found) == (None, 2, 1239.0)
    places = values(store, "SELECT row_no, col_no FROM review")
    assert (2, 2) in places
    [(id_,)] = values(store, "SELECT table_id FROM document_tables")
    store.correct([store.cell_correction(id_, 2, 2, "88")])
    assert values(store, "SELECT count(*) FROM checks WHERE NOT holds") == [(0,)]
    assert values(store, "SELECT count(*) FROM review") == [(0,)]


def test_a_confirmed_cell_is_not_reviewed_again(store: Store) -> None:
    store.write(batch(page([*ROWS[:2], ["Trams", "96", "98"], ROWS[3]])))
    store.work_out()
    before = values(store, "SELECT row_no, col_no FROM review")
    store.correct([cell(2, 2, "98", "98")])
    after = values(store, "SELECT row_no, col_no FROM review")
    assert set(before) - set(after) == {(2, 2)}


WRONG = [["Item", "2025", "2024"], ["Ferries", "1,294", "1,151"], ["Trams", "96", "88"], ["Total", "1,300", "1,239"]]


def checked(rows: list[list[str]]) -> Finished:
    """As a child sends it: with what arithmetic says, and less sure of the cell that it names."""
    part = page(rows, sure=0.9)
    tid = part.tables[0].table_id
    check = Check("sum", False, col=1, suspects=((1, 1),), mend=1204.0, expected=1390.0, found=1300.0)
    cells = tuple(c.model_copy(update={"confidence": 0.3}) if c.text == "1,294" else c for c in part.cells)
    rest = (row_of(check, table_id=tid, check_no=0), row_of(Check("words", False, row=2), table_id=tid, check_no=1))
    return replace(part, cells=cells, checks=rest)


@pytest.fixture
def unsure(store: Store) -> Store:
    store.write(batch(checked(WRONG)))
    store.work_out()
    return store


def sure(store: Store) -> dict[str, float]:
    return {row["text"]: row["confidence"] for row in store.records("SELECT text, confidence FROM document_cells")}


def test_checks_that_came_with_a_reading_are_kept_and_go_with_it(unsure: Store) -> None:
    assert values(unsure, "SELECT kind, check_no FROM checks ORDER BY ALL") == [("sum", 0), ("words", 1)]
    assert values(unsure, "SELECT text, round(expected_error, 2) FROM review") == [("1,294", 0.7)]
    unsure.write(batch(page(ROWS, sure=0.9)))
    unsure.work_out()
    assert values(unsure, "SELECT kind FROM checks") == []
    assert values(unsure, "FROM review") == []


def test_a_corrected_cell_is_sure_and_what_arithmetic_says_of_the_others_is_said_anew(unsure: Store) -> None:
    before = values(unsure, "SELECT confidence FROM document_tables")
    unsure.correct([cell(1, 1, "1,294", "1,204")])
    found = sure(unsure)
    assert (found["1,204"], found["Trams"], found["96"]) == (1.0, 0.9, 0.9)
    assert values(unsure, "SELECT confidence FROM document_tables") != before
    assert values(unsure, "SELECT confidence FROM cells WHERE text = '1,294'") == [(0.3,)], "the reading's rows stay"
    assert values(unsure, "SELECT kind, holds FROM checks WHERE kind IN ('sum', 'words') AND NOT holds") == [
        ("words", False)
    ]
    assert values(unsure, "FROM review") == []


def test_a_wrong_correction_makes_what_arithmetic_then_names_less_sure(unsure: Store) -> None:
    unsure.correct([cell(1, 1, "1,294", "1,204"), cell(3, 2, "1,239", "1,339")])
    found = sure(unsure)
    assert found["1,339"] == 1.0, "a person said so"
    assert min(found[text] for text in ("1,151", "88")) < 0.9


def test_a_confirmed_cell_is_sure_and_not_corrected(unsure: Store) -> None:
    done = unsure.correct([cell(1, 1, "1,294", "1,294")])
    assert done.applied == 1
    query = "SELECT confidence, corrected FROM document_cells WHERE text = '1,294'"
    assert values(unsure, query) == [(1.0, False)]
    assert values(unsure, "SELECT corrected FROM document_tables") == [(False,)]
    assert values(unsure, "SELECT text FROM review") == [("1,300",)], "then it is the other that the sum names"


def test_the_likeliest_to_be_wrong_comes_first(unsure: Store) -> None:
    part = checked(WRONG)
    cells = tuple(c.model_copy(update={"confidence": 0.1}) if c.text == "88" else c for c in part.cells)
    unsure.write(batch(replace(part, cells=cells)))
    found = values(unsure, "SELECT text, round(expected_error, 2), why FROM review")
    assert [row[:2] for row in found] == [("88", 0.9), ("1,294", 0.7)]
    assert found[0][2] == "right with 10 % by how it was read"
    assert found[1][2].startswith("right with 30 % by how it was read; sum; 1204 would mend it")


def test_scenes_say_how_sure_their_begin_is(store: Store) -> None:
    rid = reading_id(source_id="s", task="scenes", part="video", recipe="r")
    reading = ReadingRow(
        reading_id=rid, run_id="ab", source_id="s", task="scenes", part="video", engine="embedded", recipe="r",
        status="ok", seconds=0.5, read_at=NOW,
    )  # fmt: skip
    shots = tuple(
        shot_row("s", n, Shot(start, start + 10, kind, start, start))
        for n, (start, kind) in enumerate([(0.0, "start"), (10.0, "cut"), (20.0, "dissolve")])
    )
    scenes = tuple(
        SceneRow(reading_id=rid, source_id="s", scene_no=n, start_s=start, end_s=start + 5, transition="cut")
        for n, start in enumerate((0.0, 10.0, 15.0, 20.0))
    )
    store.write(batch(Finished(reading=reading, shots=shots, scenes=scenes)))
    found = [row[0] for row in values(store, "SELECT confidence FROM video_scenes ORDER BY start_s")]
    assert found[0] == 1.0 > found[1] > found[3] > found[2] == 0.5, "of a begin that no shot has, one in two"
