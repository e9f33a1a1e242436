"""What a model is sent for a file and what it writes, from page sizes or a video's facts: `show.py` as arithmetic.

Opens no file and asks no model. Subtitles between the frames of a video are not counted: nobody has read them yet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from aria_docs.forecast import Workload
from aria_docs.media import VideoInfo
from aria_docs.model.context_windows import frame_windows, page_windows
from aria_docs.model.profiles import Profile
from aria_docs.reading.messages import Look
from aria_docs.reading.show import MAX_WHOLE_PAGES, MAX_WINDOWS, WINDOW_S, dearest_frame, profile_of, sharpest
from aria_docs.tiling.budget import Budget, ContextImage, frame_part, page_part, usual


def of_document(sizes_pt: Sequence[tuple[float, float]], look: Look) -> Workload:
    """Each page once for all tasks of pages, and the windows of the whole once for all tasks of documents.

    Raises BudgetError where a page does not fit the window, UsageError where the profile lacks the resolution.
    """
    profile = profile_of(look)
    budget = _budget(look, profile)
    mode = profile.mode(look.resolution) if look.resolution else profile.modes[0]
    parts = [page_part(number, width, height, mode) for number, (width, height) in enumerate(sizes_pt, start=1)]
    contexts: list[tuple[Sequence[ContextImage], int]] = []
    if look.pages:
        for part in parts:
            budget.one_window([part])
            contexts.append(([part], len(look.pages)))
    if look.document and parts:
        shown = parts[:MAX_WHOLE_PAGES]
        whole = mode if look.resolution else sharpest(shown, profile, budget)
        shown = [part.at(whole) for part in shown]
        contexts += [(shown[start:stop], len(look.document)) for start, stop in page_windows(shown, budget)]
    return _workload("pdf", contexts, budget)


def of_video(info: VideoInfo, look: Look) -> Workload:
    """The windows of the whole once for all tasks of videos. Raises as `of_document`."""
    if not look.video:
        return Workload("video")
    profile = profile_of(look)
    budget = _budget(look, profile)
    mode = profile.mode(look.resolution) if look.resolution else profile.modes[-1]
    last = dearest_frame(info, mode, look)
    n_windows = 1 if look.frames else min(MAX_WINDOWS, max(1, math.ceil(info.duration_s / WINDOW_S)))
    n = min(n_windows * (look.frames or max(1, budget.how_many(last))), max(1, info.n_frames))
    if look.frames:
        budget.one_window([last] * n)
    times_s = [info.duration_s * (index + 0.5) / n for index in range(n)]
    apart_s = info.duration_s / n
    parts = [frame_part(time_s, info.width, info.height, mode, apart_s=apart_s) for time_s in times_s]
    windows = frame_windows(parts, budget)
    return _workload("video", [(parts[start:stop], len(look.video)) for start, stop in windows], budget)


def _budget(look: Look, profile: Profile) -> Budget:
    return profile.budget(look.question, answer=look.answer)


def _workload(kind: str, contexts: Sequence[tuple[Sequence[ContextImage], int]], budget: Budget) -> Workload:
    """Of contexts, each with the number of its questions."""
    counted = replace(budget, answer=0, count=usual)  # what is sent, not the room that has to be there
    sizes = [(counted.tokens(parts), n_questions) for parts, n_questions in contexts]
    return Workload(
        kind,
        windows=len(sizes),
        answers=sum(n_questions for _, n_questions in sizes),
        tokens_read=sum(tokens for tokens, _ in sizes),
        tokens_in=sum(tokens * n_questions for tokens, n_questions in sizes),
    )
