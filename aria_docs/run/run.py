"""One run over a database or a spool: begin, find, read, end."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from aria_docs.ingest.folder import Findings, FoundFile, find, kind_of
from aria_docs.ingest.sandbox import Sandbox
from aria_docs.model import choice
from aria_docs.model.chat import ChatEngine
from aria_docs.model.chat_model import ChatModel
from aria_docs.run.model_queue import ModelQueue
from aria_docs.run.outcome import Outcome, Progress, as_text, failure_of, failure_row, now
from aria_docs.run.pending import WALK, Pending
from aria_docs.run.recipes import Options, PageRange
from aria_docs.run.scheduler import Scheduler
from aria_docs.schemas.readings import RunRow
from aria_docs.storage.keeper import Batch, Keeper, RunEnd, is_under

STARTING_PATIENCE_S = 60.0
"""How long a run waits for the database before it has read anything; later it waits as long as it takes."""


class Run:
    """One run over a database or a spool; a context manager. `read` may be called often, and from several threads."""

    def __init__(self, store: Keeper, options: Options, *, command: str, progress: Progress) -> None:
        self.store, self.options, self.progress = store, options.resolve(), progress
        self.outcome = Outcome(secrets.token_hex(8))
        self._command = command
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None
        self._model_queue: ModelQueue | None = None
        self._began = time.monotonic()
        self._gone: list[str] = []
        self._found: dict[str, bool] = {}  # path → whether it was come to

    def __enter__(self) -> Self:
        self.store.prepare(patience_s=STARTING_PATIENCE_S)
        recipes = self.options.recipes()
        run = RunRow(
            run_id=self.outcome.run_id,
            started_at=now(),
            command=as_text(self._command),
            engine=self.options.engine,
            recipe=self.options.recipe_of_run().recipe,
        )
        custom = self.options.custom
        hearing = self.options.recipe_of_hearing()
        used = [*recipes.values(), self.options.recipe_of_run(), *([hearing] if hearing else [])]
        self.store.begin_run(run, used, schema=custom.row() if custom else None)
        self.pending = Pending(self.options, self.store, stopping=self.stopping.is_set)
        return self

    def __exit__(self, *_: object) -> None:
        if self._model_queue:
            self._model_queue.close()
        if self._sandbox:
            self._sandbox.close()
        totals = self.outcome
        if self._gone:  # only now: what failed in a file that was renamed is still known by its old name
            self.store.forget(self._gone)
        totals.seconds = time.monotonic() - self._began
        found = {as_text(path): begun for path, begun in self._found.items()}
        end = RunEnd(totals.n_read, totals.n_failed, totals.n_skipped, self.stopping.is_set(), found)
        self.store.end_run(totals.run_id, end)

    def find(self, paths: Sequence[Path], *, kinds: Collection[str] = ("pdf", "video")) -> list[FoundFile]:
        """The files of these kinds under the paths, those of the run's shard. What cannot be reached becomes a failure,
        what is gone is marked absent.

        Raises UsageError for a path that does not exist.
        """
        findings = find(paths)
        self.outcome.n_ignored += findings.ignored
        self._note_unreadable(findings, kinds)
        self._gone += self._missing(paths, findings)
        wanted = {*kinds, "image"} if "pdf" in kinds else {*kinds}  # an image is a document of one page
        files = [file for file in findings.files if file.kind in wanted]
        own = [file for file in files if self.options.shard.has(file)]
        self.outcome.n_elsewhere += len(files) - len(own)
        self._found |= dict.fromkeys((file.path for file in own), False)
        return own

    def _note_unreadable(self, findings: Findings, kinds: Collection[str]) -> None:
        batch = Batch()
        for path, error in findings.unreadable:
            promised = kind_of(b"", Path(path).suffix.lower())  # None for a folder: it may hold any kind
            if promised and promised not in kinds:
                continue
            if not self.options.shard.has_path(path):
                self.outcome.n_elsewhere += 1
                continue
            row = failure_row(path, None, WALK, "", error)
            batch.failures.append(row)
            self.outcome.end_file([failure_of(row)], read=False)
            self.progress.add_failure(failure_of(row))
        if batch:
            self.store.write(batch)

    def _missing(self, paths: Sequence[Path], findings: Findings) -> list[str]:
        roots = [as_text(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - as `find` names them
        unlisted = [as_text(path) for path, _ in findings.unreadable]
        found = {as_text(file.path) for file in findings.files}.union(unlisted)
        return [
            path
            for path in self.store.missing(roots, found)
            if not any(is_under(path, folder) for folder in unlisted) and self.options.shard.has_path(path)
        ]

    def read(
        self,
        files: Iterable[FoundFile],
        *,
        workers: int | None = None,
        pages: PageRange | None = None,
        afresh: bool = False,
    ) -> Outcome:
        """Reads what is pending of these files and stores it. What a ^C or `stop` finds finished is stored too.

        workers:  instead of the run's own number, where several threads share these.
        pages:    of the one file, and nothing that is asked of the whole of it.
        afresh:   another run may have stored some of it since this one asked.

        Returns how it went with these files; it is for the caller to add it to the run's `outcome`.
        """
        options, pending = self.options, self.pending
        if pages:
            options = replace(options, tasks=options.per_page, pages=(pages,))
        if pages or afresh:
            pending = Pending(options, self.store, stopping=self.stopping.is_set)
        scheduler = Scheduler(
            files,
            run_id=self.outcome.run_id,
            options=options,
            pending=pending,
            keeper=self.store,
            sandbox=self.sandbox,
            model_queue=self.model_queue(),
            progress=self.progress,
            stopping=self.stopping.is_set,
            workers=workers or self.options.workers,
        )
        try:
            scheduler.work()
        except KeyboardInterrupt:
            self.stop()
            scheduler.outcome.interrupted = True
        finally:
            scheduler.stop()
            scheduler.write()
            self._found |= dict.fromkeys(scheduler.begun, True)
        return scheduler.outcome

    def stop(self) -> None:
        """Every `read` ends soon, in whatever thread it runs."""
        self.stopping.set()

    def sandbox(self) -> Sandbox:
        """The warm process that children are forked from, made when first needed."""
        with self._lock:
            if self._sandbox is None:
                self._sandbox = Sandbox(debug=self.options.debug)
            return self._sandbox

    def model_queue(self) -> ModelQueue | None:
        """Where the model of the run is asked, made when first needed; None for an engine that reads in the child."""
        with self._lock:
            if self._model_queue is None and self.options.engine != "embedded":
                lanes = choice.lanes(self.options.engine, self.options.servers)
                self._model_queue = ModelQueue(self._load, lanes=lanes, on_tokens=self.progress.tokens)
            return self._model_queue

    def _load(self) -> tuple[ChatModel, ChatEngine]:
        options = self.options
        model = choice.open_model(
            options.choice,
            device=options.device,
            servers=options.servers,
            request_timeout_s=options.request_timeout_s,
            quantize=options.quantize,
            kv_cache=options.kv_cache,
            on_failed=self.progress.detail,
        )
        self.progress.say(f"model: {model!r}")
        for reason in model.unreachable:
            self.progress.say(f"goes on without a server: {reason}")
        return model, ChatEngine(model, custom=options.custom)
