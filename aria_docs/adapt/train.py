"""From a folder of examples to an adapter: what is checked before the first step, and what is left at the end."""

from __future__ import annotations

import hashlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aria_docs import forecast
from aria_docs.adapt import layout
from aria_docs.adapt.config import Settings
from aria_docs.adapt.layout import DataLine, Refusal
from aria_docs.adapt.showing import Pictures, Viewer, lay_out
from aria_docs.errors import AriaDocsError, EngineError, UsageError

if TYPE_CHECKING:
    from aria_docs.model.aria.adapt.lesson import Lesson
    from aria_docs.model.aria.adapt.training import Plan, StepProgress
    from aria_docs.model.chat_model import Shown

RECORD = "training.json"  # written last: the adapter is whole where it stands
_NAMED = 20  # refused lines that one error names
_SAID_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Ready:
    """What a training would be, all of it checked.

    lines, lessons:  in one order, lines that are taken twice twice.
    recipe:          of settings, data and weights: a checkpoint of another one is not gone on from.
    needed_bytes:    of memory at most; free_bytes: what the device has, None if unknown.
    """

    lines: tuple[DataLine, ...]
    lessons: tuple[Lesson, ...]
    plan: Plan
    recipe: str
    needed_bytes: int
    free_bytes: int | None
    device: str

    def as_lines(self) -> list[str]:
        """For a terminal."""
        longest = max(len(lesson.ids) for lesson in self.lessons)
        learnt = sum(lesson.learnt for lesson in self.lessons)
        free = "" if self.free_bytes is None else f", {self.free_bytes / forecast.GIB:.1f} GiB free"
        return [
            f"{len(self.lines):,} lines, the longest of {longest:,} tokens; {learnt:,} tokens learnt in an epoch",
            f"{self.plan.steps:,} steps of {self.plan.per_step} lines",
            f"memory: {self.needed_bytes / forecast.GIB:.1f} GiB at most on {self.device}{free}",
        ]


def train(
    folder: Path,
    *,
    model: str,
    output: Path,
    settings: Settings,
    resume: bool = False,
    dry_run: bool = False,
    device: str | None = None,
    say: Callable[[str], None],
) -> bool:
    """Trains an adapter into `output`; False where it was interrupted, with the last step kept.

    Raises UsageError where lines are refused or `output` holds something else, EngineError where the model or the
    adapt extra is missing or memory is too small.
    """
    needs()
    from aria_docs.model.aria.adapt import checkpoints

    ready = prepare(folder, model=model, settings=settings, device=device)
    for line in ready.as_lines():
        say(line)
    if ready.free_bytes is not None and ready.needed_bytes > ready.free_bytes:
        raise EngineError(
            f"training takes {ready.needed_bytes / forecast.GIB:.1f} GiB and {ready.device} has "
            f"{ready.free_bytes / forecast.GIB:.1f} free: take a per_device_train_batch_size under "
            f"{ready.plan.per_device} with more gradient_accumulation_steps, or leave fc1 and fc2 out of "
            "lora_target_modules"
        )
    if dry_run:
        return True
    if _is_finished(output, ready.recipe):
        checkpoints.remove(output)  # which a kill at the end may have left
        say(f"{output} was trained so before: nothing is left to do")
        return True
    begun = _resume_step(output, ready, resume=resume)
    output.mkdir(parents=True, exist_ok=True)
    with Viewer(settings.mode) as viewer, _watch_signals() as stopped:
        return _run(ready, viewer, model, output, settings, device, begun, stopped, say)


def needs() -> None:
    """EngineError where the adapt extra is not installed."""
    missing = [name for name in ("torch", "transformers", "peft", "accelerate", "yaml") if find_spec(name) is None]
    if missing:
        raise EngineError(f"adapting needs {missing[0]}, which is not installed: pip install 'aria-docs[adapt]'")


