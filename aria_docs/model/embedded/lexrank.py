"""SENTENCES → RANKS. Numbers only: knows no page, no subtitle, no place.

Continuous LexRank: Erkan & Radev, LexRank: Graph-based Lexical Centrality as Salience in Text Summarization, JAIR 22,
2004, §3.3. A random walk over sentences, from each to those that share its rare words. Maximal marginal relevance:
Carbonell & Goldstein, The Use of MMR, Diversity-Based Reranking, SIGIR 1998.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aria_docs.model.embedded.sentences import UNSPACED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Weights = NDArray[np.float64]


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
