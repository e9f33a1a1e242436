"""THE STORY where a model answers, first half: ingest → tiling → what the model is shown. Runs in a sandbox child.

The other half is `model/chat.py`'s, on the side of the parent, where the model is. In between go `SeenPage`,
`SeenDocument` and `SeenVideo`: pages and frames cut into crops, with the words and shots that answers are held against.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aria_docs.errors import BudgetError, Damaged
from aria_docs.ingest import sandbox
from aria_docs.ingest.video import sampling, subtitles
from aria_docs.media import Cue, Frame, Shot, Video, VideoInfo, Word, one_note
from aria_docs.model.chat_model import Shown
from aria_docs.model.encoding import encode
from aria_docs.model.profiles.aria import ARIA
from aria_docs.model.profiles.choice import profile_named
from aria_docs.model.seen import SeenDocument, SeenPage, SeenVideo
from aria_docs.reading.hearing import Hearing
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
from aria_docs.reading.rows import page_parts, without
from aria_docs.tiling.budget import Budget, ContextImage, frame_label, frame_part, page_part
from aria_docs.tiling.pixels import crops

if TYPE_CHECKING:
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

SEEING = 0.5  # of what a film takes: a guess, the model takes the rest
SETTLE_S = 0.4  # before and after a dissolve, fade or wipe as it was found
SAME_LEVELS = 8.0  # of 255, in the mean of a square: compression makes 1 to 3, a letter that is typed 30


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
    yield from without(job, "document", "a document has no scenes", tasks=foreign)


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
    said = subtitles.words(clip)
    hearing = Hearing(job, info, needed=not said.cues, share=SEEING)
    if "scenes" in tasks or look.sampling == "shots":
        judge = referee.transitions if referee.version() else None
        video = videos.watch(clip, referee=judge, said=said, on_time=hearing.follow)
    else:  # then nobody asks where it is cut
        whole = Shot(0.0, info.duration_s, "start", 0.0, 0.0)
        video = Video(info, (whole,), (None,), words_note=said.note)
    video = replace(video, cues=said.cues or hearing.finish())
    yield Begun(tasks[0], "video", "frames")
    mode = profile.mode(look.resolution) if look.resolution else profile.modes[-1]
    budget = profile.budget(look.question, answer=look.answer)
    n = _n_frames(info, look.frames, dearest_frame(info, mode, look), budget)
    starts_s = [shot.start_s for shot in video.shots]
    every_s = settle(clip.times_s(), video.shots)
    times_s = [every_s[index] for index in _choose(every_s, starts_s, n, look.sampling, look.frames)]
    shown: dict[float, Shown] = {}
    # One at a time: 256 frames of full size would be gigabytes.
    for frame in distinct(videos.frames_at(clip, times_s)):
        height, width = frame.pixels.shape[:2]
        part = frame_part(frame.time_s, width, height, mode)
        shown[frame.time_s] = _show(frame.pixels, part, f"{job.source_id}/{frame.time_s:.6f}/{mode}", profile)
    if not shown:
        raise Damaged(f"{path} has no frame that can be shown")
    yield SeenVideo(video, tuple(shown), tuple(_label(shown, video.cues)), tasks)


def dearest_frame(info: VideoInfo, mode: Mode, look: Look) -> ContextImage:
    """The frame of a video with the longest label that any can have."""
    apart_s = 0.0 if look.sampling == "shots" else info.duration_s / (look.frames or sampling.MAX_FRAMES)
    return frame_part(info.duration_s, info.width, info.height, mode, apart_s=apart_s)


def distinct(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Without frames that show nothing new: those that are shown already, those that the decoder made up where the file
    is damaged, unless there are no others, and those between two that show the same picture.

        a a a a b c c    → a a b c c      the first and the last: a model must see how long a slide stands
    """
    first_made_up: Frame | None = None
    before: Frame | None = None
    last: Frame | None = None  # of the same picture as `before`, and not passed on
    for frame in frames:
        if frame.damaged:
            first_made_up = first_made_up or frame
        elif before is None or frame.time_s > (last or before).time_s:
            if before is not None and _is_same(before, frame):
                last = frame
                continue
            if last:
                yield last
            yield frame
            before, last = frame, None
    if last or (before is None and first_made_up):
        yield last or first_made_up  # type: ignore[misc]  # one of them is there


def _is_same(a: Frame, b: Frame) -> bool:
    """Whether two frames show one picture: no square of it differs by more than compression makes of it."""
    return a.pixels.shape == b.pixels.shape and bool(np.abs(_squares(a) - _squares(b)).max() <= SAME_LEVELS)


def _squares(frame: Frame) -> NDArray[np.float32]:
    """Means over squares of 16 px, of every other pixel."""
    pixels = np.pad(frame.pixels, [(0, -edge % 16) for edge in frame.pixels.shape[:2]] + [(0, 0)], mode="edge")[
        ::2, ::2
    ]
    height, width = pixels.shape[:2]
    means: NDArray[np.float32] = pixels.reshape(height // 8, 8, width // 8, 8, 3).mean((1, 3), dtype=np.float32)
    return means


def _label(shown: Mapping[float, Shown], cues: Sequence[Cue]) -> Iterator[Shown]:
    """The same with their labels: what is said before a frame, and its time, exact enough to tell the frames apart."""
    times_s = list(shown)
    gaps_s = [math.inf, *(after - before for before, after in pairwise(times_s)), math.inf]
    for one, time_s, words, gaps in zip(
        shown.values(), times_s, _with_words(times_s, cues), pairwise(gaps_s), strict=True
    ):
        yield replace(one, part=replace(one.part, label=words + frame_label(time_s, apart_s=min(gaps))))


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
    """Without the frames on the way from one shot to the next, which show both and neither, nor those next to them: the
    ends of a slow change are hard to see. All where none is left."""
    ways = [
        (
            shot.transition_start_s - min(SETTLE_S, (shot.transition_start_s - before.start_s) / 4),
            shot.transition_end_s + min(SETTLE_S, (shot.end_s - shot.transition_end_s) / 4),
        )
        for before, shot in pairwise(shots)
        if shot.transition != "cut"
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
