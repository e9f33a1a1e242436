"""Rows as text, at any width: a box where it fits, a line a column where it does not; Markdown. Knows no database.

┌──────┬────────────┐        ── row 1 ──
│ page │ caption    │        page     2
├──────┼────────────┤        caption  Table 1. Five years at a glance
│    2 │ Table 1.   │
│      │ Five years │
└──────┴────────────┘
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

_NARROWEST = 12  # columns of a box that are wrapped keep at least as much: narrower ones are read letter by letter
_TALLEST = 6  # lines of one cell; where a box would need more, a line a column is easier to read


def printable(text: str) -> str:
    """File names may hold line breaks, escape sequences, bytes that are no text: none of them reaches the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def show(value: object) -> str:
    """A value as text. A picture is named, not printed; line breaks stay."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        kind = "JPEG" if value.startswith(b"\xff\xd8") else "PNG" if value.startswith(b"\x89PNG") else "bytes"
        return f"<{kind} {len(value) / 1000:.0f} kB>" if len(value) >= 1000 else f"<{kind} {len(value)} bytes>"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {show(item)}" for key, item in value.items()) + "}"
    return "\n".join(printable(line.expandtabs(4)) for line in str(value).splitlines()) if value != "" else ""


def as_text(names: Sequence[str], rows: Sequence[Sequence[Any]], *, width: int | None) -> str:
    """A box no wider than `width` columns of a terminal, long texts wrapped; or, where that is too narrow, a line for
    each column of each row. No value is cut in either.

    width:  None for as wide as it takes.
    """
    cells = [[show(value) for value in row] for row in rows]
    numeric = [_is_numeric([row[number] for row in rows]) for number in range(len(names))]
    widths = _widths(names, cells, numeric, width)
    if widths is None:
        return as_lines(names, rows)
    return _box([printable(name) for name in names], cells, numeric, widths)


def as_lines(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A line for each column of each row; the terminal wraps them, so that a value is copied and found whole."""
    words = [printable(name) for name in names]
    wide = max(map(cells_of, words), default=0)
    lines = []
    for number, row in enumerate(rows, start=1):
        lines.append(f"── row {number} ──")
        for word, value in zip(words, row, strict=True):
            text = show(value).replace("\n", "\n" + " " * (wide + 2))
            lines.append(f"{_pad(word, wide)}  {text}".rstrip())
    return "\n".join(lines or ["no rows"])


def as_markdown(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of GitHub's Markdown."""

    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(values) + " |"

    def escape(value: object) -> str:
        return "" if value is None else show(value).replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>")

    numeric = [_is_numeric([row[number] for row in rows]) for number in range(len(names))]
    rule = line(["---:" if right else "---" for right in numeric])
    return "\n".join([line(list(map(escape, names))), rule, *(line(list(map(escape, row))) for row in rows)])


def _is_numeric(values: Sequence[object]) -> bool:
    said = [value for value in values if value is not None]
    return bool(said) and not any(
        isinstance(value, str | bytes | bool | list | dict | tuple) or hasattr(value, "isoformat") for value in said
    )


def _widths(
    names: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool], width: int | None
) -> list[int] | None:
    """The columns of the terminal that each column of the box takes, None where no readable box fits."""
    full = [
        max([cells_of(printable(name)), *(cells_of(line) for row in cells for line in row[number].split("\n"))])
        for number, name in enumerate(names)
    ]
    if width is None or not names:
        return full
    room = width - 3 * len(full) - 1
    least = [wide if right else min(wide, _NARROWEST) for wide, right in zip(full, numeric, strict=True)]
    if sum(least) > room:
        return None
    # The widest columns give way first, all to the same width.
    widths = list(full)
    while (over := sum(widths) - room) > 0:
        most = max(wide for wide, low in zip(widths, least, strict=True) if wide > low)
        widest = [number for number, wide in enumerate(widths) if wide == most]
        below = max([wide for wide in widths if wide < most], default=0)
        cut = max(1, min(most - below, over // len(widest)))
        for number in widest:
            widths[number] = max(least[number], most - cut)
            over -= most - widths[number]
            if over <= 0:
                break
    tallest = max((len(_wrap(text, wide)) for row in cells for text, wide in zip(row, widths, strict=True)), default=1)
    return widths if tallest <= _TALLEST or widths == full else None


def _box(names: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool], widths: Sequence[int]) -> str:
    def rule(left: str, between: str, right: str) -> str:
        return left + between.join("─" * (wide + 2) for wide in widths) + right

    def lines(row: Sequence[str]) -> list[str]:
        wrapped = [_wrap(text, wide) for text, wide in zip(row, widths, strict=True)]
        height = max(map(len, wrapped), default=1)
        padded = []
        for texts, wide, right in zip(wrapped, widths, numeric, strict=True):
            padded.append([_pad(text, wide, right=right) for text in [*texts, *[""] * (height - len(texts))]])
        return ["│ " + " │ ".join(parts) + " │" for parts in zip(*padded, strict=True)]

    body = [line for row in cells for line in lines(row)]
    return "\n".join([rule("┌", "┬", "┐"), *lines(names), rule("├", "┼", "┤"), *body, rule("└", "┴", "┘")])


def cells_of(text: str) -> int:
    """The columns of a terminal that a line takes: two for a Chinese sign, none for an accent that is added."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _pad(text: str, width: int, *, right: bool = False) -> str:
    room = " " * (width - cells_of(text))
    return room + text if right else text + room


def _wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width`, broken between words, and inside of words that are longer."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            joined = f"{line} {word}" if line else word
            if cells_of(joined) <= width:
                line = joined
                continue
            if line:
                lines.append(line)
            while cells_of(word) > width:
                head = _head(word, width)
                lines.append(head)
                word = word[len(head) :]
            line = word
        lines.append(line)
    return lines


def _head(word: str, width: int) -> str:
    """As many first letters as fit; at least one."""
    end, taken = 1, cells_of(word[:1])
    while end < len(word) and taken + cells_of(word[end]) <= width:
        taken += cells_of(word[end])
        end += 1
    return word[:end]
