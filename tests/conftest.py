"""Small files made on the spot, and one sandbox for all runs of the tests: starting one takes seconds."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from misbehaving import disturbed, renamed

from aria_docs.ingest.sandbox import Child, Sandbox
from aria_docs.run.outcome import Failure, Outcome
from aria_docs.run.recipes import Options
from aria_docs.run.run import Run
from aria_docs.storage.database import Store

HERE = Path(__file__).parent

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in what a shell starts with `&`; what tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def make_pdf(path: Path, n_pages: int = 2, *, tables: tuple[int, ...] = (), word: str = "Sales", **save: Any) -> Path:
    """A few sentences on each page, and a ruled table of four rows and three columns on some."""
    import pymupdf

    with pymupdf.open() as document:
        for number in range(1, n_pages + 1):
            page = document.new_page()
            page.insert_text((72, 72), f"{word} {number}", fontsize=20)
            page.insert_text((72, 110), f"{word} of region {number} grew by {number} percent in a year.", fontsize=11)
            if number in tables:
                for row in range(5):
                    page.draw_line((72, 150 + 20 * row), (372, 150 + 20 * row))
                    page.draw_line((72 + 100 * min(row, 3), 150), (72 + 100 * min(row, 3), 230))
                for row in range(4):
                    texts = (f"row {row}", f"{row}.5", f"({row * row})") if row else ("Item", "First", "Second")
                    for column, text in enumerate(texts):
                        page.insert_text((76 + 100 * column, 164 + 20 * row), text, fontsize=11)
        document.save(path, **save)
    return path


def make_video(path: Path) -> Path:
    """Three seconds, a cut at 1.5 s, and a subtitle."""
    import imageio_ffmpeg

    sources = [
        "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=24:duration=1.5",
        "-f", "lavfi", "-i", "mandelbrot=size=160x120:rate=24",
    ]  # fmt: skip
    joined = "[1]trim=duration=1.5[b];[0][b]concat=n=2"
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *sources, "-filter_complex", joined, path], check=True
    )
    path.with_suffix(".srt").write_text("1\n00:00:00,200 --> 00:00:01,000\nThe harbour of Bergen lies in the fog.\n")
    return path


class SharedSandbox:
    """Outlives the runs that use it, and starts `misbehaving`'s workers in place of the pipeline's."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box

    def start(self, worker: str, job: object, *, warm: str | None = None, lasting: bool = False) -> Child:
        return disturbed(self._box.start(renamed(worker), job, lasting=lasting))

    def close(self) -> None:
        pass


@pytest.fixture(scope="session")
def box() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{HERE}{os.pathsep}{HERE.parent}")  # this checkout, not the installed one
        with Sandbox(warm=["misbehaving:warm"]) as box:
            yield box


class Told:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.said: list[str] = []
        self.parts: dict[str, int] = {}
        self.over: list[str] = []
        self.details: list[str] = []
        self.sizes: dict[str, tuple[int, float]] = {}

    def begin_file(self, path: str, n_parts: int, *, pages: int = 0, film_s: float = 0.0) -> None:
        self.parts[path] = n_parts
        self.sizes[path] = (pages, film_s)

    def part(self, path: str) -> None:
        self.parts[path] -= 1

    def reach(self, path: str, film_s: float) -> None:
        pass

    def end_file(self, path: str) -> None:
        self.over.append(path)

    def add_failure(self, failure: Failure) -> None:
        self.failures.append(failure)

    def tokens(self, n: int) -> None:
        pass

    def detail(self, sentence: str) -> None:
        self.details.append(sentence)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


class Bench:
    """A folder of files, a database, and runs over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "in"
        self.folder.mkdir()
        self.store = Store(folder / "r.duckdb")
        self.options = Options(tasks=("tables", "scenes", "summary"), workers=2)
        self.told = Told()

    def pdf(self, name: str, n_pages: int = 2, **how: Any) -> Path:
        return make_pdf(self.folder / name, n_pages, **how)

    def run(self, *paths: Path, **changes: Any) -> Outcome:
        self.told = Told()
        with Run(self.store, replace(self.options, **changes), command="test", progress=self.told) as run:
            run.outcome.add(run.read(run.find(paths or [self.folder])))
        assert len(run.outcome.failures) == len({(f.path, f.part, f.message) for f in run.outcome.failures})
        return run.outcome

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(record.values()) for record in self.store.records(query)]

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that was read, without the traces of when and by which run."""
        besides = {
            "files": "EXCLUDE (modified_at)", "sources": "EXCLUDE (path, first_seen_at)",
            "readings": "EXCLUDE (run_id, seconds, read_at)", "pages": "", "tables": "", "cells": "", "shots": "",
            "scenes": "", "summaries": "", "failures": "EXCLUDE (failed_at)",
        }  # fmt: skip
        return {name: self.rows(f"SELECT * {less} FROM {name} ORDER BY ALL") for name, less in besides.items()}


@pytest.fixture
def bench(tmp_path: Path, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("aria_docs.run.run.Sandbox", lambda **_: SharedSandbox(box))
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "harbour.mp4")


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def aria_docs(tmp_path: Path) -> Command:
    """The command in a process of its own, as a user starts it."""

    def call(*arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command(*arguments), cwd=tmp_path, text=True, capture_output=True, timeout=300, env=os.environ, **options
        )

    return call


def command(*arguments: object) -> list[str]:
    import sys

    return [sys.executable, "-m", "aria_docs", *(os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments)]


@pytest.fixture(scope="session")
def examples_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `aria-docs run examples` makes: read once for all tests that ask about it."""
    path = tmp_path_factory.mktemp("examples") / "results.duckdb"
    command = [sys.executable, "-m", "aria_docs", "run", str(HERE.parent / "examples"), "--db", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path
