"""SENTENCES → SUMMARY. Extractive: every word of a summary stands in the document or in the subtitles.

Sentences are ranked by continuous LexRank (Erkan & Radev, LexRank: Graph-based Lexical Centrality as Salience in Text
Summarization, JAIR 22, 2004, §3.3): a random walk over sentences, from each to those that share its rare words. Where a
sentence stands, the words it shares with the title, and words that speak of the document and not of its matter weigh
the rank: the location, title and cue methods of Edmundson (New Methods in Automatic Extracting, JACM 16, 1969), which
beat word counts alone. Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998) keeps one of the sentences that
say the same.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import py3langid.langid

from aria_docs.media import KeyPoint, Summary
from aria_docs.model.embedded.sentences import (
    UNSPACED,
    Sentence,
    cue_sentences,
    document_sentences,
    ends_sentence,
    is_unspaced,
)
from aria_docs.model.embedded.title import document_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aria_docs.media import Cue

    Weights = NDArray[np.float64]

_TEXT_CHARS = 1000
_TEXT_SENTENCES = 6
_KEY_POINTS = 8

# Headings over sentences that sum up (Edmundson's location method), in the languages most reports are written in …
_SUMMING_UP = re.compile(
    r"abstract|summary|overview|highlights|key (?:points|findings|messages)|at a glance|introduction|conclusion|purpose"
    r"|zusammenfassung|überblick|einleitung|einführung|fazit|schluss|résumé|synthèse|aperçu|introducción|resumen"
    r"|conclusi|introduzione|sintesi|riassunto|introdução|resumo|samenvatting|inleiding|введение|аннотация|заключение"
    r"|摘要|概要|概述|引言|结论|結論|はじめに|まとめ",
    re.IGNORECASE,
)
# … and over those that are about the document, not its matter.
_AROUND = re.compile(
    r"acknowledg|copyright|copying|licen[cs]|disclaimer|referenc|bibliograph|citing|contact|imprint|impressum|danksagung"
    r"|literatur|remerciement|mentions légales|agradecimiento|ringraziament|благодарност|致谢|謝辞|参考文献",
    re.IGNORECASE,
)
# Words of sentences on rights, or that only point elsewhere (the stigma words of his cue method).
_ASIDE = re.compile(
    r"©|\(c\)|copyright|all rights reserved|permission|licen[cs]e|lizenz|warrant(?:y|ies)|isbn|issn|trademark"
    r"|https?:|www\.|@|urheberrecht|droits réservés|derechos reservados|版权|著作権|\b(?:see|siehe|voir|véase)\b"
    r"|\b(?:following|below|above)\s(?:table|figure|chart|graph)|\b(?:table|figure|chart|graph)s?\s(?:below|above)"
    r"|^(?:notes?|sources?|quelle|fuente|anmerkung)\s*:"
    r"|\b(?:table|figure|fig|tabelle|abbildung|tableau|section|chapter|appendix|page)\.?\s*[A-Z]?\d",
    re.IGNORECASE,
)
# First words that hang on the sentence before, which a summary leaves behind.
_HANGS_ON = re.compile(
    r"(?:this|these|that|those|it|they|he|she|such|however|thus|therefore|hence|also|moreover|furthermore|in addition"
    r"|note|for (?:example|instance)|similarly|otherwise|but|and|so|here|then|dies\w*|damit|daher|deshalb|jedoch"
    r"|außerdem|ferner|zudem|hier\w*|cet?|cette|ces|ils?|elles?|cependant|toutefois|ainsi|donc|en outre|de plus"
    r"|est[aeo]s?|esos?|esas?|además|sin embargo|por (?:lo )?tanto|así|quest[aeio]|tuttavia|inoltre|это|этот|эти|однако"
    r"|поэтому)\b|しかし|また|そのため|これ|但是|因此|这",
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
    vectors = Vectors.of([sentence.text for sentence in sentences])
    title_terms = frozenset(terms(best_title or ""))
    rank = np.sqrt(lexrank(vectors)) * np.array([_standing(sentence, title_terms) for sentence in sentences])
    in_text = _abstract(sentences, vectors, rank * _lead(len(sentences)))
    points = _spread(vectors, rank, n=_n_key_points(len(sentences)))
    return Summary(
        title=best_title,
        language=language_of([sentence.text for sentence in sentences] or [best_title or ""]),
        text=_read_on([sentences[i].text for i in in_text]),
        key_points=tuple(KeyPoint(sentences[i].text, page=sentences[i].page) for i in points),
    )


def summarise_cues(cues: Sequence[Cue]) -> Summary | None:
    """What is said in a video; None where no words are. A key point starts with the subtitle its first word is in."""
    spoken = cue_sentences(cues)
    if not spoken:
        return None
    texts = [text for text, _ in spoken]
    vectors = Vectors.of(texts)
    rank = lexrank(vectors) * np.array([_plain_weight(text) for text in texts])
    # Speech comes to its point anywhere: the text is spread over it as the key points are.
    in_text = _fitting(texts, _spread(vectors, rank, n=min(_TEXT_SENTENCES, _n_key_points(len(texts)))))
    return Summary(
        title=None,
        language=language_of(texts),
        text=_read_on([texts[i] for i in in_text]),
        key_points=tuple(
            KeyPoint(texts[i], start_s=spoken[i][1]) for i in _spread(vectors, rank, n=_n_key_points(len(texts)))
        ),
    )


@dataclass(frozen=True, slots=True)
class Vectors:
    """Sentences as rows of tf·idf of length 1, in coordinates: a long manual has 10⁴ sentences of 15 terms out of 10⁴,
    which is nothing, where the matrix of their similarities would be 10⁸ numbers.
    """

    n_sentences: int
    n_terms: int
    row: NDArray[np.intp]
    col: NDArray[np.intp]
    weight: Weights

    @staticmethod
    def of(texts: Sequence[str]) -> Vectors:
        """The vectors of these sentences; a sentence without terms is a row of nothing."""
        counts = [Counter(terms(text)) for text in texts]
        column = {term: i for i, term in enumerate(dict.fromkeys(term for count in counts for term in count))}
        row = np.array([i for i, count in enumerate(counts) for _ in count], dtype=np.intp)
        col = np.array([column[term] for count in counts for term in count], dtype=np.intp)
        tf = np.array([n for count in counts for n in count.values()], dtype=np.float64)
        df = np.bincount(col, minlength=len(column))
        weight = tf * np.log((1 + len(texts)) / df[col])
        norm = np.sqrt(np.bincount(row, weight**2, minlength=len(texts)))
        return Vectors(len(texts), len(column), row, col, weight / norm[row])

    def similarity(self, query: Weights) -> Weights:
        """Σ over j of query[j] · cosine(i, j), for every sentence i, without the matrix of cosines."""
        by_term = np.bincount(self.col, self.weight * query[self.row], minlength=self.n_terms)
        return np.bincount(self.row, self.weight * by_term[self.col], minlength=self.n_sentences).astype(np.float64)


def lexrank(vectors: Vectors, *, damping: float = 0.15, tolerance: float = 1e-6) -> Weights:
    """The rank of each sentence, the highest 1: the stationary distribution of

        p(u) = d/N + (1 − d) · Σ over v of  cos(u, v) / Σ over z of cos(z, v)  · p(v)

    with the paper's d, by the power method. A sentence without terms leads everywhere alike.
    """
    n = vectors.n_sentences
    if n == 0:
        return np.zeros(0)
    degree = vectors.similarity(np.ones(n))
    linked = degree > 0
    rank, moved = np.full(n, 1 / n), np.inf
    while moved >= tolerance:
        share = np.divide(rank, degree, out=np.zeros(n), where=linked)
        step = damping / n + (1 - damping) * (vectors.similarity(share) + float(rank[~linked].sum()) / n)
        rank, moved = step, float(np.abs(step - rank).sum())
    normed: Weights = rank / rank.max()
    return normed


def marginal_relevance(vectors: Vectors, relevance: Weights, chosen: Sequence[int], *, trade: float = 0.5) -> Weights:
    """λ · relevance − (1 − λ) · the highest cosine to any of the chosen; −∞ for the chosen themselves."""
    closest = np.zeros(vectors.n_sentences)
    for i in chosen:
        closest = np.maximum(closest, vectors.similarity(np.eye(1, vectors.n_sentences, i)[0]))
    margin = trade * relevance - (1 - trade) * closest
    margin[list(chosen)] = -np.inf
    return margin


def terms(text: str) -> list[str]:
    """The terms two sentences may share: words cut to six letters, which does for endings in most languages what a
    stemmer does in one, and pairs of characters in scripts without blanks between words.
    """
    found = []
    for run in re.findall(rf"[{UNSPACED}]+|[^\W_{UNSPACED}]+", text.casefold()):
        if re.match(f"[{UNSPACED}]", run):
            found += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
        elif not run.isdigit():
            found.append(run[:6])
    return found


def language_of(texts: Sequence[str]) -> str | None:
    """The ISO 639-1 code of the language most of these texts are in; None where there is too little to tell."""
    # Some 40 texts spread over all of them tell as much as all, and a bilingual document by its larger half.
    sample = " ".join(texts[:: max(1, len(texts) // 40)])[:8000]
    letters = sum(c.isalpha() for c in sample)
    if letters < (5 if is_unspaced(sample) else 20):
        return None
    code, confidence = _identifier().classify(sample)
    return code if confidence >= 0.5 and len(code) == 2 else None


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


def _n_key_points(n_sentences: int) -> int:
    return max(3, min(_KEY_POINTS, round(math.sqrt(n_sentences))))


def _abstract(sentences: Sequence[Sentence], vectors: Vectors, rank: Weights) -> list[int]:
    """Up to six sentences in document order that fit into the text."""
    chosen: list[int] = []
    left = _TEXT_CHARS
    rank = rank / rank.max(initial=1e-9)
    candidates = np.array([len(sentence.text) for sentence in sentences])
    while len(chosen) < min(_TEXT_SENTENCES, len(sentences)):
        margin = np.where(candidates < left, marginal_relevance(vectors, rank, chosen), -np.inf)
        best = int(margin.argmax())
        if margin[best] == -np.inf:
            break
        chosen.append(best)
        left -= len(sentences[best].text) + 1
    return sorted(chosen)


def _spread(vectors: Vectors, rank: Weights, *, n: int) -> list[int]:
    """The best sentence of each of n stretches of equal length, in order: key points from all of the document."""
    chosen: list[int] = []
    for stretch in np.array_split(np.arange(vectors.n_sentences), min(n, max(1, vectors.n_sentences))):
        if len(stretch):
            local = np.zeros(vectors.n_sentences)
            local[stretch] = rank[stretch] / rank[stretch].max()
            margin = marginal_relevance(vectors, local, chosen)
            chosen.append(int(stretch[margin[stretch].argmax()]))
    return chosen


def _read_on(texts: Sequence[str]) -> str:
    """Sentences one after the other, parted as their script parts them; what is no sentence on its own line."""
    parted = (text + ("\n" if not ends_sentence(text) else "" if is_unspaced(text) else " ") for text in texts)
    return "".join(parted).strip()


def _fitting(texts: Sequence[str], chosen: Sequence[int]) -> list[int]:
    kept, left = [], _TEXT_CHARS
    for i in chosen:
        if len(texts[i]) < left:
            kept.append(i)
            left -= len(texts[i]) + 1
    return kept
