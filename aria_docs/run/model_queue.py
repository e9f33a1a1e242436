"""THE DESK: what has been seen waits here for the model, and threads ask it. Knows no child and no store.

    a crew ── Seen ──> Desk ── up to `together` pages at once ──> ChatEngine in one of `lanes` threads
    the crew's Tray <── Answered ──┘

One model serves all crews of a run. It is loaded when the first thing has been seen: a run with nothing left to read
costs no weights.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from aria_docs.errors import ModelError
from aria_docs.model.chat import ChatEngine
from aria_docs.model.chat_model import ChatModel
from aria_docs.model.seen import Read, SeenDocument, SeenPage, SeenVideo
from aria_docs.reading.messages import Seen


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of something seen: readings, or why there are none.

    ticket:   whatever the crew gave with it.
    seconds:  that the model was at it, with what was asked together.
    """

    ticket: Any
    reads: tuple[Read, ...] = ()
    error: BaseException | None = None
    seconds: float = 0.0


class Tray:
    """Where a crew finds its answers. `connection` may be handed to `multiprocessing.connection.wait`."""

    def __init__(self) -> None:
        self.connection, self._bell = socket.socketpair()
        self._answers: deque[Answered] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self.n_awaited = 0

    def put(self, answer: Answered) -> None:
        """Called from the model's threads; nothing where nobody looks any more."""
        with self._lock:
            if not self._closed:
                self._answers.append(answer)
                self._bell.send(b"!")

    def take(self) -> list[Answered]:
        """All that has come, without waiting."""
        taken = []
        while self._answers:
            self.connection.recv(1)
            taken.append(self._answers.popleft())
        self.n_awaited -= len(taken)
        return taken

    def close(self) -> None:
        """Nobody looks here any more."""
        with self._lock:
            self._closed = True
            self._bell.close()
            self.connection.close()


@dataclass(frozen=True, slots=True)
class _Item:
    seen: Seen
    ticket: Any
    tray: Tray


class Desk:
    """The model's side of a run.

    load:   makes the model and the engine on it; called once, in a thread. Raises EngineError.
    lanes:  how many threads may ask at once.
    told:   how many more tokens have been decoded, now and then; from any thread.
    """

    def __init__(
        self, load: Callable[[], tuple[ChatModel, ChatEngine]], *, lanes: int, told: Callable[[int], None]
    ) -> None:
        self._load, self._told, self.lanes = load, told, lanes
        self._pool = ThreadPoolExecutor(lanes, "model")
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._waiting: deque[_Item] = deque()
        self._loaded: tuple[ChatModel, ChatEngine] | None = None
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether enough is waiting to keep every thread in work: more would only fill the memory."""
        return len(self._waiting) >= self.lanes + (self._loaded[0].together if self._loaded else 1)

    def ask(self, seen: Seen, ticket: object, tray: Tray) -> None:
        """The answer will lie in the tray, sooner or later."""
        tray.n_awaited += 1
        self._waiting.append(_Item(seen, ticket, tray))
        group: list[_Item] = []  # what the thread takes, as long as it is not answered
        self._pool.submit(self._serve, group).add_done_callback(lambda done: self._refuse(done, group))

    def close(self) -> None:
        """Nothing more is asked, and what is being asked ends soon. May be called twice."""
        self._closed = True
        if self._loaded:
            self._loaded[0].close()
        self._pool.shutdown(cancel_futures=True)

    def _serve(self, group: list[_Item]) -> None:
        model, engine = self._model()
        group += self._take(model.together)
        began = time.perf_counter()
        for answer in self._answers(engine, tuple(group)):
            group.pop(0).tray.put(replace(answer, seconds=time.perf_counter() - began))

    def _refuse(self, done: Future[None], group: list[_Item]) -> None:
        """What a thread left unanswered, and why."""
        error = None if done.cancelled() else done.exception()
        if error is not None:
            for item in group or self._take(1):
                item.tray.put(Answered(item.ticket, error=error))

    def _model(self) -> tuple[ChatModel, ChatEngine]:
        with self._loading:
            if self._closed:
                raise ModelError("interrupted before it was asked")
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _take(self, together: int) -> list[_Item]:
        """The next thing seen, and pages that wait right behind a page; nothing where another thread was faster."""
        with self._lock:
            group: list[_Item] = []
            while self._waiting and len(group) < together:
                if group and not (isinstance(group[0].seen, SeenPage) and isinstance(self._waiting[0].seen, SeenPage)):
                    break
                group.append(self._waiting.popleft())
            return group

    def _answers(self, engine: ChatEngine, group: Sequence[_Item]) -> Iterator[Answered]:
        """One for each of the group. Pages for which the model failed together are asked about one by one."""
        if not group:
            return
        seen = group[0].seen
        if isinstance(seen, SeenDocument):
            yield Answered(group[0].ticket, tuple(engine.read_document(seen, told=self._told)))
        elif isinstance(seen, SeenVideo):
            yield Answered(group[0].ticket, tuple(engine.read_video(seen, told=self._told)))
        else:
            pages = [item.seen for item in group if isinstance(item.seen, SeenPage)]
            try:
                reads = engine.read_pages(pages, told=self._told)
            except ModelError:
                if len(group) == 1 or self._closed:
                    raise
                for item in group:
                    yield from self._alone(engine, item)
                return
            for item, of_page in zip(group, reads, strict=True):
                yield Answered(item.ticket, tuple(of_page))

    def _alone(self, engine: ChatEngine, item: _Item) -> Iterator[Answered]:
        try:
            yield from self._answers(engine, [item])
        except ModelError as error:
            yield Answered(item.ticket, error=error)
