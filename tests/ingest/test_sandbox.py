"""A child may do what it likes: the parent learns what became of it, and goes on."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from aria_docs.errors import AriaDocsError, Crashed, Damaged, EngineError, OutOfMemory, TimedOut
from aria_docs.ingest.sandbox import Child, Sandbox

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", HERE)
        with Sandbox(warm=["sandbox_workers:warm"]) as box:
            yield box


def start(box: Sandbox, worker: str, job: object = None) -> Child:
    return box.start(f"sandbox_workers:{worker}", job)


def test_answers_come_in_order_and_then_the_end(box: Sandbox) -> None:
    child = start(box, "echo", 10)
    child.send(1)
    assert child.receive() == 11
    child.send(2)
    child.finish()
    assert child.receive() == 12
    with pytest.raises(StopIteration):
        child.receive()


def test_what_was_warmed_is_there(box: Sandbox) -> None:
    child = start(box, "warmth")
    assert child.receive() == "warm"
    child.kill()


def test_what_is_done_apart_is_done_in_a_fork_of_the_child(box: Sandbox) -> None:
    child = start(box, "where")
    pid, apart, parent = (child.receive() for _ in range(3))
    assert parent == pid != apart
    with pytest.raises(StopIteration):
        child.receive()
    child = start(box, "apart", "warmth")
    assert [child.receive() for _ in range(2)] == ["begun", "warm"]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("worker", "error", "message"),
    [
        ("damaged", Damaged, "page 3 of x.pdf has no content stream"),
        ("defect", Crashed, "ZeroDivisionError"),
        ("segfault", Crashed, "SIGSEGV"),
        ("out_of_memory", OutOfMemory, "4 GiB"),
        ("killed", OutOfMemory, "fewer --workers"),
        ("exits", Crashed, "exit status 3"),
        ("spins", TimedOut, "CPU time"),
    ],
)
def test_cause_of_death(box: Sandbox, worker: str, error: type[AriaDocsError], message: str, apart: bool) -> None:
    child = start(box, "apart", worker) if apart else start(box, worker)
    assert child.receive() == "begun"
    with pytest.raises(error, match=message):
        child.receive()
    test_what_was_warmed_is_there(box)  # the sandbox lives on


def test_a_hanging_child_is_killed(box: Sandbox) -> None:
    child = start(box, "hangs")
    pid = child.receive()
    assert not wait([child.connection], timeout=0.05)
    child.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    child.kill()


def test_a_job_and_an_answer_larger_than_a_pipe(box: Sandbox) -> None:
    child = start(box, "echo", "x" * 3_000_000)
    child.send("y")
    assert len(child.receive()) == 3_000_001
    child.kill()


def test_nobody_is_left_behind_when_the_parent_is_killed() -> None:
    program = """if True:
        from aria_docs.ingest.sandbox import Sandbox
        child = Sandbox().start("sandbox_workers:hangs", None)
        print(child.receive(), flush=True)
        child.receive()
    """
    environment = os.environ | {"PYTHONPATH": HERE}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < deadline, "the child outlived its parent by ten seconds"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"  # init's zombies are dead


def test_a_warm_call_that_fails_says_why() -> None:
    with Sandbox(warm=["aria_docs.no_such_room:warm"]) as box, pytest.raises(EngineError, match="no_such_room"):
        box.start("aria_docs.no_such_room:work", None)
