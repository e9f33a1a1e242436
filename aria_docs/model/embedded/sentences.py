"""PAGES OF TEXT → SENTENCES. Lines, paragraphs and sentences of any script; knows nothing of ranking.

Most of what stands on a page is no sentence: running heads, page numbers, tables, contents, code, the labels of a form.
A sentence here begins like one, ends like one, and is mostly words; what fails is left out rather than repaired. Every
sentence is verbatim but for two things: runs of white space are one blank, and a word hyphenated at a line's end is
whole again. A sentence cut by the end of a page is left out, so that the page named beside it shows all of it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The scripts that write no blanks between words: Thai to Myanmar, Khmer, kana, Han, and the half-width forms.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f"

# Full stops that end a sentence wherever they stand: CJK, Devanagari, Urdu, Arabic, Armenian, Ethiopic, Khmer, Burmese.
_STRONG_STOPS = "。！？｡।॥۔؟։።។။"
_STOPS = _STRONG_STOPS + ".!?…"
_CLOSERS = "\"'”’»›)]）」』】》〉"
_OPENERS = "\"'“‘„«‹([¿¡（「『【《〈"
_END = re.compile(rf"[{_STRONG_STOPS}]+[{re.escape(_CLOSERS)}]*\s*|[.!?…]+[{re.escape(_CLOSERS)}]*(?:\s+|$)")

_UNSPACED_END = re.compile(f"[{UNSPACED}{_STRONG_STOPS}、，]$")
_UNSPACED_START = re.compile(f"[{UNSPACED}{re.escape(_OPENERS)}]")

# Words with a full stop that is part of them: always, before a number ("No. 5", but "He said no."), or unless the next
# word is one that the document also writes small ("Acme Inc. of Oslo", "David M. Smith"; but "in the U.S. The").
_ALWAYS_ABBREVIATED = frozenset(
    """
    mr mrs ms dr prof st gen gov hon dept approx cf vs viz e.g i.e eg ie resp incl excl z.b bzw vgl ggf inkl zzgl bspw
    hrsg mio mrd mme mlle sra srta dña dott ing avv им гг тыс млн млрд др т.е
    """.split()
)
_ABBREVIATED_BEFORE_NUMBERS = frozenset(
    """
    no nos nr p pp par art fig figs eq eqs sec sect ch chap vol vols ed ref refs tab ca tel ext str abb kap núm pág págs
    pag г рис табл стр см jan feb mar apr jun jul aug sep sept oct nov dec
    """.split()
)
_ABBREVIATED_BEFORE_NAMES = frozenset("jr sr inc ltd co corp cie etc al ecc usw".split())
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # J.  U.S.  z. B.
_LAST_TOKEN = re.compile(r"[^\s(\[“\"'‘«]+$")

_HEADING = re.compile(r"(#{1,6})\s+(.*\S)")
_BULLET = re.compile(
    r"(?:[•‣◦▪▫●○■□►▶✓✔–—·\uf0b7\uf0a7-]|\(?(?:\d{1,3}|[a-z]|[ivx]{2,5})[.)]|\([A-Z]\)|[①-⑳]|\d+(?:\.\d+)+\.?)\s+"
)
_LEADERS = re.compile(r"(?:\.\s?){4,}|…{2,}|·{4,}|_{4,}")
_CODE = re.compile(r"[{}<>=\\|~^_`;$@#]|\w\(|::|->|--\w|\.\w+\(")
# What follows an ordinal in the languages that write it with a full stop and nouns with a capital: "am 3. Mai".
_ORDINAL_OF = re.compile(r"(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|Jahrhundert|Kapitel|Auflage|Quartal)")
_WORD = re.compile(r"\w+")
_FOOTNOTE = re.compile(r"\d{1,3}\s[\"'“‘]?[A-ZÀ-ÞΑ-ΩА-Я]")
# Digits, and the punctuation and symbols of ASCII, Latin-1 and U+2000–2BFF. Said this way round because the vowel signs
# of Indic and Arabic scripts are letters to a reader and not to str.isalpha.
_NO_LETTER = re.compile(r"[\d!-@\[-`{-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf×÷\u2000-\u2bff]")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence and where it stands.

    page:      the page it is on, from 1.
    opens:     whether it is the first of its paragraph.
    heading:   the heading it stands under, on any page before it.
    heading_distance:  sentences between that heading and this one; 0 is the first below it.
    """

    text: str
    page: int
    opens: bool
    heading: str | None
    heading_distance: int


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines that read on, joined; `heading` says whether the page marks it as one."""

    text: str
    heading: bool


def heading_text(line: str) -> str | None:
    """The words of a Markdown heading, None where the line is none."""
    match = _HEADING.fullmatch(line.strip())
    return match[2] if match else None


def fold(line: str) -> str:
    """What two lines share that differ only in numbers, case and blanks: "Page 3 of 9" and "PAGE 4 OF 9"."""
    return " ".join(re.sub(r"\d+", "#", re.sub(r"^#+\s", "", line)).casefold().split())


def running_heads(pages: Sequence[Sequence[str]]) -> frozenset[str]:
    """Folded lines that stand among the first or last three of at least three pages."""
    seen: Counter[str] = Counter()
    for lines in pages:
        seen.update({fold(line) for line in (*lines[:3], *lines[-3:])})
    return frozenset(line for line, n_pages in seen.items() if n_pages >= 3)


def is_prose_line(line: str) -> bool:
    """False for rows of a table, contents lines, rules, and lines with more digits and marks than letters."""
    if line.startswith("|") or _LEADERS.search(line) or len(re.findall(r"\S\s{3,}(?=\S)", line)) >= 2:
        return False
    return _letter_share(line) >= 0.6


def paragraphs(lines: Sequence[str], words: frozenset[str]) -> Iterator[Paragraph]:
    """Join the lines of one page into paragraphs; lines that are no prose end a paragraph and are left out.

    words: the document's words, which decide whether "well-" and "known" are one word or two with a hyphen.
    """
    gathered: list[str] = []
    on_page = usual = _usual_length(lines)
    for i, line in enumerate((*lines, "")):
        if i and not lines[i - 1]:
            # A column may be narrower than the others: what is usual is so between two empty lines.
            usual = _usual_length(list(takewhile(bool, lines[i:]))) or on_page
        heading = heading_text(line)
        prose = heading is None and bool(line.strip()) and is_prose_line(line)
        if gathered and not (prose and _reads_on(gathered[-1], line, usual=usual)):
            yield Paragraph(_join(gathered, words), heading=False)
            gathered = []
        if heading is not None:
            yield Paragraph(" ".join(heading.split()), heading=True)
        elif prose:
            gathered.append(line)


def split(text: str, words: frozenset[str] = frozenset()) -> list[str]:
    """The sentences of a paragraph, in order; the last may lack its full stop.

    words:  the document's words as they are written, which tell a name from the start of a sentence after an initial.

        "See Fig. 3 for the U.S. share. It rose." → ["See Fig. 3 for the U.S. share.", "It rose."]

    Thai and Lao have no full stop and part sentences by a blank, as they do phrases: phrases are gathered to the
    length of a sentence.
    """
    text = " ".join(text.split())
    if _has_no_stops(text):
        return re.findall(r"\S(?:.{0,120}\S)?(?=\s|$)|\S+", text)
    sentences, start = [], 0
    for match in _END.finditer(text):
        if match.end() < len(text) and not _ends_here(text, match, words):
            continue
        sentences.append(text[start : match.end()].strip())
        start = match.end()
    if start < len(text):
        sentences.append(text[start:].strip())
    return sentences


def is_sentence(text: str) -> bool:
    """Whether a reader would take these words, alone, for a sentence of prose."""
    unspaced = is_unspaced(text)
    shortest, longest = (8, 200) if unspaced else (20, 450)
    first = text.lstrip(_OPENERS)[:1]
    begins = (first.isalpha() or first.isdecimal()) and not first.islower() and not _FOOTNOTE.match(text)
    ends = ends_sentence(text) or _has_no_stops(text)
    if not (shortest <= len(text) <= longest and begins and ends and _is_balanced(text)):
        return False
    if _letter_share(text) < 0.75 or len(_CODE.findall(text)) > 2 + len(text) // 150:
        return False
    if unspaced:
        return True
    words = [word for word in text.split() if any(c.isalpha() for c in word)]
    # Names and labels strung together ("Total Assets Current Year Prior Year.") start every word with a capital; prose
    # of a cased script doesn't, not even German.
    capitals = sum(word.lstrip(_OPENERS)[:1].isupper() for word in words)
    return len(words) >= 5 and capitals <= 0.55 * len(words)


def is_label(text: str, *, words: int = 3) -> bool:
    """Whether this is at least a line of some words, or their like where words aren't parted by blanks."""
    # Yes, No and codes in a row are cells of a table: a third of the words of a label have four letters.
    letters = [sum(c.isalpha() for c in word) for word in text.split()]
    enough = sum(n > 0 for n in letters) >= words and sum(n >= 4 for n in letters) * 3 >= len(letters)
    enough = enough or (is_unspaced(text) and len(text) >= 2 * words)
    return enough and _letter_share(text) >= 0.75 and len(text) <= 200