def prepare(folder: Path, *, model: str, settings: Settings, device: str | None = None) -> Ready:
    """Reads every line, opens every picture, counts every token; loads no weights. Raises as `train`."""
    from aria_docs.model.aria.adapt import outline

    lines, refused = gather(folder, settings)
    network = outline.outline(model, settings=asdict(settings), device=device)
    lessons: list[Lesson] = []
    limit = min(settings.max_seq_length or network.window, network.window)
    seen: dict[int, Lesson | None] = {}  # a line that is taken twice is looked at once
    with Viewer(settings.mode) as viewer:
        for line in lines:
            if id(line) not in seen:
                found = _lesson(line, viewer, network, limit)
                seen[id(line)] = None if isinstance(found, str) else found
                if isinstance(found, str):
                    refused.append(Refusal(line.file, line.number, found))
            if (lesson := seen[id(line)]) is not None:
                lessons.append(lesson)
    refuse(refused, "trained")
    if not lessons:
        raise UsageError(f"{folder} holds no line to learn from: `aria-docs adapt export` writes some")
    plan = outline.plan(len(lessons), settings=asdict(settings))
    needed = forecast.training_bytes(
        network.widths,
        weights=network.weights_bytes,
        trained=network.trained,
        experts_too=network.experts_too,
        lessons=min(settings.per_device_train_batch_size, len(lessons)),
        tokens=max(len(lesson.ids) for lesson in lessons),
        checkpointing=settings.gradient_checkpointing,
        bytes_a_number=network.bytes_a_number,
    )
    recipe = _recipe(settings, lines, network.base)
    return Ready(tuple(lines), tuple(lessons), plan, recipe, needed, network.free_bytes, network.device)


def gather(folder: Path, settings: Settings) -> tuple[list[DataLine], list[Refusal]]:
    """The lines of the folder and of those that are mixed in, each as often as its share says."""
    shares = {place.resolve(): share for place, share in settings.dataset_mixer}
    folders = {folder.resolve(): shares.get(folder.resolve(), 1.0)} | shares
    lines: list[DataLine] = []
    refused: list[Refusal] = []
    for place, share in folders.items():
        found, bad = layout.read(place)
        refused += bad
        lines += found * int(share) + found[: int(share % 1 * len(found))]
    return lines, refused


def _lesson(line: DataLine, viewer: Viewer, network: Any, limit: int) -> Lesson | str:
    """The line as tokens, or why it is refused."""
    try:
        pictures = viewer.look(line, pixels=False)
        lesson: Lesson = network.lesson(lay_out(line, pictures))
    except AriaDocsError as error:
        return str(error)
    if len(lesson.ids) > limit:
        images = sum(one.tokens for one in pictures.layouts)
        return (
            f"it takes {len(lesson.ids):,} tokens, {images:,} of them for pictures, and {limit:,} are allowed: raise "
            "max_seq_length, show its pictures smaller, or leave it out"
        )
    return lesson


def refuse(refused: Sequence[Refusal], verb: str) -> None:
    """UsageError that names the lines, where there are some."""
    if refused:
        ordered = sorted(refused, key=lambda one: (str(one.file), one.number))
        named = "; ".join(map(str, ordered[:_NAMED]))
        more = f"; and {len(refused) - _NAMED:,} more" if len(refused) > _NAMED else ""
        lines = "1 line" if len(refused) == 1 else f"{len(refused):,} lines"
        raise UsageError(f"nothing was {verb}, because {lines} cannot be used: {named}{more}")


def _recipe(settings: Settings, lines: Sequence[DataLine], base: str) -> str:
    digest = hashlib.sha256(base.encode())
    kept = {key: value for key, value in asdict(settings).items() if key != "dataset_mixer"}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    for line in lines:
        said = [asdict(message) for message in line.messages], line.about.get("shown")
        digest.update(json.dumps(said, sort_keys=True).encode())
        for path in line.media:
            digest.update(f"{path.name} {path.stat().st_size} {line.video.frames if line.video else 0};".encode())
    return digest.hexdigest()[:16]


def _is_finished(output: Path, recipe: str) -> bool:
    file = output / RECORD
    if not file.is_file():
        return False
    try:
        found = json.loads(file.read_text(encoding="utf-8")).get("recipe")
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f"{file} cannot be read ({error}): name another folder with -o") from error
    if found != recipe:
        raise UsageError(f"{output} holds an adapter of other data, settings or weights: name another folder with -o")
    return True


