"""Where the values of an answer to a user's own schema stand on their pages."""

from __future__ import annotations

from typing import Any

import pytest

from aria_docs.media import Word
from aria_docs.model.record_grounds import NO_PAGE, NOT_THERE, UNANSWERED, UNWRITTEN, SeenWords
from aria_docs.model.seen import Ground


def page(*lines: str, sure: float = 1.0) -> tuple[Word, ...]:
    words = []
    for number, line in enumerate(lines):
        x = 50.0
        for text in line.split():
            words.append(Word(text, (x, 20.0 * number, x + 6 * len(text), 20.0 * number + 10), 0, number, sure))
            x += 6 * len(text) + 3
    return tuple(words)


INVOICE = page(
    "Acme Ferries Ltd",
    "Invoice of 5 March 2026",
    "Total $ 1,234.00",
    "Deposit (56)",
    "Rate 7.5 %",
    "Berths 1 250",
    "VAT 1.000",
)


def ground(value: Any, *pages: tuple[Word, ...]) -> Ground:
    [found] = SeenWords(list(enumerate(pages or (INVOICE,), 1))).grounds({"f": value})
    return found


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Acme Ferries Ltd", "Acme Ferries Ltd"),
        (1234, "1,234.00"),
        ("1234.00", "1,234.00"),  # a Decimal
        (-56, "(56)"),
        (7.5, "7.5"),
        (1250, "1 250"),
        ("2026-03-05", "5 March 2026"),
        ("2026-03-05T00:00:00", "5 March 2026"),
    ],
)
def test_a_value_is_found_as_text_as_number_and_as_date(value: Any, words: str) -> None:
    found = ground(value)
    assert (found.words, found.page, found.reason) == (words, 1, None)
    assert found.box is not None and found.confidence > 0.5


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (4321, NOT_THERE),
        ("Bolt", NOT_THERE),
        ("2026-03-06", NOT_THERE),
        (True, UNWRITTEN),
        (None, UNANSWERED),
        ("", UNANSWERED),
    ],
)
def test_a_value_that_stands_nowhere_has_a_reason(value: Any, reason: str) -> None:
    found = ground(value)
    assert (found.words, found.page, found.box, found.reason) == (None, None, None, reason)


def test_what_is_not_there_is_less_sure_than_what_is_and_what_ocr_doubts_less_than_what_it_does_not() -> None:
    there, doubted, nowhere = ground("Acme"), ground("Acme", page("Acme", sure=0.2)), ground("Bolt")
    assert there.confidence > doubted.confidence > nowhere.confidence


def test_lists_and_nested_objects_have_a_ground_for_each_value() -> None:
    values = {"vendor": {"name": "Acme"}, "lines": [{"amount": 56}, {"amount": 7}], "tags": []}
    seen = SeenWords([(3, page("nothing here")), (4, page("Acme 56"))])
    found = [(one.field, one.value, one.page) for one in seen.grounds(values)]
    assert found == [("vendor.name", "Acme", 4), ("lines[0].amount", "56", 4), ("lines[1].amount", "7", None)]


def test_a_video_has_no_page() -> None:
    [found] = SeenWords([]).grounds({"speaker": "Ada"})
    assert (found.reason, found.page) == (NO_PAGE, None)


@pytest.mark.parametrize(("value", "is_there"), [(1234, True), (1.234, True), (123.4, False), (12.34, False)])
def test_a_mark_that_nothing_decides_is_of_thousands_or_decimals_and_nothing_else(value: float, is_there: bool) -> None:
    assert (ground(value, page("VAT 1.234")).reason is None) is is_there
