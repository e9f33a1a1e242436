"""Parsers of untrusted bytes run in child processes with limits: a bomb, a hang or a crash costs its part and no more.

    this process ── Sandbox ──> warm process ── fork ──> Child      reads one file, then the next one
                                            └── fork ──> Child ── apart: fork ──> one page's OCR

The warm process has the heavy libraries and models loaded and does nothing but fork, so a child costs milliseconds
and shares their memory. What needs much memory for a moment is done `apart`, in a fork of the child that takes it
along. When a process dies, its children die with it.

A child is not trusted: its answers are data (`wire`), it inherits a few environment variables and no secrets, its
limits are the smaller of ours and the shell's, and nothing that it does or omits makes this process wait for long.

Linux and macOS: fork, Unix sockets and resource limits are needed. (macOS does not enforce the memory limit.)
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import pickle
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from aria_docs.errors import AriaDocsError, Crashed, EngineError, OutOfMemory, TimedOut
from aria_docs.ingest import wire

_T = TypeVar("_T")

Worker = Callable[[Any, Iterator[Any]], Iterator[Any]]
"""What a child runs: a job and the requests that arrive while it lives go in, answers come out."""

ADDRESS_SPACE_BYTES = 4 << 30
"""What a child may map beyond what the warm process has mapped already: an 8K video decodes in 1.5 GiB."""

GROWN_BYTES = 400 << 20
"""A child that holds so much more than when it was forked is replaced at the end of its file."""

_HAS_PROC = Path("/proc/self/statm").exists()
_DYING_S = 2.0  # how long a child may take to exit after it has closed its end, before it is killed
_SENDING_S = 5.0  # how long a child may take to accept a request
_AT_ONCE_BYTES = 64 << 20  # read from one child before the others get their turn

# Not -m: classes of a module that runs as __main__ do not travel. -P: a document folder may hold a file named av.py.
_ENTRY = "import sys; from aria_docs.ingest.sandbox import main; main(*sys.argv[1:])"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# What the parsers need of the environment. Keys and tokens of the user are none of a PDF's business.
_INHERITED = {
    "PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SHELL", "USER", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV",
    "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS",
    "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "TESSDATA_PREFIX",
    "IMAGEIO_FFMPEG_EXE", "MALLOC_ARENA_MAX", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobDone:
    """The last answer to a job.

    error:  that ended it; None if the worker came to its end.
    alive:  the child waits for the next job.
    """

    error: AriaDocsError | None = None
    alive: bool = False


class Sandbox:
    """The warm process. Use as a context manager; `start` may be called from several threads.

    warm:   "module:function" calls made once before the first fork; they must leave no threads running.
    debug:  children write what their libraries print, and the tracebacks of defects, to stderr.
    """

    def __init__(self, *, warm: Sequence[str] = (), debug: bool = False) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._control, theirs = _socket_pair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _ENTRY, str(theirs.fileno()), *warm],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if debug else self._complaints,
                env=_environment() | {"ARIA_DOCS_DEBUG": "1" if debug else ""},
                start_new_session=True,  # ^C belongs to the parent, which lets finished parts be stored
            )
        self._lock = threading.Lock()

    def start(self, worker: str, job: object, *, warm: str | None = None, lasting: bool = False) -> Child:
        """Forks a child that runs `worker` ("module:function", a `Worker`) on the job.

        warm:     a call as of the constructor, made before the fork unless it has been made.
        lasting:  the child waits for another job (`Child.go_on`) when it has done this one.

        Raises EngineError where no process can be started.
        """
        ours, theirs = _socket_pair()
        with theirs:
            try:
                pid = self._ask({"do": "start", "warm": warm, "lasting": lasting}, theirs)["pid"]
            except EngineError:
                ours.close()
                raise
        child = Child(ours, pid, self)
        child.go_on(worker, job)
        return child

    def reap(self, pid: int, *, grace_s: float) -> int:
        """The exit status of a child, as of `os.waitpid`: it is killed if it has not ended after so many seconds."""
        deadline = time.monotonic() + grace_s
        while True:
            status = self._ask({"do": "reap", "pid": pid, "kill": time.monotonic() >= deadline})["status"]
            if status is not None:
                return int(status)
            time.sleep(0.005)

    def _ask(self, request: dict[str, Any], passed: socket.socket | None = None) -> dict[str, Any]:
        with self._lock:
            try:
                socket.send_fds(self._control, [json.dumps(request).encode()], [passed.fileno()] if passed else [])
                answer = self._control.recv(4096)
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
        found: dict[str, Any] = json.loads(answer)
        if "error" in found:
            raise EngineError(f"no process can be started for the parsers: {found['error']}; {_MORE_ROOM}")
        return found

    def close(self) -> None:
        """Ends the warm process and every child."""
        self._control.close()
        try:
            self._process.wait(_DYING_S)
        except subprocess.TimeoutExpired:  # in the middle of a warm call; its children die with it
            self._process.kill()
            self._process.wait()
        self._complaints.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Connection:
    """This side of a child's socket. May be handed to `multiprocessing.connection.wait`."""

    def __init__(self, pipe: socket.socket) -> None:
        pipe.setblocking(False)
        self.pipe, self._reader, self._came = pipe, wire.MessageReader(), deque[Any]()
        self.ended = False
        self.broken: wire.WireError | None = None

    def fileno(self) -> int:
        return self.pipe.fileno()

    @property
    def closed(self) -> bool:
        return self.pipe.fileno() < 0

    def close(self) -> None:
        self.pipe.close()

    def poll(self, timeout_s: float | None = 0.0) -> bool:
        """Whether there is an answer, or the end, within so many seconds."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._came and not self.ended:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not _readable(self.pipe, left):
                return False
            self.pull()
        return True

    def pull(self) -> list[Any]:
        """The answers that have come whole, without waiting; sets `ended` when there will be no more, and `broken` too
        when what has come is no answer."""
        try:
            self._pull()
        except wire.WireError as error:
            self.broken, self.ended = error, True
        return list(self._came)

    def _pull(self) -> None:
        n = 0
        while n < _AT_ONCE_BYTES and not self.ended:
            wanted = self._reader.wanted()
            try:
                if isinstance(wanted, int):
                    data = self.pipe.recv(wanted)
                    self._reader.feed_head(data)
                    n_got = len(data)
                else:
                    n_got = self.pipe.recv_into(wanted)
                    self._reader.filled(n_got)
            except BlockingIOError:
                break
            except OSError:
                n_got = 0
            self.ended = n_got == 0
            n += n_got
            if message := self._reader.take():
                self._came.append(message[0])

    def take(self) -> Any:
        """The next answer that has come."""
        return self._came.popleft()

    def send(self, data: bytes) -> None:
        """All of it, or an OSError: also where the child accepts nothing for some seconds."""
        self.pipe.settimeout(_SENDING_S)
        try:
            self.pipe.sendall(data)
        finally:
            self.pipe.setblocking(False)


class Child:
    """A process that works on one file at a time."""

    def __init__(self, pipe: socket.socket, pid: int, sandbox: Sandbox) -> None:
        self.connection, self._pid, self._sandbox = _Connection(pipe), pid, sandbox

    def go_on(self, worker: str, job: object) -> None:
        """The first job, or the next one after a JobDone that says `alive`."""
        self._tell(("job", worker, job))

    def send(self, request: object) -> None:
        """One more item for the worker's requests. A dead child takes none, and its `receive` says why it died."""
        self._tell(("request", request))

    def finish(self) -> None:
        """No more requests: the worker may come to its end."""
        self._tell(("end",))

    def _tell(self, item: tuple[object, ...]) -> None:
        data = pickle.dumps(item)
        with contextlib.suppress(OSError):
            self.connection.send(struct.pack("!Q", len(data)) + data)

    def answers(self) -> Iterator[Any]:
        """What has come, without waiting; a JobDone is the last of a job. Whatever a child does ends in one."""
        for _ in range(len(self.connection.pull())):
            answer = self.connection.take()
            if isinstance(answer, JobDone) and not answer.alive:
                self.kill()
            yield answer
            if self.connection.closed:
                return
        if self.connection.ended:
            yield JobDone(self._cause_of_death())

    def receive(self) -> Any:
        """The next answer; blocks until there is one.

        Raises StopIteration when the worker has come to its end, the worker's AriaDocsError, OutOfMemory, or Crashed.
        """
        if self.connection.closed:
            raise StopIteration
        self.connection.poll(None)
        answer = next(self._next())
        if not isinstance(answer, JobDone):
            return answer
        if answer.error is None:
            raise StopIteration
        raise answer.error

    def _next(self) -> Iterator[Any]:
        if self.connection.pull():
            answer = self.connection.take()
            if isinstance(answer, JobDone) and not answer.alive:
                self.kill()
            yield answer
        else:
            yield JobDone(self._cause_of_death())

    def kill(self) -> None:
        """Ends the child now; harmless when it is dead already."""
        if not self.connection.closed:
            self.connection.close()
            with contextlib.suppress(EngineError):  # a warm process that is gone has taken its children along
                self._sandbox.reap(self._pid, grace_s=0.0)

    def _cause_of_death(self) -> AriaDocsError:
        """Of a child that has closed its end without a last answer, or sent what is none."""
        if self.connection.broken:
            self.kill()
            return Crashed(f"the parser sent what is no answer ({self.connection.broken}): {_AGAIN}")
        self.connection.close()
        return _cause_of(self._sandbox.reap(self._pid, grace_s=_DYING_S))


