"""What reading the files under some paths with Aria would take: for `aria-docs budget`. Opens files, reads no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from aria_docs import forecast, prompts
from aria_docs.errors import AriaDocsError, NoVideoStream, TimedOut
from aria_docs.forecast import Forecast, Workload
from aria_docs.ingest.folder import FoundFile, find
from aria_docs.ingest.sandbox import Sandbox
from aria_docs.media import VideoInfo
from aria_docs.model.profiles.aria import ARIA
from aria_docs.model.profiles.choice import profile_named
from aria_docs.reading import workload
from aria_docs.reading.messages import Look
from aria_docs.tiling.budget import Budget
from aria_docs.tiling.resolution import MEDIUM, ULTRA, Mode

LIMIT_S = 60.0

# What is asked of pages; the longest counts.
_OF_PAGES = max(prompts.TABLES, prompts.SUMMARY, key=len)


def survey(
    paths: Sequence[Path], *, mode: Mode | None = None, frames: int | None = None, look: Look | None = None
) -> Iterator[Forecast | AriaDocsError]:
    """A forecast for each PDF and video, or the reason why there is none.

    mode:    for all; by default ultra-high for PDFs and medium for videos, as in Aria's official examples.
    frames:  of each video; by default as many as it has and the window holds, at most 256.
    look:    what a run would show and ask: then each forecast has its `work`.

    Raises UsageError for a path that does not exist.
    """
    findings = find(paths)
    yield from (error for _, error in findings.unreadable)
    with Sandbox() as sandbox:
        for file in findings.files:
            try:
                measured = measure(file, sandbox)
                found = _forecast(file, measured, mode, frames)
                yield replace(found, work=_work(measured, look)) if look else found
            except NoVideoStream as error:
                if file.promised:
                    yield error
            except AriaDocsError as error:
                yield error


def _forecast(
    file: FoundFile, measured: VideoInfo | list[tuple[float, float]], mode: Mode | None, frames: int | None
) -> Forecast:
    if isinstance(measured, VideoInfo):
        return forecast.video(file.path, measured, budget=Budget(prompts.SCENES), mode=mode or MEDIUM, frames=frames)
    return forecast.document(file.path, measured, budget=Budget(_OF_PAGES), mode=mode or ULTRA)


def look_of(
    *,
    tasks: str,
    schema: str | None = None,
    profile: str | None = None,
    resolution: Literal["medium", "high", "ultra"] | None = None,
    frames: int | None = None,
) -> Look:
    """What a run with these options would show and ask. Raises UsageError."""
    from aria_docs.model.custom import load
    from aria_docs.run.recipes import Options, parse_tasks

    shown = ARIA if profile in (None, ARIA.name) else profile_named(profile or "")
    look = Options(
        engine="remote",
        profile=shown.name,
        context=shown.context,
        tasks=parse_tasks(tasks, also=None if schema is None else load(schema, per="document").name),
        schema=schema,
        resolution=resolution,
        frames=frames,
    ).look
    assert look, "remote shows"
    return look


def _work(measured: VideoInfo | list[tuple[float, float]], look: Look) -> Workload:
    if isinstance(measured, VideoInfo):
        return workload.of_video(measured, look)
    return workload.of_document(measured, look)


def measure(file: FoundFile, sandbox: Sandbox) -> VideoInfo | list[tuple[float, float]]:
    """What a film is, or the sizes in points of a document's pages. Raises AriaDocsError."""
    child = sandbox.start("aria_docs.reading.read:measure", (file.path, file.kind))
    try:
        if not child.connection.poll(LIMIT_S):
            raise TimedOut(f"{file.path} could not be measured within {LIMIT_S:g} s")
        answer: VideoInfo | list[tuple[float, float]] = child.receive()
        return answer
    finally:
        child.kill()
