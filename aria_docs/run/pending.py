"""What earlier runs left to do: the rules of resuming. Reads no file but to hash it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aria_docs.errors import AriaDocsError
from aria_docs.ingest.folder import FoundFile, find, sha256_of
from aria_docs.ingest.pdf import NO_TEXT
from aria_docs.model.engine import Task
from aria_docs.reading.messages import Begun
from aria_docs.run.outcome import Failure, as_text, failure_row, of_path, told
from aria_docs.run.recipes import Options
from aria_docs.schemas.readings import FailureRow, Finished, SidecarRow
from aria_docs.schemas.sources import source_id
from aria_docs.storage.database import Keeper, Known

# The stages before a file is opened.
WALK, HASH = Begun("", "", "find"), Begun("", "", "hash")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, by path. n_elsewhere: files of other shards."""

    pending: list[str]
    done: list[str]
    failures: list[Failure]
    n_ignored: int
    n_elsewhere: int = 0


def plan(paths: Sequence[Path], store: Keeper, options: Options) -> Plan:
    """Which files a run would read, without reading any. Raises UsageError."""
    findings = find(paths)
    pending = Pending(options, known_to(store, options))
    failures = [
        told(failure_row(path, None, WALK, "", error))
        for path, error in findings.unreadable
        if options.shard.has_path(path)
    ]
    n_elsewhere = len(findings.unreadable) - len(failures)
    todo: list[str] = []
    done: list[str] = []
    for file in findings.files:
        if not options.shard.has(file):
            n_elsewhere += 1
            continue
        try:
            content = pending.content_of(file)
        except AriaDocsError as error:
            failures.append(told(failure_row(file.path, None, HASH, "", error)))
            continue
        path = as_text(file.path)
        (todo if pending.tasks(content, file.kind) else done).append(path)
        failures += [told(of_path(row, path)) for row in pending.standing(content)]
    return Plan(todo, done, failures, findings.ignored, n_elsewhere)


def known_to(store: Keeper, options: Options) -> Known:
    """What a database or spool knows under the recipes of these options; of a new one, nothing.

    Where somebody reads scans, a page that had nobody to read it counts as not read.
    """
    if not store.path.exists():
        return Known({}, {}, set(), [])
    recipes = [row.recipe for row in options.recipes().values()]
    return store.known(recipes, unless_noted=NO_TEXT if options.ocr else None)


class Pending:
    """What earlier runs left to do, by the rules of resuming: what was read is not read again, and what failed is tried
    again only where that may help."""

    def __init__(self, options: Options, known: Known) -> None:
        self._options, self.known = options, known
        self._per_page, self._per_document = options.per_page, options.per_document
        self._per_video = options.per_video
        self._hashed: dict[FoundFile, str] = {}
        self._sidecars: dict[str, str | None] = {}  # by source; None where nothing lies beside its file
        self.recipes = {task: row.recipe for task, row in options.recipes().items()}
        # Parts that failed for good under these recipes, by source; '' stands for the whole file.
        self._hopeless: dict[str, dict[tuple[str, str], FailureRow]] = {}
        self.was_unreachable = {row.path for row in known.failures if row.source_id is None}
        for row in known.failures:
            if row.source_id and not self._worth_trying(row):
                self._hopeless.setdefault(row.source_id, {})[row.task, row.part] = row

    def _worth_trying(self, row: FailureRow) -> bool:
        another_password = row.error == "Encrypted" and bool(self._options.passwords)
        return row.retryable or self._options.retry_failed or self._options.force or another_password

    def content_of(self, file: FoundFile) -> str:
        """The source id, from the store where size and time of change are as they were. Raises Unreachable.

        What lies beside the file is looked at too. Copies are read once: of them the first asked about counts.
        """
        content = self._hash_of(file)
        if content not in self._sidecars:
            self._sidecars[content] = sha256_of(file.sidecar) if file.sidecar else None
        return content

    def _hash_of(self, file: FoundFile) -> str:
        known = self.known.files.get(as_text(file.path))
        if known and (known.size_bytes, known.modified_at) == (file.size_bytes, file.modified_at):
            return known.source_id
        if file not in self._hashed:  # a flow asks once to share the files out, and once more to read each
            self._hashed[file] = source_id(sha256_of(file.path))
        return self._hashed[file]

    def standing(self, content: str) -> list[FailureRow]:
        """What failed before and will not be tried again, once per part."""
        return list(self._hopeless.get(content, {}).values())

    def tasks(self, content: str, kind: str) -> dict[Task, str]:
        """The tasks of which something is pending, with their recipes; of a source never opened, all."""
        if ("", "") in self._hopeless.get(content, {}):
            return {}
        # A kind that has none of the tasks asked for is opened all the same, and says so.
        asked = self._per_video if kind == "video" else (*self._per_page, *self._per_document)
        of_kind = {task: recipe for task, recipe in self.recipes.items() if task in asked} or self.recipes
        pending = {task for task in of_kind if self._options.force or self._is_pending(content, kind, task)}
        if kind == "pdf" and "tables" in pending and self._options.look is None:
            pending.add("summary")  # one of fewer pages is out of date
        return {task: recipe for task, recipe in of_kind.items() if task in pending}

    def _is_pending(self, content: str, kind: str, task: Task) -> bool:
        source = self.known.sources.get(content)
        if kind == "pdf" and task in self._per_page and source and source.n_pages:
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
        is_read = (content, task, part, self._sidecars[content]) in self.known.read
        return is_read or (task, part) in self._hopeless.get(content, {})

    def over(self, part: Finished) -> Finished:
        """A part that has been read now, with a row for what lay beside its file."""
        if part.reading is None:
            return part
        reading = part.reading
        sidecar = self._sidecars[reading.source_id]
        self.known.read.add((reading.source_id, reading.task, reading.part, sidecar))
        return replace(part, sidecars=(SidecarRow(reading_id=reading.reading_id, sha256=sidecar),)) if sidecar else part
