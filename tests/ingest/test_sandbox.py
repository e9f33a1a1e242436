"""A child may do what it likes: the parent learns what became of it, and goes on."""

import os
import pickle
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from aria_docs.errors import AriaDocsError, Crashed, Damaged, EngineError, OutOfMemory, TimedOut
from aria_docs.ingest import wire
from aria_docs.ingest.sandbox import Child, JobDone, Sandbox

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", HERE)
        with Sandbox(warm=["sandbox_workers:warm"]) as box:
            yield box


def start(box: Sandbox, worker: str, job: object = None) -> Child:
    return box.start(f"sandbox_workers:{worker}", job)


class OfOneRoom(Damaged):
    """As a decoder has its own kind of a public error."""


def test_an_error_of_one_room_arrives_as_the_public_one_above_it() -> None:
    _, text = wire.encode(OfOneRoom("no frame of it"))
    came = wire.decode(bytes(text), [])
    assert type(came) is Damaged and str(came) == "no frame of it"


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
    child.kill()


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


def test_a_child_that_closes_its_end_and_sleeps_costs_seconds(box: Sandbox) -> None:
    child = start(box, "closes_and_sleeps")
    assert child.receive() == "begun"
    began = time.monotonic()
    with pytest.raises(OutOfMemory, match="killed"):
        child.receive()
    assert time.monotonic() - began < 5
    test_what_was_warmed_is_there(box)


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, ("/tmp/a-child-ran-code-in-its-parent",))


def frame(text: bytes, n_buffers: int = 0, *sizes: int) -> bytes:
    head = struct.pack("!4sIQ", b"adw1", n_buffers, len(text))
    return head + b"".join(struct.pack("!Q", size) for size in sizes) + text


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Bomb()),
        struct.pack("!4sIQ", b"adw1", 0, 10 << 30),
        frame(b"{}", 1, 10 << 30),
        struct.pack("!4sIQ", b"adw1", 1 << 31, 2),
        frame(b'{"is": "os.system", "value": "true"}'),
        frame(b'{"is": "aria_docs.run.run.Run", "value": {}}'),
        frame(b'{"is": "aria_docs.media.Frame", "value": {"time_s": "soon", "pixels": 3}}'),
        frame(b'{"is": "", "value": {"$error": ["SystemExit", "0"]}}'),
        frame(b'{"is": "", "value": {"$array": [0, "object", [1]]}}', 1, 8) + b"12345678",
        frame(b'{"is": "", "value": {"$array": [0, "uint8", [9]]}}', 1, 8) + b"12345678",
        frame(b"[" * 100_000),
    ],
)
def test_what_is_no_message_of_ours_costs_the_child(box: Sandbox, data: bytes) -> None:
    child = start(box, "sends", data)
    assert child.receive() == "begun"
    with pytest.raises(Crashed, match="sent what is no answer"):
        child.receive()
    assert not Path("/tmp/a-child-ran-code-in-its-parent").exists()
    child = start(box, "sends", data)
    deadline, came = time.monotonic() + 10, []
    while not came or not isinstance(came[-1], JobDone):
        assert time.monotonic() < deadline
        came += child.answers()
    assert isinstance(came[-1].error, Crashed)
    test_what_was_warmed_is_there(box)


def test_half_a_message_blocks_nobody(box: Sandbox) -> None:
    whole = b"".join(bytes(piece) for piece in wire.encode(["some", "thing"]))
    for half in (whole[:3], whole[:20], whole[:-1]):
        child = start(box, "sends", half)
        assert child.receive() == "begun"
        assert list(child.answers()) == []
        assert not child.connection.poll(0.05)
        child.kill()


def test_arrays_bytes_and_errors_travel(box: Sandbox) -> None:
    child = start(box, "pair")
    found = child.receive()
    assert (found.time_s, found.pixels.shape, int(found.pixels[1, 3, 2])) == (1.5, (2, 4, 3), 23)
    assert child.receive() == [b"\x00\xff", float("inf"), "\udcff"]
    error = child.receive()
    assert (type(error), str(error)) == (Damaged, "an error as a value")
    child.kill()


def test_a_child_knows_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARIA_DOCS_API_KEY", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "PREFECT_API_KEY"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("PYTHONPATH", HERE)
    with Sandbox() as box:
        child = start(box, "environment")
        found = child.receive()
        child.kill()
    assert "hunter2" not in found.values()
    assert found["PATH"] == os.environ["PATH"]


def test_a_child_reads_many_and_is_replaced_when_it_has_grown(box: Sandbox) -> None:
    child = box.start("sandbox_workers:ignores_requests", None, lasting=True)
    pids = set()
    for _ in range(5):
        pids.add(child.receive())
        child.finish()  # not read by this worker: the next job must not see it
        child.connection.poll(10)
        assert list(child.answers()) == [JobDone(None, alive=True)]
        child.go_on("sandbox_workers:ignores_requests", None)
    assert len(pids) == 1
    child.kill()
    child = box.start("sandbox_workers:grows", 500 << 20, lasting=True)
    assert child.receive() not in pids
    child.connection.poll(10)
    assert list(child.answers()) == [JobDone(None, alive=False)]


@pytest.mark.parametrize("limit", ["-t 3600", "-v 60000000", "-n 64", "-f 2000000", "-s 4096"])
def test_limits_of_the_shell_are_lowered_never_raised(limit: str) -> None:
    program = """if True:
        import resource
        from aria_docs.ingest.sandbox import Sandbox
        with Sandbox() as box:
            child = box.start("sandbox_workers:limits", None)
            print(child.receive())
            child.kill()
    """
    environment = os.environ | {"PYTHONPATH": HERE}
    command = ["bash", "-c", f'ulimit {limit} && exec "$0" -c "$1"', sys.executable, program]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    allowed = resource.RLIM_INFINITY
    for soft, hard in eval(out.stdout):
        assert hard == allowed or soft <= hard, out.stdout


def test_no_room_for_another_child_is_a_sentence() -> None:
    program = """if True:
        from aria_docs.errors import EngineError
        from aria_docs.ingest.sandbox import Sandbox
        with Sandbox() as box:
            children = []
            try:
                while True:
                    children.append(box.start("sandbox_workers:hangs", None))
            except EngineError as error:
                print(error)
            print(children[0].receive())
            for child in children:
                child.kill()
    """
    command = ["bash", "-c", 'ulimit -n 40 && exec "$0" -c "$1"', sys.executable, program]
    out = subprocess.run(command, env=os.environ | {"PYTHONPATH": HERE}, capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    sentence, pid = out.stdout.split("\n")[:2]
    assert "ulimit -u, -n" in sentence and pid.isdecimal()
