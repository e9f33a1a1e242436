"""What is said in a video that has no subtitles: its sound → cues, by a Whisper model in a folder that the user names.

Nothing is ever fetched: a folder that does not hold all that faster-whisper needs is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aria_docs.errors import EngineError, UsageError
from aria_docs.media import Cue
from aria_docs.version import minor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aria_docs.media import VideoInfo

    Sound = NDArray[np.float32]  # (n,) mono, RATE_HZ, from -1 to 1
    Transcriber = Callable[[Sound], Iterable[tuple[float, float, str]]]  # → (start, end, text) in seconds

RATE_HZ = 16_000  # what Whisper hears
CHUNK_S = 600  # 38 MB of sound are held at once
LULL_S = 30  # at the end of a chunk, in which a quiet moment is sought to cut at
# Without its tokenizer faster-whisper would ask huggingface.co for one.
NEEDED = ("model.bin", "config.json", "tokenizer.json")


def identity(folder: Path) -> str:
    """What a recipe says of a model: faster-whisper's major and minor version, how it is asked, and a hash over names,
    sizes, and first and last megabyte of its files; where the folder lies does not matter. Raises UsageError where it
    cannot be used."""
    try:
        version = minor("faster-whisper")
    except metadata.PackageNotFoundError as e:
        raise UsageError(f"--speech-model {folder} needs faster-whisper: pip install aria-docs[speech]") from e
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"--speech-model {folder} holds no {' and no '.join(missing)}: name a folder with a faster-whisper model"
        )
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(1 << 20))
            file.seek(max(0, size - (1 << 20)))
            digest.update(file.read())
    return f"{version} by-word {digest.hexdigest()[:16]}"


def cues(path: Path, info: VideoInfo, transcriber: Transcriber) -> tuple[Cue, ...]:
    """The sentences spoken in a video, in order; empty where it has no sound or nobody speaks."""
    from aria_docs.ingest.video import pyav_clip

    blocks = pyav_clip.sound(path, rate_hz=RATE_HZ)
    start_s, opening = next(blocks, (0.0, np.zeros(0, np.float32)))
    found = []
    for first, chunk in chunks(chain((opening,), (samples for _, samples in blocks))):
        chunk_s = start_s - info.start_s + first / RATE_HZ
        for begin_s, end_s, text in transcriber(chunk):
            cue = Cue(max(0.0, chunk_s + begin_s), chunk_s + end_s, " ".join(text.split()), "speech")
            if cue.text and cue.start_s < min(cue.end_s, info.duration_s):
                found.append(cue)
    return tuple(found)


def chunks(blocks: Iterable[Sound]) -> Iterator[tuple[int, Sound]]:
    """Sound in blocks → (first sample, sound) of at most CHUNK_S and a block, cut where it is most quiet.

    |-------------------~~|          the last LULL_S of a chunk: it ends in the quietest tenth of a second there,
                       |-------~~|   and the next begins with what is left
    """
    held: list[Sound] = []
    first, n_held = 0, 0
    for block in blocks:
        held.append(block)
        n_held += len(block)
        if n_held >= CHUNK_S * RATE_HZ:
            sound = np.concatenate(held)
            tenths = sound[-LULL_S * RATE_HZ :].reshape(-1, RATE_HZ // 10)
            quietest = int((tenths**2).mean(1).argmin())
            cut = n_held - LULL_S * RATE_HZ + quietest * (RATE_HZ // 10) + RATE_HZ // 20
            yield first, sound[:cut]
            first, held, n_held = first + cut, [sound[cut:]], n_held - cut
    if n_held:
        yield first, np.concatenate(held)


@cache
def whisper(folder: Path) -> Transcriber:
    """The model in that folder, on the CPU in one thread. Raises EngineError where it cannot be loaded."""
    from faster_whisper import WhisperModel

    try:
        model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)
    except (OSError, RuntimeError, ValueError) as e:
        reason = " ".join(str(e).split())
        raise EngineError(f"--speech-model {folder} cannot be loaded ({reason}): convert or fetch it again") from e

    def transcribe(sound: Sound) -> Iterator[tuple[float, float, str]]:
        # Left to itself, Whisper hears words in silence, and goes on repeating a sentence that it has got wrong; and a
        # sentence begins where the one before ended, however long the silence between, unless it is timed by its words.
        segments, _ = model.transcribe(sound, vad_filter=True, condition_on_previous_text=False, word_timestamps=True)
        for segment in segments:
            yield float(segment.start), float(segment.end), segment.text

    return transcribe
