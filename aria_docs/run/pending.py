"""What earlier runs left to do: the rules of resuming. Reads no file but to hash it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from aria_docs.errors import AriaDocsError, Unreachable
from aria_docs.ingest.folder import FoundFile, find, sha256_of
from aria_docs.ingest.pdf import NO_TEXT
from aria_docs.model.engine import Task
from aria_docs.reading.messages import Begun
from aria_docs.run.outcome import Failure, as_text, failure_of, failure_row, of_path
from aria_docs.run.recipes import Options
from aria_docs.schemas.readings import FailureRow, Finished, SidecarRow
from aria_docs.schemas.sources import SourceRow, source_id
from aria_docs.storage.keeper import FileStamp, Keeper, Known, Wanted
from aria_docs.storage.lake import exists

# The stages before a file is opened.
WALK, HASH = Begun("", "", "find"), Begun("", "", "hash")


@dataclass(frozen=True, slots=True)
class ReadingPlan:
    """What a run would do, by path. n_elsewhere: files of other shards."""

    pending: list[str]
    done: list[str]
    failures: list[Failure]
    n_ignored: int
    n_elsewhere: int = 0


def holds_any(paths: Sequence[Path]) -> bool:
    """Whether there is anything to read under the paths, or to fail at. Raises UsageError for a path that is absent."""
    findings = find(paths)
    return bool(findings.files or findings.unreadable)


def plan(paths: Sequence[Path], keeper: Keeper, options: Options) -> ReadingPlan:
    """Which files a run would read, without reading any. Raises UsageError."""
    findings = find(paths)
    pending = Pending(options, keeper if exists(keeper.path) else None)
    failures = [
        failure_of(failure_row(path, None, WALK, "", error))
        for path, error in findings.unreadable
        if options.shard.has_path(path)
    ]
    n_elsewhere = len(findings.unreadable) - len(failures)
    own = [file for file in findings.files if options.shard.has(file)]
    n_elsewhere += len(findings.files) - len(own)
    todo: list[str] = []
    finished = pending.find_finished(own)
    done = [as_text(file.path) for file in finished]
    for chunk in chunks([file for file in own if file not in finished]):
        pending.look_up(chunk)
        for file in chunk:
            try:
                content = pending.content_of(file)
            except AriaDocsError as error:
                failures.append(failure_of(failure_row(file.path, None, HASH, "", error)))
                continue
            path = as_text(file.path)
            (todo if pending.tasks(content, file.kind) else done).append(path)
            failures += [failure_of(of_path(row, path)) for row in pending.standing(content)]
    return ReadingPlan(todo, sorted(done), failures, findings.ignored, n_elsewhere)


CHUNK_FILES, CHUNK_BYTES = 256, 64 << 20
"""Files that are looked up together, with one question to the store. No more than so many bytes, since they may have to
be hashed: the first film would wait for the second one's hash."""


def chunks(files: Sequence[FoundFile]) -> Iterator[list[FoundFile]]:
    """The files in order, in groups to look up together; the first group is small, to begin soon."""
    chunk: list[FoundFile] = []
    n_bytes, most = 0, 8
    for file in files:
        if chunk and (len(chunk) >= most or n_bytes + file.size_bytes > CHUNK_BYTES):
            yield chunk
            chunk, n_bytes, most = [], 0, CHUNK_FILES
        chunk.append(file)
        n_bytes += file.size_bytes
    if chunk:
        yield chunk


