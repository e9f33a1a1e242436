"""Parsers of untrusted bytes run in child processes with limits: a bomb, a hang or a crash costs its part and no more.

    this process ── Sandbox ──> warm process ── fork ──> Child      one per file: parses, answers, dies
                                            └── fork ──> Child ── apart: fork ──> one page's OCR

The warm process has the heavy libraries and models loaded and does nothing but fork, so a child costs milliseconds
and shares their memory. A child answers over a pipe of its own; what needs much memory for a moment is done `apart`, in
a fork of the child that takes it along. Whoever dies takes its children along.

Linux and macOS: fork, Unix sockets and resource limits are needed. (macOS does not enforce the memory limit.)
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from aria_docs.errors import AriaDocsError, Crashed, EngineError, OutOfMemory, TimedOut

_T = TypeVar("_T")

Worker = Callable[[Any, Iterator[Any]], Iterator[Any]]
"""What a child runs: a job and the requests that arrive while it lives go in, answers come out."""

ADDRESS_SPACE_BYTES = 4 << 30
"""What a child may map beyond what the warm process has mapped already: an 8K video decodes in 1.5 GiB."""

# Not -m: classes of a module that runs as __main__ do not travel. -P: a document folder may hold a file named av.py.
_ENTRY = "import sys; from aria_docs.ingest.sandbox import main; main(*sys.argv[1:])"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class LastWords:
    """The error that ended a child."""

    error: AriaDocsError


class Sandbox:
    """The warm process. Use as a context manager; `start` may be called from several threads.

    warm:   "module:function" calls made once before the first fork; they must leave no threads running.
    debug:  children write what their libraries print, and the tracebacks of defects, to stderr.
    """

    def __init__(self, *, warm: Sequence[str] = (), debug: bool = False) -> None:
        ours, theirs = socket.socketpair()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _ENTRY, str(theirs.fileno()), *warm],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if debug else self._complaints,
                env=os.environ | _ONE_THREAD | {"ARIA_DOCS_DEBUG": "1" if debug else ""},
                start_new_session=True,  # ^C belongs to the parent, which lets finished parts be stored
            )
        self._control = ours
        self._lock = threading.Lock()

    def start(self, worker: str, job: object) -> Child:
        """Forks a child that runs `worker` ("module:function", a `Worker`) on the job."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            pid = self._ask(("start", worker), theirs)
            child = Child(Connection(ours.detach()), pid, self)
        child.send(job)
        return child

    def reap(self, pid: int, *, kill: bool) -> int:
        """Waits for a child's end, by force if asked. Returns the exit status of `os.waitpid`."""
        return self._ask(("kill" if kill else "wait", pid))

    def _ask(self, request: tuple[str, str | int], passed: socket.socket | None = None) -> int:
        with self._lock:
            try:
                socket.send_fds(self._control, [pickle.dumps(request)], [passed.fileno()] if passed else [])
                answer = self._control.recv(64)
            except OSError:
                answer = b""
        if not answer:
            self._complaints.seek(0)
            status = self._process.wait()
            died = f"it died of {signal.Signals(-status).name}" if status < 0 else "no reason given"
            why = self._complaints.read().decode(errors="replace").strip().rpartition("\n")[2] or died
            raise EngineError(
                f"the process that starts the parsers is gone ({why}): finished parts are kept, run again"
            )
        return int(answer)

    def close(self) -> None:
        """Ends the warm process and every child."""
        self._control.close()
        self._process.wait()
        self._complaints.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Child:
    """A process that works on one file. `connection` may be handed to `multiprocessing.connection.wait`."""

    def __init__(self, connection: Connection, pid: int, sandbox: Sandbox) -> None:
        self.connection, self._pid, self._sandbox = connection, pid, sandbox

    def send(self, request: object) -> None:
        """One more item for the worker's requests. A dead child takes none, and its `receive` says why it died."""
        with contextlib.suppress(OSError):
            self.connection.send(request)

    def receive(self) -> Any:
        """The next answer; blocks until there is one.

        Raises StopIteration when the worker has come to its end, the worker's AriaDocsError, OutOfMemory, or Crashed.
        """
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            raise self._cause_of_death() from None
        if isinstance(answer, LastWords):
            self.kill()
            raise answer.error
        return answer

    def finish(self) -> None:
        """No more requests: the worker may come to its end."""
        self.send(_NO_MORE)

    def kill(self) -> None:
        """Ends the child now; harmless when it is dead already."""
        if not self.connection.closed:
            self.connection.close()
            with contextlib.suppress(EngineError):  # a warm process that is gone has taken its children along
                self._sandbox.reap(self._pid, kill=True)

    def _cause_of_death(self) -> Exception:
        self.connection.close()
        status = self._sandbox.reap(self._pid, kill=False)
        return StopIteration() if status == 0 else _cause_of(status)