def _resume_step(output: Path, ready: Ready, *, resume: bool) -> int:
    """The steps that an earlier training has done. UsageError where its folder is not to be touched."""
    from aria_docs.model.aria.adapt import checkpoints
    from aria_docs.model.aria.adapt.curve import CSV

    found = checkpoints.latest(output) if output.is_dir() else None
    if found and not resume:
        raise UsageError(
            f"{output} holds a training that stopped at step {found[0]}: add --resume, or name another folder"
        )
    if found and found[1] != ready.recipe:
        raise UsageError(f"{output} holds a training of other data, settings or weights: name another folder with -o")
    # What a training leaves before its first checkpoint is its own; anything else is somebody's.
    if (
        output.exists()
        and not found
        and (not output.is_dir() or {path.name for path in output.iterdir()} - {CSV, f"{CSV}.tmp", "checkpoints"})
    ):
        raise UsageError(f"{output} is there and holds no training: name a new folder with -o")
    return found[0] if found else 0


def _run(
    ready: Ready,
    viewer: Viewer,
    model: str,
    output: Path,
    settings: Settings,
    device: str | None,
    begun: int,
    stopped: Callable[[], bool],
    say: Callable[[str], None],
) -> bool:
    from aria_docs.model.aria.adapt import checkpoints, outline
    from aria_docs.model.aria.adapt.curve import Curve

    curve, telling = Curve(output, done=begun), _Telling(ready.plan.steps, say)

    def on_step(progress: StepProgress) -> None:
        curve.add(progress)
        telling.step(progress)

    def show(number: int) -> Sequence[Shown]:
        pictures: Pictures = viewer.look(ready.lines[number], pixels=True)
        return pictures.shown

    if begun:
        say(f"step {begun} of {ready.plan.steps:,} was reached before")
    done = outline.train(
        model,
        ready.lessons,
        show,
        ready.plan,
        settings=asdict(settings),
        device=device,
        folder=output,
        recipe=ready.recipe,
        on_step=on_step,
        stopped=stopped,
    )
    curve.draw()
    if done < ready.plan.steps:
        say(f"interrupted after step {done}: the same command with --resume goes on from there")
        return False
    record = {"recipe": ready.recipe, "model": model, "lines": len(ready.lines), "steps": done}
    record |= {
        "settings": asdict(settings) | {"dataset_mixer": {str(place): share for place, share in settings.dataset_mixer}}
    }
    partial = output / f"{RECORD}.tmp"
    partial.write_text(json.dumps(record, indent=2), encoding="utf-8")
    partial.rename(output / RECORD)
    checkpoints.remove(output)
    say(f"{done:,} steps → {output}")
    return True


class _Telling:
    """A line now and then: loss, speed, and when it will be over."""

    def __init__(self, steps: int, say: Callable[[str], None]) -> None:
        self._steps, self._say = steps, say
        self._said_s = 0.0
        self._spent_s, self._done, self._tokens = 0.0, 0, 0

    def step(self, progress: StepProgress) -> None:
        self._spent_s, self._done = self._spent_s + progress.seconds, self._done + 1
        self._tokens += progress.tokens
        if time.monotonic() - self._said_s < _SAID_EVERY_S and progress.step != self._steps:
            return
        self._said_s = time.monotonic()
        left_s = round((self._steps - progress.step) * self._spent_s / self._done)
        left = f"{left_s // 3600}:{left_s // 60 % 60:02d}:{left_s % 60:02d} left"
        speed = f"{self._tokens / max(self._spent_s, 1e-9):,.0f} tokens/s"
        self._say(f"step {progress.step:,}/{self._steps:,}: loss {progress.loss:.4f}, {speed}, {left}")


@contextmanager
def _watch_signals() -> Iterator[Callable[[], bool]]:
    """Whether ^C or SIGTERM came, which then end nothing by themselves; a second one does."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before: dict[signal.Signals, Any] = {}

    def hear(number: int, frame: Any) -> None:
        if came.is_set():
            signal.default_int_handler(number, frame)
        came.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, hear)
    try:
        yield came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
