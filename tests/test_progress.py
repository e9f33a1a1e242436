"""What reaches standard error: nothing that a file name could do to a terminal."""

import os
import re
from datetime import datetime
from pathlib import Path

import pytest

from aria_docs import progress
from aria_docs.errors import UsageError
from aria_docs.ingest.folder import FoundFile, Kind
from aria_docs.progress import Bars, Lines, LogFile, Meter, for_run
from aria_docs.run import scheduler
from aria_docs.run.outcome import Failure, Outcome
from aria_docs.text_table import printable
from tests.conftest import Bench

NASTY = "/in/\x1b]0;title\x07 line\nbreak\ttab " + os.fsdecode(b"\xff") + "\u202egnp.pdf"


def test_printable() -> None:
    assert printable("/in/ü 視 🎬.pdf") == "/in/ü 視 🎬.pdf"
    assert printable(NASTY) == r"/in/\x1b]0;title\x07 line\nbreak\ttab \udcff\u202egnp.pdf"


@pytest.mark.parametrize("kind", [Bars, Lines])
def test_a_run_is_told(kind: type[Bars | Lines], capsys: pytest.CaptureFixture[str]) -> None:
    with kind() as shown:
        shown.files(1)
        shown.begin_file(NASTY, 2, pages=1)
        shown.part(NASTY)
        shown.add_failure(Failure(NASTY, "page:2", "Damaged", f"{NASTY}: page 2 cannot be read [bold]"))
        shown.part(NASTY)
        shown.end_file(NASTY)
        shown.end_file("/in/done-before.pdf")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"failed: {printable(NASTY)}: page 2 cannot be read [bold]" in captured.err
    assert "\x07" not in captured.err
    assert "\u202e" not in captured.err


def found(path: str, kind: Kind, size_bytes: int) -> FoundFile:
    return FoundFile(path, kind, True, size_bytes, datetime(2026, 11, 27))


def test_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = Lines()
    lines.files(3)
    lines.end_file("a")
    lines.begin_file("/in/b.pdf", 21, pages=20)
    for now[0] in (4.0, 8.0, 12.0, 16.0, 30.0):
        lines.part("/in/b.pdf")
    lines.detail("slow")
    assert capsys.readouterr().err == (
        "1/3 files, 3 of 20 pages, 0.2 pages/s, about 68 s left; at b.pdf\n"
        "1/3 files, 5 of 20 pages, 0.2 pages/s, about 1.5 min left; at b.pdf\n"
    )


def test_a_film_is_told_in_its_own_seconds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines, bars = Lines(), Bars()
    for shown in (lines, bars):
        shown.files(1)
        shown.begin_file("/in/film.mkv", 2, film_s=5400.0)
        now[0] = 45.0
        shown.reach("/in/film.mkv", 1800.0)
        shown.part("/in/film.mkv")  # its scenes; the summary is nothing beside them
        now[0] = 0.0
    assert capsys.readouterr().err == (
        "0/1 files, 1,800 of 5,400 s of film, film at 40.0×, about 1.5 min left; "
        "film.mkv at 0:30:00 of 1:30:00, 40.0×, about 1.5 min left\n"
    )
    film = bars._bars.tasks[1]
    assert (film.completed, film.total) == (1800.0, 5400.0)
    assert film.fields["count"] == "0:30:00 of 1:30:00, 40.0×, about 1.5 min left"


def test_what_is_left_is_judged_by_the_size_of_files_nobody_has_opened() -> None:
    now = [0.0]
    meter = Meter(clock=lambda: now[0])
    meter.files(4, [found("a", "pdf", 100), found("b", "pdf", 300), found("v", "video", 50), found("old", "pdf", 400)])
    assert meter.as_text() == "0/4 files"
    meter.end("old")  # nothing was left to read of it
    meter.open("a", 11, pages=10, film_s=0.0)
    for _ in range(11):
        meter.part("a")
    now[0] = 5.0
    assert meter.end("a") == 5.0
    # A video waits, and none was opened: nobody can say how long it takes.
    assert meter.as_text() == "2/4 files, 10 of about 40 pages, 2.0 pages/s"
    meter.open("v", 2, pages=0, film_s=100.0)
    meter.part("v")
    now[0] = 10.0
    # 10 pages and 50 s of film, worth 5 pages, in 10 s; 30 pages and another 50 s are left.
    assert meter.as_text() == (
        "2/4 files, 10 of about 40 pages, 50 of about 100 s of film, 1.0 pages/s, film at 5.0×, about 23 s left"
    )
    meter.end("v")
    meter.open("b", 5, pages=5, film_s=0.0)
    meter.end("b")  # given up
    assert meter.as_text().startswith("4/4 files, 15 of 15 pages, 100 of 100 s of film, ")
    assert meter.as_text().endswith("about 0 s left")


def test_a_log_has_times_and_everything(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    for _ in range(2):
        with LogFile(path) as log:
            log.begin_file("/in/a.pdf", 2, pages=2)
            log.detail(f"slow: {NASTY}")
            log.add_failure(Failure("/in/a.pdf", "page:2", "Damaged", "/in/a.pdf: page 2 cannot be read"))
            log.end_file("/in/a.pdf")
    lines = path.read_text().splitlines()
    assert len(lines) == 8
    assert all(re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d ", line) for line in lines)
    said = [line.split(" ", 2)[2] for line in lines[:4]]
    assert said[0] == "reading /in/a.pdf: 2 pages"
    assert said[1] == f"slow: {printable(NASTY)}"
    assert said[2] == "failed: /in/a.pdf: page 2 cannot be read"
    assert said[3].startswith("done: /in/a.pdf, in ")
    with pytest.raises(UsageError, match=r"--log-file .*none.run\.log cannot be written: No such file"):
        LogFile(tmp_path / "none" / "run.log")


def test_quiet_says_failures_only(capsys: pytest.CaptureFixture[str]) -> None:
    with for_run(quiet=True) as shown:
        shown.say("engine: embedded")
        shown.begin_file("/in/a.pdf", 1, pages=1)
        shown.add_failure(Failure("/in/a.pdf", "", "Damaged", "/in/a.pdf is damaged"))
    assert capsys.readouterr().err == "failed: /in/a.pdf is damaged\n"


def test_slow_pages_are_named_and_what_was_read_is_counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "SLOW_PAGE_S", 0.0)
    path = bench.pdf("a.pdf", 2, tables=(1,))
    outcome = bench.run()
    assert bench.told.sizes == {str(path): (2, 0.0)}
    assert sorted(re.sub(r"[\d.]+ s", "… s", line) for line in bench.told.details) == [
        f"slow: {path}, page {page}: tables took … s" for page in (1, 2)
    ]
    assert (outcome.n_pages, outcome.n_tables, outcome.n_summaries, outcome.slowest) == (2, 1, 1, str(path))
    assert 0 < outcome.slowest_s <= outcome.seconds


def test_the_last_line_is_in_what_people_count() -> None:
    outcome = Outcome("r", n_read=2, n_skipped=1, n_ignored=1, n_pages=1, n_tables=1234, n_summaries=2, seconds=3.21)
    outcome.took("/in/a.pdf", 1.5)
    outcome.took("/in/b.pdf", 0.5)
    assert outcome.as_line() == (
        "2 files read, 1 done before, 0 failed, 1 other file ignored; "
        "1 page, 1,234 tables, 2 summaries in 3.2 s, slowest: /in/a.pdf (1.5 s)"
    )
    assert Outcome("r", n_skipped=3).as_line() == "0 files read, 3 done before, 0 failed; nothing new in 0.0 s"
