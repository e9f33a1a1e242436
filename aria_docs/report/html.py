"""Data → the text of a page. Everything that came out of a file is escaped here, by jinja2's autoescape.

A page may load pictures and side files that lie beside it, a film's own file, and nothing else. Its style and script
stand in the page and are allowed by their hashes, so that even markup that slipped through could neither run nor call
home. A page opened from disk may not fetch: a side file is a page of its own, in a hidden frame, that posts its one
text to the page that asked for it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import jinja2
from markupsafe import Markup, escape

from aria_docs.media import Box
from aria_docs.report.content import CellView
from aria_docs.report.grid import Slot

Kind = Literal["overview", "document", "video", "review"]
_ASSETS: dict[Kind, tuple[str, ...]] = {
    "overview": ("overview.js",),
    "document": ("corrections.js", "picture.js", "document.js"),
    "video": ("corrections.js", "video.js"),
    "review": ("corrections.js", "picture.js", "review.js"),
}
_UNGROUNDED = ' class="un"'
_SIDE_SCRIPT = 'parent.postMessage(document.querySelector("script").textContent, "*")'
LOW_CONFIDENCE = 0.8  # below it one cell in five is wrong: few enough to look at, and mostly worth it
# Marks that turn the direction of what follows: in a file's name they can only deceive.
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def page(template: Kind, **values: Any) -> str:
    """The page's HTML."""
    script = _script(template)
    policy = _policy(_environment().globals["style"], script, media=bool(values.get("film")))
    return _environment().get_template(f"{template}.html").render(script=Markup(script), policy=policy, **values)


def side(content: Any) -> str:
    """A side file's HTML: it says its content, as JSON, to the page in whose frame it is opened."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    policy = f"default-src 'none'; script-src '{_hash(_SIDE_SCRIPT)}'"
    return (
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<script type="application/json">{text.replace("<", _LESS_THAN)}</script><script>{_SIDE_SCRIPT}</script>'
    )


_LESS_THAN = chr(92) + "u003c"  # as JSON escapes it: no text can end the script


def fingerprint() -> str:
    """Changes when any page would come out different from the same data."""
    digest = hashlib.sha256()
    for folder in ("templates", "assets"):
        for file in sorted(_files(folder).iterdir(), key=lambda file: file.name):
            digest.update(file.read_bytes())
    for module in ("html.py", "grid.py", "content.py", "source_page.py"):
        digest.update((resources.files(__package__) / module).read_bytes())
    return digest.hexdigest()


def clock(seconds: float | None, *, tenths: bool = True) -> str:
    """As people write it: 1:02:03.4, 2:03.4; without tenths 1:02:03, 2:03."""
    if seconds is None:
        return ""
    n_tenths = round(seconds * 10) if tenths else round(seconds) * 10
    hours, minutes, rest = n_tenths // 36_000, n_tenths // 600 % 60, n_tenths % 600
    end = f"{rest / 10:04.1f}" if tenths else f"{rest // 10:02}"
    return f"{hours}:{minutes:02}:{end}" if hours else f"{minutes}:{end}"


def count(number: float | None) -> str:
    """1,234"""
    return "–" if number is None else f"{number:,}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """1 page, 2 pages."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def share(value: float | None) -> str:
    """A share of 1 in per cent, rounded down: 100 % is all of it."""
    return "" if value is None else f"{int(value * 100 + 1e-9)} %"


def size(n_bytes: int) -> str:
    """1.2 MB"""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.1f} {unit}"
    return f"{n_bytes} bytes"


def moment(at: datetime | None) -> Markup:
    """In UTC; the page's script shows it in the reader's own time."""
    return (
        Markup('<time datetime="{0:%Y-%m-%dT%H:%M:%SZ}">{0:%Y-%m-%d %H:%M} UTC</time>').format(at) if at else Markup()
    )


def visible(name: str) -> str:
    """A file's name with what would turn its direction written out, and what is no text replaced."""
    text = name.encode(errors="surrogateescape").decode(errors="replace")
    return _TURNS.sub(lambda mark: f"⟨U+{ord(mark[0]):04X}⟩", text)


