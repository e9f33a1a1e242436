"""Which child does what next, and the one place where any failure becomes a row.

    files ── looked up in groups ──> contents ── something pending? ──> Source
    free worker ──> a child on the next source, or one more child on the document with the most pages left
    child ── finished parts ──> batch ──> keeper
    child ── what was seen ──> model queue, where an engine needs one ── answers ──> batch

Everything happens in one thread that waits for whatever comes first: an answer of a child, an answer of the model, a
part that takes too long, a batch that is due. Each part is in work under a clock. A child that dies or overruns costs
the part it was at; another child reads on.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from multiprocessing.connection import wait
from typing import Any

from aria_docs.errors import AriaDocsError, Crashed, Damaged, EngineError, NoVideoStream, TimedOut
from aria_docs.ingest.folder import FoundFile
from aria_docs.ingest.sandbox import Child, JobDone, Sandbox
from aria_docs.media import DocumentInfo, VideoInfo
from aria_docs.model.continued import find_continued
from aria_docs.model.engine import Task
from aria_docs.model.seen import SeenPage
from aria_docs.reading import messages, rows
from aria_docs.reading.messages import Begun, Job, ReadPages, Seen, ShowPages, Summarise
from aria_docs.run.model_queue import ModelQueue, QueuedAnswer, ResultQueue
from aria_docs.run.outcome import Outcome, PartialPart, Progress, as_text, failure_of, failure_row, now, of_path
from aria_docs.run.pending import HASH, Pending, chunks
from aria_docs.run.recipes import Options
from aria_docs.run.source import Source
from aria_docs.schemas.readings import FailureRow, Finished, ReadingRow
from aria_docs.schemas.sources import FileRow, SourceRow
from aria_docs.storage.keeper import Batch, Keeper

BATCH_S = 2.0
BATCH_PARTS = 256
"""A batch is written when this much time has passed since the last one, or this many parts have gathered."""

SLOW_PAGE_S, SLOW_WHOLE_S = 10.0, 60.0
"""What takes as long is named in a log: thirty times a usual page, a usual minute of film."""

HOPELESS_PARTS = 20
"""A run ends when the first parts that a model was asked about, this many, all fail for one reason."""

_BLOCK_S = 1.0  # what a child is given to do at once: small enough to share out, large enough never to leave it idle
_BLOCK_PAGES = 64


@dataclass(frozen=True, slots=True)
class _ModelRequest:
    """What a model has been asked about, and for which source."""

    source: Source
    seen: Seen
    part: str


@dataclass(slots=True)
class _Session:
    """A child at work on a source, and the clock of the part it is at.

    pages:        handed out and not answered yet, in order.
    useful:       a part came of it.
    waiting:      has nothing to do until the model has taken some of what was seen.
    summarising:  was asked for what concerns the whole; finishing: knows that nothing more comes.
    """

    child: Child
    source: Source
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
        """CPU seconds for the part in work."""
        if self.begun.part == "document" and isinstance(self.source.info, DocumentInfo):
            return messages.document_limit_s(timeout_s, self.source.info.n_pages)
        if self.begun.part == "video" and isinstance(self.source.info, VideoInfo):
            return messages.video_limit_s(timeout_s, self.source.info.duration_s)
        return timeout_s

    def ends_at(self, timeout_s: float) -> float:
        """When the part in work has taken too long on the wall."""
        return self.since + messages.WALL_FACTOR * self.limit_s(timeout_s)

    def take_up(self, begun: Begun) -> None:
        """The child says what it does now; the clock of a part starts with its first stage."""
        if (begun.part, begun.task) != (self.begun.part, self.begun.task):
            self.since = time.monotonic()
        self.begun, self.busy = begun, True

    def finish_part(self) -> None:
        """The part in work has been answered."""
        if self.pages and self.begun.part == f"page:{self.pages[0]}":
            self.pages.popleft()
            self.page_s = (self.page_s + time.monotonic() - self.since) / 2
        self.busy, self.useful = False, True


class Scheduler:
    """The workers of one call of `Run.read`: children with their sources, what is left for them, what they finished.

    sandbox:      the warm process that children are forked from.
    model_queue:  where the model of the run is asked; None for an engine that reads in the child.
    stopping:     whether the run is to end soon.
    """

    def __init__(
        self,
        files: Iterable[FoundFile],
        *,
        run_id: str,
        options: Options,
        pending: Pending,
        keeper: Keeper,
        sandbox: Callable[[], Sandbox],
        model_queue: ModelQueue | None,
        progress: Progress,
        stopping: Callable[[], bool],
        workers: int,
    ) -> None:
        self._files, self._workers = list(files), workers
        self._options, self._pending, self._keeper = options, pending, keeper
        self._sandbox, self._progress, self._stopping = sandbox, progress, stopping
        self._model_queue, self._results = model_queue, ResultQueue()
        self._sessions: dict[Any, _Session] = {}  # by the child's connection
        self._idle: dict[str, list[Child]] = {}  # children that wait for a file, by the worker that they know
        self._sources: dict[str, Source] = {}
        self._orphans: deque[Source] = deque()
        self._batch, self._n_parts, self._written = Batch(), 0, time.monotonic()
        self._hasher = ThreadPoolExecutor(1, "hash")
        self._coming = self._contents()
        self._look = options.look
        hearing = options.recipe_of_hearing()
        self._hearing = hearing.recipe if hearing else ""
        self._reasons: list[str] | None = []  # why the first parts failed that a model was asked; None once one did not
        self._taken: set[str] = set()  # paths that were come to, or found to need nothing
        self.outcome = Outcome(run_id)

    @property
    def begun(self) -> set[str]:
        """The paths of which something is stored, or nothing had to be."""
        unopened = (source for source in self._sources.values() if not source.over and not source.info)
        return self._taken.difference(file.path for source in unopened for file in source.files)

    def work(self) -> None:
        """Until nothing is left to read."""
        while not self._stopping():
            while len(self._sessions) < self._workers and not self._is_full and (source := self._next_source()):
                self._start(source)
            if not self._sessions and not self._results.n_awaited:
                break
            for connection in wait([*self._sessions, self._results.connection], timeout=self._next_event_s()):
                if connection is self._results.connection:
                    self._take_answers()
                elif session := self._sessions.get(connection):
                    self._take_messages(session)  # unless an answer before ended it: a file given up
            self._end_overdue()
            if self._n_parts >= BATCH_PARTS or time.monotonic() - self._written >= BATCH_S:
                self.write()
        self.outcome.interrupted = self._stopping()

    def _next_event_s(self) -> float:
        """Seconds until a part takes too long or a batch is due."""
        at_work = [session for session in self._sessions.values() if not session.waiting]
        ends = [session.ends_at(self._options.timeout_s) for session in at_work]
        return max(0.0, min([*ends, self._written + BATCH_S]) - time.monotonic())

    def stop(self) -> None:
        """Ends all children. What a model had finished is kept."""
        self._hasher.shutdown(wait=False, cancel_futures=True)
        at_work = (session.child for session in self._sessions.values())
        for child in chain(at_work, *self._idle.values()):
            child.kill()
        self._sessions.clear()
        self._idle.clear()
        for answered in self._results.take():
            if answered.error is None:
                self._keep_answer(answered)
        self._results.close()

    def write(self) -> None:
        """Stores what is finished."""
        if self._batch:
            self._keeper.write(self._batch)
        self._batch, self._n_parts, self._written = Batch(), 0, time.monotonic()

    # What to read next

    def _contents(self) -> Iterator[tuple[FoundFile, Future[None]]]:
        """The files in order, each with what tells that its group has been looked up. The next group is looked up while
        this one is read."""
        done = self._pending.find_finished(self._files)
        for file, content in done.items():
            self._taken.add(file.path)
            self._pass_over(file, content)
        left = [file for file in self._files if file not in done] if done else self._files
        before: tuple[list[FoundFile], Future[None]] | None = None
        for chunk in chunks(left):
            looking_up = self._hasher.submit(self._pending.look_up, chunk)
            if before:
                yield from ((file, before[1]) for file in before[0])
            before = chunk, looking_up
        if before:
            yield from ((file, before[1]) for file in before[0])

    def _pass_over(self, file: FoundFile, content: str) -> None:
        """A file of which nothing is left to read and nothing has failed."""
        self._pending.end(content)
        self._end_file(file, (), read=False)

    def _next_source(self) -> Source | None:
        """A source that no child works on yet, else the document with the most pages to share out, else None."""
        while self._orphans:
            if (orphan := self._orphans.popleft()).is_orphaned:
                return orphan
        for file, looked_up in self._coming:
            self._taken.add(file.path)
            try:
                looked_up.result()
                content = self._pending.content_of(file)
            except AriaDocsError as error:
                if self._stopping():
                    self._taken.discard(file.path)
                    return None
                row = failure_row(file.path, None, HASH, "", error)
                self._batch.failures.append(row)
                self._progress.add_failure(failure_of(row))
                self._end_file(file, [row], read=False)
                continue
            if source := self._admit(file, content):
                return source
        shared = {id(s.source): s.source for s in self._sessions.values() if s.source.may_be_shared}
        return max(shared.values(), key=lambda source: len(source.pages_left), default=None)

    def _admit(self, file: FoundFile, content: str) -> Source | None:
        """The source to read for this file, or None if there is nothing to read."""
        if earlier := self._sources.get(content):  # another path with the same content
            self._add_copy(earlier, file)
            return None
        tasks = self._pending.tasks(content, file.kind)
        standing = self._pending.standing(content)
        if not tasks and not standing and self._pending.is_unchanged(file):
            self._pass_over(file, content)
            return None
        row = self._pending.row_of(content) or SourceRow(
            source_id=content, path=as_text(file.path), kind=file.kind, size_bytes=file.size_bytes, first_seen_at=now()
        )
        whole = self._options.per_video if file.kind == "video" else self._options.per_document
        source = self._sources[content] = Source(content, [file], tasks, whole, row, standing)
        if tasks:
            return source
        self._record(source, file)
        self._end_source(source)
        return None

    def _add_copy(self, source: Source, file: FoundFile) -> None:
        if source.over and not source.files:
            self.outcome.n_ignored += 1
            return
        source.files.append(file)
        if source.over or source.info:
            self._record(source, file)
        if source.over:
            self._end_file(file, source.failures, read=source.read, notes=source.partial)

    def _record(self, source: Source, file: FoundFile) -> None:
        """The file's row, if it is news."""
        if not self._pending.is_unchanged(file):
            path = as_text(file.path)
            self._batch.files.append(
                FileRow(path=path, source_id=source.id, size_bytes=file.size_bytes, modified_at=file.modified_at)
            )

    # Children

    def _start(self, source: Source) -> None:
        """Puts a child to work on a source: one that has done its last file, or a new one."""
        options = self._options
        job = source.job = Job(
            path=source.files[0].path,
            source_id=source.id,
            run_id=self.outcome.run_id,
            engine=options.engine,
            recipes=dict(source.tasks),
            timeout_s=options.timeout_s,
            passwords=options.passwords,
            group=options.group,
            speech=None if options.speech is None else str(options.speech),
            hearing=self._hearing,
            heard=tuple(self._keeper.answers(source.id, self._hearing)) if self._goes_on_hearing(source) else (),
            ocr=options.ocr,
            look=self._look,
            model=options.model_id("") if self._look else None,
        )
        worker = self._worker(source)
        if idle := self._idle.get(worker):
            child = idle.pop()
            child.go_on(worker, job)
        else:
            for others in self._idle.values():  # no more processes than workers
                while others and len(self._sessions) + sum(map(len, self._idle.values())) >= self._workers:
                    others.pop().kill()
            warm = "warm_documents" if source.is_document else "warm_videos"
            child = self._sandbox().start(worker, job, warm=f"aria_docs.reading.read:{warm}", lasting=True)
        source.n_children += 1
        source.began_s = source.began_s or time.monotonic()
        self._sessions[child.connection] = _Session(child, source)

    def _goes_on_hearing(self, source: Source) -> bool:
        return bool(self._hearing) and not (source.is_document or self._options.force)

    def _worker(self, source: Source) -> str:
        verb = "show" if self._look else "read"
        return f"aria_docs.reading.{verb}:{verb}_{'document' if source.is_document else 'video'}"

    def _take_messages(self, session: _Session) -> None:
        """What has come of a child."""
        for message in session.child.answers():
            self._hear(session, message)
            if session.child.connection not in self._sessions:
                return  # it is over, or given up

    def _hear(self, session: _Session, message: object) -> None:
        match message:
            case JobDone(error=None, alive=alive) if session.opened:
                self._end_session(session, alive=alive)
            case JobDone(error=EngineError() as error):  # not of this part: nothing can be read any more
                raise error
            case JobDone(error=error):
                self._lose(session, error or Crashed("the parser ended without an answer: --retry-failed tries again"))
            case Begun():
                session.take_up(message)
            case messages.Reached(film_s):
                self._progress.reach(session.source.files[0].path, film_s)
                return
            case Finished(reading=ReadingRow(task="hearing")):  # goes on: no part of the film is over
                self._batch.finished.append(message)
                return
            case Finished():
                self._keep(session, message)
            case DocumentInfo() | VideoInfo():
                self._open(session, message)
            case _ if isinstance(message, Seen):
                self._ask(session, message)
            case _:
                session.child.kill()
                name = type(message).__name__
                self._lose(session, Crashed(f"the parser sent what is no answer ({name}): --retry-failed tries again"))
                return
        if session.child.connection in self._sessions and session.opened:
            self._feed(session)

    def _open(self, session: _Session, info: DocumentInfo | VideoInfo) -> None:
        """A child has opened its file; of several that read one document the first one counts."""
        source = session.source
        session.busy, session.opened = False, True
        if source.info is not None:
            return
        if isinstance(info, DocumentInfo):
            selected = self._pending.selected(info.n_pages)
            # A page that was read has its text stored, for a summary too.
            pages = self._pending.pages(source.id, info.n_pages) if self._options.per_page else selected
            source.open(info, pages, n_selected=len(selected))
            n_parts = len(source.pages_left) + len(source.tasks.keys() - {*self._options.per_page})
        else:
            source.open(info, (), n_selected=0)
            n_parts = len(source.tasks)
        self._pending.keep_row(source.row)
        self._batch.sources.append(source.row)
        self._batch.opened.append(source.id)
        for file in source.files:
            self._record(source, file)
        film_s = info.duration_s if isinstance(info, VideoInfo) else 0.0
        self._progress.begin_file(source.files[0].path, n_parts, pages=len(source.pages_left), film_s=film_s)

    def _feed(self, session: _Session) -> None:
        """Keeps a child in work: pages while there are any; then a document's last child is asked about the whole."""
        source = session.source
        if session.finishing or session.summarising:
            return
        session.waiting = self._is_full and not session.pages
        if session.waiting:
            return
        block = max(1, min(_BLOCK_PAGES, int(_BLOCK_S / max(session.page_s, 1e-3))))
        if source.pages_left and len(session.pages) <= block // 2:
            numbers = source.hand_out(block)
            session.pages.extend(numbers)
            session.child.send(ReadPages(numbers))
        if session.pages:
            return
        # The last to be without a page: the others may have been asked to end, and still run.
        is_last = all(other is session or other.finishing for other in self._at_work_on(source))
        if is_last and source.has_tables_to_join and not source.n_asked:
            self._join_tables(source)
        whole = source.tasks_of_whole() if is_last and source.is_document else []
        if whole and (request := self._request_of_whole(source, whole)):
            session.summarising = True
            session.child.send(request)
        else:
            session.finishing = True
            session.child.finish()

    @property
    def _is_full(self) -> bool:
        return self._model_queue is not None and self._model_queue.is_full

    def _request_of_whole(self, source: Source, tasks: Sequence[Task]) -> Summarise | ShowPages | None:
        """All pages the run is about, those of earlier runs too; None if not one could be read."""
        assert isinstance(source.info, DocumentInfo)
        asked = self._pending.selected(source.info.n_pages)
        pages, absent = source.texts(asked)
        if absent and source.is_resumed:
            self.write()
            pages = self._keeper.page_texts(source.id, asked)
        missing = sorted(set(asked).difference(number for number, _ in pages))
        if missing and not pages:
            error = (TimedOut if source.n_timed_out else Damaged)("not one page could be read: nothing to summarise")
            source.end_tasks(tasks)
            for task in tasks:
                self._fail(source, Begun(task, "document", "text"), error)
            return None
        named = ", ".join(str(page) for page in missing[:20]) + (", …" if len(missing) > 20 else "")
        note = f"pages that could not be read: {named}" if missing else None
        if self._look and pages:
            numbers, texts = zip(*pages, strict=True)
            return ShowPages(numbers, note, texts)
        return Summarise(tuple(pages), note)

    def _join_tables(self, source: Source) -> None:
        """All pages are in: which tables go on from the page before? Those of earlier runs are seen too."""
        recipe = self._pending.recipes["tables"]
        stored = self._keeper.table_parts(source.id, recipe) if source.is_resumed else []
        self._batch.continues |= find_continued(source.table_parts(stored))
        source.join()

    # What becomes of parts

    def _keep(self, session: _Session, part: Finished) -> None:
        """A part that a child has finished."""
        source = session.source
        self._add(source, part)
        if part.reading:
            session.summarising &= part.reading.part.startswith("page:")
        elif any(task in source.tasks for task in self._options.per_page):
            return  # only the text of a page so far
        session.finish_part()
        source.read = True
        self._count_part(source)

    def _add(self, source: Source, part: Finished) -> None:
        self._batch.finished.append(self._pending.add(part))
        source.finish(part)
        self.outcome.count(part)
        reading = part.reading
        if reading and reading.seconds >= (SLOW_PAGE_S if reading.part.startswith("page:") else SLOW_WHOLE_S):
            where = reading.part.replace(":", " ")
            self._progress.detail(f"slow: {source.files[0].path}, {where}: {reading.task} took {reading.seconds:.1f} s")

    def _count_part(self, source: Source) -> None:
        source.n_parts_over += 1
        self._n_parts += 1
        self.outcome.n_parts += 1
        self._progress.part(source.files[0].path)

    # What a model is asked

    def _ask(self, session: _Session, seen: Seen) -> None:
        """A child has seen a page, a document, a video: the model is asked about it, and the child goes on."""
        source = session.source
        assert self._model_queue, seen
        part = session.begun.part
        if isinstance(seen, SeenPage):
            pending = self._pending.page_tasks(source.id, seen.page.number)
            seen = replace(seen, tasks=tuple(task for task in seen.tasks if task in pending))
        else:
            source.shown.update(seen.tasks)
            session.summarising = False
        session.finish_part()
        source.n_asked += 1
        self._model_queue.ask(seen, _ModelRequest(source, seen, part), self._results)

    def _take_answers(self) -> None:
        """Answers of the model that have come, or why there are none."""
        for answered in self._results.take():
            if answered.error is None:
                self._reasons = None
                self._keep_answer(answered)
            else:
                self._refuse(answered.ticket, answered.error)
            source, seen = answered.ticket.source, answered.ticket.seen
            source.n_asked -= 1
            n_parts = 1 if isinstance(seen, SeenPage) else len(seen.tasks)  # a page is one part, whatever is asked
            for _ in range(n_parts):
                self._count_part(source)
            self._settle(source)
        for session in self._sessions.values():
            if session.waiting and not self._is_full:
                session.since = time.monotonic()
                self._feed(session)

    def _keep_answer(self, answered: QueuedAnswer) -> None:
        request: _ModelRequest = answered.ticket
        source = request.source
        assert source.job, source
        for read in answered.reads:
            part = rows.answer_rows(
                source.job, request.seen, request.part, read, seconds=answered.seconds, custom=self._options.custom
            )
            self._add(source, part)
            source.read = True

    def _refuse(self, request: _ModelRequest, error: BaseException) -> None:
        """The model could not be run on this. What is not of this part alone ends the run."""
        if isinstance(error, EngineError) or not isinstance(error, Exception):
            raise error
        if not isinstance(error, AriaDocsError):  # a defect, of ours or of a library: it costs this part
            if self._options.debug:
                traceback.print_exception(error)
            text = " ".join(str(error).split())[:300]
            error = Crashed(f"asking the model failed with {type(error).__name__} ({text}): --retry-failed tries again")
        if not request.part.startswith("page:"):
            request.source.end_tasks(request.seen.tasks)
        for task in request.seen.tasks:
            self._fail(request.source, Begun(task, request.part, "model"), error)
        if self._reasons is not None:
            self._reasons.append(str(error))
            if len(self._reasons) == HOPELESS_PARTS and len(set(self._reasons)) == 1:
                raise EngineError(f"the first {HOPELESS_PARTS} parts asked of the model all failed: {error}")

    # What is over, and what is lost

    def _end_overdue(self) -> None:
        timeout_s, at = self._options.timeout_s, time.monotonic()
        for session in list(self._sessions.values()):
            if session.waiting or session.child.connection.closed:  # given up with the file of the session before
                continue
            if at <= session.ends_at(timeout_s):
                continue
            if session.child.connection.poll():  # in the last moment
                self._take_messages(session)
            else:
                session.child.kill()
                limit_s = messages.WALL_FACTOR * session.limit_s(timeout_s)
                self._lose(session, TimedOut(f"took longer than {limit_s:g} s on the clock: a longer --timeout may do"))

    def _end_session(self, session: _Session, *, alive: bool) -> None:
        """A child has done all it was asked to."""
        self._forget(session)
        if alive:
            self._idle.setdefault(self._worker(session.source), []).append(session.child)
        self._settle(session.source)

    def _settle(self, source: Source) -> None:
        """After a child or an answer has gone: the source is over, or left to another child, or waits for others.

        Something may be left where the last child to be at work died while another one was ending.
        """
        if source.is_done:
            self._end_source(source)
        elif source.is_orphaned:
            self._orphans.append(source)

    def _lose(self, session: _Session, error: AriaDocsError) -> None:
        """A child has died: the part in work has failed, what it had been given besides goes back."""
        self._forget(session)
        source, begun = session.source, session.begun
        if source.over:
            return
        if not session.opened or not session.busy:  # no part is to blame
            source.hand_back(session.pages)
            source.shareable = source.shareable and session.opened
            if source.n_children == 0 and not session.finishing and not session.useful:
                self._give_up(source, Begun("", "", begun.stage), error)
            else:
                self._settle(source)
            return
        if session.pages and begun.part == f"page:{session.pages[0]}":
            session.pages.popleft()
        lost = self._tasks_of_part(source, begun)
        if not begun.part.startswith("page:"):
            source.end_tasks(lost)
        source.hand_back(session.pages)
        for task in lost:
            self._fail(source, replace(begun, task=task), error)
        self._count_part(source)
        source.n_timed_out += isinstance(error, TimedOut)
        if source.is_given_up:
            reason = f"its first {source.n_timed_out} parts took too long: a longer --timeout may do"
            self._give_up(source, Begun("", "", begun.stage), TimedOut(f"given up: {reason}"))
        else:
            self._settle(source)

    def _tasks_of_part(self, source: Source, begun: Begun) -> list[Task]:
        """The tasks that a part has failed for. Of a page that is read for its text alone none: the summary's note says
        it."""
        if begun.part.startswith("page:"):
            pending = self._pending.page_tasks(source.id, int(begun.part.removeprefix("page:")))
            return [task for task in pending if task in source.tasks]
        # A child that shows something does so for all tasks at once.
        return source.tasks_of_whole() if self._look else [begun.task]

    def _give_up(self, source: Source, begun: Begun, error: AriaDocsError) -> None:
        """The whole file has failed, unless nothing promised that it was a video."""
        for session in self._at_work_on(source):
            self._forget(session)
            session.child.kill()
        if isinstance(error, NoVideoStream) and not any(file.promised for file in source.files):
            self.outcome.n_ignored += len(source.files)
            source.files = []
        else:
            if self._pending.row_of(source.id) is None:
                self._batch.sources.append(source.row)
            for file in source.files:
                self._record(source, file)
            self._fail(source, begun, error)
        self._end_source(source)

    def _fail(self, source: Source, begun: Begun, error: AriaDocsError) -> None:
        recipe = self._pending.recipes[begun.task] if begun.task else ""
        row = failure_row(source.files[0].path, source.id, begun, recipe, error)
        source.fail(row)
        self._batch.failures.append(row)
        self._progress.add_failure(failure_of(row))

    def _at_work_on(self, source: Source) -> list[_Session]:
        return [session for session in self._sessions.values() if session.source is source]

    def _forget(self, session: _Session) -> None:
        self._sessions.pop(session.child.connection)
        session.source.n_children -= 1

    def _end_source(self, source: Source) -> None:
        if source.has_tables_to_join:  # the last child died before it could be asked about the whole
            self._join_tables(source)
        if not source.failures:
            self._pending.end(source.id)
        source.end()
        if source.began_s and source.files:  # none is left of sound alone
            self.outcome.took(as_text(source.files[0].path), time.monotonic() - source.began_s)
        for file in source.files:
            self._end_file(file, source.failures, read=source.read, notes=source.partial)

    def _end_file(
        self,
        file: FoundFile,
        failures: Sequence[FailureRow],
        *,
        read: bool,
        notes: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Every path with a failed content has its own failure rows."""
        own = [of_path(row, as_text(file.path)) for row in failures]
        self._batch.failures += [row for row in own if row not in failures]
        partial = [PartialPart(as_text(file.path), part, note) for part, note in notes]
        self.outcome.end_file([failure_of(row) for row in own], read=read, partial=partial)
        self._progress.end_file(file.path)