def ends_sentence(text: str) -> bool:
    """Whether the last mark is a full stop, a closing quote or bracket aside."""
    return text.rstrip(_CLOSERS)[-1:] in tuple(_STOPS)


def is_unspaced(text: str) -> bool:
    """Whether most letters belong to scripts that write no blanks between words."""
    return len(re.findall(f"[{UNSPACED}]", text)) * 2 > sum(c.isalpha() for c in text)


def lines_of(text: str) -> list[str]:
    """Lines with soft hyphens and control characters gone and outer blanks stripped; empty ones kept in place."""
    return [re.sub(r"[\x00-\x08\x0e-\x1f\u200b\ufeff]", "", line).strip() for line in text.splitlines()]


def document_sentences(pages: Sequence[tuple[int, str]]) -> list[Sentence]:
    """Every sentence of a document in reading order, each once; those on three pages or more are boilerplate.

    Slides and forms have lines instead of sentences: where those are most of the text, they are taken as they stand.
    """
    every = list(_units(pages))
    prose = [unit for unit in every if is_sentence(unit.text)]
    labels = [unit for unit in every if is_label(unit.text)] or [unit for unit in every if is_label(unit.text, words=2)]
    sparse = sum(len(unit.text) for unit in prose) < 0.1 * sum(len(unit.text) for unit in labels)
    return _once(labels if sparse else prose)


