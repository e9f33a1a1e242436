"""What a run reports: how it goes, what could not be read, and how it ended."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from aria_docs.errors import AriaDocsError
from aria_docs.reading.messages import Begun
from aria_docs.schemas.readings import FailureRow, Finished


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as it is shown: the file, the part ('' for the whole file), and a sentence that names both."""

    path: str
    part: str
    error: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class PartialPart:
    """A part that was read but not whole, and what was not read of it."""

    path: str
    part: str
    note: str


class Progress(Protocol):
    """Shows how a run goes."""

    def begin_file(self, path: str, n_parts: int, *, pages: int = 0, film_s: float = 0.0) -> None:
        """A file is read now, in so many parts: first so many pages, or a film of so many seconds."""

    def part(self, path: str) -> None:
        """A part of it is finished, or has failed."""

    def reach(self, path: str, film_s: float) -> None:
        """So many seconds of a film are read."""

    def end_file(self, path: str) -> None:
        """No more of this file will be read in this run."""

    def add_failure(self, failure: Failure) -> None:
        """Something could not be read."""

    def tokens(self, n: int) -> None:
        """A model has said so many more tokens; called from any thread."""

    def detail(self, sentence: str) -> None:
        """What only a log wants: a part that took long, a request tried again; called from any thread."""

    def say(self, sentence: str) -> None:
        """Anything else that a person should know."""


class Silent:
    """Progress that is not shown."""

    def begin_file(self, path: str, n_parts: int, *, pages: int = 0, film_s: float = 0.0) -> None: ...  # noqa: D102
    def part(self, path: str) -> None: ...  # noqa: D102
    def reach(self, path: str, film_s: float) -> None: ...  # noqa: D102
    def end_file(self, path: str) -> None: ...  # noqa: D102
    def add_failure(self, failure: Failure) -> None: ...  # noqa: D102
    def tokens(self, n: int) -> None: ...  # noqa: D102
    def detail(self, sentence: str) -> None: ...  # noqa: D102
    def say(self, sentence: str) -> None: ...  # noqa: D102


_COUNTS = (
    "n_files", "n_read", "n_failed", "n_skipped", "n_ignored", "n_parts", "n_partial", "n_pages", "n_tables",
    "n_scenes", "n_summaries",
)  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """How it went, in files; n_parts counts parts, n_elsewhere files of other shards.

    failures:  the standing ones of earlier runs too.
    partial:   parts that were read now, but not whole; n_partial: the files of these.
    n_pages, n_tables, n_scenes, n_summaries:  what was read now.
    slowest:   the file that was longest in work, slowest_s seconds.
    """

    run_id: str
    n_files: int = 0
    n_read: int = 0
    n_failed: int = 0
    n_skipped: int = 0
    n_ignored: int = 0
    n_elsewhere: int = 0
    n_parts: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    n_partial: int = 0
    n_pages: int = 0
    n_tables: int = 0
    n_scenes: int = 0
    n_summaries: int = 0
    slowest: str = ""
    slowest_s: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    partial: list[PartialPart] = field(default_factory=list)

    def end_file(self, failures: Sequence[Failure], *, read: bool, partial: Sequence[PartialPart] = ()) -> None:
        """Counts a file: with failures new or standing, read now, or skipped because nothing was pending."""
        self.n_files += 1
        self.n_partial += bool(partial)
        self.partial += partial
        self.n_failed += bool(failures)
        self.n_read += read and not failures
        self.n_skipped += not read and not failures
        self.failures += failures

    def count(self, part: Finished) -> None:
        """Counts what a part holds."""
        self.n_pages += len(part.pages)
        self.n_tables += len(part.tables)
        self.n_scenes += len(part.scenes)
        self.n_summaries += len(part.summaries)

    def took(self, path: str, seconds: float) -> None:
        """A file was in work for so long."""
        if seconds > self.slowest_s:
            self.slowest, self.slowest_s = path, seconds

    def add(self, other: Outcome) -> None:
        """Counts in what another call of `read` did."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.took(other.slowest, other.slowest_s)
        self.interrupted |= other.interrupted
        self.failures += other.failures
        self.partial += other.partial

    def as_line(self) -> str:
        """How it went, in what people count."""
        counts = [f"{_plural(self.n_read, 'file')} read", f"{self.n_skipped} done before", f"{self.n_failed} failed"]
        counts += [f"{self.n_partial} read in part"] if self.n_partial else []
        counts += [f"{self.n_elsewhere} of other shards"] if self.n_elsewhere else []
        counts += [f"{_plural(self.n_ignored, 'other file')} ignored"] if self.n_ignored else []
        named = (("page", self.n_pages), ("table", self.n_tables), ("scene", self.n_scenes))
        found = [_plural(n, noun) for noun, n in named if n]
        found += [f"{self.n_summaries:,} summar{'y' if self.n_summaries == 1 else 'ies'}"] if self.n_summaries else []
        slowest = f", slowest: {self.slowest} ({self.slowest_s:.1f} s)" if self.slowest and self.n_read > 1 else ""
        return f"{', '.join(counts)}; {', '.join(found or ['nothing new'])} in {self.seconds:.1f} s{slowest}"

    def partial_lines(self, most: int = 10) -> list[str]:
        """What was read in part and why, for people: notes that are alike but for numbers as one line."""
        kinds: dict[str, list[PartialPart]] = {}
        for item in self.partial:
            kinds.setdefault(re.sub("[0-9]+", "#", item.note), []).append(item)
        often = sorted(kinds.values(), key=len, reverse=True)
        lines = []
        for items in often[:most]:
            n_files = len({item.path for item in items})
            first = f"{items[0].path}, {items[0].part.replace(':', ' ')}"
            of_files = f"{n_files:,} file{'s' * (n_files > 1)}"
            where = first if len(items) == 1 else f"{len(items):,} parts of {of_files}, the first {first}"
            lines.append(f"partly read: {where}: {items[0].note}")
        return lines + ([f"{len(often) - most} other reasons: aria-docs status has them"] if len(often) > most else [])


def _plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


def as_text(path: str) -> str:
    r"""A path, or a sentence with one, as it is stored and shown: bytes that are no UTF-8 stand as \xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def failure_row(path: str, content: str | None, begun: Begun, recipe: str, error: AriaDocsError) -> FailureRow:
    """The row of a failure; its message can be understood on its own."""
    message = str(error)
    if path not in message:  # a child that died could not say what it was at
        where = begun.part.replace(":", " ") if begun.part.startswith("page:") else begun.task
        message = ": ".join(filter(None, (path, where, message)))
    return FailureRow(
        path=as_text(path),
        source_id=content,
        task=begun.task,
        part=begun.part,
        recipe=recipe,
        stage=begun.stage,
        error=type(error).__name__,
        message=as_text(message),
        retryable=error.retryable,
        failed_at=now(),
    )


def of_path(row: FailureRow, path: str) -> FailureRow:
    """The same failure of another path with the same content."""
    return row.model_copy(update={"path": path, "message": row.message.replace(row.path, path)})


def failure_of(row: FailureRow) -> Failure:
    """A failure row as it is shown to people."""
    return Failure(row.path, row.part, row.error, row.message, row.retryable)


def now() -> datetime:
    """The time in UTC, as the database stores it."""
    return datetime.now(UTC).replace(tzinfo=None)
