"""How a run goes, on standard error: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from aria_docs.errors import UsageError
from aria_docs.ingest.folder import FoundFile
from aria_docs.run.outcome import Failure
from aria_docs.text_table import printable

_LINE_EVERY_S = 10.0

# Film that takes as long as a page, for the time that is left: a page takes 0.2 to 0.4 CPU-s, a minute of 720p 1.3 to
# 3.3 (benchmarks/video.md).
FILM_S_A_PAGE = 10.0


@dataclass(slots=True)
class _Work:
    """A file in work: pages, or seconds of film."""

    n_parts: int
    pages: int
    film_s: float
    n_over: int = 0
    reached_s: float = 0.0
    began_s: float = 0.0

    @property
    def pages_over(self) -> int:
        """Pages come before what is asked of the whole."""
        return min(self.n_over, self.pages)

    @property
    def film_over_s(self) -> float:
        return max(self.reached_s, self.film_s * min(1.0, self.n_over / max(1, self.n_parts)))


@dataclass(slots=True)
class _Kind:
    """Files of a kind: how much is in those that were opened, and how large those are that were not."""

    opened: float = 0.0
    opened_bytes: int = 0
    waiting_bytes: int = 0

    def in_all(self) -> float | None:
        """With what the others hold if they are like the opened ones; None while none was opened."""
        if not self.waiting_bytes:
            return self.opened
        return self.opened + self.waiting_bytes * self.opened / self.opened_bytes if self.opened_bytes else None


class Meter:
    """How far a run is, in pages and seconds of film. Files that are not open yet are judged by their size."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.n_files = self.n_over = self.n_tokens = 0
        self._began_s: float | None = None
        self._waiting: dict[str, FoundFile] = {}
        self._kinds: dict[str, _Kind] = {}
        self._work: dict[str, _Work] = {}
        self._pages_over, self._film_over_s = 0, 0.0

    def files(self, n: int, found: Sequence[FoundFile] = ()) -> None:
        """So many files will be looked at."""
        self.n_files += n
        self._waiting |= {file.path: file for file in found}
        for file in found:
            self._kinds.setdefault(file.kind, _Kind()).waiting_bytes += file.size_bytes

    def open(self, path: str, n_parts: int, *, pages: int, film_s: float) -> None:
        """A file is read now."""
        now = self._clock()
        self._began_s = now if self._began_s is None else self._began_s
        self._work[path] = _Work(n_parts, pages, film_s, began_s=now)
        file = self._waiting.get(path)
        kind = self._kinds.setdefault(file.kind if file else "video" if film_s else "pdf", _Kind())
        kind.opened += film_s or pages
        kind.opened_bytes += self._look_at(path)

    def part(self, path: str) -> None:
        """A part of it is over."""
        if path in self._work:
            self._work[path].n_over += 1

    def reach(self, path: str, film_s: float) -> str:
        """So many seconds of it are read; how far it is, `0:12:30 of 1:30:00, 41×, about 2 min left`."""
        work = self._work[path]
        work.reached_s = max(work.reached_s, min(film_s, work.film_s))
        at, end = (f"{s // 3600}:{s // 60 % 60:02}:{s % 60:02}" for s in (int(work.reached_s), int(work.film_s)))
        speed = work.reached_s / max(1e-3, self._clock() - work.began_s)
        left = f", {speed:.1f}×, about {_duration((work.film_s - work.reached_s) / speed)} left" if speed else ""
        return f"{at} of {end}{left}"

    def end(self, path: str) -> float | None:
        """No more of it will be read; the seconds it was open, None where it was not."""
        self.n_over += 1
        self._look_at(path)
        if path not in self._work:
            return None
        work = self._work.pop(path)
        self._pages_over += work.pages
        self._film_over_s += work.film_s
        return self._clock() - work.began_s

    def _look_at(self, path: str) -> int:
        """Its size, the first time it is looked at."""
        file = self._waiting.pop(path, None)
        if file is None:
            return 0
        self._kinds[file.kind].waiting_bytes -= file.size_bytes
        return file.size_bytes

    def units(self) -> tuple[float, float | None]:
        """Done and in all, in pages and what film is worth beside them; in all None while it cannot be judged."""
        (pages, film_s), (pages_in_all, film_in_all_s) = self._over(), self._in_all()
        done = pages + film_s / FILM_S_A_PAGE
        if pages_in_all is None or film_in_all_s is None:
            return done, None
        return done, max(done, pages_in_all + film_in_all_s / FILM_S_A_PAGE)

    def as_text(self) -> str:
        """`3/40 files, 345 of about 1,200 pages, 4.2 pages/s, about 3 min left`."""
        (pages, film_s), (pages_in_all, film_in_all_s) = self._over(), self._in_all()
        elapsed_s = 0.0 if self._began_s is None else self._clock() - self._began_s
        about = "about " if self._waiting else ""
        counts, rates = [f"{self.n_over}/{self.n_files} files"], []
        if pages or pages_in_all:
            counts.append(f"{pages:,}{'' if pages_in_all is None else f' of {about}{pages_in_all:,.0f}'} pages")
            rates += [f"{pages / elapsed_s:.1f} pages/s"] if pages and elapsed_s else []
        if film_s or film_in_all_s:
            counts.append(
                f"{film_s:,.0f}{'' if film_in_all_s is None else f' of {about}{film_in_all_s:,.0f}'} s of film"
            )
            rates += [f"film at {film_s / elapsed_s:.1f}×"] if film_s and elapsed_s else []
        done, in_all = self.units()
        if done and in_all is not None and elapsed_s:
            rates.append(f"about {_duration(elapsed_s * (in_all - done) / done)} left")
        tokens = [f"{self.n_tokens:,} tokens generated"] if self.n_tokens else []
        return ", ".join([*counts, *rates, *tokens])

    def _over(self) -> tuple[int, float]:
        work = list(self._work.values())
        pages = self._pages_over + sum(one.pages_over for one in work)
        return pages, self._film_over_s + sum(one.film_over_s for one in work)

    def _in_all(self) -> tuple[float | None, float | None]:
        kinds = dict(self._kinds)
        film = kinds.pop("video", _Kind()).in_all()
        pages = [kind.in_all() for kind in kinds.values()]
        known = [n for n in pages if n is not None]
        return (sum(known) if len(known) == len(pages) else None), film