_NO_MORE = "no more requests"
_AGAIN = "--retry-failed tries again"


def _cause_of(status: int) -> AriaDocsError:
    """Of a death with this status of `os.waitpid`, other than 0."""
    if not os.WIFSIGNALED(status):
        return Crashed(f"the parser ended with exit status {os.WEXITSTATUS(status)}: {_AGAIN}")
    name = signal.Signals(os.WTERMSIG(status)).name
    if name == "SIGKILL":
        return OutOfMemory("the system killed the parser, most likely for want of memory: try fewer --workers")
    if name == "SIGXCPU":
        return TimedOut("the parser used up its CPU time: a longer --timeout may do")
    return Crashed(f"the parser died of {name}: {_AGAIN}")


def _serve(control: socket.socket) -> None:
    """The warm process: forks and waits for children on request, ends when the parent's end of the socket does."""
    living: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 1)
        if not message:
            break
        request, argument = pickle.loads(message)
        if request == "start":
            pid = os.fork()
            if pid == 0:
                control.close()
                _run(argument, Connection(descriptors[0]))
            os.close(descriptors[0])
            living.add(pid)
            answer = pid
        else:
            if request == "kill":
                os.kill(argument, signal.SIGKILL)
            answer = os.waitpid(argument, 0)[1]
            living.discard(argument)
        control.sendall(str(answer).encode())
    for pid in living:
        os.kill(pid, signal.SIGKILL)


def _run(worker: str, connection: Connection) -> NoReturn:
    """The child: never returns. An error of a kind that nobody foresaw is a defect of ours or of a library: it travels
    to the parent like any other, which makes it the failure of the part in work, and to stderr when debugging."""
    _die_with_parent()
    _limit_memory()
    if not os.environ["ARIA_DOCS_DEBUG"]:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        module, function = worker.split(":")
        job = connection.recv()
        for answer in getattr(importlib.import_module(module), function)(job, iter(connection.recv, _NO_MORE)):
            connection.send(answer)
    finally:
        _end(connection)


def _end(connection: Connection) -> NoReturn:
    """Of a fork, with a last word on the error that is being raised, if one is."""
    error = sys.exception()
    if error is not None and not isinstance(error, EOFError | ConnectionError):  # then the parent no longer listens
        connection.send(LastWords(_foreseen(error)))
        if os.environ.get("ARIA_DOCS_DEBUG"):
            traceback.print_exception(error)
    os._exit(0 if error is None else 1)


def apart(work: Callable[[], _T]) -> _T:
    """What `work` gives, done in a fork of this process: the memory that it takes is gone with it.

    For a child of the sandbox, whose limits hold for the fork too. Raises the AriaDocsError that `work` ends with,
    OutOfMemory, TimedOut or Crashed.
    """
    ours, theirs = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        ours.close()  # or an answer that nobody awaits would be written for ever
        _die_with_parent()
        try:
            theirs.send(work())
        finally:
            _end(theirs)
    theirs.close()
    try:
        answer: _T | LastWords = ours.recv()
    except EOFError:
        raise _cause_of(os.waitpid(pid, 0)[1]) from None
    finally:
        ours.close()
    os.waitpid(pid, 0)
    if isinstance(answer, LastWords):
        raise answer.error
    return answer


def _foreseen(error: BaseException) -> AriaDocsError:
    if isinstance(error, AriaDocsError):
        return error
    if isinstance(error, MemoryError):
        return OutOfMemory(f"parsing needs more than the {ADDRESS_SPACE_BYTES >> 30} GiB it may use")
    text = " ".join(str(error).split())[:300]
    return Crashed(f"the parser failed with {type(error).__name__} ({text}): {_AGAIN}")


def allow_cpu(seconds: float) -> None:
    """Called by a worker when it begins a part: a child that burns more than this on it is ended even when nobody
    watches the clock. The parent's wall clock is the limit that counts."""
    spent = time.process_time()
    resource.setrlimit(resource.RLIMIT_CPU, (int(spent + seconds) + 1, resource.RLIM_INFINITY))


def _die_with_parent() -> None:
    if sys.platform == "linux":
        pr_set_pdeathsig = 1  # <linux/prctl.h>
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _limit_memory() -> None:
    mapped = 0
    if sys.platform == "linux":
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + ADDRESS_SPACE_BYTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(descriptor: str, *warm: str) -> None:
    """Entry of the warm process."""
    for call in warm:
        module, function = call.split(":")
        getattr(importlib.import_module(module), function)()
    _serve(socket.socket(fileno=int(descriptor)))
