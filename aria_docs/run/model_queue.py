"""What waits for the model: pages, documents and videos that were seen, and threads that ask about them.

    scheduler ── seen ──> ModelQueue ── one in each of `lanes` threads ──> ChatEngine
    scheduler <── Answered ── ResultQueue <──┘

One model serves all crews of a run; it is loaded when the first thing has been seen, so that a run with nothing left
to read costs no weights. What threads ask at once the model answers side by side. Room is counted in bytes: a page is
a few MB of pixels, a document or a video up to a GB. Knows no child and no store.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from aria_docs.errors import ModelError
from aria_docs.model.chat import ChatEngine
from aria_docs.model.chat_model import ChatModel, Encoded
from aria_docs.model.seen import SeenDocument, SeenPage, SeenVideo, TaskResult
from aria_docs.reading.messages import Seen

ROOM_BYTES = 1 << 30
_WAITING = 2  # items in the queue for each thread: beyond that, what is seen early would only be lost early


@dataclass(frozen=True, slots=True)
class QueuedAnswer:
    """What came of something seen: readings, or why there are none.

    ticket:   whatever the scheduler gave with it.
    seconds:  that a thread was at it, beside others.
    """

    ticket: Any
    reads: tuple[TaskResult, ...] = ()
    error: BaseException | None = None
    seconds: float = 0.0


class ResultQueue:
    """Where a scheduler finds its answers. `connection` may be handed to `multiprocessing.connection.wait`."""

    def __init__(self) -> None:
        self.connection, self._bell = socket.socketpair()
        self._answers: deque[QueuedAnswer] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self.n_awaited = 0

    def put(self, answer: QueuedAnswer) -> None:
        """Called from the model's threads; dropped after `close`."""
        with self._lock:
            if not self._closed:
                self._answers.append(answer)
                self._bell.send(b"!")

    def take(self) -> list[QueuedAnswer]:
        """All that has come, without waiting."""
        taken = []
        while self._answers:
            self.connection.recv(1)
            taken.append(self._answers.popleft())
        self.n_awaited -= len(taken)
        return taken

    def close(self) -> None:
        """Drops what comes from now on."""
        with self._lock:
            self._closed = True
            self._bell.close()
            self.connection.close()


class ModelQueue:
    """The model's side of a run.

    load:        makes the model and the engine on it; called once, in a thread. Raises EngineError.
    lanes:       how many threads may ask at once.
    room_bytes:  of pixels that wait or are asked about; one item is taken whatever its size.
    on_tokens:        how many more tokens have been decoded, now and then; from any thread.
    """

    def __init__(
        self,
        load: Callable[[], tuple[ChatModel, ChatEngine]],
        *,
        lanes: int,
        room_bytes: int = ROOM_BYTES,
        on_tokens: Callable[[int], None],
    ) -> None:
        self._load, self._on_tokens, self.lanes, self._room = load, on_tokens, lanes, room_bytes
        self._pool = ThreadPoolExecutor(lanes, "model")
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._n_held = self._held_bytes = 0
        self._loaded: tuple[ChatModel, ChatEngine] | None = None
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether enough is here to keep every thread in work, or as much as memory is to hold."""
        return self._held_bytes >= self._room or self._n_held >= _WAITING * self.lanes

    def ask(self, seen: Seen, ticket: object, results: ResultQueue) -> None:
        """The answer will lie in the results, sooner or later."""
        results.n_awaited += 1
        size = n_bytes(seen)
        self._hold(1, size)

        def deliver(done: Future[QueuedAnswer]) -> None:
            self._hold(-1, -size)
            if not done.cancelled():
                error = done.exception()
                results.put(QueuedAnswer(ticket, error=error) if error else done.result())

        self._pool.submit(self._answer, seen, ticket).add_done_callback(deliver)

    def close(self) -> None:
        """Nothing more is asked, and what is being asked ends soon. May be called twice."""
        self._closed = True
        if self._loaded:
            self._loaded[0].close()
        self._pool.shutdown(cancel_futures=True)

    def _hold(self, items: int, size: int) -> None:
        with self._lock:
            self._n_held += items
            self._held_bytes += size

    def _answer(self, seen: Seen, ticket: object) -> QueuedAnswer:
        engine = self._engine()
        began = time.perf_counter()
        if isinstance(seen, SeenDocument):
            reads = engine.read_document(seen, on_tokens=self._on_tokens)
        elif isinstance(seen, SeenVideo):
            reads = engine.read_video(seen, on_tokens=self._on_tokens)
        else:
            [reads] = engine.read_pages([seen], on_tokens=self._on_tokens)
        return QueuedAnswer(ticket, tuple(reads), seconds=time.perf_counter() - began)

    def _engine(self) -> ChatEngine:
        with self._loading:
            if self._closed:
                raise ModelError("interrupted before it was asked")
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded[1]


def n_bytes(seen: Seen) -> int:
    """Of the pictures of something seen."""
    shown = (seen.shown,) if isinstance(seen, SeenPage) else seen.shown
    crops = (crop for one in shown for crop in one.crops)
    return sum(len(crop.data) if isinstance(crop, Encoded) else crop.pixels.nbytes for crop in crops)