class Bars:
    """One bar for all files, in pages and seconds of film, and one for each file in work."""

    def __init__(self, *, verbose: bool = False) -> None:
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._verbose = verbose
        self._meter = Meter(clock=time.monotonic)
        self._total: TaskID | None = None
        self._files: dict[str, TaskID] = {}
        self._films: set[str] = set()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bars.stop()

    def files(self, n: int, found: Sequence[FoundFile] = ()) -> None:
        """So many files hold a PDF, an image or a video."""
        self._meter.files(n, found)
        self._total = self._bars.add_task("all", total=None, count=self._meter.as_text())

    def begin_file(self, path: str, n_parts: int, *, pages: int = 0, film_s: float = 0.0) -> None:
        """A bar for the file."""
        self._meter.open(path, n_parts, pages=pages, film_s=film_s)
        name = "  " + printable(Path(path).name)[:40]
        count = f"0/{n_parts}"
        if film_s:
            self._films.add(path)
            count = self._meter.reach(path, 0.0)
        self._files[path] = self._bars.add_task(name, total=film_s or n_parts, count=count)
        self.detail(_opening(path, pages, film_s))
        self._update()

    def part(self, path: str) -> None:
        """One step of the file's bar."""
        self._meter.part(path)
        if path in self._files and path not in self._films:
            bar = self._files[path]
            self._bars.advance(bar)
            task = self._bars.tasks[self._bars.task_ids.index(bar)]
            self._bars.update(bar, count=f"{task.completed:.0f}/{task.total:.0f}")
        self._update()

    def reach(self, path: str, film_s: float) -> None:
        """A film's bar runs in its own seconds."""
        count = self._meter.reach(path, film_s)
        self._bars.update(self._files[path], completed=film_s, count=count)
        self._update()

    def end_file(self, path: str) -> None:
        """The file's bar goes."""
        seconds = self._meter.end(path)
        if path in self._files:
            self._bars.remove_task(self._files.pop(path))
        if seconds is not None:
            self.detail(_closing(path, seconds))
        self._update()

    def add_failure(self, failure: Failure) -> None:
        """A line above the bars."""
        self.say(failure_line(failure))

    def tokens(self, n: int) -> None:
        """Counts."""
        self._meter.n_tokens += n
        self._update()

    def detail(self, sentence: str) -> None:
        """A line above the bars, where they are verbose."""
        if self._verbose:
            self.say(sentence)

    def say(self, sentence: str) -> None:
        """A line above the bars."""
        self._bars.console.print(printable(sentence), markup=False, highlight=False, soft_wrap=True)

    def _update(self) -> None:
        if self._total is not None:
            done, in_all = self._meter.units()
            self._bars.update(self._total, completed=done, total=in_all, count=self._meter.as_text())


class Lines:
    """A line now and then; verbose: one for each file too, and for what takes long or is tried again."""

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._meter = Meter(clock=lambda: time.monotonic())
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        pass

    def files(self, n: int, found: Sequence[FoundFile] = ()) -> None:
        """So many files hold a PDF, an image or a video."""
        self._meter.files(n, found)

    def begin_file(self, path: str, n_parts: int, *, pages: int = 0, film_s: float = 0.0) -> None:
        """A line where these are verbose."""
        self._meter.open(path, n_parts, pages=pages, film_s=film_s)
        self.detail(_opening(path, pages, film_s))

    def part(self, path: str) -> None:
        """A line every ten seconds."""
        self._meter.part(path)
        self._say_now_and_then(f"; at {Path(path).name}")

    def reach(self, path: str, film_s: float) -> None:
        """A line every ten seconds."""
        at = self._meter.reach(path, film_s)
        self._say_now_and_then(f"; {Path(path).name} at {at}")

    def tokens(self, n: int) -> None:
        """A line every ten seconds."""
        self._meter.n_tokens += n
        self._say_now_and_then("")

    def end_file(self, path: str) -> None:
        """Counts; a line where these are verbose."""
        seconds = self._meter.end(path)
        if seconds is not None:
            self.detail(_closing(path, seconds))

    def add_failure(self, failure: Failure) -> None:
        """A line."""
        self.say(failure_line(failure))

    def detail(self, sentence: str) -> None:
        """A line where these are verbose."""
        if self._verbose:
            self.say(sentence)

    def say(self, sentence: str) -> None:
        """A line."""
        print(printable(sentence), file=sys.stderr, flush=True)  # noqa: T201 - this is what the module is for

    def _say_now_and_then(self, where: str) -> None:
        if time.monotonic() - self._said >= _LINE_EVERY_S:
            self._said = time.monotonic()
            self.say(self._meter.as_text() + where)