def _units(pages: Sequence[tuple[int, str]]) -> Iterator[Sentence]:
    """Whatever stands between two full stops or two breaks, sentence or not."""
    split_pages = [lines_of(text) for _, text in pages]
    heads = running_heads([[line for line in lines if line] for lines in split_pages])
    words = frozenset(word for lines in split_pages for line in lines for word in line.split())
    heading, distance, unfinished = None, 0, False
    for (number, _), lines in zip(pages, split_pages, strict=True):
        top = True
        for paragraph in paragraphs(_without_heads(lines, heads), words):
            if paragraph.heading:
                heading, distance, top = paragraph.text, 0, False
                continue
            bullet = _BULLET.match(paragraph.text)
            parts = split(paragraph.text[bullet.end() :] if bullet else paragraph.text, words)
            for position, text in enumerate(parts):
                # Where a script has no capitals, only the page before tells that this is the tail of a sentence.
                if not (top and position == 0 and unfinished and not text[:1].isupper()):
                    yield Sentence(text, number, position == 0, heading, distance)
                    distance += is_sentence(text)
            top = False
            unfinished = bool(parts) and not ends_sentence(parts[-1])


def _without_heads(lines: Sequence[str], heads: frozenset[str]) -> list[str]:
    filled = [i for i, line in enumerate(lines) if line]
    edge = {*filled[:3], *filled[-3:]}
    # An empty line in its place: what stood above and below it doesn't read on.
    return ["" if i in edge and fold(line) in heads else line for i, line in enumerate(lines)]


