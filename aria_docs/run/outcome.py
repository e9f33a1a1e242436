"""What a run tells: how it goes, what could not be read, and how it ended."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from aria_docs.errors import AriaDocsError
from aria_docs.reading.messages import Begun
from aria_docs.schemas.readings import FailureRow


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as it is told to people: the file, the part ('' for the whole file), and a sentence that names both."""

    path: str
    part: str
    error: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Partial:
    """A part that was read but not whole, and what was not read of it."""

    path: str
    part: str
    note: str


class Progress(Protocol):
    """Shows how a run goes."""

    def opened(self, path: str, n_parts: int) -> None:
        """A file is read now, in so many parts."""

    def part(self, path: str) -> None:
        """A part of it is finished, or has failed."""

    def file_over(self, path: str) -> None:
        """No more of this file will be read in this run."""

    def failed(self, failure: Failure) -> None:
        """Something could not be read."""

    def tokens(self, n: int) -> None:
        """A model has said so many more tokens; called from any thread."""

    def say(self, sentence: str) -> None:
        """Anything else that a person should know."""


@dataclass(slots=True)
class Outcome:
    """How it went, in files; n_parts counts parts, n_elsewhere files of other shards.

    failures:  the standing ones of earlier runs too.
    partial:   parts that were read now, but not whole; n_partial: the files of these.
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
    failures: list[Failure] = field(default_factory=list)
    partial: list[Partial] = field(default_factory=list)

    def file_over(self, failures: Sequence[Failure], *, read: bool, partial: Sequence[Partial] = ()) -> None:
        """Counts a file: with failures new or standing, read now, or skipped because nothing was pending."""
        self.n_files += 1
        self.n_partial += bool(partial)
        self.partial += partial
        self.n_failed += bool(failures)
        self.n_read += read and not failures
        self.n_skipped += not read and not failures
        self.failures += failures

    def add(self, other: Outcome) -> None:
        """Counts in what another call of `read` did."""
        for name in ("n_files", "n_read", "n_failed", "n_skipped", "n_ignored", "n_parts", "n_partial"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.interrupted |= other.interrupted
        self.failures += other.failures
        self.partial += other.partial

    def partial_lines(self, most: int = 10) -> list[str]:
        """What was read in part and why, for people: notes that are alike but for numbers as one line."""
        kinds: dict[str, list[Partial]] = {}
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


def as_text(path: str) -> str:
    r"""A path, or a sentence with one, as it is stored and told: bytes that are no UTF-8 stand as \xff."""
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
    """What people are told of a failure."""
    return Failure(row.path, row.part, row.error, row.message, row.retryable)


def now() -> datetime:
    """The time in UTC, as the database stores it."""
    return datetime.now(UTC).replace(tzinfo=None)
