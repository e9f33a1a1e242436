"""How near the client of `--engine remote` comes to what its server can do.

    python benchmarks/remote.py [--requests 1000] [--rounds 3]

The server (tests/model/fake_server.py, a process of its own) takes 0.2 s for each answer and reads no body; 32 requests
are under way at a time. Two runs in turn, `--rounds` times, and the medians:

encoded   requests whose crops are JPEG already: the ideal is requests / 32 · 0.2 s. Held to 1.3 of it.
whole     the same number of pages of examples/annual_report.pdf rendered, cut and encoded in worker processes, one a
          core, and asked as they come. Held to 1.2 of the larger of the server's time and the client's CPU time over
          the cores, both of the same run. The server's own CPU time is told; it is taken from the client's on a small
          machine, where a real one sits elsewhere.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from aria_docs.model.chat_model import Encoded, Question, Shown
from aria_docs.model.encoding import encode
from aria_docs.model.profiles.aria_vllm import ARIA_VLLM
from aria_docs.model.remote import RemoteModel
from aria_docs.tiling.budget import page_part
from aria_docs.tiling.pixels import crops
from aria_docs.tiling.resolution import ULTRA

HERE = Path(__file__).parent
PDF = HERE.parent / "examples" / "annual_report.pdf"
LATENCY_S, IN_FLIGHT = 0.2, 32
CORES = os.process_cpu_count() if sys.version_info >= (3, 13) else len(os.sched_getaffinity(0))
QUESTION = Question("Which tables are there?", '{"type":"object"}', max_tokens=100)


@cache
def pages() -> Iterable[object]:
    import pymupdf

    return list(pymupdf.open(PDF))


def made(number: int) -> tuple[tuple[float, float], tuple[Encoded, ...]]:
    """In a worker: a page rendered at the size of its tiles, cut and encoded."""
    import pymupdf

    page = pages()[number % len(pages())]
    part = page_part(number + 1, page.rect.width, page.rect.height, ULTRA)
    width, height = part.layout.render_px
    scale = pymupdf.Matrix(width / page.rect.width, height / page.rect.height)
    pixmap = page.get_pixmap(matrix=scale, alpha=False)
    pixels = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)
    return (page.rect.width, page.rect.height), encode(crops(pixels, part.layout), "jpeg")


def shown(number: int, size: tuple[float, float], files: tuple[Encoded, ...]) -> Shown:
    return Shown(page_part(number + 1, *size, ULTRA), files, str(number))


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """Its URL and process id."""
    command = [sys.executable, str(HERE.parent / "tests" / "model" / "fake_server.py"), "--latency", str(LATENCY_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


def ask(model: RemoteModel, page: Shown) -> None:
    context = model.open([page])
    try:
        model.ask([(context, QUESTION)])
    finally:
        context.close()


def encoded(model: RemoteModel, n: int) -> None:
    """Ten different pages, again and again: a context of its own each time, so that nothing is kept between them."""
    ready = [made(number) for number in range(10)]
    report.cpu_s = cpu_s()
    began = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        list(threads.map(lambda number: ask(model, shown(number, *ready[number % len(ready)])), range(n)))
    report.seconds, report.cpu_s = time.perf_counter() - began, cpu_s() - report.cpu_s


def whole(model: RemoteModel, n: int) -> None:
    with (
        ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn")) as workers,
        ThreadPoolExecutor(IN_FLIGHT) as threads,
    ):
        list(workers.map(made, range(CORES * 2)))  # the libraries are loaded before the clock starts
        report.cpu_s = cpu_s()
        began = time.perf_counter()
        making: deque[tuple[int, Future]] = deque()
        asking: set[Future] = set()
        for number in range(n):
            making.append((number, workers.submit(made, number)))
            while len(making) > 4 * CORES or (number == n - 1 and making):
                first, future = making.popleft()
                asking.add(threads.submit(ask, model, shown(first, *future.result())))
                if len(asking) > 2 * IN_FLIGHT:  # no more pages in memory than that
                    done, asking = wait(asking, return_when=FIRST_COMPLETED)
                    for each in done:
                        each.result()
        for each in asking:
            each.result()
        report.seconds = time.perf_counter() - began
    # What the workers took is known when they have ended.
    report.cpu_s = cpu_s() - report.cpu_s - report.started_s


def cpu_s() -> float:
    """Of this process and its children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def process_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_cpu_s() -> float:
    """What starting the workers and their first pages takes: no part of the work that is measured."""
    before = cpu_s()
    with ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn")) as workers:
        list(workers.map(made, range(CORES * 2)))
    return cpu_s() - before


class Report:
    seconds = cpu_s = started_s = 0.0


report = Report()


def measured(run: Callable[[RemoteModel, int], None], n: int) -> tuple[float, float, float]:
    """Seconds, CPU seconds of the client, CPU seconds of the server."""
    with server() as (url, pid), RemoteModel([url], model="fake", profile=ARIA_VLLM, in_flight=IN_FLIGHT) as model:
        run(model, n)
        return report.seconds, report.cpu_s, process_cpu_s(pid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    n, ideal_s = given.requests, -(-given.requests // IN_FLIGHT) * LATENCY_S
    report.started_s = start_cpu_s()
    made_kib = sum(len(file.data) for number in range(10) for file in made(number)[1]) / 10 / 1024
    print(f"{n} requests, {made_kib:,.0f} KiB of JPEG each, {CORES} cores; the server's time is {ideal_s:.2f} s")
    runs: dict[str, list[tuple[float, float, float, float]]] = {"encoded": [], "whole": []}
    for _ in range(given.rounds):
        for run, results in zip((encoded, whole), runs.values(), strict=True):
            seconds, client_s, server_s = measured(run, n)
            bound_s = ideal_s if run is encoded else max(ideal_s, client_s / CORES)
            results.append((seconds / bound_s, seconds, client_s / n * 1000, server_s / n * 1000))
    print("| run | s | of the bound | held to | client CPU-ms a request | server CPU-ms a request |")
    print("|---|---|---|---|---|---|")
    for (name, results), limit in zip(runs.items(), (1.3, 1.2), strict=True):
        ratio, seconds, client_ms, server_ms = (statistics.median(column) for column in zip(*results, strict=True))
        print(f"| {name} | {seconds:.2f} | {ratio:.2f} | {limit} | {client_ms:.1f} | {server_ms:.1f} |")


if __name__ == "__main__":
    main()
