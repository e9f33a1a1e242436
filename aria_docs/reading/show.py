"""THE STORY where a model answers, first half: ingest → tiling → what the model is shown. Runs in a sandbox child.

The other half is `model/chat.py`'s, on the side of the parent, where the model is. In between go `SeenPage`,
`SeenDocument` and `SeenVideo`: pages and frames cut into crops, with the words and shots that answers are held against.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aria_docs.errors import BudgetError, Damaged
from aria_docs.ingest import sandbox
from aria_docs.ingest.video import sampling, subtitles
from aria_docs.media import Cue, Frame, Shot, Video, VideoInfo, Word, one_note
from aria_docs.model.chat_model import Shown
from aria_docs.model.encoding import encode
from aria_docs.model.profiles.aria import ARIA
from aria_docs.model.profiles.choice import profile_named
from aria_docs.model.seen import SeenDocument, SeenPage, SeenVideo
from aria_docs.reading.messages import (
    Answer,
    Begun,
    Job,
    Look,
    ReadPages,
    ShowPages,
    document_limit_s,
    video_limit_s,
)
from aria_docs.reading.read import transcribe
from aria_docs.reading.rows import page_parts, without
from aria_docs.tiling.budget import Budget, ContextImage, frame_part, page_part
from aria_docs.tiling.pixels import crops

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aria_docs.ingest.pdf import OpenPdf
    from aria_docs.model.profiles import Profile
    from aria_docs.tiling.resolution import Mode

MAX_WHOLE_PAGES = 1_000
"""Of one document in questions about the whole of it: three windows of Aria's at medium, half a gigabyte of pixels."""

WINDOW_S = 3_600.0
MAX_WINDOWS = 8
"""A video is shown in as many windows as it has begun hours, so that 256 frames are never further apart than 14 s; past
8 windows (1 GB of pixels) they lie further apart."""


def show_document(job: Job, requests: Iterable[ReadPages | ShowPages]) -> Iterator[Answer]:
    """Opens a PDF, says how many pages it has, and shows what is requested; the text of a page comes first."""
    from aria_docs.ingest import documents

    look = job.look
    assert look is not None
    profile = profile_of(look)
    page_mode = profile.mode(look.resolution) if look.resolution else profile.modes[0]
    yield Begun("", "", "open")
    sandbox.allow_cpu(job.timeout_s)
    with documents.open_document(Path(job.path), passwords=job.passwords, ocr=job.ocr, apart=sandbox.apart) as document:
        info = document.info
        if info.n_pages == 0 and info.note:
            raise Damaged(f"{job.path} has no page left to read: {info.note}")
        yield info
        if info.n_pages == 0:
            yield from without(
                job, "document", one_note("0 pages", info.note) or "", tasks=job.recipes, ok=not info.note
            )
            return
        words: dict[int, tuple[Word, ...]] = {}
        for request in requests:
            if isinstance(request, ShowPages):
                tasks = tuple(task for task in look.document if task in job.recipes)
                yield Begun(tasks[0], "document", "tiles")
                sandbox.allow_cpu(document_limit_s(job.timeout_s, info.n_pages))
                whole = _whole(document, request, job, look, profile, tasks)
                if set(tasks) - {"summary"}:  # a custom schema, whose values are sought on the pages
                    kept = (words[n] if n in words else document.page(n).words for n in whole.pages)
                    whole = replace(whole, words=tuple(kept))
                yield whole
                continue
            tasks = tuple(task for task in look.pages if task in job.recipes)
            for number in request.numbers:
                yield Begun(tasks[0] if tasks else "summary", f"page:{number}", "text")
                sandbox.allow_cpu(job.timeout_s)
                page = document.page(number)
                if set(look.document) - {"summary"}:
                    words[number] = page.words
                yield page_parts(job.source_id, page)
                if tasks:
                    yield Begun(tasks[0], f"page:{number}", "tiles")
                    part = page_part(number, page.width_pt, page.height_pt, page_mode)
                    note = one_note(info.note, page.note if page.words else None)
                    # A page without words is no poorer for a model that reads its picture.
                    yield SeenPage(replace(page, note=note), _page(document, number, part, job, profile), tasks)
    foreign = job.recipes.keys() - {*look.pages, *look.document}  # then it is the only task: nothing else was asked for
    yield from without(job, "document", "a PDF has no scenes", tasks=foreign)