class Pending:
    """What earlier runs left to do, by the rules of resuming: what was read is not read again, and what failed is tried
    again only where that may help. Asks the keeper about the files it is given, never about all that is stored.

    keeper:    None for a database that does not exist yet.
    stopping:  asked while a file is hashed.

    With OCR available, pages skipped for lack of OCR are pending again. Threads may share it.
    """

    def __init__(
        self, options: Options, keeper: Keeper | None, *, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._options, self._keeper, self._stopping = options, keeper, stopping
        self._per_page, self._per_document = options.per_page, options.per_document
        self._per_video = options.per_video
        self.recipes = {task: row.recipe for task, row in options.recipes().items()}
        self._unless_noted = NO_TEXT if options.ocr else None
        self._lock = threading.RLock()
        self._contents: dict[FoundFile, str] = {}
        self._unchanged: set[FoundFile] = set()
        self._known: dict[str, Known] = {}
        self._over: set[str] = set()  # read whole in this run: what is known of them is dropped
        self._sidecars: dict[str, str | None] = {}  # by source; None where nothing lies beside its file

    def find_finished(self, files: Sequence[FoundFile]) -> dict[FoundFile, str]:
        """Files of which nothing is left to read, with their contents: found by one question, however many they are."""
        if self._keeper is None or self._options.force or self._options.pages:
            return {}
        found: dict[FoundFile, str] = {}
        for kind in ("pdf", "image", "video"):
            of_kind = [file for file in files if file.kind == kind and file.sidecar is None]
            whole = self._per_video if kind == "video" else self._per_document
            pages = () if kind == "video" else self._per_page
            wanted = Wanted(
                kind,
                tuple(self.recipes[task] for task in pages),
                tuple(self.recipes[task] for task in whole),
                self._unless_noted,
            )
            if of_kind and (whole or pages):
                by_path = self._keeper.find_finished([_stamp(file) for file in of_kind], wanted)
                found |= {file: by_path[path] for file in of_kind if (path := as_text(file.path)) in by_path}
        return found

    def look_up(self, files: Sequence[FoundFile]) -> None:
        """Hashes these files where they have changed, and asks what is known of their contents, all at once.

        An unreachable file is left to `content_of`, which raises.
        """
        if self._keeper is not None:
            same = self._keeper.find_unchanged([_stamp(file) for file in files])
            with self._lock:
                for file in files:
                    if source := same.get(as_text(file.path)):
                        self._contents[file] = source
                        self._unchanged.add(file)
        for file in files:
            with suppress(Unreachable):
                self._hash(file)
        self._learn([self._contents[file] for file in files if file in self._contents])

    def content_of(self, file: FoundFile) -> str:
        """The source id, from the store where size and time of change are as they were. Raises Unreachable."""
        if file not in self._contents:
            self.look_up([file])
        return self._hash(file)

    def is_unchanged(self, file: FoundFile) -> bool:
        """Whether the store has this path with this content already."""
        return file in self._unchanged

    def _hash(self, file: FoundFile) -> str:
        """What lies beside the file is hashed too. Copies are read once: of them the first asked about counts."""
        if file not in self._contents:  # a flow asks once to share the files out, and once more to read each
            self._contents[file] = source_id(sha256_of(file.path, stopping=self._stopping))
        content = self._contents[file]
        if content not in self._sidecars:
            self._sidecars[content] = sha256_of(file.sidecar) if file.sidecar else None
        return content

    def _learn(self, contents: Sequence[str]) -> None:
        unknown = [content for content in dict.fromkeys(contents) if content not in self._known]
        unknown = [content for content in unknown if content not in self._over]
        if self._keeper is None:
            self._known |= {content: Known() for content in unknown}
        elif unknown:
            recipes = list(self.recipes.values())
            found = self._keeper.load_known(unknown, recipes, unless_noted=self._unless_noted)
            with self._lock:
                self._known |= {content: known for content, known in found.items() if content not in self._known}

    def row_of(self, content: str) -> SourceRow | None:
        """The stored row of a source; None for one that was never opened."""
        return self._of(content).row

    def keep_row(self, row: SourceRow) -> None:
        """A source that has been opened now."""
        self._of(row.source_id).row = row

    def _of(self, content: str) -> Known:
        if content not in self._known:
            self._learn([content])
        return self._known.get(content) or Known()

    def _worth_trying(self, row: FailureRow) -> bool:
        another_password = row.error == "Encrypted" and bool(self._options.passwords)
        return row.retryable or self._options.retry_failed or self._options.force or another_password

    def standing(self, content: str) -> list[FailureRow]:
        """What failed before and will not be tried again, once per part."""
        rows = {(row.task, row.part): row for row in self._of(content).failures if not self._worth_trying(row)}
        return list(rows.values())

    def _has_failed(self, content: str, task: Task, part: str) -> bool:
        return any(
            (row.task, row.part) == (task, part) and not self._worth_trying(row) for row in self._of(content).failures
        )

    def tasks(self, content: str, kind: str) -> dict[Task, str]:
        """The tasks of which something is pending, with their recipes; of a source never opened, all."""
        if content in self._over or self._has_failed(content, "", ""):
            return {}
        # A kind that has none of the tasks asked for is opened all the same, and says so.
        asked = self._per_video if kind == "video" else (*self._per_page, *self._per_document)
        of_kind = {task: recipe for task, recipe in self.recipes.items() if task in asked} or self.recipes
        pending = {task for task in of_kind if self._options.force or self._is_pending(content, kind, task)}
        if kind != "video" and "tables" in pending and self._options.look is None:
            pending.add("summary")  # one of fewer pages is out of date
        return {task: recipe for task, recipe in of_kind.items() if task in pending}

    def _is_pending(self, content: str, kind: str, task: Task) -> bool:
        source = self.row_of(content)
        if kind != "video" and task in self._per_page and source and source.n_pages:
            return any(task in self.page_tasks(content, page) for page in self.selected(source.n_pages))
        return not self._is_over(content, task, "video" if kind == "video" else "document")

    def pages(self, content: str, n_pages: int) -> list[int]:
        """The pages of which something is pending."""
        return [page for page in self.selected(n_pages) if self.page_tasks(content, page)]

    def page_tasks(self, content: str, page: int) -> list[Task]:
        """What is pending of a page, of the tasks that are read page by page."""
        return [task for task in self._per_page if not self._is_over(content, task, f"page:{page}")]

    def selected(self, n_pages: int) -> list[int]:
        """The pages that the run is about."""
        chosen = self._options.pages
        return [page for page in range(1, n_pages + 1) if chosen is None or any(page in part for part in chosen)]

    def _is_over(self, content: str, task: Task, part: str) -> bool:
        if self._options.force:
            return False
        is_read = (task, part, self._sidecars.get(content)) in self._of(content).read
        return is_read or self._has_failed(content, task, part)

    def add(self, part: Finished) -> Finished:
        """A part that has been read now, with a row for what lay beside its file."""
        if part.reading is None:
            return part
        reading = part.reading
        sidecar = self._sidecars.get(reading.source_id)
        self._of(reading.source_id).read.add((reading.task, reading.part, sidecar))
        return replace(part, sidecars=(SidecarRow(reading_id=reading.reading_id, sha256=sidecar),)) if sidecar else part

    def end(self, content: str) -> None:
        """A source has been read whole, and nothing of it has failed: what is known of it need not be kept."""
        with self._lock:
            self._over.add(content)
            self._known.pop(content, None)


def _stamp(file: FoundFile) -> FileStamp:
    return FileStamp(as_text(file.path), file.size_bytes, file.modified_at)
