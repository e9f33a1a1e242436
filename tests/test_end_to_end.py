"""`aria-docs run examples` against the truth that was drawn into the examples: every cell, number, scene and edge."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from aria_docs.storage.database import Store

EXAMPLES = Path(__file__).parents[1] / "examples"
TRUTH = json.loads((EXAMPLES / "truth.json").read_text(encoding="utf-8"))
REPORT, SCAN, FILM = TRUTH["annual_report.pdf"], TRUTH["annual_report_scan.pdf"], TRUTH["museum_tour.mp4"]


@pytest.fixture
def store(examples_db: Path) -> Store:
    return Store(examples_db)


def tables_of(store: Store, name: str) -> list[dict[str, object]]:
    return store.records(f"SELECT * FROM document_tables WHERE path LIKE '%/{name}' ORDER BY page, table_no")


@pytest.mark.parametrize("number", range(len(REPORT["tables"])))
def test_every_cell_of_the_report_s_tables(store: Store, number: int) -> None:
    found, truth = tables_of(store, "annual_report.pdf")[number], REPORT["tables"][number]
    for name in ("page", "caption", "n_rows", "n_cols", "n_header_rows"):
        assert found[name] == truth[name], name
    assert found["grounded"] == 1.0
    cells = store.records(f"SELECT * FROM cells WHERE table_id = '{found['table_id']}'")
    told = {
        (c["row_no"], c["col_no"]): (c["row_span"], c["col_span"], c["text"], c["number"], c["is_header"])
        for c in cells
        if c["text"]
    }
    drawn = {
        (c["row"], c["col"]): (c["rowspan"], c["colspan"], c["text"], c["number"], c["is_header"])
        for c in truth["cells"]
        if c["text"]
    }
    assert told == drawn


def test_the_table_over_two_pages_is_joined(store: Store) -> None:
    tables = tables_of(store, "annual_report.pdf")
    assert len(tables) == len(REPORT["tables"])
    links = [table["continues"] for table in tables]
    assert [link is not None for link in links] == [truth["continues"] for truth in REPORT["tables"]]
    assert links[-1] == tables[-2]["table_id"]


def test_sums_are_right(store: Store) -> None:
    """Brackets are negative, thousands are thousands, marks and signs are no digits."""
    [sums] = store.records(
        "SELECT sum(number) FILTER (row_no BETWEEN 1 AND 4) AS revenue, "
        "sum(number) FILTER (row_no BETWEEN 6 AND 10) AS expenses "
        "FROM document_cells WHERE path LIKE '%/annual_report.pdf' AND page = 3 AND col_no = 2"
    )
    assert sums == {"revenue": 92218.0, "expenses": -71383.0}


def test_the_film_s_scenes_to_the_frame(store: Store) -> None:
    scenes = store.records("SELECT * FROM video_scenes ORDER BY scene_no")
    assert len(scenes) == len(FILM["scenes"])
    frame_s = 1 / FILM["fps"]
    for scene, truth in zip(scenes[1:], FILM["transitions"], strict=True):
        assert scene["transition"] == truth["kind"]
        slack = frame_s / 2 if truth["kind"] == "cut" else 2.5 * frame_s
        assert abs(scene["start_s"] - (truth["start"] + truth["end"]) / 2) <= slack
    assert scenes[0]["start_s"] == 0
    assert scenes[-1]["end_s"] == pytest.approx(FILM["duration"], abs=frame_s)
    assert all(before["end_s"] == after["start_s"] for before, after in pairwise(scenes))
    assert all(bytes(scene["thumbnail"]).startswith(b"\xff\xd8") for scene in scenes)
    assert "Chelsea" in str(scenes[1]["description"])


def test_summaries_are_quoted_not_invented(store: Store) -> None:
    [report] = store.records("SELECT * FROM file_summaries WHERE path LIKE '%/annual_report.pdf'")
    assert report["title"] == REPORT["title"]
    assert report["language"] == "en"
    pages = store.records(
        "SELECT page, text FROM pages JOIN files USING (source_id) WHERE path LIKE '%/annual_report.pdf'"
    )
    texts = {page["page"]: "".join(str(page["text"]).split()) for page in pages}
    for point in report["key_points"]:
        assert "".join(point["text"].split()) in texts[point["page"]]
    [film] = store.records("SELECT * FROM file_summaries WHERE path LIKE '%/museum_tour.mp4'")
    assert film["key_points"][0]["start_s"] is not None


def test_the_scan_is_read_or_says_why_not(store: Store) -> None:
    [reading] = store.records(
        "SELECT status, note, from_ocr FROM readings r JOIN files USING (source_id) "
        "JOIN pages p ON p.source_id = r.source_id WHERE path LIKE '%_scan.pdf' AND task = 'tables'"
    )
    found = tables_of(store, "annual_report_scan.pdf")
    if not reading["from_ocr"]:
        assert reading["status"] == "partial"
        assert str(reading["note"]).startswith("no text layer")
        assert not found
        return
    [truth] = SCAN["tables"]
    assert [(table["n_rows"], table["n_cols"]) for table in found] == [(truth["n_rows"], truth["n_cols"])]
