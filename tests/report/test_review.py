"""What is worth a look: the likeliest to be wrong first, whatever the database knows of it."""

import json
import re
from pathlib import Path
from typing import Any

import duckdb

from aria_docs.report.doubts import read_doubts
from aria_docs.report.site import write_report
from aria_docs.schemas.corrections import Anchor, GivenCorrection


def listed(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "review.html").read_text(encoding="utf-8")
    [data] = re.findall(r'<script type="application/json" id="doubts">(.*?)</script>', text, re.DOTALL)
    return json.loads(data)


def test_without_checks_what_was_not_found_on_its_page(report: Any) -> None:
    made, folder = report
    assert [(doubt.text, doubt.why) for doubt in read_doubts(made.store, at_most=9)] == [
        ("Total", "not found on the page")
    ]
    assert "1 cell worth a look" in (folder / "index.html").read_text(encoding="utf-8")


def test_a_failed_check_before_low_confidence_before_what_is_not_on_the_page(doubted: Any) -> None:
    made, folder = doubted
    doubts = read_doubts(made.store, at_most=9)
    assert [(doubt.text, doubt.why) for doubt in doubts] == [
        ("-12", "the rows sum to 48; 12 would mend it"),
        ("2021", "confidence 61 %"),
        ("Total", "not found on the page"),
    ]
    assert (doubts[0].row_label, doubts[0].col_label) == ("Havørn", "Cars")
    assert [doubt.text for doubt in read_doubts(made.store, at_most=1)] == ["-12"]
    first = listed(folder)[0]
    assert first["anchor"] == {"box": list(made.box_of(1, 2)), "row": 1, "col": 2}
    assert (folder / first["picture"]).is_file()


def test_the_order_of_the_database_s_own_review_is_kept(doubted: Any, made: Any) -> None:
    with duckdb.connect(made.store.path) as db:
        db.execute(
            "CREATE OR REPLACE VIEW review AS SELECT path, page, table_id, row_no, col_no, text, 'asked for' AS why "
            "FROM document_cells WHERE text IN ('60', '1998') ORDER BY text DESC"
        )
    assert [(doubt.text, doubt.why) for doubt in read_doubts(made.store, at_most=9)] == [
        ("60", "asked for"), ("1998", "asked for"),
    ]  # fmt: skip


def test_doubts_are_marked_on_the_table(doubted: Any) -> None:
    made, folder = doubted
    text = (folder / "sources" / f"{made.fleet}.html").read_text(encoding="utf-8")
    assert re.search(r'class="n r sus" title="the rows sum to 48"[^>]*>-12<', text)
    assert re.search(r'class="n r low" title="confidence 61 %"[^>]*>2021<', text)
    assert '<p class="check-failed">the rows sum to 48</p>' in text


def test_what_a_person_corrected_is_shown_and_only_that_page_is_made_again(made: Any, tmp_path: Path) -> None:
    """As the views show it: `after` in place of what was read, and `corrected`."""
    write_report(made.store, tmp_path / "report")
    anchor = Anchor(box=made.box_of(1, 2), row=1, col=2)
    [(page,)] = made.store.ask("SELECT page FROM document_tables WHERE caption = 'Table 1. The fleet'").rows
    mended = GivenCorrection(source_id=made.fleet, page=page, target="cell", anchor=anchor, before="-12", after="12")
    assert made.store.correct([mended]).applied == 1
    made.store.forget([str(made.files / "tour.webm")])
    again = write_report(made.store, tmp_path / "report")
    assert again.n_made >= 1
    text = (tmp_path / "report" / "sources" / f"{made.fleet}.html").read_text(encoding="utf-8")
    assert re.search(r'class="n r fixed"[^>]*>12<', text) and ">-12<" not in text