class FailuresOnly(Lines):
    """What --quiet leaves."""

    def add_failure(self, failure: Failure) -> None:
        """A line."""
        super().say(failure_line(failure))

    def say(self, sentence: str) -> None:
        """Nothing."""


class LogFile(Lines):
    """Everything, a line each with its time, added to a file. Raises UsageError where it cannot be written."""

    def __init__(self, path: Path) -> None:
        super().__init__(verbose=True)
        try:
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise UsageError(f"--log-file {path} cannot be written: {error.strerror}") from error

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()

    def say(self, sentence: str) -> None:
        """A line with the local time."""
        self._file.write(f"{datetime.now().astimezone().isoformat(' ', 'milliseconds')} {printable(sentence)}\n")


Shown = Bars | Lines


class Both:
    """Passes everything on to both."""

    def __init__(self, first: Shown, second: Shown) -> None:
        self._each = (first, second)

    def __enter__(self) -> Self:
        for one in self._each:
            one.__enter__()
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        for one in self._each:
            one.__exit__(*error)

    def files(self, n: int, found: Sequence[FoundFile] = ()) -> None:
        """See `Lines`, as for the others."""
        for one in self._each:
            one.files(n, found)

    def begin_file(self, path: str, n_parts: int, *, pages: int = 0, film_s: float = 0.0) -> None:
        """To each."""
        for one in self._each:
            one.begin_file(path, n_parts, pages=pages, film_s=film_s)

    def part(self, path: str) -> None:
        """To each."""
        for one in self._each:
            one.part(path)

    def reach(self, path: str, film_s: float) -> None:
        """To each."""
        for one in self._each:
            one.reach(path, film_s)

    def end_file(self, path: str) -> None:
        """To each."""
        for one in self._each:
            one.end_file(path)

    def add_failure(self, failure: Failure) -> None:
        """To each."""
        for one in self._each:
            one.add_failure(failure)

    def tokens(self, n: int) -> None:
        """To each."""
        for one in self._each:
            one.tokens(n)

    def detail(self, sentence: str) -> None:
        """To each."""
        for one in self._each:
            one.detail(sentence)

    def say(self, sentence: str) -> None:
        """To each."""
        for one in self._each:
            one.say(sentence)


def for_run(*, verbose: bool = False, quiet: bool = False, log: LogFile | None = None) -> Shown | Both:
    """For standard error as it is, and a log file beside it."""
    terminal: Shown = Bars(verbose=verbose) if sys.stderr.isatty() else Lines(verbose=verbose)
    shown: Shown = FailuresOnly() if quiet else terminal
    return Both(shown, log) if log else shown


def _opening(path: str, pages: int, film_s: float) -> str:
    return f"reading {path}: " + (f"{film_s:,.1f} s of film" if film_s else f"{pages:,} page{'s' * (pages != 1)}")


def _closing(path: str, seconds: float) -> str:
    return f"done: {path}, in {seconds:.1f} s"


class StepLog:
    """Steps of one kind, with the time that is left: a bar on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, unit: str, *, terminal: bool) -> None:
        self._unit = unit
        columns = (TextColumn(unit), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True) if terminal else None
        self._task = self._bar.add_task(unit, total=None) if self._bar else None
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def at(self, n_done: int, n_all: int) -> None:
        """So many of so many steps are done."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=n_done, total=n_all)
            return
        now = time.monotonic()
        if n_done and now - self._said >= _LINE_EVERY_S:
            self._said = now
            left_s = (now - self._began) / n_done * (n_all - n_done)
            self.say(f"{n_done:,} of {n_all:,} {self._unit}, about {_duration(left_s)} left")

    def say(self, sentence: str) -> None:
        """A line, above the bar where there is one."""
        if self._bar:
            self._bar.console.print(printable(sentence), markup=False, highlight=False, soft_wrap=True)
        else:
            print(printable(sentence), file=sys.stderr, flush=True)  # noqa: T201 - this is what the module is for


def steps(unit: str) -> StepLog:
    """For standard error as it is."""
    return StepLog(unit, terminal=sys.stderr.isatty())


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.{0 if minutes >= 10 else 1}f} min"


def failure_line(failure: Failure) -> str:
    """One line; the message names the file and the page."""
    return f"failed: {failure.message}"
