"""One source: what is left of it, who may work on it, and when it is over."""

from datetime import datetime

import pytest

from aria_docs.ingest.folder import FoundFile
from aria_docs.media import DocumentInfo
from aria_docs.model.continued import TablePart
from aria_docs.run import source as sources
from aria_docs.run.source import Source
from aria_docs.schemas.readings import FailureRow, Finished, ReadingRow
from aria_docs.schemas.sources import PageRow, SourceRow
from aria_docs.schemas.tables import TableRow

NOW = datetime(2026, 11, 27)


def source(*tasks: str, n_pages: int = 0) -> Source:
    file = FoundFile("/in/a.pdf", "pdf", True, 9, NOW)
    row = SourceRow(source_id="s", path=file.path, kind="pdf", size_bytes=9, first_seen_at=NOW)
    made = Source("s", [file], dict.fromkeys(tasks, "r"), ("summary",), row, [])
    if n_pages:
        made.open(DocumentInfo(n_pages=n_pages), range(1, n_pages + 1), n_selected=n_pages)
    return made


def page(number: int, text: str = "words") -> Finished:
    return Finished(
        pages=(PageRow(source_id="s", page=number, width_pt=595, height_pt=842, text=text, from_ocr=False),)
    )


def reading(task: str, part: str, *tables: TableRow, status: str = "ok", note: str | None = None) -> Finished:
    row = ReadingRow(
        reading_id="x", run_id="run", source_id="s", task=task, part=part, engine="embedded", recipe="r",
        status=status, note=note, seconds=0.0, read_at=NOW,
    )  # fmt: skip
    return Finished(row, tables=tables)


def table(number: int) -> TableRow:
    return TableRow(
        table_id=f"t{number}", reading_id="x", source_id="s", page=number, table_no=0, x0=0, y0=0, x1=9, y1=9,
        n_rows=2, n_cols=2, n_header_rows=1,
    )  # fmt: skip


def test_pages_are_handed_out_in_smaller_and_smaller_stretches() -> None:
    document = source("tables", n_pages=20)
    document.n_children = 2
    assert [document.hand_out(4) for _ in range(3)] == [(1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11)]
    document.hand_back((9, 10))
    assert document.hand_out(1) == (9,)


def test_a_source_is_over_when_nothing_is_left_and_nothing_is_asked() -> None:
    document = source("tables", "summary", n_pages=1)
    assert (document.is_orphaned, document.is_done) == (True, False)
    document.n_children = 1
    document.hand_out(9)
    assert (document.is_left, document.is_orphaned, document.is_done) == (True, False, False)
    document.finish(reading("summary", "document"))
    assert (document.is_left, document.is_done) == (False, False)  # its child has not ended
    document.n_children, document.n_asked = 0, 1
    assert not document.is_done  # the model has not answered
    document.n_asked = 0
    assert document.is_done
    document.end()
    assert not document.is_done


def test_one_more_child_must_be_worth_it() -> None:
    document = source("tables", n_pages=4)
    document.n_children = 1
    assert document.may_be_shared
    document.n_children = 2
    assert not document.may_be_shared
    document.n_children, document.shareable = 1, False
    assert not document.may_be_shared


def test_texts_are_kept_for_the_summary_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_TEXT_CHARS", 12)
    document = source("tables", n_pages=3)
    document.finish(page(2, "second"))
    document.finish(page(1, "first"))
    assert document.texts([1, 2, 3]) == ([(1, "first"), (2, "second")], [3])
    assert not document.is_resumed
    document.finish(page(3, "third"))
    assert document.texts([1, 2, 3]) == ([], [1, 2, 3])
    assert document.is_resumed  # the store has them


def test_tables_of_earlier_runs_are_seen_unless_their_page_is_read_again() -> None:
    document = source("tables", n_pages=3)
    document.finish(page(2))
    document.finish(reading("tables", "page:2", table(2)))
    assert not document.has_tables_to_join  # no neighbour
    document.finish(page(3))
    document.finish(reading("tables", "page:3", table(3)))
    assert document.has_tables_to_join
    stored = [TablePart(f"old{number}", number, (0, 0, 9, 9), (595, 842), 2, []) for number in (1, 2)]
    assert [part.table_id for part in document.table_parts(stored)] == ["old1", "t2", "t3"]
    document.join()
    assert not document.has_tables_to_join


def test_given_up_when_all_of_its_first_parts_time_out() -> None:
    document = source("tables", n_pages=9)
    document.n_timed_out = document.n_parts_over = 3
    assert document.is_given_up
    document.n_parts_over = 4
    assert not document.is_given_up


def test_a_failure_takes_the_place_of_an_earlier_one_of_its_part() -> None:
    def failure(part: str, message: str) -> FailureRow:
        return FailureRow(
            path="/in/a.pdf", source_id="s", task="tables", part=part, recipe="r", stage="text", error="Damaged",
            message=message, retryable=False, failed_at=NOW,
        )  # fmt: skip

    document = source("tables", n_pages=2)
    for row in (failure("page:1", "a"), failure("page:2", "b"), failure("page:1", "c")):
        document.fail(row)
    assert [(row.part, row.message) for row in document.failures] == [("page:2", "b"), ("page:1", "c")]


def test_what_was_read_in_part_is_remembered() -> None:
    document = source("tables", n_pages=1)
    document.finish(reading("tables", "page:1", status="partial", note="a picture was not read"))
    assert document.partial == [("page:1", "a picture was not read")]
