"""The words of a text layer as a reader takes them. Works on what MuPDF extracts, knows no page and no table.

MuPDF's words are runs of characters between blanks. Five things are put right here, for tables, captions and
grounding alike:

1. Right-to-left lines: MuPDF joins what stands far apart, spells numbers in Arabic digits backwards and tears
   ligatures (لأ) apart. Their words are made anew from the characters, by place.
2. Raised digits and letters become Unicode's own: 78⁴ is 78 with a footnote, 784 would be another number.
3. Text drawn more than once (bold made by drawing again a little to the right, shadows) is kept once.
4. A watermark's words, large and across others, are left out.
5. Boxes are as high as the type, where a font claims to be much higher.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

RawWord = tuple[float, float, float, float, str, int, int, int]
"""As extractWORDS() has it: box, text, block, line, number in its line."""

# Hebrew, Arabic with its digits, Syriac, Thaana, and the presentation forms.
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_FORM = re.compile("[\ufb1d-\ufdff\ufe70-\ufefc]+")
# What keeps its own direction in a right-to-left word: digits of any script with the marks inside them, Latin letters.
_LTR_RUN = re.compile(r"[\dA-Za-z\u00c0-\u024f](?:[\d\u066b\u066c.,:/A-Za-z\u00c0-\u024f+-]*[\dA-Za-z\u00c0-\u024f])?")
_RTL_LETTER = re.compile("[\u05d0-\u05f2\u0620-\u064a\u066e-\u06d3\u06fa-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")

_ENDS = ".,:;"
_RAISED = str.maketrans(
    "0123456789+-\u2212\u2013()abcdefghijklmnoprstuvwxyz",
    "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ",
)
_MARK = re.compile(
    r"[+\-\u2212\u2013]?\d{1,3}|\(?(?:\d{1,2}|[a-np-z])\)?"
)  # a raised run that is a mark or a power; th, TM and the o of oC are neither
_RAISED_FLAG = 1  # MuPDF: the character stands above the baseline of its line's first
_SMALLER = 0.85  # of the line's type; measured on the articles of PMC: marks are .5 to .75 of it, figures of one line 1

# Fonts of text claim 1.0 to 1.4 of their size; some of PMC's articles 3. Letters take these parts of the size.
_CLAIMED = 1.7
_ASCENT, _DESCENT = 0.8, 0.2
# A watermark is so much taller than the page's words, and crosses so many of them in all its places. A title is as
# tall, and crosses none; a drop cap crosses one at most.
_WATERMARK, _CROSSED = 2.5, 3
_SAME_PLACE = 0.25  # of its height: a copy is drawn no further away. The next equal word of a line is a blank away


def mend(textpage: Any, words: Sequence[RawWord], blocks: Sequence[dict[str, Any]]) -> list[RawWord]:
    """The words of a text page put right; `blocks` as extractDICT() has them."""
    if any(_RTL.search(word[4]) for word in words):
        words = _with_rtl_lines(words, textpage.extractRAWDICT()["blocks"])
    words = _with_raised_marks(_as_high_as_type(words, blocks), blocks)
    return _without_watermarks(_once(words))


def _with_rtl_lines(words: Sequence[RawWord], blocks: Sequence[dict[str, Any]]) -> list[RawWord]:
    """With the words of each horizontal line that has right-to-left characters made from its characters."""
    mended: dict[tuple[int, int], list[RawWord]] = {}
    for block, line_no, line in _lines(blocks):
        chars = [(char, span["size"]) for span in line["spans"] for char in span["chars"]]
        if line["dir"] == (1.0, 0.0) and any(_RTL.search(char["c"]) for char, _ in chars):
            mended[block, line_no] = list(_rtl_words(chars, block, line_no))
    result: list[RawWord] = []
    for word in words:
        key = word[5], word[6]
        if key not in mended:
            result.append(word)
        else:
            result += mended[key]
            mended[key] = []  # once, where the first of them stood
    return result


def _lines(blocks: Sequence[dict[str, Any]]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    for block in blocks:
        for line_no, line in enumerate(block.get("lines", ())):
            yield block["number"], line_no, line


def _rtl_words(chars: Sequence[tuple[dict[str, Any], float]], block: int, line: int) -> Iterator[RawWord]:
    """The words of one line from the right, each in reading order."""
    ordered = sorted(chars, key=lambda char: -(char[0]["bbox"][0] + char[0]["bbox"][2]))
    parts: list[list[dict[str, Any]]] = [[]]
    left = 0.0
    for char, size in _whole_ligatures(ordered):
        if char["c"].isspace():
            parts.append([])
            continue
        if parts[-1] and left - char["bbox"][2] > 0.2 * size:
            parts.append([])
        left = min(left, char["bbox"][0]) if parts[-1] else char["bbox"][0]
        parts[-1].append(char)
    for number, part in enumerate(filter(None, parts)):
        boxes = [char["bbox"] for char in part]
        box = min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)
        yield (*box, _spell("".join(char["c"] for char in part)), block, line, number)


def _whole_ligatures(chars: Sequence[tuple[dict[str, Any], float]]) -> Iterator[tuple[dict[str, Any], float]]:
    """Letters of a ligature in their order: MuPDF gives its box to the first, and none to the others before it."""
    waiting: list[tuple[dict[str, Any], float]] = []
    for char, size in chars:
        x0, _, x1, _ = char["bbox"]
        if x1 - x0 < 0.01 * size and char["c"].isalpha():
            waiting.append((char, size))
            continue
        yield char, size
        yield from reversed(waiting)
        waiting.clear()
    yield from waiting


def _spell(text: str) -> str:
    """Characters from right to left → the word in reading order, in base letters."""
    if not _RTL_LETTER.search(text):  # a number with its signs, and a point that ends the word
        core = text.lstrip(_ENDS)
        return core.rstrip(_ENDS)[::-1] + text[len(core.rstrip(_ENDS)) :] if core == text else text[::-1]
    text = _LTR_RUN.sub(lambda run: run.group()[::-1], text)
    return _FORM.sub(lambda forms: unicodedata.normalize("NFKC", forms.group()), text)


def _as_high_as_type(words: Sequence[RawWord], blocks: Sequence[dict[str, Any]]) -> list[RawWord]:
    """With the boxes of level words whose font claims much more than the size of its type cut to what is inked."""
    claimed: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for block, line_no, line in _lines(blocks):
        spans = line["spans"]
        if line["dir"] == (1.0, 0.0) and any(s["bbox"][3] - s["bbox"][1] > _CLAIMED * s["size"] for s in spans):
            claimed[block, line_no] = spans
    result = list(words)
    for n, (x0, _, x1, _, text, block, line_no, number) in enumerate(words) if claimed else ():
        middle = (x0 + x1) / 2
        for span in claimed.get((block, line_no), ()):
            if span["bbox"][0] <= middle <= span["bbox"][2]:
                base, size = span["origin"][1], span["size"]
                box = (x0, base - _ASCENT * size, x1, base + _DESCENT * size)
                result[n] = (*box, text, block, line_no, number)
                break
    return result


def _with_raised_marks(words: Sequence[RawWord], blocks: Sequence[dict[str, Any]]) -> list[RawWord]:
    """With marks and powers that are set higher and smaller in raised characters."""
    spelled = {(block, n): text for block, n, line in _lines(blocks) if (text := _text_with_raised(line)) is not None}
    if not spelled:
        return list(words)
    by_line: dict[tuple[int, int], list[int]] = {}
    for n, word in enumerate(words):
        by_line.setdefault((word[5], word[6]), []).append(n)
    result = list(words)
    for key, text in spelled.items():
        own = by_line.get(key, [])
        if sum(len(words[n][4]) for n in own) != len(text):
            continue  # words were cut, or made anew: the characters can't be told apart
        at = 0
        for n in own:
            *box, old, block, line, number = words[n]
            result[n] = (box[0], box[1], box[2], box[3], text[at : at + len(old)], block, line, number)
            at += len(old)
    return result


def _text_with_raised(line: dict[str, Any]) -> str | None:
    """The characters of a line but its blanks, with raised ones; None if it has none."""
    spans = line["spans"]
    if len(spans) < 2 or not any(span["flags"] & _RAISED_FLAG for span in spans):
        return None
    size = max(spans, key=lambda span: (not span["flags"] & _RAISED_FLAG, len(span["text"])))["size"]
    texts = []
    for span in spans:
        text = "".join(span["text"].split())
        is_mark = span["flags"] & _RAISED_FLAG and span["size"] <= _SMALLER * size
        if is_mark and all(_MARK.fullmatch(part) for part in text.split(",") if part):
            text = text.translate(_RAISED)
        texts.append(text)
    return "".join(texts)


def _without_watermarks(words: Sequence[RawWord]) -> list[RawWord]:
    """Without words much taller than the others that have some of them inside; a slanted word's box is as tall."""
    if len(words) < 2 * _CROSSED:
        return list(words)
    tall = _WATERMARK * median(word[3] - word[1] for word in words)
    crossed: dict[tuple[str, int], int] = {}
    for text, height, box in ((word[4], round(word[3] - word[1]), word) for word in words if word[3] - word[1] > tall):
        inside = sum(
            box[0] < (other[0] + other[2]) / 2 < box[2] and box[1] < (other[1] + other[3]) / 2 < box[3]
            for other in words
            if other[3] - other[1] < tall
        )
        crossed[text, height] = crossed.get((text, height), 0) + inside
    return [word for word in words if crossed.get((word[4], round(word[3] - word[1])), 0) < _CROSSED]


def _once(words: Sequence[RawWord]) -> list[RawWord]:
    """Without words that stand where the same word stood before."""
    places: dict[str, list[RawWord]] = {}
    result = []
    for word in words:
        near = _SAME_PLACE * (word[3] - word[1])
        seen = places.setdefault(word[4], [])
        if any(abs(word[0] - other[0]) < near and abs(word[1] - other[1]) < near for other in seen):
            continue
        seen.append(word)
        result.append(word)
    return result
