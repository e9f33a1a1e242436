"""Who reads which files, and until when: work that is handed out to whoever is free.

    files ── copies together, large ones first ── units ── next() ──> a lease ── done() ──> over
                                                    └───────<── lost(): a worker vanished, or was not heard of in time
    a long document ── stretches of pages, a unit each ── all done() ── its rest, a unit

Knows no worker but by its name, and neither network nor store.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from aria_docs.ingest.folder import FoundFile
from aria_docs.ingest.shards import alike
from aria_docs.run.recipes import PageRange

TERM_S = 120.0
"""A worker that was not heard of for so long has vanished. One that is there says so every few seconds."""

MOST_LOSSES = 8
"""A unit whose workers vanished this often is given up: it may be what ends them. That is rare, since files are read in
children with limits: most workers vanish with their machine."""

STRETCH_PAGES = 100
"""A document of twice as many pages is shared out, in stretches of at least so many."""

_MOST_FILES, _MOST_BYTES = 256, 64 << 20  # of one lease: what a worker begins with costs it some 0.2 s
_SHARES = 4  # leases that are left for each worker at least, so that all of them end at about the same time


@dataclass(slots=True)
class WorkUnit:
    """Files that have one content, as far as can be told without reading them: one worker reads them.

    pages:    a stretch of a long document, of which nothing else is to be read.
    is_rest:  what is left of a long document when all its stretches are read.
    """

    files: tuple[FoundFile, ...]
    pages: PageRange | None = None
    is_rest: bool = False
    n_losses: int = 0

    @property
    def is_alone(self) -> bool:
        """Whether nothing else goes into its lease: it is long, or may be what ended a worker."""
        return bool(self.pages or self.is_rest or self.n_losses)


@dataclass(slots=True)
class Lease:
    """What a worker reads, and until when it is believed to.

    again:  some of it was read by another worker, and may be in the spool.
    pages:  the only ones to be read of its file.
    """

    units: list[WorkUnit]
    ends_at: float

    @property
    def files(self) -> list[FoundFile]:
        """All files, in the order of their paths."""
        return sorted((file for unit in self.units for file in unit.files), key=lambda file: file.path)

    @property
    def again(self) -> bool:
        """See `Lease`."""
        return any(unit.n_losses or unit.is_rest for unit in self.units)

    @property
    def pages(self) -> PageRange | None:
        """See `Lease`."""
        return self.units[0].pages

    @property
    def is_rest(self) -> bool:
        """See `WorkUnit`."""
        return self.units[0].is_rest


class Leases:
    """What is left to hand out, and what is handed out. Workers are known by a name.

    count_pages:  of a document that may be long; 0 for what is read by one worker.
    """

    def __init__(
        self,
        files: Iterable[FoundFile],
        *,
        n_workers: int,
        count_pages: Callable[[FoundFile], int] = lambda _: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._n_workers, self._clock, self._count_pages = n_workers, clock, count_pages
        self._left = deque(sorted(_units(files), key=lambda unit: -unit.files[0].size_bytes))
        self._n_bytes = sum(unit.files[0].size_bytes for unit in self._left)  # of whole documents that are left
        self._stretches: dict[str, int] = {}  # path → how many of its stretches are not read yet
        self._rests: dict[str, WorkUnit] = {}
        self._held: dict[str, Lease] = {}

    @property
    def is_over(self) -> bool:
        """Nothing is left, and nobody is at work."""
        return not self._left and not self._held

    def next(self, worker: str) -> Lease | None:
        """The next files for a worker that has none; None where nothing is left to hand out now."""
        units: list[WorkUnit] = []
        n_files = n_bytes = 0
        most = max(1, min(_MOST_FILES, len(self._left) // (_SHARES * self._n_workers)))
        while self._left and n_files < most and n_bytes < _MOST_BYTES:
            self._share_out_next()
            if units and self._left[0].is_alone:
                break
            unit = self._left.popleft()
            units.append(unit)
            n_files += len(unit.files)
            n_bytes += unit.files[0].size_bytes
            if unit.is_alone:
                break
        if not units:
            return None
        self._held[worker] = Lease(units, self._clock() + TERM_S)
        return self._held[worker]

    def _share_out_next(self) -> None:
        """The next document in stretches, if it is long, and more than a worker's share of what is left: so a few for
        each worker are looked at, however many there are."""
        unit = self._left[0]
        if unit.is_alone:
            return
        size, left = unit.files[0].size_bytes, self._n_bytes
        self._n_bytes -= size
        most = _SHARES * self._n_workers
        if size * most < left:
            return
        if stretches := _stretches(self._count_pages(unit.files[0]), most):
            path = self._left.popleft().files[0].path
            self._stretches[path], self._rests[path] = len(stretches), WorkUnit(unit.files, is_rest=True)
            self._left.extendleft(WorkUnit(unit.files[:1], pages) for pages in reversed(stretches))

    def heard(self, worker: str) -> None:
        """The worker is there: its lease begins anew."""
        if lease := self._held.get(worker):
            lease.ends_at = self._clock() + TERM_S

    def done(self, worker: str) -> None:
        """All that the worker had is read."""
        if (lease := self._held.pop(worker, None)) and lease.pages:
            self._end_stretch(lease.units[0])

    def _end_stretch(self, unit: WorkUnit) -> None:
        path = unit.files[0].path
        self._stretches[path] -= 1
        if not self._stretches[path]:
            self._left.appendleft(self._rests[path])

    def lost(self, worker: str) -> list[WorkUnit]:
        """The worker has vanished: what it had goes to others. Returns what is given up."""
        lease = self._held.pop(worker, None)
        given_up = []
        for unit in lease.units if lease else ():
            unit.n_losses += 1
            if unit.n_losses < MOST_LOSSES:
                self._left.appendleft(unit)
            elif unit.pages:  # once more with the rest, which is given up in its turn
                self._end_stretch(unit)
            else:
                given_up.append(unit)
        return given_up

    def overdue(self) -> list[str]:
        """The workers whose leases have run out."""
        return [worker for worker, lease in self._held.items() if lease.ends_at < self._clock()]


def _stretches(n_pages: int, most: int) -> list[PageRange]:
    """At most so many of about as many pages; none for a document that is not long.

    The first page of each but the first is left for the rest: who reads that then looks at all tables of the document,
    and sees which go on across two stretches.
    """
    n = min(most, n_pages // STRETCH_PAGES)
    ends = [n_pages * number // n for number in range(n + 1)] if n > 1 else []
    return [PageRange(before + 1 + (before > 0), end) for before, end in pairwise(ends)]


def _units(files: Iterable[FoundFile]) -> list[WorkUnit]:
    """Only files of one size may be copies: of them the ends are compared, of all others nothing is read."""
    by_size: dict[tuple[str, int], list[FoundFile]] = defaultdict(list)
    for file in files:
        by_size[file.kind, file.size_bytes].append(file)
    units = []
    for of_size in by_size.values():
        if len(of_size) == 1:
            units.append(WorkUnit(tuple(of_size)))
            continue
        by_ends: dict[bytes, list[FoundFile]] = defaultdict(list)
        for file in of_size:
            by_ends[alike(file)].append(file)
        units += [WorkUnit(tuple(copies)) for copies in by_ends.values()]
    return units
