"""What several windows of one document or video say → one answer. Pure.

The rules: the title is that of the first window that has one, the language that of most windows, the texts follow each
other as paragraphs, key points are kept in order without repetition. Of a user's own record the first window that has
a value gives it, and lists follow each other without repetition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from aria_docs.media import KeyPoint, Summary


def summaries(found: Sequence[Summary]) -> Summary | None:
    """One summary; None where no window has any."""
    if len(found) < 2:
        return found[0] if found else None
    languages = Counter(summary.language for summary in found if summary.language)
    points: dict[str, KeyPoint] = {}
    for point in (point for summary in found for point in summary.key_points):
        points.setdefault(point.text.casefold(), point)
    return Summary(
        title=next((summary.title for summary in found if summary.title), None),
        language=languages.most_common(1)[0][0] if languages else None,
        text="\n\n".join(dict.fromkeys(summary.text for summary in found if summary.text)),
        key_points=tuple(points.values()),
    )


def objects(found: Iterable[Any]) -> Any:
    """One JSON value of several of the same schema: {"no": null, "items": [1, 2]}, {"no": 7, "items": [2, 3]} →
    {"no": 7, "items": [1, 2, 3]}."""
    joined = None
    for value in found:
        joined = _join(joined, value)
    return joined


def _join(first: Any, second: Any) -> Any:
    if first is None:
        return second
    if isinstance(first, dict) and isinstance(second, dict):
        return {name: _join(first.get(name), second.get(name)) for name in {**first, **second}}
    if isinstance(first, list) and isinstance(second, list):
        return first + [item for item in second if item not in first]
    return first
