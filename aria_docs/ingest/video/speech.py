"""What is said in a video that has no subtitles: its sound → cues, by a Whisper model in a folder that the user names.

    sound     ▁▂▆▇▅▂▁▁▃▆▇▅▃▁▁▁▂▅▇▆▃▁      stretches of ten minutes at most, cut in the longest pause between words
    stretch   │             │              the silences in it left out, by the network (silero-vad) in faster-whisper
    heard       [1.2 5.0]     [11.3 …      sentences with their seconds, in the language of the film, or where the
                                           model is sure of another, in that

Nothing is ever fetched: a folder that does not hold all that faster-whisper needs is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from aria_docs.errors import EngineError, UsageError
from aria_docs.media import Cue
from aria_docs.version import minor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aria_docs.media import VideoInfo

    Sound = NDArray[np.float32]  # (n,) mono, RATE_HZ, from -1 to 1

RATE_HZ = 16_000  # what Whisper hears
STRETCH_S = 600  # 38 MB of sound are held at once
LULL_S = 30  # at the end of a stretch, in which a pause is sought to cut at
# Of the speech of a stretch: so many windows of half a minute vote on the language, unless one is so sure.
LANGUAGE_WINDOWS, LANGUAGE_SURE = 4, 0.8
# A line ends in a pause, and where a sentence does, before a breath or when the line is long.
PAUSE_S, BREATH_S, LINE_S = 1.0, 0.2, 5.0
SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")
# Without its tokenizer faster-whisper would ask huggingface.co for one.
NEEDED = ("model.bin", "config.json", "tokenizer.json")


class Listener(Protocol):
    """Who writes down what is said in a piece of sound."""

    def find_pause(self, sound: Sound) -> int:
        """The sample in the middle of the longest pause between words."""

    def find_language(self, sound: Sound) -> str | None:
        """ISO 639-1; None where nobody speaks."""

    def transcribe(self, sound: Sound, language: str) -> Iterable[tuple[float, float, str]]:
        """(start, end, text) of each sentence, in seconds. language: where it is not sure of another."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was heard from one pause to another.

    start_s, end_s: from the first displayed frame; the sound may begin before it.
    language:       of the film, as far as it is known; "" while nobody has spoken.
    """

    start_s: float
    end_s: float
    language: str
    cues: tuple[Cue, ...]


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
    return f"{version} by-sentence own-languages {digest.hexdigest()[:16]}"


def hear(
    path: Path,
    info: VideoInfo,
    listener: Listener,
    *,
    heard: Sequence[Stretch] = (),
    on_time: Callable[[float], None] = lambda _: None,
) -> Iterator[Stretch]:
    """What is said in a video, stretch by stretch; nothing where it has no sound.

    heard:   stretches of an earlier run, which are not heard again.
    on_time: called with the end of each sentence and stretch.
    """
    from aria_docs.ingest.video import pyav_clip

    blocks = pyav_clip.sound(path, rate_hz=RATE_HZ)
    sound_s, opening = next(blocks, (0.0, np.zeros(0, np.float32)))
    shift_s = sound_s - info.start_s
    known = {round((stretch.start_s - shift_s) * RATE_HZ): stretch for stretch in heard}
    language = ""

    def cut(first: int, sound: Sound) -> int:
        if stretch := known.get(first):
            return round((stretch.end_s - stretch.start_s) * RATE_HZ)
        return len(sound) - LULL_S * RATE_HZ + listener.find_pause(sound[-LULL_S * RATE_HZ :])

    for first, sound in cut_sound(chain((opening,), (samples for _, samples in blocks)), cut):
        stretch = known.get(first)
        if stretch is None:
            start_s = shift_s + first / RATE_HZ
            language = language or listener.find_language(sound) or ""
            cues = []
            for begin_s, end_s, text in listener.transcribe(sound, language) if language else ():
                cue = Cue(max(0.0, start_s + begin_s), start_s + end_s, " ".join(text.split()), "speech")
                if cue.text and cue.start_s < min(cue.end_s, info.duration_s):
                    cues.append(cue)
                on_time(cue.end_s)
            stretch = Stretch(start_s, start_s + len(sound) / RATE_HZ, language, tuple(cues))
        language = stretch.language
        on_time(stretch.end_s)
        yield stretch


def cut_sound(blocks: Iterable[Sound], cut: Callable[[int, Sound], int]) -> Iterator[tuple[int, Sound]]:
    """Sound in blocks → (first sample, sound) of at most STRETCH_S and a block; cut(first sample, sound) says how many
    samples of what is held belong to it, and the next one begins with the rest."""
    held: list[Sound] = []
    first, n_held = 0, 0
    for block in blocks:
        held.append(block)
        n_held += len(block)
        if n_held >= STRETCH_S * RATE_HZ:
            sound = np.concatenate(held)
            n = cut(first, sound)
            yield first, sound[:n]
            first, held, n_held = first + n, [sound[n:]], n_held - n
    if n_held:
        yield first, np.concatenate(held)


def _sentences(words: Sequence[tuple[float, float, str]]) -> Iterator[tuple[float, float, str]]:
    """(start, end, text) of words → of sentences: Whisper's own lines hold several, and the silences between them."""
    begun = 0
    for at, (_, end_s, word) in enumerate(words, start=1):
        pause_s = words[at][0] - end_s if at < len(words) else PAUSE_S
        is_long = end_s - words[begun][0] >= LINE_S
        # A point alone may be that of Dr. Smith.
        if pause_s >= PAUSE_S or (word.rstrip().endswith(SENTENCE_ENDS) and (pause_s >= BREATH_S or is_long)):
            yield words[begun][0], end_s, "".join(text for *_, text in words[begun:at])
            begun = at


