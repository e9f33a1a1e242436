"""Data → the text of a page. Everything that came out of a file is escaped here, by jinja2's autoescape.

A page may load pictures that lie beside it and nothing else: its style and its script stand in the page and are allowed
by their hashes, so that even markup that slipped through could neither run nor call home.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import jinja2
from markupsafe import Markup, escape

from aria_docs.media import Box
from aria_docs.report.content import Cell
from aria_docs.report.grid import Slot

_UNGROUNDED = ' class="un"'


def page(template: Literal["overview", "document", "video"], **values: Any) -> str:
    """The page's HTML."""
    return _environment().get_template(f"{template}.html").render(**values)


def fingerprint() -> str:
    """Changes when any page would come out different from the same data."""
    digest = hashlib.sha256()
    for folder in ("templates", "assets"):
        for file in sorted(_files(folder).iterdir(), key=lambda file: file.name):
            digest.update(file.read_bytes())
    for module in ("html.py", "grid.py", "content.py", "site.py"):
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


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def _place(part: str) -> str:
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


def _boxes(cells: Iterable[tuple[int, Cell]]) -> Markup:
    return Markup(
        "".join(
            f'<rect data-k="{key}"{"" if cell.grounded else _UNGROUNDED}{_edges(cell.box)}/>'
            for key, cell in cells
            if cell.box
        )
    )


def _row(slots: Iterable[Slot], part: str) -> Markup:
    return Markup("".join(_cell(slot, part) for slot in slots))


def _cell(slot: Slot, part: str) -> str:
    cell = slot.cell
    if cell is None:
        return "<td></td>"
    tag = "th" if cell.is_header else "td"
    scope = ' scope="col"' if part == "thead" else ' scope="row"' if cell.is_header else ""
    rows = f' rowspan="{slot.row_span}"' if slot.row_span > 1 else ""
    cols = f' colspan="{slot.col_span}"' if slot.col_span > 1 else ""
    lost = bool(cell.text) and not cell.grounded
    classes = " ".join(["n"] * (cell.number is not None) + ["r"] * slot.to_right + ["un"] * lost)
    styled = f' class="{classes}"' if classes else ""
    told = ' title="not found on the page"' if lost else ""
    return f'<{tag}{scope}{rows}{cols}{styled}{told} data-k="{slot.key}">{escape(cell.text)}</{tag}>'


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (_files("templates") / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=False,
    )
    style, script = (_files("assets") / name for name in ("report.css", "report.js"))
    environment.globals |= {
        "style": Markup(style.read_text(encoding="utf-8")),
        "script": Markup(script.read_text(encoding="utf-8")),
        "policy": _policy,
    }
    environment.filters |= {
        "clock": clock,
        "count": count,
        "plural": plural,
        "share": share,
        "size": size,
        "moment": _moment,
        "place": _place,
        "pt": _pt,
        "rect": _rect,
        "boxes": _boxes,
        "row": _row,
        "name": lambda path: Path(path).name,
        "parent": lambda path: str(Path(path).parent),
    }
    return environment


def _policy(style: str, script: str) -> str:
    """'self' alone would do but for Firefox, to which a file on disk is no origin; hence `file:` for pictures."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
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
