"""The fields of a form on a page, as MuPDF has them, and as lines of text: `label: value`, ☑ and ☐."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aria_docs.ingest.reading_order import TextLine
from aria_docs.media import FormField

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.media import Box

MAX_FIELDS = 2_000  # of one page; more are a storm, not a form
CHECKED, UNCHECKED = "☑", "☐"

_KINDS = {"Text": "text", "CheckBox": "checkbox", "RadioButton": "radio", "ComboBox": "choice", "ListBox": "choice"}
_HIDDEN = (1, 3)  # MuPDF's field_display: not shown at all, and printed only
_LABEL_GAP = 20.0  # of the label's size: a value stands no further to its right
_ABOVE = 1.6  # of the label's size: and no further below it
_SIZE = 0.7  # of a field's height: the size of type that fits
_PUNCTUATED = re.compile(r"[:?.)]\s*$")


def fields_of(page: Any) -> list[FormField]:
    """All that are shown, in the order of the file; boxes as the text's."""
    found: list[FormField] = []
    for widget in page.widgets() or ():
        if len(found) == MAX_FIELDS:
            break
        if widget.field_display in _HIDDEN:
            continue
        kind = _KINDS.get(widget.field_type_string, "")
        name = widget.field_label or widget.field_name or ""
        box = tuple(widget.rect)
        value = widget.field_value
        if kind in ("checkbox", "radio"):
            on = widget.on_state()
            is_on = value not in (None, "", "Off", False) and (value is True or kind == "checkbox" or value == on)
            found.append(FormField(name, "checkbox" if kind == "checkbox" else "radio", None, is_on, box))
        elif kind:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")
            found.append(FormField(name, "choice" if kind == "choice" else "text", text or None, None, box))
        elif widget.field_type_string == "Signature":
            found.append(FormField(name, "signature", "signed" if widget.is_signed else None, None, box))
    return found


def with_fields(lines: Sequence[TextLine], fields: Sequence[FormField]) -> list[TextLine]:
    """The lines, with what is filled in: in place of what a form draws in its fields, which may be a font's tick."""
    boxes = [field.box for field in fields]
    kept = [line for line in lines if not any(_is_within(line.box, box) for box in boxes)]
    for field in fields:
        if field.kind in ("checkbox", "radio"):
            kept.append(_line(CHECKED if field.checked else UNCHECKED, field.box, lines))
        elif field.value:
            kept = _with_colon(kept, field.box)
            kept.append(_line(field.value, field.box, lines))
    return kept


def in_fields(box: Sequence[float], fields: Sequence[FormField]) -> bool:
    """Whether a word is a tick that a check box draws."""
    return any(field.checked is not None and _is_within(box, field.box) for field in fields)


def _with_colon(lines: list[TextLine], box: Box) -> list[TextLine]:
    """The lines, with a colon behind the label of a filled field."""
    label = _label_of(lines, box)
    if label is None or _PUNCTUATED.search(label.text):
        return lines
    return [replace(line, text=f"{line.text.rstrip()}:") if line is label else line for line in lines]


def _label_of(lines: Sequence[TextLine], box: Box) -> TextLine | None:
    """The nearest line to the left of a field, else the one right above it."""
    x0, y0, _, y1 = box
    left = [
        line
        for line in lines
        if y0 <= (line.box[1] + line.box[3]) / 2 <= y1 and 0 <= x0 - line.box[2] + 2 < _LABEL_GAP * line.size_pt
    ]
    if left:
        return max(left, key=lambda line: line.box[2])
    above = [
        line
        for line in lines
        if abs(line.box[0] - x0) < 2 * line.size_pt and 0 <= y0 - line.box[3] + 2 < _ABOVE * line.size_pt
    ]
    return max(above, key=lambda line: line.box[3], default=None)


def _line(text: str, box: Box, lines: Sequence[TextLine]) -> TextLine:
    """What a field holds, on the line of the nearest text beside it and in its type."""
    x0, y0, x1, y1 = box
    text = " ".join(text.split())
    beside = [line for line in lines if y0 <= (line.box[1] + line.box[3]) / 2 <= y1 and not _is_within(line.box, box)]
    if beside:
        like = min(beside, key=lambda line: max(x0 - line.box[2], line.box[0] - x1))
        return replace(like, text=text, box=(x0, like.box[1], x1, like.box[3]), bold=False, starts_bold=False, block=-1)
    middle, half = (y0 + y1) / 2, min(y1 - y0, 16.0) * _SIZE / 2
    return TextLine(text, (x0, middle - half, x1, middle + half), 2 * half, bold=False, block=-1)


def _is_within(box: Sequence[float], other: Box) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return other[0] - 1 <= x <= other[2] + 1 and other[1] - 1 <= y <= other[3] + 1
