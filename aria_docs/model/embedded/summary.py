"""SENTENCES → SUMMARY. Extractive: every word of a summary stands in the document or in the subtitles.

The rank of a sentence (lexrank.py) is weighed by where it stands, by the words it shares with the title, and by words
that speak of the document and not of its matter: the location, title and cue methods of Edmundson (New Methods in
Automatic Extracting, JACM 16, 1969), which beat word counts alone.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import py3langid.langid

from aria_docs.media import KeyPoint, Summary
from aria_docs.model.embedded.lexrank import Vectors, lexrank, marginal_relevance, terms
from aria_docs.model.embedded.sentences import document_sentences, ends_sentence, is_unspaced
from aria_docs.model.embedded.spoken import cue_sentences
from aria_docs.model.embedded.title import document_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aria_docs.media import Cue
    from aria_docs.model.embedded.lexrank import Weights
    from aria_docs.model.embedded.sentences import Sentence

_TEXT_CHARS = 1000
_TEXT_SENTENCES = 6
_KEY_POINTS = 8

# Headings over sentences that sum up (Edmundson's location method), in the languages most reports are written in …
_SUMMING_UP = re.compile(
    r"\b(?:abstract|summary|overview|highlights|key (?:points|findings|messages)|in brief|at a glance|introduction"
    r"|conclusions?|zusammenfassung|überblick|einleitung|einführung|fazit|schluss|résumé|synthèse|aperçu|introducción"
    r"|resumen|conclusi|introduzione|sintesi|riassunto|introdução|resumo|samenvatting|inleiding|введение|аннотация"
    r"|заключение)|摘要|概要|概述|引言|结论|結論|はじめに|まとめ",
    re.IGNORECASE,
)
# … and over those that are about the document, not its matter.
_AROUND = re.compile(
    r"\b(?:acknowledg|copyright|copying|licen[cs]|disclaimer|references$|bibliograph|citing|imprint|impressum"
    r"|danksagung|literatur(?:verzeichnis)?$|remerciement|mentions légales|agradecimiento|ringraziament|благодарност)"
    r"|致谢|謝辞|参考文献",
    re.IGNORECASE,
)
# Words of sentences on rights, or that only point elsewhere (the stigma words of his cue method).
_ASIDE = re.compile(
    r"©|\b(?:copyright|all rights reserved|permission|licen[cs]e|lizenz|warrant(?:y|ies)|isbn|issn|trademark)"
    r"|https?:|www\.|@|urheberrecht|droits réservés|derechos reservados|版权|著作権|\b(?:see|siehe|voir|véase)\b"
    r"|\b(?:following|below|above)\s(?:table|figure|chart|graph)|\b(?:table|figure|chart|graph)s?\s(?:below|above)"
    r"|^(?:notes?|sources?|quelle|fuente|anmerkung)\s*:"
    r"|\b(?:table|figure|fig|tabelle|abbildung|tableau|section|chapter|appendix|page)\.?\s*[A-Z]?\d",
    re.IGNORECASE,
)
# First words that hang on the sentence before, which a summary leaves behind.
_HANGS_ON = re.compile(
    r"(?:this|these|that|those|it|its|they|their|he|she|such|however|thus|therefore|hence|also|moreover|furthermore"
    r"|in (?:addition|this|these|such)|note|for (?:example|instance)|similarly|otherwise|but|and|so|here|then"
    r"|dies(?:e[mnrs]?)?|damit|daher|deshalb|jedoch|außerdem|ferner|zudem|hier(?:bei|durch|für|mit|von|zu)?"
    r"|cet?|cette|ces|ils?|elles?|cependant|toutefois|ainsi|donc|en outre|de plus"
    r"|est[aeo]s?|es[aeo]s?|además|sin embargo|por (?:lo )?tanto|así|quest[aeio]"
    r"|tuttavia|inoltre|это|этот|эти|однако|поэтому)\b|しかし|また|そのため|これ|但是|因此|这",
    re.IGNORECASE,
)


def summarise_document(pages: Sequence[tuple[int, str]], *, title: str | None) -> Summary | None:
    """What a document says of itself.

    pages:  page number and text in reading order, headings marked as in Markdown.
    title:  from the metadata; believed where it looks like a title and the first pages don't offer a better one.

    None where there is neither a title nor a sentence: a page of numbers has nothing to say in words, and its numbers
    are in its tables. Where only a title can be believed it comes alone, with an empty text.
    """
    best_title = document_title(pages, metadata=title)
    sentences = [sentence for sentence in document_sentences(pages) if sentence.text != best_title]
    if not sentences and best_title is None:
        return None
    texts = [sentence.text for sentence in sentences]
    vectors = Vectors.of(texts)
    title_terms = frozenset(terms(best_title or ""))
    rank = np.sqrt(lexrank(vectors)) * np.array([_standing(sentence, title_terms) for sentence in sentences])
    points = _spread(vectors, rank)
    return Summary(
        title=best_title,
        language=language_of(texts or [best_title or ""]),
        text=_reading_on([texts[i] for i in _best(texts, vectors, rank * _lead(len(texts)))]),
        key_points=tuple(KeyPoint(texts[i], page=sentences[i].page) for i in points),
    )


def summarise_cues(cues: Sequence[Cue]) -> Summary | None:
    """What is said in a video; None where no words are. A key point starts with the subtitle its first word is in."""
    spoken = cue_sentences(cues)
    if not spoken:
        return None
    texts = [text for text, _ in spoken]
    vectors = Vectors.of(texts)
    rank = np.sqrt(lexrank(vectors)) * np.array([_plain_weight(text) for text in texts])
    return Summary(
        title=None,
        language=language_of(texts),
        text=_reading_on([texts[i] for i in _best(texts, vectors, rank)]),
        key_points=tuple(KeyPoint(texts[i], start_s=spoken[i][1]) for i in _spread(vectors, rank)),
    )


def language_of(texts: Sequence[str]) -> str | None:
    """The ISO 639-1 code of the language most of these texts are in; None where there is too little to tell."""
    # Some 40 texts spread over all of them tell as much as all, and a bilingual document by its larger half.
    sample = " ".join(texts[:: max(1, len(texts) // 40)])[:8000]
    letters = sum(c.isalpha() for c in sample)
    if letters < (5 if is_unspaced(sample) else 20):
        return None
    code, confidence = _identifier().classify(sample)
    return code if confidence >= 0.5 and len(code) == 2 else None


def warm() -> None:
    """Load what tells languages apart: 0.6 s that each child would spend on its document."""
    _identifier()


@cache
def _identifier() -> py3langid.langid.LanguageIdentifier:
    module = py3langid.langid
    return module.LanguageIdentifier.from_model_file(module.MODEL_FILE, norm_probs=True)


def _standing(sentence: Sentence, title_terms: frozenset[str]) -> float:
    """What a sentence's place, title words, length and matter make of its rank."""
    weight = _plain_weight(sentence.text)
    weight *= 1.2 if sentence.opens else 1.0
    if sentence.heading:
        weight *= 1 + 0.5 / (1 + sentence.heading_distance)
        weight *= 2.0 if _SUMMING_UP.search(sentence.heading) and sentence.heading_distance < 12 else 1.0
        weight *= 0.3 if _AROUND.search(sentence.heading) else 1.0
    return weight * (1 + len(title_terms & {*terms(sentence.text)}) / max(3, len(title_terms)))


