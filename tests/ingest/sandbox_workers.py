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
