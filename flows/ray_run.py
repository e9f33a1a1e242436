"""A run on a Ray cluster: actors read what they are handed and leave it in a spool that all machines see.

    this process ── leases ──> actor 1 … n: a `Run` each, over the spool ── batches ──> the spool
         └───<── progress, and that they are there ───┘

The folder is listed once, here. An actor that vanishes costs its lease: another goes on where its last batch ended. The
rows never pass through this process, so nothing piles up in it, nor in Ray's object store.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from aria_docs.errors import AriaDocsError, Crashed, EngineError
from aria_docs.ingest.folder import FoundFile
from aria_docs.media import VideoInfo
from aria_docs.reading.messages import Begun
from aria_docs.run.leases import MOST_LOSSES, Lease, Leases, WorkUnit
from aria_docs.run.outcome import Failure, Outcome, Progress, as_text, failure_of, failure_row
from aria_docs.run.pending import Pending
from aria_docs.run.recipes import Options, PageRange
from aria_docs.run.run import Run
from aria_docs.storage.database import Store
from aria_docs.storage.keeper import Batch
from aria_docs.storage.load import load
from aria_docs.storage.object_store import parse
from aria_docs.storage.spool import Spool
from aria_docs.survey import measure

Event = tuple[str, tuple[Any, ...], dict[str, Any]]

LONG_BYTES = 4 << 20
"""A PDF of so many bytes has its pages counted, to be shared out where they are many."""

_TELL_S = 1.0  # how often an actor tells how far it is
_STOP_S = 30.0  # how long actors may take to store what is finished when the run is interrupted
_MOST_STARTS = 3  # actors that may end before they were ready


class _Events:
    """A `Progress` that collects what it is told."""

    def __init__(self) -> None:
        self.told: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def _tell(self, name: str, *arguments: Any, **named: Any) -> None:
        self.told.put((name, arguments, named))

    def begin_file(self, path: str, n_parts: int, *, pages: int = 0, film_s: float = 0.0) -> None:
        self._tell("begin_file", path, n_parts, pages=pages, film_s=film_s)

    def part(self, path: str) -> None:
        self._tell("part", path)

    def reach(self, path: str, film_s: float) -> None:
        self._tell("reach", path, film_s)

    def end_file(self, path: str) -> None:
        self._tell("end_file", path)

    def add_failure(self, failure: Failure) -> None:
        self._tell("add_failure", failure)

    def tokens(self, n: int) -> None:
        self._tell("tokens", n)

    def detail(self, sentence: str) -> None:
        self._tell("detail", sentence)

    def say(self, sentence: str) -> None:
        self._tell("say", sentence)

    def collect(self) -> list[Event]:
        """What was told since the last call."""
        events = []
        while not self.told.empty():
            events.append(self.told.get())
        return events


class ReaderActor:
    """What an actor is: one run over the spool, with a sandbox of its own, that is handed files."""

    def __init__(self, spool: str, options: Options, command: str) -> None:
        self._events = _Events()
        self._run = Run(Spool(parse(spool), say=self._events.say), options, command=command, progress=self._events)
        self._has_begun = False  # an actor that comes too late to be handed anything leaves no run

    def ready(self) -> str:
        """Where the actor is, once it is there."""
        return f"process {os.getpid()} of {socket.gethostname()}"

    def read(self, files: Sequence[FoundFile], again: bool, pages: PageRange | None) -> Iterator[list[Event] | Outcome]:
        """Reads these files, or these pages of one; yields what there is to tell, at least every few seconds.

        What comes last is how it went.

        again:  another worker may have left some of it in the spool.
        """
        if not self._has_begun:
            self._run.__enter__()
            self._has_begun = True
        if again:
            assert isinstance(self._run.store, Spool)
            self._run.store.forget_state()
        ended: list[Outcome | AriaDocsError] = []

        def work() -> None:
            try:
                ended.append(self._run.read(files, pages=pages, afresh=again))
            except AriaDocsError as error:
                ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            thread.join(_TELL_S)
            yield self._events.collect()
        if not ended:
            raise Crashed("the worker ended without an answer: its log has why")
        if isinstance(ended[0], AriaDocsError):
            raise ended[0]
        self._run.outcome.add(ended[0])
        yield ended[0]

    def stop(self) -> None:
        """`read` ends soon, and stores what is finished."""
        self._run.stop()

    def close(self) -> None:
        """The end of the run: small batches become large ones."""
        if self._has_begun:
            self._run.__exit__(None, None, None)


@dataclass(slots=True)
class _Worker:
    """An actor, what is awaited of it (that it is there, or the next thing it tells), and what it reads."""

    actor: Any
    awaited: Any
    is_ready: bool = False
    lease: Lease | None = None


def read_on_ray(
    paths: Sequence[Path],
    spool: Path,
    options: Options,
    *,
    command: str,
    progress: Progress,
    address: str | None = None,
    db: Path | None = None,
) -> Outcome:
    """Reads what is new under the paths with `options.workers` actors; with a database, loads the spool into it.

    address:  of a cluster, as Ray knows it; None for RAY_ADDRESS, or a cluster of this machine alone for this run.

    Raises UsageError for a path that does not exist, EngineError where no actor can be started, StoreError.
    """
    with redirect_stdout(sys.stderr):  # Ray prints its own account of a lost actor, which is no answer of ours
        _connect(address)
        try:
            with Run(Spool(spool, say=progress.say), options, command=command, progress=progress) as run:
                files = run.find(paths)
                _show_files(progress, files)
                _Driver(run, _without_finished(run, files, db), str(spool)).work()
            outcome = run.outcome
        finally:
            ray.shutdown()
    if db and not outcome.interrupted:
        loaded = load(spool, Store(db, on_wait=progress.say), say=progress.say)
        progress.say(f"{loaded.n_files} batches of {spool} loaded, {loaded.n_parts} parts → {db}")
    return outcome


def _connect(address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault("RAY_worker_niceness", "0")  # as the children of any run; Ray's own is 15
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    alone = address is None and not os.environ.get("RAY_ADDRESS")
    try:
        ray.init(
            address="local" if alone else address, include_dashboard=False if alone else None, log_to_driver=False,
            logging_level=logging.ERROR, configure_logging=False,
        )  # fmt: skip
    except (RayError, ConnectionError, OSError, RuntimeError, ValueError) as error:
        where = address or os.environ.get("RAY_ADDRESS") or "this machine"
        raise EngineError(
            f"Ray cannot be started or reached at {where}: {' '.join(str(error).split())[:300]}"
        ) from error
    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():  # Ray's own would end this process where it stands
            signal.signal(number, handler)


def _show_files(progress: Progress, files: Sequence[FoundFile]) -> None:
    if show := getattr(progress, "files", None):
        show(len(files), files)


def _without_finished(run: Run, files: Sequence[FoundFile], db: Path | None) -> list[FoundFile]:
    """Without the files of which spool or database say that nothing is left to read."""
    done = run.pending.find_finished(files)
    if db and db.exists():
        done = Pending(run.options, Store(db)).find_finished([file for file in files if file not in done]) | done
    for file in done:
        run.outcome.end_file((), read=False)
        run.progress.end_file(file.path)
    return [file for file in files if file not in done]


class _Driver:
    """Hands out leases to actors until nothing is left."""

    def __init__(self, run: Run, files: Sequence[FoundFile], spool: str) -> None:
        self._run, self._n = run, min(run.options.workers, max(1, len(files)))
        self._long: dict[str, int] = {}  # path → pages, of documents that are shared out and not begun
        self._leases = Leases(files, n_workers=self._n, count_pages=self._count_pages)
        self._workers: dict[str, _Worker] = {}
        self._n_started = self._n_stillborn = 0
        gpus = 1 if run.options.engine == "aria" else 0
        reader: Any = ray.remote(ReaderActor)
        kind = reader.options(num_cpus=1, num_gpus=gpus, max_concurrency=2, max_restarts=0)
        options = ray.put(replace(run.options, workers=1))
        self._new: Any = lambda: kind.remote(spool, options, f"actor of {run.outcome.run_id}")

    def _count_pages(self, file: FoundFile) -> int:
        """0 where it is none that may be long, or cannot be told: who reads it will say why."""
        options = self._run.options
        is_large = file.kind == "pdf" and file.size_bytes >= LONG_BYTES
        if self._n == 1 or not is_large or not options.per_page or options.pages:
            return 0
        try:
            sizes = measure(file, self._run.sandbox())
        except AriaDocsError:
            return 0
        self._long[file.path] = n_pages = 0 if isinstance(sizes, VideoInfo) else len(sizes)
        return n_pages

    def work(self) -> None:
        """Until nothing is left to read; after a ^C until what is finished is stored."""
        try:
            try:
                while not self._leases.is_over:
                    self._step()
                self._close()
            except KeyboardInterrupt:
                self._interrupt()
        finally:
            for worker in self._workers.values():
                ray.kill(worker.actor)

    def _step(self) -> None:
        while len(self._workers) < self._n:
            actor = self._new()
            self._n_started += 1
            self._workers[f"{self._n_started}"] = _Worker(actor, actor.ready.remote())
        for name, worker in self._workers.items():
            if worker.is_ready and worker.awaited is None and (lease := self._leases.next(name)):
                worker.lease = lease
                worker.awaited = worker.actor.read.remote(lease.files, lease.again, lease.pages)
                if lease.pages and (n_pages := self._long.pop(path := lease.files[0].path, 0)):
                    n_parts = n_pages + len(self._run.options.per_document)
                    self._run.progress.begin_file(path, n_parts, pages=n_pages)
        self._hear()
        for name in self._leases.overdue():
            self._lose(name)

    def _hear(self) -> None:
        """Whatever comes first of what is awaited."""
        awaited = [worker.awaited for worker in self._workers.values() if worker.awaited is not None]
        ready = ray.wait(awaited, num_returns=1, timeout=_TELL_S)[0] if awaited else []
        for name, worker in list(self._workers.items()):
            if worker.awaited is not None and worker.awaited in ready:
                self._take(name, worker.awaited)

    def _take(self, name: str, awaited: Any) -> None:
        """What an actor has told, or why it cannot."""
        worker = self._workers[name]
        try:
            if not worker.is_ready:
                self._run.progress.detail(f"worker {name} is {ray.get(awaited)}")
                worker.is_ready, worker.awaited, self._n_stillborn = True, None, 0
                return
            told = ray.get(next(awaited))
        except StopIteration:
            worker.awaited = None
            self._leases.done(name)
            return
        except RayTaskError as error:  # not of one file: nothing can be read any more
            cause = error.cause
            raise cause if isinstance(cause, AriaDocsError) else EngineError(_sentence(error)) from error
        except RayActorError as error:
            if not worker.is_ready:
                self._n_stillborn += 1
            if self._n_stillborn >= _MOST_STARTS:
                raise EngineError(f"no worker can be started on the Ray cluster: {_sentence(error)}") from error
            self._lose(name)
            return
        self._leases.heard(name)
        lease = worker.lease
        assert lease, "it was handed what it tells of"
        if isinstance(told, Outcome):
            if lease.pages:  # the file is counted with its rest, and so is what failed in it
                told = replace(told, n_files=0, n_read=0, n_failed=0, n_skipped=0, n_partial=0, failures=[])
            self._run.outcome.add(told)
            return
        unsaid = {"begin_file", "end_file"} if lease.pages else {"begin_file"} if lease.is_rest else set()
        for method, arguments, named in told:
            if method not in unsaid:
                getattr(self._run.progress, method)(*arguments, **named)

    def _lose(self, name: str) -> None:
        """The actor has vanished, or nothing was heard of it: what it had goes to others."""
        ray.kill(self._workers.pop(name).actor)
        self._run.progress.say(f"worker {name} has vanished: what it had is read by another")
        for unit in self._leases.lost(name):
            self._give_up(unit)

    def _give_up(self, unit: WorkUnit) -> None:
        error = Crashed(f"{MOST_LOSSES} workers vanished while they read it: --retry-failed tries again")
        rows = [failure_row(file.path, None, Begun("", "", "read"), "", error) for file in unit.files]
        self._run.store.write(Batch(failures=rows))
        for file, row in zip(unit.files, rows, strict=True):
            self._run.progress.add_failure(failure_of(row))
            self._run.progress.end_file(as_text(file.path))
            self._run.outcome.end_file([failure_of(row)], read=False)

    def _interrupt(self) -> None:
        """Actors store what is finished; those that take too long are ended."""
        self._run.stop()
        self._run.outcome.interrupted = True
        ends_at = time.monotonic() + _STOP_S
        for worker in self._workers.values():
            worker.actor.stop.remote()
        while time.monotonic() < ends_at and any(w.is_ready and w.awaited is not None for w in self._workers.values()):
            self._hear()
        self._close()

    def _close(self) -> None:
        closing = [worker.actor.close.remote() for worker in self._workers.values() if worker.is_ready]
        ray.wait(closing, num_returns=len(closing), timeout=_STOP_S) if closing else None


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[-300:]
