"""EBU's STL → cues: the bytes in which broadcasters exchange subtitles. Pure, no I/O.

EBU Tech 3264-E, 1991: a block of 1,024 bytes on the whole, then one of 128 for each piece of a subtitle.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from aria_docs.media import Cue

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = re.compile(rb"\d{3}STL(\d\d)\.01")
HEAD, BLOCK, TEXT = 1024, 128, 16
GOES_ON = range(0x01, 0xF0)  # extension block numbers of a subtitle's earlier pieces
ALPHABETS = {b"01": "iso8859_5", b"02": "iso8859_6", b"03": "iso8859_7", b"04": "iso8859_8"}
# Of ISO 6937, where it is not Latin-1: a mark stands before its letter.
ABOVE_AND_BELOW = "0300 0301 0302 0303 0304 0306 0307 0308 0308 030A 0327 0332 030B 0328 030C"
MARKS = {0xC1 + place: chr(int(mark, 16)) for place, mark in enumerate(ABOVE_AND_BELOW.split())}
LETTERS = {
    **dict(zip(range(0xA0, 0xC0), "\xa0¡¢£$¥#§¤‘“«←↑→↓°±²³×µ¶·÷’”»¼½¾¿", strict=True)),
    **dict(zip(range(0xD0, 0xE0), "―¹®©™♪¬¦    ⅛⅜⅝⅞", strict=True)),
    **dict(zip(range(0xE0, 0x100), "ΩÆĐªĦ ĲĿŁØŒºÞŦŊŉĸæđðħıĳŀłøœßþŧŋ\xad", strict=True)),
}


def cues(data: bytes) -> Iterator[Cue]:
    """In the order they are in. Times count from where the file says that the programme starts."""
    head = MAGIC.match(data)
    assert head
    frames, alphabet, start = max(1, int(head[1])), ALPHABETS.get(data[12:14]), data[256:264]
    zero_s = _time_s(bytes(int(start[at : at + 2]) for at in (0, 2, 4, 6)), frames) if start.isdigit() else 0.0
    said = b""
    for at in range(HEAD, len(data) - BLOCK + 1, BLOCK):
        block = data[at : at + BLOCK]
        if block[15]:  # a comment
            continue
        said += block[TEXT:].rstrip(b"\x8f")
        if block[3] not in GOES_ON:
            start_s, end_s = (_time_s(block[first : first + 4], frames) - zero_s for first in (5, 9))
            yield Cue(max(0.0, start_s), end_s, " ".join(_text(said, alphabet).split()), "sidecar")
            said = b""


def _time_s(hmsf: bytes, frames: int) -> float:
    hours, minutes, seconds, frame = hmsf
    return hours * 3600 + minutes * 60 + seconds + frame / frames


def _text(said: bytes, alphabet: str | None) -> str:
    """0x8A ends a line, other bytes below 0x20 and from 0x80 to 0x9F are colours and sizes."""
    shown = bytes(byte if 0x20 <= byte < 0x80 or byte >= 0xA0 else 0x20 for byte in said)
    if alphabet:
        return shown.decode(alphabet, errors="replace")
    found, mark = "", ""
    for byte in shown:
        if byte in MARKS:
            mark = MARKS[byte]
            continue
        found += (LETTERS.get(byte) or chr(byte)) + mark
        mark = ""
    return unicodedata.normalize("NFC", found)