def _whole(
    document: OpenPdf, request: ShowPages, job: Job, look: Look, profile: Profile, tasks: tuple[str, ...]
) -> SeenDocument:
    numbers = request.numbers[:MAX_WHOLE_PAGES]
    left = len(request.numbers) - len(numbers)
    mode = profile.mode(look.resolution) if look.resolution else profile.modes[0]
    parts = [page_part(number, *document.size(number), mode) for number in numbers]
    if look.resolution is None:
        mode = sharpest(parts, profile, profile.budget(look.question, answer=look.answer))
        parts = [part.at(mode) for part in parts]
    shown = tuple(_page(document, number, part, job, profile) for number, part in zip(numbers, parts, strict=True))
    cut = f"only the first {MAX_WHOLE_PAGES:,} of {len(request.numbers):,} pages were shown" if left else None
    note = one_note(document.info.note, request.note, cut)
    return SeenDocument(document.info.title, numbers, shown, tasks, note, request.texts[: len(numbers)])


def sharpest(parts: Sequence[ContextImage], profile: Profile, budget: Budget) -> Mode:
    """The sharpest mode in which one window holds them all, or the least sharp one, in several."""
    try:
        return budget.best_mode(parts)
    except BudgetError:
        return profile.modes[-1]


def _page(document: OpenPdf, number: int, part: ContextImage, job: Job, profile: Profile) -> Shown:
    picture = document.render_to(number, part.layout.render_px)
    return _show(picture, part, f"{job.source_id}/page:{number}/{part.layout.mode}", profile)


def _show(picture: NDArray[np.uint8], part: ContextImage, key: str, profile: Profile) -> Shown:
    cut = crops(picture, part.layout)
    return Shown(part, cut if profile.encoded == "pixels" else encode(cut, profile.encoded), key)


def show_video(job: Job, _requests: Iterable[object]) -> Iterator[Answer]:
    """Shows a whole video; waits for no request."""
    from aria_docs.ingest.video import watch as videos
    from aria_docs.ingest.video.opening import open_clip
    from aria_docs.model.embedded import referee

    look, path = job.look, Path(job.path)
    assert look is not None
    profile = profile_of(look)
    tasks = tuple(task for task in look.video if task in job.recipes)
    yield Begun("", "", "open")
    sandbox.allow_cpu(job.timeout_s)
    clip = open_clip(path)
    info = clip.info
    yield info
    yield from without(job, "video", "a video has no tables", tasks=job.recipes.keys() - {*tasks})
    if not tasks:
        return
    yield Begun(tasks[0], "video", "shots" if "scenes" in tasks else "frames")
    sandbox.allow_cpu(video_limit_s(job.timeout_s, info.duration_s))
    if "scenes" in tasks or look.sampling == "shots":
        video = videos.watch(clip, referee=referee.transitions if referee.version() else None)
    else:  # then nobody asks where it is cut
        whole = Shot(0.0, info.duration_s, "start", 0.0, 0.0)
        said = subtitles.words(clip)
        video = Video(info, (whole,), (None,), said.cues, words_note=said.note)
    video = replace(video, cues=video.cues or transcribe(job, info))
    yield Begun(tasks[0], "video", "frames")
    mode = profile.mode(look.resolution) if look.resolution else profile.modes[-1]
    budget = profile.budget(look.question, answer=look.answer)
    n = _n_frames(info, look.frames, frame_part(info.duration_s, info.width, info.height, mode), budget)
    starts_s = [shot.start_s for shot in video.shots]
    every_s = settle(clip.times_s(), video.shots)
    times_s = [every_s[index] for index in _choose(every_s, starts_s, n, look.sampling, look.frames)]
    words = _with_words(times_s, video.cues)
    shown: dict[float, Shown] = {}
    waiting = ""
    # One at a time: 256 frames of full size would be gigabytes.
    for frame, label in zip(videos.frames_at(clip, times_s), words, strict=False):
        waiting += label
        if frame.time_s in shown or (frame.damaged and shown):  # what is made up shows nothing new
            continue
        shown[frame.time_s], waiting = _frame(frame, waiting, mode, job, profile), ""
    if shown and waiting:
        last_s, last = shown.popitem()
        shown[last_s] = replace(last, part=replace(last.part, label=waiting + last.part.label))
    if not shown:
        raise Damaged(f"{path} has no frame that can be shown")
    yield SeenVideo(video, tuple(shown), tuple(shown.values()), tasks)


