"""What the children of test_sandbox.py do."""

import ctypes
import os
import signal
import time

from aria_docs.errors import Damaged
from aria_docs.ingest import sandbox

STATE = {}


def warm():
    STATE["is"] = "warm"


def echo(job, requests):
    for request in requests:
        yield job + request


def warmth(job, requests):
    yield STATE["is"]


def damaged(job, requests):
    yield "begun"
    raise Damaged("page 3 of x.pdf has no content stream")


def defect(job, requests):
    yield "begun"
    1 / 0  # noqa: B018


def segfault(job, requests):
    yield "begun"
    ctypes.string_at(0)


def out_of_memory(job, requests):
    yield "begun"
    bytearray(sandbox.ADDRESS_SPACE_BYTES + (1 << 30))


def killed(job, requests):
    yield "begun"
    os.kill(os.getpid(), signal.SIGKILL)


def exits(job, requests):
    yield "begun"
    os._exit(3)


def spins(job, requests):
    yield "begun"
    sandbox.allow_cpu(0.1)
    while True:
        pass


def hangs(job, requests):
    yield os.getpid()
    time.sleep(600)


def apart(job, requests):
    """The worker of that name, to its end, in a fork of the child."""
    yield "begun"
    yield sandbox.apart(lambda: list(globals()[job](None, ()))[-1])


def where(job, requests):
    yield os.getpid()
    yield sandbox.apart(os.getpid)
    yield sandbox.apart(os.getppid)


def _socket():
    """The child's end of the socket, as somebody would find it who has taken the child over."""
    import gc

    return next(found._pipe for found in gc.get_objects() if isinstance(found, sandbox._Parent))


def closes_and_sleeps(job, requests):
    yield "begun"
    _socket().close()
    time.sleep(600)


def sends(job, requests):
    """The bytes of the job as they are, and nothing more."""
    yield "begun"
    _socket().sendall(job)
    time.sleep(600)


def environment(job, requests):
    yield dict(os.environ)


def grows(job, requests):
    STATE["held"] = b"x" * job
    yield os.getpid()


def ignores_requests(job, requests):
    yield os.getpid()


def pair(job, requests):
    import numpy as np

    from aria_docs.media import Frame

    yield Frame(1.5, np.arange(24, dtype=np.uint8).reshape(2, 4, 3))
    yield [b"\x00\xff", float("inf"), "\udcff"]
    yield Damaged("an error as a value")


def limits(job, requests):
    import resource

    sandbox.allow_cpu(60)
    yield [resource.getrlimit(kind) for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_CORE)]
