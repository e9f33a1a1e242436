"""The loss of every step as a table and as a picture."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.model.aria.adapt.training import StepProgress

CSV, PNG = "loss.csv", "loss.png"
_COLUMNS = ("step", "epoch", "loss", "router_loss", "learning_rate", "tokens", "seconds")
_SIZE, _MARGIN = (960, 540), 60


class Curve:
    """In an adapter's folder. What an interrupted training wrote beyond its checkpoint is dropped when it goes on.

    done:  steps that are kept of an earlier one.
    """

    def __init__(self, folder: Path, *, done: int) -> None:
        self._folder = folder
        self._rows: list[tuple[str, ...]] = []
        if done and (folder / CSV).is_file():
            with (folder / CSV).open(newline="", encoding="utf-8") as file:
                self._rows = [tuple(row) for row in list(csv.reader(file))[1 : done + 1]]
        self._write()

    def add(self, progress: StepProgress) -> None:
        """One more step."""
        numbers = (progress.epoch, progress.loss, progress.router, progress.rate)
        texts = (*(f"{number:.6g}" for number in numbers), str(progress.tokens), f"{progress.seconds:.3f}")
        self._rows.append((str(progress.step), *texts))
        with (self._folder / CSV).open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(self._rows[-1])

    def draw(self) -> None:
        """The picture."""
        draw([float(row[2]) for row in self._rows]).save(self._folder / PNG)

    def _write(self) -> None:
        partial = self._folder / f"{CSV}.tmp"  # renamed: a kill here would take the rows that are kept
        with partial.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([_COLUMNS, *self._rows])
        partial.replace(self._folder / CSV)


def draw(losses: Sequence[float]) -> Image.Image:
    """Steps to the right, loss upwards from 0, each step as a pale line and their running mean as a dark one."""
    picture = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(picture)
    width, height = (edge - 2 * _MARGIN for edge in _SIZE)
    top = max(losses, default=1.0) or 1.0

    def place(step: int, loss: float) -> tuple[float, float]:
        across = step / max(1, len(losses) - 1)
        return _MARGIN + width * across, _MARGIN + height * (1 - loss / top)

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _, y = place(0, top * share)
        pen.line((_MARGIN, y, _MARGIN + width, y), fill=(225, 225, 225))
        pen.text((8, y - 6), f"{top * share:.3g}", fill="black")
    pen.text((_MARGIN, _SIZE[1] - _MARGIN + 12), "1", fill="black")
    pen.text((_MARGIN + width - 20, _SIZE[1] - _MARGIN + 12), f"{len(losses)} steps", fill="black")
    smooth: list[float] = []
    for loss in losses:
        smooth.append(loss if not smooth else 0.9 * smooth[-1] + 0.1 * loss)
    for line, colour, thick in ((losses, (170, 190, 230), 1), (smooth, (20, 60, 160), 3)):
        if len(line) > 1:
            pen.line([place(step, loss) for step, loss in enumerate(line)], fill=colour, width=thick)
    return picture