def digest(values: Any) -> str:
    """A short hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def place(part: str) -> str:
    """A part as people call it: page 12."""
    return part.replace("page:", "page ")


def _pt(value: float) -> str:
    """A length in points, to the hundredth: a hundredth of a pixel."""
    return f"{round(value, 2):g}" if abs(value) < 10_000 else f"{value:.1f}"


def _rect(box: Box) -> Markup:
    return Markup(_edges(box))


def _edges(box: Box) -> str:
    x0, y0, x1, y1 = box
    return f' x="{_pt(x0)}" y="{_pt(y0)}" width="{_pt(max(0, x1 - x0))}" height="{_pt(max(0, y1 - y0))}"'


# Boxes and cells are written here and not in a template: a report may have two million of each.


def _boxes(cells: Iterable[tuple[int, CellView]]) -> Markup:
    return Markup(
        "".join(
            f'<rect data-k="{key}"{_UNGROUNDED * (not cell.grounded)}{_edges(cell.box)}/>'
            for key, cell in cells
            if cell.box
        )
    )


def _row(slots: Iterable[Slot], part: str, doubts: Mapping[tuple[int, int], str]) -> Markup:
    return Markup("".join(_cell(slot, part, doubts) for slot in slots))


def _cell(slot: Slot, part: str, doubts: Mapping[tuple[int, int], str]) -> str:
    cell = slot.cell
    if cell is None:
        return "<td></td>"
    tag = "th" if cell.is_header else "td"
    scope = ' scope="col"' if part == "thead" else ' scope="row"' if cell.is_header else ""
    rows = f' rowspan="{slot.row_span}"' if slot.row_span > 1 else ""
    cols = f' colspan="{slot.col_span}"' if slot.col_span > 1 else ""
    classes = slot_classes(slot, doubts)
    styled = f' class="{classes}"' if classes else ""
    title = why_doubted(cell, doubts)
    titled = f' title="{escape(title)}"' if title else ""
    return f'<{tag}{scope}{rows}{cols}{styled}{titled} data-k="{slot.key}">{escape(cell.text)}</{tag}>'


def slot_classes(slot: Slot, doubts: Mapping[tuple[int, int], str]) -> str:
    """n: a number; r: in a column of numbers; un: not found on the page; low: likely wrong; fixed: by a person;
    sus: a check names it."""
    cell = slot.cell
    if cell is None:
        return ""
    of = {
        "n": cell.number is not None,
        "r": slot.to_right,
        "un": _is_lost(cell),
        "low": _is_low(cell),
        "fixed": cell.corrected,
        "sus": (cell.row, cell.col) in doubts,
    }
    return " ".join(name for name, holds in of.items() if holds)


def why_doubted(cell: CellView, doubts: Mapping[tuple[int, int], str]) -> str:
    """What speaks against a cell, in words; empty where nothing does."""
    said = ["not found on the page"] if _is_lost(cell) else []
    if _is_low(cell) and cell.confidence is not None:
        said.append(f"confidence {share(cell.confidence)}")
    return "; ".join([*said, *filter(None, [doubts.get((cell.row, cell.col))])])


def _is_lost(cell: CellView) -> bool:
    return bool(cell.text) and not cell.grounded


def _is_low(cell: CellView) -> bool:
    return cell.confidence is not None and cell.confidence < LOW_CONFIDENCE


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (_files("templates") / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=False,
    )
    environment.globals |= {"style": Markup((_files("assets") / "report.css").read_text(encoding="utf-8"))}
    environment.filters |= {
        "clock": clock,
        "count": count,
        "plural": plural,
        "share": share,
        "size": size,
        "moment": moment,
        "place": place,
        "pt": _pt,
        "rect": _rect,
        "boxes": _boxes,
        "row": _row,
        "visible": visible,
        "name": lambda path: visible(Path(path).name),
        "parent": lambda path: visible(str(Path(path).parent)),
    }
    return environment


@cache
def _script(kind: Kind) -> str:
    """What all pages do, and what this kind of page does."""
    files = ("report.js", *_ASSETS[kind])
    return "\n".join((_files("assets") / name).read_text(encoding="utf-8") for name in files)


@cache
def _policy(style: str, script: str, *, media: bool) -> str:
    """'self' alone would do but for Firefox, to which a file on disk is no origin; hence `file:`. A film is named by
    its page alone: no browser takes the path of one file on disk here."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        f"img-src 'self' file: data:; frame-src 'self' file:; {'media-src file:; ' * media}"
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _files(folder: str) -> Any:
    return resources.files(__package__) / folder


def ticks(duration_s: float, *, at_most: int = 9) -> Sequence[float]:
    """Round times along a duration, its ends included: 0, 30, 60, … and the end."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
    step = next((step for step in steps if duration_s / step <= at_most), 28_800)
    # The last round time leaves room for the end's own label.
    return [*(float(n * step) for n in range(int(max(0.0, duration_s / step - 0.5)) + 1)), duration_s]
