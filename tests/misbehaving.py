"""The pipeline's own workers, but for what the name of a file asks for: `p3.tables.segfault.pdf` dies in the tables of
page 3. For test_batch.py; runs in the sandbox's children."""

import ctypes
import os
import signal
import time
from pathlib import Path

from aria_docs.errors import Damaged
from aria_docs.ingest.sandbox import Sandbox
from aria_docs.reading import read, show
from aria_docs.reading.messages import Begun


def renamed(worker):
    """The worker here that stands for one of the product's."""
    return worker.replace("aria_docs.reading.read", "misbehaving").replace("aria_docs.reading.show", "misbehaving")


def disturbed(child):
    """The same child, for its later jobs too."""
    go_on = child.go_on
    child.go_on = lambda worker, job: go_on(renamed(worker), job)
    return child


class Slow(Sandbox):
    """Starts the workers of this module in place of the product's."""

    def start(self, worker, job, **how):
        return disturbed(super().start(renamed(worker), job, **how))


def warm():
    read.warm_documents()
    read.warm_videos()


def read_document(job, requests):
    yield from _disturbed(job, read.read_document(job, requests))


def read_video(job, requests):
    yield from _disturbed(job, read.read_video(job, requests))


def show_document(job, requests):
    yield from _disturbed(job, show.show_document(job, requests))


def show_video(job, requests):
    yield from _disturbed(job, show.show_video(job, requests))


def _disturbed(job, answers):
    asked = [word.split(".") for word in Path(job.path).stem.split("+") if word.count(".") == 2]
    for answer in answers:
        yield answer
        if isinstance(answer, Begun):
            for part, stage, deed in asked:
                if stage == answer.stage and part in ("all", answer.part.replace("page:", "p") or "file"):
                    DEEDS[deed](job)


def _slow(job):
    time.sleep(0.05)


def _damaged(job):
    raise Damaged(f"{job.path}: the test wants it so")


def _hang(job):
    time.sleep(600)


def _segfault(job):
    ctypes.string_at(0)


def _once(job):
    mark = Path(job.path).with_suffix(".done")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _warm_dies(job):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


DEEDS = {
    "slow": _slow, "damaged": _damaged, "hang": _hang, "segfault": _segfault, "killed-once": _once,
    "warm-dies": _warm_dies,
}  # fmt: skip
