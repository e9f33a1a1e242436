"""How a run goes, on standard error: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
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

from aria_docs.run.outcome import Failure
from aria_docs.text_table import printable

_LINE_EVERY_S = 10.0


class Bars:
    """One bar for all files, one for each file in work."""

    def __init__(self) -> None:
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._total: TaskID | None = None
        self._files: dict[str, TaskID] = {}
        self._saying: TaskID | None = None
        self._n_tokens = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bars.stop()

    def files(self, n: int) -> None:
        """So many files hold a PDF or a video."""
        self._total = self._bars.add_task("files", total=n)

    def opened(self, path: str, n_parts: int) -> None:
        """A bar for the file."""
        self._files[path] = self._bars.add_task("  " + printable(Path(path).name)[:40], total=n_parts)

    def part(self, path: str) -> None:
        """One step of the file's bar."""
        if path in self._files:
            self._bars.advance(self._files[path])

    def file_over(self, path: str) -> None:
        """The file's bar goes."""
        if path in self._files:
            self._bars.remove_task(self._files.pop(path))
        if self._total is not None:
            self._bars.advance(self._total)

    def failed(self, failure: Failure) -> None:
        """A line above the bars."""
        self.say(failure_line(failure))

    def tokens(self, n: int) -> None:
        """A line below the bars that counts."""
        self._n_tokens += n
        said = f"  the model has said {self._n_tokens:,} tokens"
        if self._saying is None:
            self._saying = self._bars.add_task(said, total=None)
        self._bars.update(self._saying, description=said)

    def say(self, sentence: str) -> None:
        """A line above the bars."""
        self._bars.console.print(printable(sentence), markup=False, highlight=False, soft_wrap=True)


class Lines:
    """A line now and then, for logs."""

    def __init__(self) -> None:
        self._n_files = self._n_over = self._n_parts = self._n_tokens = 0
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        pass

    def files(self, n: int) -> None:
        """So many files hold a PDF or a video."""
        self._n_files = n

    def opened(self, path: str, n_parts: int) -> None:
        """Nothing: a file is told of when it is over."""

    def part(self, path: str) -> None:
        """A line every ten seconds."""
        self._n_parts += 1
        if time.monotonic() - self._said >= _LINE_EVERY_S:
            self._said = time.monotonic()
            self.say(f"{self._n_over}/{self._n_files} files, {self._n_parts} parts; at {Path(path).name}")

    def tokens(self, n: int) -> None:
        """A line every ten seconds."""
        self._n_tokens += n
        if time.monotonic() - self._said >= _LINE_EVERY_S:
            self._said = time.monotonic()
            self.say(f"{self._n_over}/{self._n_files} files; the model has said {self._n_tokens:,} tokens")

    def file_over(self, path: str) -> None:  # noqa: ARG002
        """Counts."""
        self._n_over += 1

    def failed(self, failure: Failure) -> None:
        """A line."""
        self.say(failure_line(failure))

    def say(self, sentence: str) -> None:
        """A line."""
        print(printable(sentence), file=sys.stderr, flush=True)  # noqa: T201 - this is what the module is for


class Steps:
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


def steps(unit: str) -> Steps:
    """For standard error as it is."""
    return Steps(unit, terminal=sys.stderr.isatty())


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def failure_line(failure: Failure) -> str:
    """One line; the message names the file and the page."""
    return f"failed: {failure.message}"
