"""THE RUN: files → what is pending → children → the store. The one place where any failure becomes a row.

    paths ── find ──> files ── hash, compare with the store ──> sources with something pending
    free worker ──> a child on the next source, or one more child on the source with the most pages left
    child ──> finished parts, gathered into batches ──> store
    child ──> what was seen ──> the desk of a model (asking.py), where an engine needs one ──> finished parts

Every part is in work under a clock. A child that dies or overruns costs the part it was at; another child reads on.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
import traceback
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Self

from aria_docs.errors import AriaDocsError, Crashed, Damaged, EngineError, NoVideoStream, TimedOut
from aria_docs.ingest.folder import Findings, FoundFile, find, kind_of
from aria_docs.ingest.sandbox import Child, Sandbox
from aria_docs.media import DocumentInfo, VideoInfo
from aria_docs.model import choice as choices
from aria_docs.model.chat import ChatEngine
from aria_docs.model.chat_model import ChatModel
from aria_docs.model.continued import TablePart, continued
from aria_docs.model.engine import Task
from aria_docs.model.seen import SeenPage
from aria_docs.reading import read as pipeline
from aria_docs.reading.read import Begun, Job, ReadPages, Seen, Summarise
from aria_docs.reading.show import ShowPages
from aria_docs.run.model_queue import Answered, Desk, Tray
from aria_docs.run.outcome import Outcome, Progress, as_text, failure_row, now, of_path, told
from aria_docs.run.pending import HASH, WALK, Pending, known_to
from aria_docs.run.recipes import Options
from aria_docs.schemas.readings import FailureRow, Finished, RunRow
from aria_docs.schemas.sources import FileRow, SourceRow
from aria_docs.storage.database import Batch, Keeper

BATCH_S = 2.0
BATCH_PARTS = 256
"""A batch is written when this much time has passed since the last one, or this many parts have gathered."""

GIVE_UP_AFTER = 3
"""A file whose first parts, this many, all time out is given up."""

STARTING_PATIENCE_S = 60.0
"""How long a run waits for the database before it has read anything; later it waits as long as it takes."""

_BLOCK_S = 1.0  # what a child is given to do at once: small enough to share out, large enough never to leave it idle
_BLOCK_PAGES = 64
_HASHED_AHEAD = 8


@dataclass(slots=True)
class _Source:
    """One content while it is read.

    files:         who hold it; the first is the one that is opened.
    tasks:         what is pending, with recipes; a task of one part is struck out when that part is over.
    pages_left:    not handed out to a child yet.
    failures:      new and standing ones, of the first file; the others have copies.
    resumed:       an earlier run has read some of the pages.
    table_pages:   those on which this run has found tables, until it is known which of them go on.
    shareable:     False when it could not be opened once more, while a child was at work on it.
    shown:         tasks of one part that a model is asked now.
    n_asked:       how much of it lies with the model.
    """

    id: str
    files: list[FoundFile]
    tasks: dict[Task, str]
    row: SourceRow
    failures: list[FailureRow]
    job: Job | None = None
    info: DocumentInfo | VideoInfo | None = None
    pages_left: deque[int] = field(default_factory=deque)
    shareable: bool = True
    resumed: bool = False
    table_pages: set[int] = field(default_factory=set)
    shown: set[Task] = field(default_factory=set)
    n_asked: int = 0
    n_sessions: int = 0
    n_parts_over: int = 0
    n_timed_out: int = 0
    read: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class _Ticket:
    """What lies with the model, and for whom."""

    source: _Source
    seen: Seen
    part: str


@dataclass(slots=True)
class _Session:
    """A child at work on a source, and the clock of the part it is at.

    pages:    handed out and not answered yet, in order.
    useful:   a part came of it.
    waiting:  has nothing to do until the model has taken some of what was seen.
    """

    child: Child
    source: _Source
    pages: deque[int] = field(default_factory=deque)
    begun: Begun = field(default_factory=lambda: Begun("", "", "open"))
    since: float = field(default_factory=time.monotonic)
    busy: bool = True
    opened: bool = False
    useful: bool = False
    waiting: bool = False
    summarising: bool = False
    finishing: bool = False
    page_s: float = _BLOCK_S

    def limit_s(self, timeout_s: float) -> float:
        """Wall seconds for the part in work."""
        if self.begun.part == "document" and isinstance(self.source.info, DocumentInfo):
            return pipeline.document_limit_s(timeout_s, self.source.info.n_pages)
        if self.begun.part == "video" and isinstance(self.source.info, VideoInfo):
            return pipeline.video_limit_s(timeout_s, self.source.info.duration_s)
        return timeout_s


class Run:
    """One run over a database or a spool; a context manager. `read` may be called often, and from several threads."""

    def __init__(self, store: Keeper, options: Options, *, command: str, progress: Progress) -> None:
        self.store, self.options, self.progress = store, options.resolved(), progress
        self.outcome = Outcome(secrets.token_hex(8))
        self._command = command
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None
        self._desk: Desk | None = None
        self._began = time.monotonic()

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
        self.store.begin_run(
            run, [*recipes.values(), self.options.recipe_of_run()], schema=custom.row() if custom else None
        )
        self.pending = Pending(self.options, known_to(self.store, self.options))
        return self

    def __exit__(self, *_: object) -> None:
        if self._desk:
            self._desk.close()
        if self._sandbox:
            self._sandbox.close()
        totals = self.outcome
        totals.seconds = time.monotonic() - self._began
        self.store.end_run(totals.run_id, n_read=totals.n_read, n_failed=totals.n_failed, n_skipped=totals.n_skipped)

    def find(self, paths: Sequence[Path], *, kinds: Collection[str] = ("pdf", "video")) -> list[FoundFile]:
        """The files of these kinds under the paths, those of the run's shard. What cannot be reached becomes a failure,
        what is gone is marked absent.

        Raises UsageError for a path that does not exist.
        """
        findings = find(paths)
        self.outcome.n_ignored += findings.ignored
        self._note_unreadable(findings, kinds)
        if gone := self._gone(paths, findings):
            self.store.forget(gone)
        files = [file for file in findings.files if file.kind in kinds]
        own = [file for file in files if self.options.shard.has(file)]
        self.outcome.n_elsewhere += len(files) - len(own)
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
            self.outcome.file_over([told(row)], read=False)
            self.progress.failed(told(row))
        if batch:
            self.store.write(batch)

    def _gone(self, paths: Sequence[Path], findings: Findings) -> list[str]:
        roots = [as_text(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - as `find` names them
        unlisted = [as_text(path) for path, _ in findings.unreadable]
        there = {as_text(file.path) for file in findings.files}.union(unlisted)
        known = self.pending.known
        named = {path for path, row in known.files.items() if row.present} | {row.path for row in known.failures}
        return [
            path
            for path in named - there
            if any(_is_under(path, root) for root in roots)
            and not any(_is_under(path, folder) for folder in unlisted)
            and self.options.shard.has_path(path)
        ]

    def read(self, files: Iterable[FoundFile], *, workers: int | None = None) -> Outcome:
        """Reads what is pending of these files and stores it. What a ^C or `stop` finds finished is stored too.

        workers:  instead of the run's own number, where several threads share these.

        Returns how it went with these files; it is for the caller to add it to the run's `outcome`.
        """
        crew = _Crew(self, files, workers or self.options.workers)
        try:
            crew.work()
        except KeyboardInterrupt:
            crew.outcome.interrupted = True
        finally:
            crew.stop()
            crew.write()
        return crew.outcome

    def stop(self) -> None:
        """Every `read` ends soon, in whatever thread it runs."""
        self.stopping.set()

    def is_pending(self, file: FoundFile) -> bool:
        """Whether anything is left to read of this file. Raises Unreachable."""
        return bool(self.pending.tasks(self.pending.content_of(file), file.kind))

    def sandbox(self, kinds: Iterable[str]) -> Sandbox:
        """The warm process that children are forked from, made when first needed."""
        with self._lock:
            if self._sandbox is None:
                warm = {"pdf": "aria_docs.reading.read:warm_documents", "video": "aria_docs.reading.read:warm_videos"}
                self._sandbox = Sandbox(warm=[warm[kind] for kind in sorted(set(kinds))], debug=self.options.debug)
            return self._sandbox

    def desk(self) -> Desk | None:
        """Where the model of the run is asked, made when first needed; None for an engine that reads in the child."""
        with self._lock:
            if self._desk is None and self.options.engine != "embedded":
                lanes = choices.lanes(self.options.engine, self.options.servers)
                self._desk = Desk(self._load, lanes=lanes, told=self.progress.tokens)
            return self._desk

    def _load(self) -> tuple[ChatModel, ChatEngine]:
        options = self.options
        model = choices.open_model(
            options.choice,
            servers=options.servers,
            request_timeout_s=options.request_timeout_s,
            quantize=options.quantize,
            kv_cache=options.kv_cache,
        )
        self.progress.say(f"model: {model!r}")
        for reason in model.unreachable:
            self.progress.say(f"goes on without a server: {reason}")
        return model, ChatEngine(model, custom=options.custom)


class _Crew:
    """The workers of one call of `read`: sessions with children, what is left for them, and what they finished."""

    def __init__(self, run: Run, files: Iterable[FoundFile], workers: int) -> None:
        self._workers = workers
        self._run, self._options, self._pending = run, run.options, run.pending
        self._files = list(files)
        self._sessions: dict[Connection, _Session] = {}
        self._sources: dict[str, _Source] = {}
        self._batch, self._n_parts, self._written = Batch(), 0, time.monotonic()
        self._hasher = ThreadPoolExecutor(1, "hash")
        self._coming = self._contents()
        self._desk, self._tray = run.desk(), Tray()
        self._look = self._options.look
        self.outcome = Outcome(run.outcome.run_id)

    def work(self) -> None:
        """Until nothing is left to read."""
        while not self._run.stopping.is_set():
            while len(self._sessions) < self._workers and not self._is_full and (source := self._next_source()):
                self._start(source)
            if not self._sessions and not self._tray.n_awaited:
                return
            at_work = [session for session in self._sessions.values() if not session.waiting]
            due = [session.since + session.limit_s(self._options.timeout_s) for session in at_work]
            for connection in wait(
                [*self._sessions, self._tray.connection],
                timeout=max(0.0, min([*due, self._written + BATCH_S]) - time.monotonic()),
            ):
                if connection is self._tray.connection:
                    self._hear_model()
                elif session := self._sessions.get(connection):  # type: ignore[call-overload]
                    self._hear(session)  # unless the answer before ended it: a file given up
            self._end_overdue()
            if self._n_parts >= BATCH_PARTS or time.monotonic() - self._written >= BATCH_S:
                self.write()
        self.outcome.interrupted = True

    def stop(self) -> None:
        """Ends all children."""
        self._hasher.shutdown(cancel_futures=True)
        for session in self._sessions.values():
            session.child.kill()
        self._sessions.clear()
        for answered in self._tray.take():  # what the model had finished
            if answered.error is None:
                self._keep_answer(answered)
        self._tray.close()

    def write(self) -> None:
        """Stores what is finished."""
        if self._batch:
            self._run.store.write(self._batch)
        self._batch, self._n_parts, self._written = Batch(), 0, time.monotonic()

    # What to read next

    def _contents(self) -> Iterator[tuple[FoundFile, Future[str]]]:
        """The files with their source ids, hashed a few files ahead of the reading."""
        ahead: deque[tuple[FoundFile, Future[str]]] = deque()
        for file in self._files:
            ahead.append((file, self._hasher.submit(self._pending.content_of, file)))
            if len(ahead) > _HASHED_AHEAD:
                yield ahead.popleft()
        yield from ahead

    def _next_source(self) -> _Source | None:
        """A source that no child works on yet, else the one with the most pages to share out, else None."""
        for orphan in self._sources.values():
            left = self._is_left(orphan) or not orphan.n_asked
            if orphan.info and not orphan.over and orphan.n_sessions == 0 and left:  # its last child died
                return orphan
        for file, future in self._coming:
            try:
                content = future.result()
            except AriaDocsError as error:
                row = failure_row(file.path, None, HASH, "", error)
                self._batch.failures.append(row)
                self._run.progress.failed(told(row))
                self._file_over(file, [row], read=False)
                continue
            if source := self._admit(file, content):
                return source
        # Opening a PDF once more must not cost more than it saves.
        shared = [
            source
            for source in self._sources.values()
            if source.shareable and len(source.pages_left) > 2 * source.n_sessions
        ]
        return max(shared, key=lambda source: len(source.pages_left), default=None)

    def _admit(self, file: FoundFile, content: str) -> _Source | None:
        """The source to read for this file, or None where there is nothing to read."""
        if earlier := self._sources.get(content):  # another path with the same content
            if earlier.over and not earlier.files:
                self.outcome.n_ignored += 1
                return None
            earlier.files.append(file)
            if earlier.over or earlier.info:
                self._record(earlier, file)
            if earlier.over:
                self._file_over(file, earlier.failures, read=earlier.read)
            return None
        row = self._pending.known.sources.get(content) or SourceRow(
            source_id=content, path=as_text(file.path), kind=file.kind, size_bytes=file.size_bytes, first_seen_at=now()
        )
        tasks = self._pending.tasks(content, file.kind)
        source = self._sources[content] = _Source(content, [file], tasks, row, self._pending.standing(content))
        if tasks:
            return source
        self._record(source, file)
        self._source_over(source)
        return None

    def _record(self, source: _Source, file: FoundFile) -> None:
        """The file's row, where it is news."""
        path = as_text(file.path)
        row = FileRow(path=path, source_id=source.id, size_bytes=file.size_bytes, modified_at=file.modified_at)
        if self._pending.known.files.get(path) != row or path in self._pending.was_unreachable:
            self._pending.was_unreachable.discard(path)
            self._pending.known.files[path] = row
            self._batch.files.append(row)

    # Children

    def _start(self, source: _Source) -> None:
        options = self._options
        job = Job(
            path=source.files[0].path,
            source_id=source.id,
            run_id=self.outcome.run_id,
            engine=options.engine,
            recipes=dict(source.tasks),
            timeout_s=options.timeout_s,
            passwords=options.passwords,
            group=options.group,
            speech=None if options.speech is None else str(options.speech),
            ocr=options.ocr,
            look=self._look,
            model=options.model_id("") if self._look else None,
        )
        verb = "show" if self._look else "read"
        worker = f"aria_docs.reading.{verb}:{verb}_" + ("document" if source.row.kind == "pdf" else "video")
        child = self._run.sandbox(file.kind for file in self._files).start(worker, job)
        source.job = job
        source.n_sessions += 1
        self._sessions[child.connection] = _Session(child, source)

    def _hear(self, session: _Session) -> None:
        """One answer of a child, or its end."""
        try:
            answer = session.child.receive()
        except StopIteration:
            self._leave(session)
            return
        except EngineError:  # not of this part: nothing can be read any more
            raise
        except AriaDocsError as error:
            self._lose(session, error)
            return
        if isinstance(answer, Begun):
            if answer.part != session.begun.part or answer.task != session.begun.task:
                session.since = time.monotonic()
            session.begun, session.busy = answer, True
        elif isinstance(answer, Finished):
            self._keep(session, answer)
        elif isinstance(answer, Seen):
            self._see(session, answer)
        else:
            session.opened, session.busy = True, False
            if session.source.info is None:
                self._opened(session.source, answer)
        if session.opened:
            self._feed(session)

    def _opened(self, source: _Source, info: DocumentInfo | VideoInfo) -> None:
        """The first child on a source has opened it: now it is known what there is to do."""
        source.info = info
        if isinstance(info, DocumentInfo):
            source.row = source.row.model_copy(update={"n_pages": info.n_pages})
            if self._options.per_page:  # a page that was read has its text stored, for a summary too
                source.pages_left.extend(self._pending.pages(source.id, info.n_pages))
                source.resumed = len(source.pages_left) < len(self._pending.selected(info.n_pages))
            else:
                source.pages_left.extend(self._pending.selected(info.n_pages))
            n_parts = len(source.pages_left) + len(source.tasks.keys() - {*self._options.per_page})
        else:
            facts = {name: getattr(info, name) for name in ("duration_s", "width", "height", "fps")}
            source.row = source.row.model_copy(update=facts)
            n_parts = len(source.tasks)
        self._pending.known.sources[source.id] = source.row
        self._batch.sources.append(source.row)
        self._batch.opened.append(source.id)
        for file in source.files:
            self._record(source, file)
        self._run.progress.opened(source.files[0].path, n_parts)

    def _feed(self, session: _Session) -> None:
        """Keeps a child in work: pages while there are any; then a document's last child is asked for the summary."""
        source = session.source
        if session.finishing or session.summarising:
            return
        session.waiting = self._is_full and not session.pages
        if session.waiting:
            return
        block = max(1, min(_BLOCK_PAGES, int(_BLOCK_S / max(session.page_s, 1e-3))))
        if source.pages_left and len(session.pages) <= block // 2:
            fair = -(-len(source.pages_left) // (2 * source.n_sessions))  # smaller and smaller towards the end
            numbers = [source.pages_left.popleft() for _ in range(min(block, fair))]
            session.pages.extend(numbers)
            session.child.send(ReadPages(tuple(numbers)))
        if session.pages:
            return
        # The last to be without a page: the others may have been told to end, and not have ended yet.
        is_last = all(other is session or other.finishing for other in self._at_work_on(source))
        if is_last and source.table_pages and not source.n_asked:
            self._join_tables(source)
        whole = self._whole_tasks(source) if is_last and source.row.kind == "pdf" else []
        if whole and (request := self._whole_request(source, whole)):
            session.summarising = True
            session.child.send(request)
        else:
            session.finishing = True
            session.child.finish()

    @property
    def _is_full(self) -> bool:
        return self._desk is not None and self._desk.is_full

    def _whole_tasks(self, source: _Source) -> list[Task]:
        """What is left to ask for of the document as a whole. (A video's child does everything unasked.)"""
        asked = self._options.per_document if source.row.kind == "pdf" else self._options.per_video
        return [task for task in asked if task in source.tasks and task not in source.shown]

    def _is_left(self, source: _Source) -> bool:
        """Whether a child has anything to do for it."""
        return bool(source.pages_left or self._whole_tasks(source))

    def _whole_request(self, source: _Source, tasks: Sequence[Task]) -> Summarise | ShowPages | None:
        """All pages the run is about, those of earlier runs too; None where not one could be read."""
        assert isinstance(source.info, DocumentInfo)
        self.write()
        asked = self._pending.selected(source.info.n_pages)
        pages = self._run.store.page_texts(source.id, asked)
        missing = sorted(set(asked).difference(number for number, _ in pages))
        if missing and not pages:
            error = (TimedOut if source.n_timed_out else Damaged)("not one page could be read: nothing to summarise")
            for task in tasks:
                source.tasks.pop(task)
                self._fail(source, Begun(task, "document", "text"), error)
            return None
        numbers = ", ".join(str(page) for page in missing[:20]) + (", …" if len(missing) > 20 else "")
        note = f"pages that could not be read: {numbers}" if missing else None
        if self._look and pages:
            return ShowPages(tuple(number for number, _ in pages), note)
        return Summarise(tuple(pages), note)

    def _join_tables(self, source: _Source) -> None:
        """All pages are in: which tables go on from the page before? Those of earlier runs are seen too."""
        if source.resumed or any(page + 1 in source.table_pages for page in source.table_pages):
            self.write()
            rows = self._run.store.table_places(source.id, self._pending.recipes["tables"])
            self._batch.continues |= continued(TablePart(**row) for row in rows)
        source.table_pages.clear()

    # What becomes of parts

    def _keep(self, session: _Session, part: Finished) -> None:
        source = session.source
        self._batch.finished.append(self._pending.over(part))
        source.table_pages.update(table.page for table in part.tables)
        if part.reading:
            if not part.reading.part.startswith("page:"):
                source.tasks = {task: recipe for task, recipe in source.tasks.items() if task != part.reading.task}
                session.summarising = False
        elif any(task in source.tasks for task in self._options.per_page):
            return  # only the text of a page so far
        self._child_is_done_with_part(session)
        source.read = True
        self._part_over(source)

    def _child_is_done_with_part(self, session: _Session) -> None:
        if session.pages and session.begun.part == f"page:{session.pages[0]}":
            session.pages.popleft()
            session.page_s = (session.page_s + time.monotonic() - session.since) / 2
        session.busy, session.useful = False, True

    # What a model is asked

    def _see(self, session: _Session, seen: Seen) -> None:
        """A child has seen a page, a document, a video: the model is asked about it, and the child goes on."""
        source = session.source
        assert self._desk, seen
        part = session.begun.part
        if isinstance(seen, SeenPage):
            pending = self._pending.page_tasks(source.id, seen.page.number)
            seen = replace(seen, tasks=tuple(task for task in seen.tasks if task in pending))
        else:
            source.shown.update(seen.tasks)
            session.summarising = False
        self._child_is_done_with_part(session)
        source.n_asked += 1
        self._desk.ask(seen, _Ticket(source, seen, part), self._tray)

    def _hear_model(self) -> None:
        """Answers that have come, or why none could be had."""
        for answered in self._tray.take():
            if answered.error is None:
                self._keep_answer(answered)
            else:
                self._refuse(answered.ticket, answered.error)
            source, seen = answered.ticket.source, answered.ticket.seen
            source.n_asked -= 1
            for _ in (
                (seen.page,) if isinstance(seen, SeenPage) else seen.tasks
            ):  # a page is one part, whatever is asked
                self._part_over(source)
            if source.n_sessions == 0 and not source.over and not self._is_left(source):
                self._leave_to_model(source)
        for session in self._sessions.values():
            if session.waiting and not self._is_full:
                session.since = time.monotonic()
                self._feed(session)

    def _keep_answer(self, answered: Answered) -> None:
        ticket: _Ticket = answered.ticket
        source = ticket.source
        assert source.job, source
        for read in answered.reads:
            part = pipeline.answered(
                source.job, ticket.seen, ticket.part, read, seconds=answered.seconds, custom=self._options.custom
            )
            self._batch.finished.append(self._pending.over(part))
            source.table_pages.update(table.page for table in part.tables)
            if not ticket.part.startswith("page:"):
                source.tasks = {task: recipe for task, recipe in source.tasks.items() if task != read.task}
            source.read = True

    def _refuse(self, ticket: _Ticket, error: BaseException) -> None:
        """The model could not be run on this. What is not of this part alone ends the run."""
        if isinstance(error, EngineError) or not isinstance(error, Exception):
            raise error
        if not isinstance(error, AriaDocsError):  # a defect, of ours or of a library: it costs this part
            if self._options.debug:
                traceback.print_exception(error)
            text = " ".join(str(error).split())[:300]
            error = Crashed(f"asking the model failed with {type(error).__name__} ({text}): --retry-failed tries again")
        for task in ticket.seen.tasks:
            if not ticket.part.startswith("page:"):
                ticket.source.tasks.pop(task, None)
            self._fail(ticket.source, Begun(task, ticket.part, "model"), error)

    def _part_over(self, source: _Source) -> None:
        source.n_parts_over += 1
        self._n_parts += 1
        self.outcome.n_parts += 1
        self._run.progress.part(source.files[0].path)

    def _end_overdue(self) -> None:
        for session in list(self._sessions.values()):
            limit_s = session.limit_s(self._options.timeout_s)
            if session.waiting or session.child.connection.closed:  # given up with the file of the session before
                continue
            if time.monotonic() - session.since > limit_s and not session.child.connection.poll():
                session.child.kill()
                self._lose(session, TimedOut(f"took longer than {limit_s:g} s: a longer --timeout may do"))

    def _leave(self, session: _Session) -> None:
        """A child has done all it was asked to."""
        self._forget(session)
        source = session.source
        # Something is left where the last child to be at work died while this one was ending: another goes on.
        if source.n_sessions == 0 and not source.over and not self._is_left(source):
            self._leave_to_model(source)

    def _lose(self, session: _Session, error: AriaDocsError) -> None:
        """A child has died: the part in work has failed, what it had been given besides goes back."""
        self._forget(session)
        source, begun = session.source, session.begun
        if source.over:
            return
        if not session.opened or not session.busy:  # no part is to blame
            source.pages_left.extendleft(reversed(session.pages))
            source.shareable = source.shareable and session.opened
            if source.n_sessions == 0:
                if session.finishing:
                    self._leave_to_model(source)
                elif not session.useful:  # else another child reads on
                    self._cannot_open(source, Begun("", "", begun.stage), error)
            return
        if session.pages and begun.part == f"page:{session.pages[0]}":
            session.pages.popleft()
        lost = self._lost_tasks(source, begun)
        if not begun.part.startswith("page:"):
            for task in lost:
                source.tasks.pop(task, None)
        source.pages_left.extendleft(reversed(session.pages))
        for task in lost:
            self._fail(source, replace(begun, task=task), error)
        self._part_over(source)
        source.n_timed_out += isinstance(error, TimedOut)
        if source.n_timed_out == source.n_parts_over == GIVE_UP_AFTER and (source.pages_left or source.tasks):
            reason = f"its first {GIVE_UP_AFTER} parts took too long: a longer --timeout with --retry-failed may do"
            self._cannot_open(source, Begun("", "", begun.stage), TimedOut(f"given up: {reason}"))
        elif source.n_sessions == 0 and not self._is_left(source):
            self._leave_to_model(source)

    def _lost_tasks(self, source: _Source, begun: Begun) -> list[Task]:
        """The tasks that a part has failed for. Of a page that is read for its text alone none: the summary's note says
        it."""
        if begun.part.startswith("page:"):
            pending = self._pending.page_tasks(source.id, int(begun.part.removeprefix("page:")))
            return [task for task in pending if task in source.tasks]
        # A child that shows something does so for all tasks at once.
        return self._whole_tasks(source) if self._look else [begun.task]

    def _leave_to_model(self, source: _Source) -> None:
        """No child has anything left to do: it is over, or will be when the model has answered."""
        if not source.n_asked:
            self._source_over(source)

    def _cannot_open(self, source: _Source, begun: Begun, error: AriaDocsError) -> None:
        """The whole file has failed, unless nobody said that it was a video."""
        for session in self._at_work_on(source):
            self._forget(session)
            session.child.kill()
        if isinstance(error, NoVideoStream) and not any(file.promised for file in source.files):
            self.outcome.n_ignored += len(source.files)
            source.files = []
        else:
            if source.id not in self._pending.known.sources:
                self._batch.sources.append(source.row)
            for file in source.files:
                self._record(source, file)
            self._fail(source, begun, error)
        self._source_over(source)

    def _fail(self, source: _Source, begun: Begun, error: AriaDocsError) -> None:
        recipe = self._pending.recipes[begun.task] if begun.task else ""
        row = failure_row(source.files[0].path, source.id, begun, recipe, error)
        source.failures = [old for old in source.failures if (old.task, old.part) != (row.task, row.part)] + [row]
        self._batch.failures.append(row)
        self._run.progress.failed(told(row))

    def _at_work_on(self, source: _Source) -> list[_Session]:
        return [session for session in self._sessions.values() if session.source is source]

    def _forget(self, session: _Session) -> None:
        self._sessions.pop(session.child.connection)
        session.source.n_sessions -= 1

    def _source_over(self, source: _Source) -> None:
        source.over = True
        source.pages_left.clear()
        if source.table_pages:  # the last child died before it could be asked for a summary
            self._join_tables(source)
        for file in source.files:
            self._file_over(file, source.failures, read=source.read)

    def _file_over(self, file: FoundFile, failures: Sequence[FailureRow], *, read: bool) -> None:
        """Every path with a failed content has its own failure rows."""
        own = [of_path(row, as_text(file.path)) for row in failures]
        self._batch.failures += [row for row in own if row not in failures]
        self.outcome.file_over([told(row) for row in own], read=read)
        self._run.progress.file_over(file.path)


def _is_under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
