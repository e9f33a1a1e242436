"""The report's first page: every file, grouped by folder, what failed and why, and how it was read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.report import html, source_page
from aria_docs.report.content import FailureView, Overview, SourceView
from aria_docs.report.search import Searched
from aria_docs.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.report.folder import Folder

_SHOWN_FAILURES = 500
_PATHS_NAMED = 5


@dataclass(frozen=True, slots=True)
class Making:
    """How far a report is that is still being made. left_s: None if unknown yet."""

    n_made: int
    n_all: int
    left_s: float | None


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file in the list. href: None where it has no page (yet); source: None of a file that could not be opened."""

    path: str
    status: str
    href: str | None
    cover: str | None
    source: SourceView | None
    why: str | None

    @property
    def folder(self) -> str:
        """Where the file lies."""
        return str(Path(self.path).parent)


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one folder, and its name without what all folders share."""

    folder: str
    name: str
    lines: tuple[FileLine, ...]


@dataclass(frozen=True, slots=True)
class FailureKind:
    """Failures with one and the same reason: (path, address of its page) of the first, and how many there are."""

    error: str
    message: str
    retryable: bool
    n_failures: int
    n_files: int
    places: tuple[tuple[str, str | None, str], ...]


def overview_page(
    overview: Overview,
    site: Folder,
    *,
    searched: Searched | None = None,
    sides: Sequence[str] = (),
    n_doubts: int = 0,
    making: Making | None = None,
) -> str:
    """The page's HTML. searched, sides: what its search looks through; none while the report is being made;
    n_doubts: how many cells are worth a look."""
    lines = _lines(overview, site)
    kinds = _failure_kinds(overview, site)
    return html.page(
        "overview",
        overview=overview,
        totals=_totals(overview),
        statuses=Counter(line.status for line in lines),
        kinds=Counter(line.source.kind for line in lines if line.source),
        groups=_groups(lines),
        n_lines=len(lines),
        failures=kinds[:_SHOWN_FAILURES],
        n_kinds=len(kinds),
        engine_names=source_page.engine_names,
        searched=searched,
        sides=sides,
        n_doubts=n_doubts,
        making=making,
        version=__version__,
        made_at=datetime.now(UTC),
    )


def _totals(overview: Overview) -> list[tuple[str, str]]:
    """What there is; what there is none of has no tile."""
    sources = overview.sources
    of_kind = Counter(source.kind for source in sources)
    totals = {
        "PDFs": of_kind["pdf"],
        "Images": of_kind["image"],
        "Pages": sum(source.n_pages or 0 for source in sources),
        "Tables": sum(source.n_tables for source in sources),
        "Cells": sum(source.n_cells for source in sources),
        "Videos": of_kind["video"],
        "Scenes": sum(source.n_scenes for source in sources),
    }
    tiles = [(name, html.count(value)) for name, value in totals.items() if value]
    hours = sum(source.duration_s or 0 for source in sources)
    if hours:
        tiles.append(("Film", html.clock(hours, tenths=False)))
    if overview.failures:
        tiles.append(("Failures", html.count(len(overview.failures))))
    return tiles


def _lines(overview: Overview, site: Folder) -> list[FileLine]:
    """Every file: those that hold a source, and those that could not be opened."""
    lines = [
        FileLine(
            path=source.path,
            status=source.status,
            href=href if site.has(href := source_page.address(source)) else None,
            cover=_cover(site, source),
            source=source,
            why=_why(source),
        )
        for source in overview.sources
    ]
    listed = {file.path for source in overview.sources for file in source.files}
    unopened = {failure.path: failure for failure in overview.failures if failure.path not in listed}
    lines += [
        FileLine(path, "failed", None, None, None, failure.message.removeprefix(f"{path}: "))
        for path, failure in unopened.items()
    ]
    return sorted(lines, key=lambda line: (line.folder, line.path))


def _why(source: SourceView) -> str | None:
    """Why it is not all there: the first reason."""
    if source.failures:
        return source.failures[0].message
    return source.note if source.status == "partial" else None


def _cover(site: Folder, source: SourceView) -> str | None:
    names = ("s0.jpg",) if source.kind == "video" else (source_page.COVER,)
    return next((name for name in (source_page.inner(source, name) for name in names) if site.has(name)), None)


def _groups(lines: Sequence[FileLine]) -> list[Group]:
    by_folder = [(folder, tuple(inside)) for folder, inside in groupby(lines, key=lambda line: line.folder)]
    n_shared = _n_shared([Path(folder).parts for folder, _ in by_folder])
    return [Group(folder, str(Path(*Path(folder).parts[n_shared:])), inside) for folder, inside in by_folder]


def _n_shared(folders: Sequence[tuple[str, ...]]) -> int:
    """How many parts all folders begin with, one less than the shortest has: each keeps a name."""
    shortest = min(map(len, folders), default=0)
    shared = next((n for n in range(shortest) if len({parts[n] for parts in folders}) > 1), shortest)
    return max(0, min(shared, shortest - 1))


def _failure_kinds(overview: Overview, site: Folder) -> list[FailureKind]:
    """Failures grouped by their reason, the most frequent first."""
    addresses = {source.id: source_page.address(source) for source in overview.sources}
    href = {id_: address for id_, address in addresses.items() if site.has(address)}
    kinds: dict[tuple[str, str, bool], list[FailureView]] = {}
    for failure in overview.failures:
        # The message begins with the path, which is named beside it.
        message = failure.message.removeprefix(f"{failure.path}: ")
        kinds.setdefault((failure.error, message, failure.retryable), []).append(failure)
    return [
        FailureKind(
            *kind,
            n_failures=len(failures),
            n_files=len({failure.path for failure in failures}),
            places=tuple(
                (failure.path, href.get(failure.source_id or ""), html.place(failure.part) or "the whole file")
                for failure in failures[:_PATHS_NAMED]
            ),
        )
        for kind, failures in sorted(kinds.items(), key=lambda item: -len(item[1]))
    ]
