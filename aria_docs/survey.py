"""What reading the files under some paths with Aria would take: for `aria-docs budget`. Opens files, reads no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from aria_docs import forecast, prompts
from aria_docs.errors import AriaDocsError, NoVideoStream, TimedOut
from aria_docs.forecast import Forecast
from aria_docs.ingest.folder import FoundFile, find
from aria_docs.ingest.sandbox import Sandbox
from aria_docs.media import VideoInfo
from aria_docs.tiling.budget import Budget
from aria_docs.tiling.resolution import MEDIUM, ULTRA, Mode

LIMIT_S = 60.0

# What is asked of pages; the longest counts.
_OF_PAGES = max(prompts.TABLES, prompts.SUMMARY, key=len)


def survey(
    paths: Sequence[Path], *, mode: Mode | None = None, frames: int | None = None
) -> Iterator[Forecast | AriaDocsError]:
    """A forecast for each PDF and video, or the reason why there is none.

    mode:    for all; by default ultra-high for PDFs and medium for videos, as in Aria's official examples.
    frames:  of each video; by default as many as it has and the window holds, at most 256.

    Raises UsageError for a path that does not exist.
    """
    findings = find(paths)
    yield from (error for _, error in findings.unreadable)
    with Sandbox() as sandbox:
        for file in findings.files:
            try:
                yield _forecast(file, _measured(file, sandbox), mode, frames)
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


def _measured(file: FoundFile, sandbox: Sandbox) -> VideoInfo | list[tuple[float, float]]:
    child = sandbox.start("aria_docs.reading.read:measure", (file.path, file.kind))
    try:
        if not child.connection.poll(LIMIT_S):
            raise TimedOut(f"{file.path} could not be measured within {LIMIT_S:g} s")
        answer: VideoInfo | list[tuple[float, float]] = child.receive()
        return answer
    finally:
        child.kill()
