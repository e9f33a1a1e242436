"""The report as files: what is made, what is kept, what is said where nothing can be drawn."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from aria_docs.errors import StoreError
from aria_docs.report.content import read_overview
from aria_docs.report.html import clock, share, ticks
from aria_docs.report.site import _INSIDE_BYTES, _inside, write_report
from aria_docs.schemas.sources import FileRow, SourceRow
from aria_docs.storage.database import Batch, Store


def pages(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*.html")}


def test_every_source_has_a_page_and_every_link_leads_somewhere(report: Any) -> None:
    made, folder = report
    found = pages(folder)
    assert set(found) == {"index.html", *(f"sources/{id_}.html" for id_ in (made.fleet, made.hostile, made.film))}
    for name, text in found.items():
        for link in re.findall(r'(?:href|src)="([^"]*)"', text):
            assert not re.match(r"\s*(?:https?:|//|file:|javascript:)", link), f"{name} names a host: {link}"
            path, _, anchor = link.partition("#")
            if path and path != "data:,":
                assert (folder / name).parent.joinpath(path).is_file(), f"{name} → {link}"
            if anchor and not path and anchor != "main":
                assert f'id="{anchor}"' in text, f"{name} → {link}"


def test_what_failed_and_what_is_partial_is_said(report: Any) -> None:
    made, folder = report
    found = pages(folder)
    assert "torn.pdf" in found["index.html"] and "nothing in it can be read" in found["index.html"]
    assert "no text layer" in found[f"sources/{made.fleet}.html"]
    assert "TimedOut" in found[f"sources/{made.fleet}.html"]


def test_markup_from_files_is_text(report: Any) -> None:
    for name, text in pages(report[1]).items():
        assert text.count("<script") == (2 if name == "index.html" else 1), name
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
    made.store.forget([str(made.files / "tour.avi")])
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


def test_an_empty_database_has_an_overview(tmp_path: Path) -> None:
    store = Store(tmp_path / "empty.duckdb")
    store.prepare(patience_s=5)
    assert write_report(store, tmp_path / "report").n_made == 0
    assert "No file was read yet" in pages(tmp_path / "report")["index.html"]


def test_the_search_index_keeps_to_its_size(made: Any) -> None:
    source = read_overview(made.store).sources[0]
    entries = [(source.id, f"t{n}-0", "überaus lange Worte " * 40) for n in range(20_000)]
    inside = _inside(entries, [source])
    assert len(inside) == 20_000 and all(words.startswith("überaus") for _, _, words in inside)
    assert sum(len(words.encode()) + 20 for _, _, words in inside) <= _INSIDE_BYTES * 1.05


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