_AGAIN = "--retry-failed tries again"
_MORE_ROOM = "allow more processes and open files (ulimit -u, -n), or use fewer --workers"


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    try:
        return socket.socketpair()
    except OSError as error:
        raise EngineError(f"no process can be started for the parsers: {error.strerror}; {_MORE_ROOM}") from error


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith("LC_")}
    return kept | _ONE_THREAD


def _readable(pipe: socket.socket, timeout_s: float | None) -> bool:
    poll = select.poll()  # not select(): a descriptor may be above 1,023
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))


def _cause_of(status: int) -> AriaDocsError:
    """Of a death with this status of `os.waitpid`."""
    if not os.WIFSIGNALED(status):
        return Crashed(f"the parser ended with exit status {os.WEXITSTATUS(status)}: {_AGAIN}")
    name = signal.Signals(os.WTERMSIG(status)).name
    if name == "SIGKILL":
        return OutOfMemory("the system killed the parser, most likely for want of memory: try fewer --workers")
    if name == "SIGXCPU":
        return TimedOut("the parser used up its CPU time: a longer --timeout may do")
    return Crashed(f"the parser died of {name}: {_AGAIN}")


# The warm process


def _serve(control: socket.socket, warmed: set[str]) -> None:
    """Forks and reaps children on request, ends when the parent's end of the socket does. Never waits for a child."""
    living: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 1)
        if not message:
            break
        request = json.loads(message)
        answer: dict[str, Any]
        if request["do"] == "start":
            _warm(request["warm"], warmed)
            try:
                pid = os.fork()
            except OSError as error:
                answer = {"error": error.strerror}
            else:
                if pid == 0:
                    _child(control, descriptors[0], lasting=request["lasting"])
                living.add(pid)
                answer = {"pid": pid}
            os.close(descriptors[0])
        else:
            answer = {"status": _reap(request["pid"], kill=request["kill"])}
            if answer["status"] is not None:
                living.discard(request["pid"])
        control.sendall(json.dumps(answer).encode())
    for pid in living:
        os.kill(pid, signal.SIGKILL)