@cache
def whisper(folder: Path) -> Whisper:
    """The model in that folder, loaded once. Raises EngineError where it cannot be loaded."""
    from faster_whisper import WhisperModel

    try:
        model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)
    except (OSError, RuntimeError, ValueError) as e:
        reason = " ".join(str(e).split())
        raise EngineError(f"--speech-model {folder} cannot be loaded ({reason}): convert or fetch it again") from e
    return Whisper(model)


class Whisper:
    """A faster-whisper model as a `Listener`, on the CPU in one thread."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def find_pause(self, sound: Sound) -> int:
        """As a `Listener`; without a pause the middle of the sound."""
        from faster_whisper.vad import get_speech_timestamps

        spans = get_speech_timestamps(sound, min_silence_duration_ms=100, speech_pad_ms=0)
        edges = [0, *(edge for span in spans for edge in (span["start"], span["end"])), len(sound)]
        length, middle = max((end - start, (start + end) // 2) for start, end in list(pairwise(edges))[::2])
        return middle if length else len(sound) // 2

    def find_language(self, sound: Sound) -> str | None:
        """By the first minutes of speech in it."""
        from faster_whisper.vad import get_speech_timestamps

        spoken = [sound[span["start"] : span["end"]] for span in get_speech_timestamps(sound)]
        if not spoken:
            return None
        if not self._model.model.is_multilingual:
            return "en"
        language, *_ = self._model.detect_language(
            np.concatenate(spoken),
            language_detection_segments=LANGUAGE_WINDOWS,
            language_detection_threshold=LANGUAGE_SURE,
        )
        return str(language)

    def transcribe(self, sound: Sound, language: str) -> Iterator[tuple[float, float, str]]:
        """As a `Listener`."""
        # Left to itself, Whisper hears words in silence, and goes on repeating a sentence that it has got wrong; and a
        # sentence begins where the one before ended, however long the silence between, unless it is timed by its words.
        network = self._model.model
        self._model.model = _Languages(network, language)
        try:
            segments, _ = self._model.transcribe(
                sound,
                language=language,
                multilingual=network.is_multilingual,
                vad_filter=True,
                condition_on_previous_text=False,
                word_timestamps=True,
            )
            for segment in segments:
                yield from _sentences([(float(word.start), float(word.end), word.word) for word in segment.words])
        finally:
            self._model.model = network


class _Languages:
    """The network of a faster-whisper model, which is asked for the language of each half-minute of speech: the usual
    one where it is not sure. That costs nothing, the half-minute has to be encoded anyway."""

    def __init__(self, network: Any, usual: str) -> None:
        self._network, self._usual = network, usual

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def detect_language(self, encoded: Any) -> list[list[tuple[str, float]]]:
        """(language token, how sure), the likeliest first, for each half-minute."""
        usual = [(f"<|{self._usual}|>", 1.0)]
        found = self._network.detect_language(encoded)
        return [likely if likely[0][1] >= LANGUAGE_SURE else usual for likely in found]
