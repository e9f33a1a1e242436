"""One source while it is read: its state, and what may become of it. Pure; knows no child, no model and no store.

    waiting ── start ──> reading ──┬── no child, something left ──> orphaned ── start ──> reading
                                   ├── no child, nothing left, the model still asked ──> with the model
                                   └── nothing left, nothing asked ──> over

A document is handed out in stretches of pages, to one child or several; when no page is left its last child is asked
about the whole. A video is one part, done by one child unasked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aria_docs.ingest.folder import FoundFile
from aria_docs.media import DocumentInfo, VideoInfo
from aria_docs.model.continued import TablePart
from aria_docs.model.engine import Task
from aria_docs.reading.messages import Job
from aria_docs.schemas.readings import FailureRow, Finished
from aria_docs.schemas.sources import PageRow, SourceRow
from aria_docs.storage.keeper import table_part

GIVE_UP_AFTER = 3
"""A file whose first parts, this many, all time out is given up."""

MAX_TEXT_CHARS = 16 << 20
"""Texts of a document that are kept for its summary; of a longer one they are fetched from the store."""


@dataclass(slots=True)
class Source:
    """One content while it is read.

    files:         that hold it; the first is the one that is opened.
    tasks:         what is pending, with recipes; a task of one part is removed when that part is over.
    whole_tasks:   those of them that are asked of the whole.
    pages_left:    not handed out to a child yet.
    failures:      new and standing ones, of the first file; the others have copies.
    shareable:     False when it could not be opened once more, while a child was at work on it.
    shown:         tasks of one part that a model is asked now.
    n_asked:       how many of its parts a model has been asked about and has not answered.
    n_children:    at work on it.
    """

    id: str
    files: list[FoundFile]
    tasks: dict[Task, str]
    whole_tasks: tuple[Task, ...]
    row: SourceRow
    failures: list[FailureRow]
    job: Job | None = None
    info: DocumentInfo | VideoInfo | None = None
    pages_left: deque[int] = field(default_factory=deque)
    shareable: bool = True
    shown: set[Task] = field(default_factory=set)
    n_asked: int = 0
    n_children: int = 0
    n_parts_over: int = 0
    n_timed_out: int = 0
    began_s: float = 0.0  # on the clock, when a child first took it up
    read: bool = False
    over: bool = False
    partial: list[tuple[str, str]] = field(default_factory=list)  # part, note
    _resumed: bool = False
    _sizes_pt: dict[int, tuple[float, float]] = field(default_factory=dict)
    _texts: dict[int, str] | None = field(default_factory=dict)
    _n_chars: int = 0
    _table_parts: list[TablePart] = field(default_factory=list)
    _n_joined: int = 0

    # What is left

    @property
    def is_document(self) -> bool:
        """Whether it is read page by page."""
        return self.row.kind != "video"

    def tasks_of_whole(self) -> list[Task]:
        """What is left to ask of it as a whole."""
        return [task for task in self.whole_tasks if task in self.tasks and task not in self.shown]

    @property
    def is_left(self) -> bool:
        """Whether a child has anything to do for it."""
        return bool(self.pages_left or self.tasks_of_whole())

    @property
    def is_orphaned(self) -> bool:
        """Whether it was opened and no child works on it, though one could."""
        return not self.over and self.info is not None and self.n_children == 0 and self.is_left

    @property
    def is_done(self) -> bool:
        """Whether neither a child nor a model has anything left to do."""
        return not self.over and self.n_children == 0 and not self.is_left and self.n_asked == 0

    @property
    def may_be_shared(self) -> bool:
        """Whether one more child is worth it: opening a PDF once more must not cost more than it saves."""
        return self.shareable and len(self.pages_left) > 2 * self.n_children

    # What becomes of it

    def open(self, info: DocumentInfo | VideoInfo, pages: Iterable[int], *, n_selected: int) -> None:
        """A child has opened it for the first time: these pages are pending, of so many that the run is about."""
        self.info = info
        if isinstance(info, DocumentInfo):
            self.row = self.row.model_copy(update={"n_pages": info.n_pages})
            self.pages_left.extend(pages)
            self._resumed = len(self.pages_left) < n_selected
        else:
            facts = {name: getattr(info, name) for name in ("duration_s", "width", "height", "fps")}
            self.row = self.row.model_copy(update=facts)

    def hand_out(self, block: int) -> tuple[int, ...]:
        """The next pages for a child: at most a block, and smaller and smaller stretches towards the end."""
        fair = -(-len(self.pages_left) // (2 * max(1, self.n_children)))
        return tuple(self.pages_left.popleft() for _ in range(min(block, fair)))

    def hand_back(self, pages: Iterable[int]) -> None:
        """Pages that a child was given and did not come to."""
        self.pages_left.extendleft(reversed(list(pages)))

    def finish(self, part: Finished) -> None:
        """A part has come: of its text and tables is kept what the whole is made from."""
        for page in part.pages:
            self._keep_text(page)
        for table in part.tables:
            size_pt = self._sizes_pt.get(table.page, (0.0, 0.0))
            self._table_parts.append(table_part(table, part.cells, size_pt))
        if part.reading and part.reading.status == "partial":
            self.partial.append((part.reading.part, part.reading.note or ""))
        if part.reading and not part.reading.part.startswith("page:"):
            self.end_tasks([part.reading.task])

    def _keep_text(self, page: PageRow) -> None:
        self._sizes_pt[page.page] = (page.width_pt, page.height_pt)
        if self._texts is not None:
            self._texts[page.page] = page.text
            self._n_chars += len(page.text)
            if self._n_chars > MAX_TEXT_CHARS:
                self._texts = None

    def end_tasks(self, tasks: Sequence[Task]) -> None:
        """Tasks of one part that are over, read or failed."""
        self.tasks = {task: recipe for task, recipe in self.tasks.items() if task not in tasks}

    def fail(self, row: FailureRow) -> None:
        """A failure takes the place of an earlier one of the same part."""
        self.failures = [old for old in self.failures if (old.task, old.part) != (row.task, row.part)] + [row]

    @property
    def is_given_up(self) -> bool:
        """Whether its first parts all timed out, and there are more."""
        all_of_them = self.n_timed_out == self.n_parts_over == GIVE_UP_AFTER
        return all_of_them and bool(self.pages_left or self.tasks)

    def end(self) -> None:
        """Ends the source, and keeps only what a copy of it needs."""
        self.over = True
        self.pages_left.clear()
        self._texts, self._table_parts, self._sizes_pt = {}, [], {}
        self.job = None

    # What the whole is made from

    def texts(self, pages: Sequence[int]) -> tuple[list[tuple[int, str]], list[int]]:
        """The texts of these pages that are at hand, and the pages whose texts are not."""
        at_hand = self._texts if self._texts is not None else {}
        return [(page, at_hand[page]) for page in pages if page in at_hand], [p for p in pages if p not in at_hand]

    @property
    def is_resumed(self) -> bool:
        """Whether some pages were read by an earlier run, or their texts are not kept: then the store has them."""
        return self._resumed or self._texts is None

    def table_parts(self, stored: Iterable[TablePart]) -> list[TablePart]:
        """All tables of the document in order; stored ones are of pages that this run has not read."""
        earlier = [part for part in stored if part.page not in self._sizes_pt]
        return sorted([*earlier, *self._table_parts], key=lambda part: part.page)

    @property
    def has_tables_to_join(self) -> bool:
        """Whether tables have come since `join` was last asked, and may go on from the page before."""
        pages = {part.page for part in self._table_parts}
        return len(self._table_parts) > self._n_joined and (self._resumed or any(page + 1 in pages for page in pages))

    def join(self) -> None:
        """What has come so far has been joined."""
        self._n_joined = len(self._table_parts)