def _frame(frame: Frame, words: str, mode: Mode, job: Job, profile: Profile) -> Shown:
    height, width = frame.pixels.shape[:2]
    part = frame_part(frame.time_s, width, height, mode)
    part = replace(part, label=words + part.label)
    return _show(frame.pixels, part, f"{job.source_id}/{frame.time_s:.6f}/{mode}", profile)


def _n_frames(info: VideoInfo, asked: int | None, last: ContextImage, budget: Budget) -> int:
    """Of one window. BudgetError, with the ways out, where those asked for do not fit one."""
    if asked is None:
        return max(1, budget.how_many(last))
    n = min(asked, max(1, info.n_frames))
    budget.one_window([last] * n)
    return n


def _choose(times_s: Sequence[float], starts_s: Sequence[float], n: int, rule: str, asked: int | None) -> list[int]:
    """Indices of the frames to show: n of each window."""
    if not times_s:
        return []
    length_s = times_s[-1] - times_s[0]
    n_windows = 1 if asked else min(MAX_WINDOWS, max(1, math.ceil(length_s / WINDOW_S)))
    chosen: list[int] = []
    for window in range(n_windows):
        begin = bisect_left(times_s, times_s[0] + length_s * window / n_windows)
        end = bisect_left(times_s, times_s[0] + length_s * (window + 1) / n_windows)
        end = len(times_s) if window + 1 == n_windows else end
        part = times_s[begin:end]
        if not part:
            continue
        if rule == "shots":
            within = [max(start, part[0]) for start in starts_s if start <= part[-1]]
            picked = sampling.by_shot(part, sorted({part[0], *within}), n)
        else:
            picked = sampling.uniform(part, n)
        chosen += [begin + index for index in picked]
    return chosen


def settle(times_s: Sequence[float], shots: Sequence[Shot]) -> list[float]:
    """Without the frames on the way from one shot to the next, which show both and neither; all where none is left."""
    ways = [
        (shot.transition_start_s, shot.transition_end_s) for shot in shots if shot.transition not in ("start", "cut")
    ]
    kept, way = [], 0
    for time_s in times_s:
        while way < len(ways) and ways[way][1] <= time_s:
            way += 1
        if way == len(ways) or time_s <= ways[way][0]:
            kept.append(time_s)
    return kept or list(times_s)


def _with_words(times_s: Sequence[float], cues: Sequence[Cue]) -> list[str]:
    """What is said between frames stands before the frame that follows; after the last frame, before that one.

    frames       10 s            20 s
    said    2 s      11 s  19 s       25 s
    labels  "2 s\\n"   "11 s\\n19 s\\n25 s\\n"
    """
    labels = [""] * len(times_s)
    for cue in cues:
        labels[min(bisect_left(times_s, cue.start_s), len(times_s) - 1)] += " ".join(cue.text.split()) + "\n"
    return labels


def profile_of(look: Look) -> Profile:
    """The model's profile with the window it has here."""
    profile = ARIA if look.profile == ARIA.name else profile_named(look.profile)
    return replace(profile, context=look.context)