def _once(units: Sequence[Sentence]) -> list[Sentence]:
    """The units that stand on one page or two, where they stand first."""
    n_pages = Counter(key for key, _ in {(fold(unit.text), unit.page) for unit in units})
    first: dict[str, Sentence] = {}
    for unit in units:
        first.setdefault(fold(unit.text), unit)
    return [unit for key, unit in first.items() if n_pages[key] < 3]


def _usual_length(lines: Sequence[str]) -> int:
    """The length of a full line: one that is clearly shorter ends a paragraph, or is a heading or a label."""
    lengths = sorted(len(line) for line in lines if len(line) >= 20)
    return lengths[len(lengths) * 4 // 5] if lengths else 0


def _reads_on(line: str, following: str, *, usual: int) -> bool:
    """Whether a paragraph goes on from one line to the next."""
    if _BULLET.match(following) and not following[:1].isalpha():
        return False
    short = len(line) < 0.7 * usual
    ended = ends_sentence(line) or line.endswith(":")
    begins = not following.lstrip(_OPENERS)[:1].islower()
    return not (begins and short) and not (ended and begins and len(line) < 0.85 * usual)


def _join(lines: Sequence[str], words: frozenset[str]) -> str:
    joined = lines[0]
    for line, following in pairwise(lines):
        head, tail = (line.split() or [""])[-1], (following.split() or [""])[0]
        if line.endswith("\u00ad"):
            joined = joined[:-1] + following
        elif re.search(r"[^\W\d_][-‐]$", line) and following[:1].islower():
            hyphenated = head + tail in words and head[:-1] + tail not in words
            joined = (joined if hyphenated else joined[:-1]) + following
        else:
            hyphen = re.search(r"[^\W_][-‐]$", line) and following[:1].isalnum()
            unspaced = _UNSPACED_END.search(line) and _UNSPACED_START.match(following)
            joined += following if hyphen or unspaced else " " + following
    return joined.replace("\u00ad", "")


def _has_no_stops(text: str) -> bool:
    """Whether most letters are Thai or Lao."""
    return len(re.findall("[\u0e00-\u0eff]", text)) * 2 > len(text)


def _ends_here(text: str, match: re.Match[str], words: frozenset[str]) -> bool:
    """Whether the full stop at `match`, which is not the last, ends a sentence."""
    stop, following = text[match.start()], text[match.end() : match.end() + 9].lstrip(_OPENERS)[:1]
    if stop in _STRONG_STOPS:
        return True
    if following.islower() or not following.isalnum():
        return False
    if stop != "." or match[0].strip()[-1] in _CLOSERS:
        return True
    before = _LAST_TOKEN.search(text[max(0, match.start() - 20) : match.start()])
    token = before[0].casefold() if before else ""
    if token in _ALWAYS_ABBREVIATED or (token in _ABBREVIATED_BEFORE_NUMBERS and following.isdigit()):
        return False
    if token in _ABBREVIATED_BEFORE_NAMES or _INITIALS.fullmatch(token):
        # The orthographic heuristic of Kiss & Strunk (Unsupervised Multilingual Sentence Boundary Detection, 2006,
        # §4.1.1): a name is never seen in small letters.
        word = _WORD.match(text, match.end())
        return word is not None and len(word[0]) > 1 and word[0].lower() in words
    return not (token.isdigit() and _ORDINAL_OF.match(text, match.end()))


def _is_balanced(text: str) -> bool:
    pairs = zip("([“«（「", ")]”»）」", strict=True)
    return text.count('"') % 2 == 0 and all(text.count(opener) == text.count(closer) for opener, closer in pairs)


def _letter_share(text: str) -> float:
    solid = len(text) - text.count(" ")
    return 1 - len(_NO_LETTER.findall(text)) / solid if solid else 0.0