def _warm(call: str | None, warmed: set[str]) -> None:
    if call and call not in warmed:
        module, function = call.split(":")
        getattr(importlib.import_module(module), function)()
        warmed.add(call)


def _reap(pid: int, *, kill: bool) -> int | None:
    """The exit status; None while the child lives."""
    if kill:
        os.kill(pid, signal.SIGKILL)
    found, status = os.waitpid(pid, os.WNOHANG)
    return status if found else None


def main(descriptor: str, *warm: str) -> None:
    """Entry of the warm process."""
    warmed: set[str] = set()
    for call in warm:
        _warm(call, warmed)
    _serve(socket.socket(fileno=int(descriptor)), warmed)


# The child


def _child(control: socket.socket, descriptor: int, *, lasting: bool) -> NoReturn:
    """Never returns, whatever happens: a fork that unwound would go on as a second warm process."""
    status = 1
    try:
        control.close()
        _die_with_parent()
        _limit_memory()
        if not os.environ["ARIA_DOCS_DEBUG"]:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        parent = _Parent(socket.socket(fileno=descriptor))
        _reports.append(parent.send)
        while (job := parent.next_job()) and _works(parent, *job, lasting=lasting):
            pass
        status = 0
    finally:
        os._exit(status)


def _works(parent: _Parent, worker: str, job: object, *, lasting: bool) -> bool:
    """One job, to its JobDone. Whether the child goes on.

    An unforeseen error is a defect of ours or of a library: it travels to the parent like any other,
    which makes it the failure of the part in work, and to stderr when debugging.
    """
    error: BaseException | None = None
    held = _resident_bytes()
    try:
        module, function = worker.split(":")
        for answer in getattr(importlib.import_module(module), function)(job, parent.requests()):
            parent.send(answer)
    except (Exception, SystemExit) as raised:  # noqa: BLE001 - becomes the failure of a part
        error = raised
    if isinstance(error, EOFError | ConnectionError):
        return False  # the parent no longer listens
    if error is not None and os.environ.get("ARIA_DOCS_DEBUG"):
        traceback.print_exception(error)
    alive = lasting and error is None and not _is_worn(held)
    parent.send(JobDone(None if error is None else _as_known_error(error), alive))
    return alive


