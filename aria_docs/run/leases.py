"""Who reads which files, and until when: work that is handed out to whoever is free.

    files ── copies together, large ones first ── units ── next() ──> a lease ── done() ──> over
                                                    └───────<── lost(): a worker vanished, or was not heard of in time

Knows no worker but by its name, and neither network nor store.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aria_docs.ingest.folder import FoundFile
from aria_docs.ingest.shards import alike

TERM_S = 120.0
"""A worker that was not heard of for so long has vanished. One that is there says so every few seconds."""

MOST_LOSSES = 3
"""A unit whose workers vanished this often is given up: it may be what ends them."""

_MOST_FILES, _MOST_BYTES = 256, 64 << 20  # of one lease: what a worker begins with costs it some 0.2 s
_SHARES = 4  # leases that are left for each worker at least, so that all of them end at about the same time


@dataclass(slots=True)
class WorkUnit:
    """Files that have one content, as far as can be told without reading them: one worker reads them."""

    files: tuple[FoundFile, ...]
    n_losses: int = 0


@dataclass(slots=True)
class Lease:
    """What a worker reads, and until when it is believed to.

    again:  some of it was begun by a worker that vanished, and may be in the spool.
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
        return any(unit.n_losses for unit in self.units)


class Leases:
    """What is left to hand out, and what is handed out. Workers are known by a name."""

    def __init__(
        self, files: Iterable[FoundFile], *, n_workers: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._n_workers, self._clock = n_workers, clock
        self._left = deque(sorted(_units(files), key=lambda unit: -unit.files[0].size_bytes))
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
            if units and self._left[0].n_losses:  # what may have ended a worker is read alone
                break
            unit = self._left.popleft()
            units.append(unit)
            n_files += len(unit.files)
            n_bytes += unit.files[0].size_bytes
            if unit.n_losses:
                break
        if not units:
            return None
        self._held[worker] = Lease(units, self._clock() + TERM_S)
        return self._held[worker]

    def heard(self, worker: str) -> None:
        """The worker is there: its lease begins anew."""
        if lease := self._held.get(worker):
            lease.ends_at = self._clock() + TERM_S

    def done(self, worker: str) -> None:
        """All that the worker had is read."""
        self._held.pop(worker, None)

    def lost(self, worker: str) -> list[WorkUnit]:
        """The worker has vanished: what it had goes to others. Returns what is given up."""
        lease = self._held.pop(worker, None)
        given_up = []
        for unit in lease.units if lease else ():
            unit.n_losses += 1
            if unit.n_losses < MOST_LOSSES:
                self._left.appendleft(unit)
            else:
                given_up.append(unit)
        return given_up

    def overdue(self) -> list[str]:
        """The workers whose leases have run out."""
        return [worker for worker, lease in self._held.items() if lease.ends_at < self._clock()]


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
