"""The report as files: what is made, what is kept, what is said where nothing can be drawn."""

import csv
import html
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from aria_docs.errors import StoreError, UsageError
from aria_docs.report.content import read_overview
from aria_docs.report.html import clock, share, side, ticks, visible
from aria_docs.report.site import write_report
from aria_docs.schemas.sources import FileRow, SourceRow
from aria_docs.storage.database import Batch, Store


def pages(folder: Path) -> dict[str, str]:
    """The pages that people open; the side files are not among them."""
    paths = [folder / "index.html", *(folder / "sources").glob("*.html")]
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths if path.is_file()}


def test_every_source_has_a_page_and_every_link_leads_somewhere(report: Any) -> None:
    made, folder = report
    found = pages(folder)
    own = {file.as_uri() for file in made.files.iterdir()}
    assert set(found) == {"index.html", *(f"sources/{id_}.html" for id_ in (made.fleet, made.hostile, made.film))}
    for name, text in found.items():
        for link in map(html.unescape, re.findall(r'(?:href|src)="([^"]*)"', text)):
            path, _, anchor = link.partition("#")
            if path in own:
                assert re.fullmatch(r"(?:page=\d+)?", anchor), f"{name} → {link}"
                continue
            assert not re.match(r"\s*(?:https?:|//|file:|javascript:)", link), f"{name} names a host: {link}"
            if path and path != "data:,":
                assert (folder / name).parent.joinpath(path).is_file(), f"{name} → {link}"
            if anchor and not path and anchor != "main" and not anchor.startswith("t="):
                assert f'id="{anchor}"' in text, f"{name} → {link}"


def test_what_failed_and_what_is_partial_is_said(report: Any) -> None:
    made, folder = report
    found = pages(folder)
    assert "torn.pdf" in found["index.html"] and "nothing in it can be read" in found["index.html"]
    assert "no text layer" in found[f"sources/{made.fleet}.html"]
    assert "TimedOut" in found[f"sources/{made.fleet}.html"]


def test_markup_from_files_is_text(report: Any) -> None:
    for name, text in pages(report[1]).items():
        assert text.count("<script") == 1, name
        assert "<img src=x" not in text, name
        assert text.count("</main>") == 1, name