def _plain_weight(text: str) -> float:
    """Less than 1 for sentences that say little, that a reader loses the thread of, or that don't stand alone."""
    n = len(text) * (2.5 if is_unspaced(text) else 1)
    weight = min(1.0, n / 70) * min(1.0, 250 / n)
    return weight * (0.25 if _ASIDE.search(text) else 1.0) * (0.6 if _HANGS_ON.match(text) else 1.0)


def _lead(n: int) -> Weights:
    """Three times the weight at the beginning, falling to one over the introduction: twenty sentences of a few pages, a
    hundred of a thick book.
    """
    return 1 + 2 * np.maximum(0, 1 - np.arange(n) / (20 + math.sqrt(n)))


def _best(texts: Sequence[str], vectors: Vectors, rank: Weights) -> list[int]:
    """Up to six sentences that fit into the text and say different things, in document order."""
    chosen: list[int] = []
    relevance = rank / rank.max(initial=1e-9)
    lengths = np.array([len(text) + 1 for text in texts])
    left = _TEXT_CHARS
    while len(chosen) < min(_TEXT_SENTENCES, len(texts)):
        margin = np.where(lengths <= left, marginal_relevance(vectors, relevance, chosen), -np.inf)
        best = int(margin.argmax())
        if margin[best] == -np.inf:
            break
        chosen.append(best)
        left -= int(lengths[best])
    return sorted(chosen)


def _spread(vectors: Vectors, rank: Weights) -> list[int]:
    """The best sentence of each of three to eight stretches of one length, so that key points come from everywhere."""
    n = vectors.n_sentences
    chosen: list[int] = []
    for stretch in np.array_split(np.arange(n), min(n, max(3, min(_KEY_POINTS, round(math.sqrt(n))))) or 1):
        if len(stretch):
            relevance = np.zeros(n)
            relevance[stretch] = rank[stretch] / rank[stretch].max()
            chosen.append(int(stretch[marginal_relevance(vectors, relevance, chosen)[stretch].argmax()]))
    return chosen


def _reading_on(texts: Sequence[str]) -> str:
    """Sentences one after the other, parted as their script parts them; what is no sentence on its own line."""
    parted = (text + ("\n" if not ends_sentence(text) else "" if is_unspaced(text) else " ") for text in texts)
    return "".join(parted).strip()
