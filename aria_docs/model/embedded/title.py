"""METADATA AND FIRST PAGES → TITLE. Judges titles; knows nothing of sentences but their lines.

The title in a PDF's metadata is as often a file's name or what a word processor put there, or that of the document
which this one was copied from. It is taken as it is only where the first pages repeat most of its words.
"""

from __future__ import annotations

import re
from itertools import groupby, islice, takewhile
from operator import itemgetter
from typing import TYPE_CHECKING

from aria_docs.model.embedded.sentences import (
    ends_sentence,
    heading_text,
    is_label,
    is_sentence,
    is_unspaced,
    lines_of,
    paragraphs,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAX_CHARS = 200
_PROGRAM = re.compile(r"(?:microsoft |adobe )?(?:word|powerpoint|excel|visio|outlook|indesign)\s+-\s+", re.IGNORECASE)
_FILE_NAME = re.compile(
    r"\.(?:docx?|pdf|indd|qx[dp]|pptx?|xlsx?|tex|dvi|e?ps|html?|rtf|odt|wpd|pmd|p65|fm|txt|jpe?g|tiff?|cdr|ai)$",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"(?:untitled|unbenannt|sans[ -]?titre|sin t[ií]tulo|senza titolo|无标题|無題|без имени"
    r"|(?:no(?: document)? )?title"
    r"|(?:document|dokument|documento|(?:powerpoint )?presentation|präsentation|présentation|slide|scan|book|layout"
    r"|print|template|doc|draft|cover)\s*[-_#]?\s*\d*)",
    re.IGNORECASE,
)
# Words that say which part of a document follows or what a line is for, not what the document is.
_PART = re.compile(
    r"(?:\d+(?:\.\d+)*\.?\s+)?(?:(?:table of )?contents|index|(?:executive )?summary(?: [A-Z]-\d+)?|abstract"
    r"|introduction|background|foreword|preface|references|(?:notes?|sources?|quelle)\b:?.*"
    r"|(?:appendix|annex|chapter|section|part|page|table|figure|exhibit)\s*[A-Z]?[-\d.]*(?: of \d+)?"
    r"|inhalt(?:sverzeichnis)?|einleitung|zusammenfassung|sommaire|résumé|índice|sommario|目次|目录)",
    re.IGNORECASE,
)
_CAPTION = re.compile(
    r"(?:table|figure|fig|exhibit|tabelle|abbildung|tableau|tabla|cuadro|tabella)\b\.?\s*[A-Z]?\d|[表図图]\s*\d",
    re.IGNORECASE,
)


def document_title(pages: Sequence[tuple[int, str]], *, metadata: str | None) -> str | None:
    """The best-founded title, None where neither the metadata nor the first page offers one.

    In this order: metadata whose words stand on the first pages; the first of the largest headings of the first page;
    metadata that merely looks like a title; a line above the first sentence that does. The caption of a table is the
    title only of a page that offers nothing else.
    """
    claimed = " ".join(_PROGRAM.sub("", metadata or "").split())
    believable = looks_like_title(claimed)
    if believable and _is_supported(claimed, " ".join(text for _, text in pages[:3])):
        return claimed
    lines = lines_of(pages[0][1]) if pages else []
    found = [head for _, head in sorted(_headings(lines), key=itemgetter(0)) if looks_like_title(head)]
    found += [claimed] if believable else []
    body = (paragraph.text for paragraph in paragraphs(lines, frozenset()) if not paragraph.heading)
    above = takewhile(lambda text: not any(map(is_sentence, split(text))), body)
    found += [text for text in islice(above, 8) if looks_like_title(text) and _heads_a_page(text)]
    best = (text for text in found if not _CAPTION.match(text) and not is_sentence(text) and len(split(text)) == 1)
    return next(best, next(iter(found), None))


def looks_like_title(text: str) -> bool:
    """Whether these words could head a document: not a file's name, a placeholder, a path, a number or a paragraph."""
    letters = sum(c.isalpha() for c in text)
    if letters < 2 or len(text) > _MAX_CHARS or letters < 0.5 * len(text.replace(" ", "")):
        return False
    if text[:1].islower() or text[-1] in "-,;:" or _PART.fullmatch(text):
        return False
    if _FILE_NAME.search(text) or _PLACEHOLDER.fullmatch(text) or re.search(r"[\\/_]\S*[\\/_]|://|@|\.{4}", text):
        return False
    # One run of characters with digits or joints in it is a file's name or a number of the publisher's.
    return " " in text or not re.search(r"\d|_|[a-z][A-Z]|-\w+-", text)


def _heads_a_page(text: str) -> bool:
    """Whether a paragraph that isn't marked as a heading could be one in small type: a line of words, no sentence."""
    short = len(text) <= (40 if is_unspaced(text) else 120)
    return short and is_label(text, words=2) and not ends_sentence(text)


def _is_supported(title: str, text: str) -> bool:
    """Whether two thirds of a title's words stand in the text."""
    words = set(re.findall(r"\w+", title.casefold()))
    return len(words & set(re.findall(r"\w+", text.casefold()))) * 3 >= len(words) * 2


def _headings(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Level and words of headings; those of one level on lines that follow each other are one, broken in two."""
    for level, run in groupby(lines, key=lambda line: heading_text(line) and len(line.split(" ", 1)[0])):
        if level:
            parts = [" ".join((heading_text(line) or "").split()) for line in run]
            joined = " ".join(parts)
            yield from [(int(level), text) for text in ([joined] if len(joined) <= 120 else parts)]