def test_nothing_is_made_again_until_something_changes(made: Any, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    first = write_report(made.store, folder)
    assert (first.n_made, first.n_kept, first.n_drawn, first.n_undrawn) == (3, 0, 3 + 1 + len(made.frames), 0)
    stamps = {path: path.stat().st_mtime_ns for path in (folder / "sources").rglob("*") if path.is_file()}
    again = write_report(made.store, folder)
    assert (again.n_made, again.n_kept, again.n_drawn, again.n_removed) == (0, 3, 0, 0)
    assert stamps == {path: path.stat().st_mtime_ns for path in (folder / "sources").rglob("*") if path.is_file()}

    made.read_again()
    changed = write_report(made.store, folder)
    assert (changed.n_made, changed.n_kept, changed.n_drawn) == (1, 2, 0)  # the picture is as it was
    assert ">Sum</td>" in pages(folder)[f"sources/{made.fleet}.html"]


def test_a_source_without_files_leaves_no_page(made: Any, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write_report(made.store, folder)
    made.store.forget([str(made.files / "tour.webm")])
    assert write_report(made.store, folder).n_removed > len(made.frames)
    assert not (folder / "sources" / made.film).exists() and not (folder / "sources" / f"{made.film}.html").exists()


def test_a_file_that_is_gone_keeps_the_pictures_it_has(made: Any, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    made.fleet_alone()
    write_report(made.store, folder)
    (made.files / "fleet.pdf").unlink()
    assert write_report(made.store, folder).n_made == 1
    assert "No picture" not in pages(folder)[f"sources/{made.fleet}.html"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda made: (made.files / "fleet.pdf").unlink(), "cannot be opened now (No such file or directory)"),
        (lambda made: (made.files / "fleet.pdf").write_bytes(b"%PDF-1.7 other"), "has changed since it was read"),
        (lambda made: made.encrypt(), "the file asks for a password"),
    ],
)
def test_without_a_picture_the_table_stands_and_the_page_says_why(
    made: Any, tmp_path: Path, change: Any, why: str
) -> None:
    made.fleet_alone()
    change(made)
    write_report(made.store, tmp_path / "report")
    text = pages(tmp_path / "report")[f"sources/{made.fleet}.html"]
    assert why in text and "Krykkje" in text
    assert not list((tmp_path / "report" / "sources" / made.fleet).glob("*.webp"))


def test_csv_beside_the_page(report: Any) -> None:
    made, folder = report
    text = (folder / "sources" / made.hostile / "t1-0.csv").read_text(encoding="utf-8")
    cells = next(csv.reader(io.StringIO(text)))
    assert cells == [made.evil[0], "'" + made.evil[1], made.evil[2], made.evil[3]], "a number is no formula"


def test_a_source_id_that_is_no_id_names_no_file(made: Any, tmp_path: Path) -> None:
    when = read_overview(made.store).sources[0].files[0].modified_at
    row = SourceRow(source_id="../../evil", path="/x", kind="pdf", size_bytes=1, first_seen_at=when)
    file = FileRow(path="/x", source_id="../../evil", size_bytes=1, modified_at=when)
    made.store.write(Batch(sources=[row], files=[file]))
    with pytest.raises(StoreError, match="not made by aria-docs"):
        write_report(made.store, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_pdf_opens_at_its_page_and_a_table_leads_to_its_rows(report: Any) -> None:
    made, folder = report
    text = pages(folder)[f"sources/{made.fleet}.html"]
    own = (made.files / "fleet.pdf").as_uri()
    assert re.findall(rf'href="{re.escape(own)}#page=(\d+)"', text) == ["1", "2", "3"]
    [id_] = re.findall(r'data-id="([0-9a-f]{16})"', text)
    rows = made.store.records(f"SELECT c0 FROM extracted_table('{id_}')")
    assert [row["c0"] for row in rows] == [row[0] for row in made.rows]


def test_a_file_leads_to_its_neighbours_in_the_order_of_paths(report: Any) -> None:
    made, folder = report
    text = pages(folder)[f"sources/{made.fleet}.html"]
    assert f'href="{made.hostile}.html" rel="prev"' in text and f'href="{made.film}.html" rel="next"' in text
    assert 'rel="prev"' not in pages(folder)[f"sources/{made.hostile}.html"]


def test_a_new_file_makes_its_neighbours_again_and_no_others(made: Any, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    made.store.forget([str(made.files / "fleet.pdf")])
    write_report(made.store, folder)
    made.bring_back()
    again = write_report(made.store, folder)
    assert (again.n_made, again.n_kept) == (3, 0)
    assert write_report(made.store, folder).n_made == 0


def test_the_overview_lists_what_could_not_be_opened(report: Any) -> None:
    text = pages(report[1])["index.html"]
    line = next(line for line in text.split('<div class="line"') if "torn.pdf" in line)
    assert 'data-status="failed"' in line and "nothing in it can be read" in line and "<a " not in line
    line = next(line for line in text.split('<div class="line"') if ">fleet.pdf<" in line)
    assert 'data-status="partial"' in line


def test_failures_of_one_reason_are_one_line(made: Any, tmp_path: Path) -> None:
    made.fail_alike(40)
    write_report(made.store, tmp_path / "report")
    text = pages(tmp_path / "report")["index.html"]
    failures = text[text.index('id="failures"') :]
    assert failures.count("400 Bad Request") == 1 and "40 times, in 20 files" in failures
    assert "and 35 more places" in failures


def test_without_pictures_none_is_drawn_and_those_there_are_stay(made: Any, tmp_path: Path) -> None:
    bare = write_report(made.store, tmp_path / "bare", pictures=False)
    assert (bare.n_made, bare.n_drawn, bare.n_undrawn) == (3, 0, 0)
    assert "without pictures" in pages(tmp_path / "bare")[f"sources/{made.fleet}.html"]
    assert write_report(made.store, tmp_path / "bare", pictures=False).n_made == 0
    full = write_report(made.store, tmp_path / "bare")
    assert full.n_made == 3 and full.n_drawn > 3
    kept = write_report(made.store, tmp_path / "bare", pictures=False)
    assert (kept.n_made, kept.n_kept) == (0, 3)


def test_an_overview_is_there_before_the_first_page(made: Any, tmp_path: Path) -> None:
    early: list[str] = []

    def look(n_done: int, n_all: int) -> None:
        if not n_done:
            early.append((tmp_path / "report" / "index.html").read_text(encoding="utf-8"))
            assert n_all == 3

    write_report(made.store, tmp_path / "report", on_progress=look)
    assert "0 of 3 pages" in early[0] and ">fleet.pdf<" in early[0]
    assert f"sources/{made.fleet}.html" not in early[0], "a page that is not there yet has no link"
    assert "is being made" not in pages(tmp_path / "report")["index.html"]


def test_a_report_that_was_killed_is_taken_up_where_it_stopped(made: Any, tmp_path: Path) -> None:
    """What kill -9 leaves is what lies in the folder after the first page: its journal, and no new manifest."""
    folder, killed = tmp_path / "report", tmp_path / "killed"

    def copy(n_done: int, n_all: int) -> None:
        if n_done and not killed.exists():
            shutil.copytree(folder, killed)

    write_report(made.store, folder, on_progress=copy)
    assert (killed / "report.journal").exists() and not (folder / "report.journal").exists()
    again = write_report(made.store, killed)
    assert again.n_kept >= 1 and again.n_made + again.n_kept == 3
    assert not (killed / "report.journal").exists()


def test_pointed_at_the_files_themselves_it_changes_none(made: Any, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in made.files.iterdir()}
    for folder in (made.files, made.store.path.parent):
        with pytest.raises(UsageError, match="no report of aria-docs"):
            write_report(made.store, folder)
    write_report(made.store, tmp_path / "report")
    assert before == {path: path.read_bytes() for path in made.files.iterdir()}


def test_no_secret_is_found_in_a_report(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARIA_DOCS_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "sk-planted-0451")
    command = "aria-docs run x --server http://ada:sk-planted-0451@gpu:8000/v1"  # as an earlier version kept it
    with duckdb.connect(made.store.path) as db:
        db.execute("UPDATE runs SET command = ?", [command])
        db.execute("UPDATE failures SET message = 'http://ada:sk-planted-0451@gpu:8000/v1 does not answer'")
    write_report(made.store, tmp_path / "report")
    for path in (tmp_path / "report").rglob("*"):
        assert path.is_dir() or b"sk-planted-0451" not in path.read_bytes(), path


def test_a_name_that_turns_its_direction_is_written_out() -> None:
    assert visible("gpj.\u202efdp.exe") == "gpj.⟨U+202E⟩fdp.exe"
    assert visible("تقرير.pdf") == "تقرير.pdf"
    assert visible(os.fsdecode(b"caf\xe9.pdf")) == "caf\ufffd.pdf"


def test_a_side_file_says_what_it_holds_and_no_text_ends_its_script() -> None:
    page = side([["a", "</script><script>alert(1)</script>", "ü"]])
    assert page.count("<script") == 2
    [text] = re.findall(r'<script type="application/json">(.*?)</script>', page)
    assert json.loads(text) == [["a", "</script><script>alert(1)</script>", "ü"]]


def test_an_empty_database_has_an_overview(tmp_path: Path) -> None:
    store = Store(tmp_path / "empty.duckdb")
    store.prepare(patience_s=5)
    assert write_report(store, tmp_path / "report").n_made == 0
    assert "No file was read yet" in pages(tmp_path / "report")["index.html"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.0, "0:00.0"), (59.96, "1:00.0"), (754.24, "12:34.2"), (3661.5, "1:01:01.5"), (None, "")]
)
def test_clock(seconds: float | None, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_share_is_never_rounded_up_to_all() -> None:
    assert [share(value) for value in (1.0, 0.9999, 0.29, None)] == ["100 %", "99 %", "29 %", ""]


@pytest.mark.parametrize("duration_s", [0.04, 7.0, 47.1, 3_600.0, 40_000.0])
def test_ticks_are_few_and_end_at_the_end(duration_s: float) -> None:
    at = list(ticks(duration_s))
    assert at[0] == 0 and at[-1] == duration_s and at == sorted(at) and len(at) <= 12
