"""What flows between the rooms: pages, words, tables, frames, shots. Frozen; knows no library but numpy.

Boxes are (x0, y0, x1, y1) in PDF points from the top left of the page as it is displayed (rotation applied). Times are
seconds from the first displayed frame. Pages count from 1, rows and columns from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
Place = tuple[int, int]
"""A cell: row and column of its top left."""
Transition = Literal["start", "cut", "dissolve", "fade", "wipe"]
Origin = Literal["track", "sidecar", "speech"]


def one_note(*notes: str | None) -> str | None:
    """Notes on one thing as one; None if absent."""
    return "; ".join(note for note in notes if note) or None


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters between blanks, as it stands in the text layer or as OCR read it.

    sure:  how sure OCR is of its least certain character, from 0 to 1; 1 in a text layer.
    """

    text: str
    box: Box
    block: int = 0
    line: int = 0
    sure: float = 1.0


@dataclass(frozen=True, slots=True)
class TableCell:
    """One cell; a spanning cell is named once, at its top left.

    number:    the value where the whole cell is one number, else None.
    box:       None where the engine cannot say where the text stands.
    grounded:  whether the text was found among the page's own words.
    confidence:  the chance that text and number are right (`model.confidence`); None before it is worked out.
    """

    row: int
    col: int
    text: str
    row_span: int = 1
    col_span: int = 1
    is_header: bool = False
    number: float | None = None
    box: Box | None = None
    grounded: bool = True
    confidence: float | None = None

    def __post_init__(self) -> None:
        assert self.row >= 0 and self.col >= 0 and self.row_span >= 1 and self.col_span >= 1, self


@dataclass(frozen=True, slots=True)
class TableCandidate:
    """A table as the parser of the page sees it: geometry and text, nothing interpreted yet.

    ruled:    lines are drawn between its rows, or both over and under it.
    lattice:  lines are drawn around its cells.
    seen:     rows and columns that the layout network counts at its place; None where it sees no table there.
    """

    box: Box
    n_rows: int
    n_cols: int
    n_header_rows: int
    cells: tuple[TableCell, ...]
    ruled: bool = False
    lattice: bool = False
    seen: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that holds or not; `mend` would make it hold, where one value of one suspect does.

    row, col:  the row or column that is meant where it is a whole one, else both are None.
    """

    kind: str
    holds: bool
    row: int | None = None
    col: int | None = None
    suspects: tuple[Place, ...] = ()
    mend: float | None = None
    expected: float | None = None
    found: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table as an engine answers it.

    confidence:  the chance that all of its cells are right; None before it is worked out.
    checks:      what arithmetic and the page say of it.
    """

    box: Box
    n_rows: int
    n_cols: int
    n_header_rows: int
    cells: tuple[TableCell, ...]
    caption: str | None = None
    confidence: float | None = None
    checks: tuple[Check, ...] = ()

    @property
    def grounded(self) -> float | None:
        """The share of non-empty cells whose text was found on the page; None for a table without text."""
        filled = [cell.grounded for cell in self.cells if cell.text]
        return sum(filled) / len(filled) if filled else None


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form on a page; `checked` is for check boxes and radio buttons, `value` for the others."""

    name: str
    kind: Literal["text", "checkbox", "radio", "choice", "signature"]
    value: str | None
    checked: bool | None
    box: Box


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a PDF.

    text:        reading order, headings marked as in Markdown.
    lines:       the box of each line of the text that is not blank, in order.
    candidates:  empty unless tables were asked for.
    note:        why the page is only partly read, else None.
    """

    number: int
    width_pt: float
    height_pt: float
    text: str
    words: tuple[Word, ...] = ()
    candidates: tuple[TableCandidate, ...] = ()
    from_ocr: bool = False
    note: str | None = None
    lines: tuple[Box, ...] = ()
    fields: tuple[FormField, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """What a PDF says of itself before a page of it is read; `note` says why it is only partly readable."""

    n_pages: int
    title: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video says of itself.

    width, height:  as displayed: rotation and pixel aspect ratio applied.
    fps:            mean frames per second.
    n_frames:       counted by demuxing, not the header's promise.
    start_s:        the container's time of the first displayed frame; all other times are counted from it.
    """

    duration_s: float
    width: int
    height: int
    fps: float
    n_frames: int
    start_s: float
    codec: str
    rotation: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """One displayed frame: RGB uint8 of shape (height, width, 3), upright."""

    time_s: float
    pixels: NDArray[np.uint8]

    def __repr__(self) -> str:
        return f"Frame(time_s={self.time_s:.3f}, {self.pixels.shape[1]}×{self.pixels.shape[0]})"


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle, or one line that was transcribed."""

    start_s: float
    end_s: float
    text: str
    origin: Origin = "track"


@dataclass(frozen=True, slots=True)
class Shot:
    """A run of frames from one camera. A cut takes no time; a dissolve, fade or wipe lasts from transition_start_s to
    _end_s and the shot starts in its middle."""

    start_s: float
    end_s: float
    transition: Transition
    transition_start_s: float
    transition_end_s: float

    def __post_init__(self) -> None:
        assert self.start_s <= self.end_s and self.transition_start_s <= self.transition_end_s, self


@dataclass(frozen=True, slots=True)
class Video:
    """A video after one pass over its frames.

    shots:       gapless, the first starts at 0, the last ends at info.duration_s; never empty.
    thumbnails:  a JPEG of a frame near the middle of each shot, None where no frame could be decoded.
    cues:        the subtitle track or sidecar file, in order; empty if absent.
    note:        why the video is only partly read (names the second where it broke), else None.
    words_note:  what there is to say about the subtitles, else None.
    """

    info: VideoInfo
    shots: tuple[Shot, ...]
    thumbnails: tuple[bytes | None, ...]
    cues: tuple[Cue, ...] = ()
    note: str | None = None
    words_note: str | None = None

    def __post_init__(self) -> None:
        assert self.shots and len(self.shots) == len(self.thumbnails), (len(self.shots), len(self.thumbnails))


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch of a video that an engine names; description is None where nothing is known."""

    start_s: float
    end_s: float
    transition: Transition
    title: str | None = None
    description: str | None = None
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True)
class KeyPoint:
    """One sentence that carries the content, and where it stands: a page, or a second of a video."""

    text: str
    page: int | None = None
    start_s: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a document or a video is about; language is an ISO 639-1 code."""

    title: str | None
    language: str | None
    text: str
    key_points: tuple[KeyPoint, ...] = ()