def _is_worn(held_bytes: int) -> bool:
    """Whether a child should be replaced: it has grown, or has used half of the CPU time that the shell allows."""
    hard_s = resource.getrlimit(resource.RLIMIT_CPU)[1]
    spent = hard_s != resource.RLIM_INFINITY and time.process_time() > hard_s / 2
    return spent or _resident_bytes() > max(held_bytes, _Parent.first_bytes) + GROWN_BYTES


class _Parent:
    """The child's end: jobs and requests come in, answers go out."""

    first_bytes = 0

    def __init__(self, pipe: socket.socket) -> None:
        self._pipe = pipe
        _Parent.first_bytes = _resident_bytes()

    def next_job(self) -> tuple[str, object] | None:
        """Passes over requests that the last worker did not ask for. None when the parent has gone."""
        while (item := self._item()) is not None:
            if item[0] == "job":
                return item[1], item[2]
        return None

    def requests(self) -> Iterator[Any]:
        """Until the parent says that there are no more."""
        while (item := self._item()) is not None and item[0] == "request":
            yield item[1]
        if item is None:
            raise EOFError

    def send(self, answer: object) -> None:
        for piece in wire.encode(answer):
            self._pipe.sendall(piece)

    def _item(self) -> tuple[Any, ...] | None:
        """The parent is trusted: what it sends is pickled."""
        head = self._exactly(8)
        if head is None:
            return None
        data = self._exactly(*struct.unpack("!Q", head))
        return None if data is None else pickle.loads(data)

    def _exactly(self, n: int) -> bytes | None:
        data = bytearray()
        while len(data) < n:
            piece = self._pipe.recv(min(n - len(data), 1 << 20))
            if not piece:
                return None
            data += piece
        return bytes(data)


_reports: list[Callable[[object], None]] = []  # of a child, where its answers go


def report(answer: object) -> None:
    """Called by a worker in the middle of its work: an answer between two that it yields. Nothing outside a child."""
    for send in _reports:
        send(answer)


def apart(work: Callable[[], _T]) -> _T:
    """What `work` gives, done in a fork of this process: the memory that it takes is gone with it.

    For a child of the sandbox, whose limits hold for the fork too. Raises the AriaDocsError that `work` ends with,
    OutOfMemory, TimedOut or Crashed.
    """
    ours, theirs = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            ours.close()  # or an answer to no reader would be written for ever
            _die_with_parent()
            try:
                theirs.send((work(), None))
            except Exception as error:  # noqa: BLE001 - travels to the child, and from there like any other
                theirs.send((None, _as_known_error(error)))
            status = 0
        finally:
            os._exit(status)
    theirs.close()
    try:
        answer, failure = ours.recv()
    except EOFError:
        raise _cause_of(os.waitpid(pid, 0)[1]) from None
    finally:
        ours.close()
    os.waitpid(pid, 0)
    if failure is not None:
        raise failure
    found: _T = answer
    return found


def _as_known_error(error: BaseException) -> AriaDocsError:
    if isinstance(error, AriaDocsError):
        return error
    if isinstance(error, MemoryError):
        return OutOfMemory(f"parsing needs more than the {ADDRESS_SPACE_BYTES >> 30} GiB it may use")
    text = " ".join(str(error).split())[:300]
    return Crashed(f"the parser failed with {type(error).__name__} ({text}): {_AGAIN}")


# Limits


def allow_cpu(seconds: float) -> None:
    """Called by a worker when it begins a part: a child that burns more CPU time than this on it is ended."""
    _limit(resource.RLIMIT_CPU, int(time.process_time() + seconds) + 1)


def _limit_memory() -> None:
    mapped = 0
    if _HAS_PROC:
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _limit(resource.RLIMIT_AS, mapped + ADDRESS_SPACE_BYTES)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(kind: int, soft: int) -> None:
    """Lowers the soft limit, or raises it as far as the shell allows. The hard limit is the shell's and stays."""
    _, hard = resource.getrlimit(kind)
    try:
        resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    except (OSError, ValueError):
        if kind != resource.RLIMIT_AS:  # which macOS refuses
            raise


def _resident_bytes() -> int:
    if _HAS_PROC:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # the most so far, in bytes on macOS


def _die_with_parent() -> None:
    if sys.platform == "linux":
        pr_set_pdeathsig = 1  # <linux/prctl.h>
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
