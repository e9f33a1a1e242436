"""Known answers for cells, and what must hold for every table of numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aria_docs.model.numbers import numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.5", 1234.5),
        ("(12)", -12),
        ("( 1,234 )", -1234),
        ("45 %", 45),
        ("45%", 45),
        ("(1.5%)", -1.5),
        ("€ 1 234", 1234),
        ("1 234 €", 1234),
        ("$1,234.00", 1234),
        ("US$ 5", 5),
        ("$(1,234)", -1234),
        ("-$3.50", -3.5),
        ("EUR 12", 12),
        ("12*", 12),
        ("12 **", 12),
        ("12¹", 12),
        ("12 a", 12),
        ("12 [3]", 12),
        ("7.5**", 7.5),
        ("−5", -5),
        ("–12.5", -12.5),
        ("+3.4", 3.4),
        ("1\u202f234\u00a0567", 1234567),
        ("1\u2009234.5", 1234.5),
        ("12,34,567", 1234567),
        ("1'234'567", 1234567),
        (".5", 0.5),
        ("0.05", 0.05),
        ("1.2e-5", 1.2e-5),
        ("2010", 2010),
        ("007", 7),
        ("", None),
        ("-", None),
        ("—", None),
        ("n/a", None),
        ("1–2", None),
        ("10-20", None),
        ("2010-01-02", None),
        ("3/4", None),
        ("12:30", None),
        ("A12", None),
        ("12a", None),
        ("B-52", None),
        ("1 2", None),
        ("2009 2010", None),
        ("<0.05", None),
        ("≥65", None),
        ("1.2.3", None),
        ("1,23,4", None),
        ("(12", None),
        ("12)", None),
        ("5.", None),
        (".", None),
        ("%", None),
        ("$", None),
        ("34.7 (1.2)", None),
        ("٣", None),
        ("²", None),
        ("1e999", None),
        ("9" * 100_000, None),
    ],
)
def test_one_cell(text: str, value: float | None) -> None:
    assert numbers([text]) == [value]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1.234,56", "1.234", "12,5"], [1234.56, 1234, 12.5]),
        (["1,234.56", "1,234", "12.5"], [1234.56, 1234, 12.5]),
        (["1 234", "1,500"], [1234, 1.5]),
        (["0,5", "1,234"], [0.5, 1.234]),
        (["0.5", "1.234"], [0.5, 1.234]),
        (["12.345.678", "1,5"], [12345678, 1.5]),
        (["1.234", "2.345", "12", "45", "678"], [1234, 2345, 12, 45, 678]),
        (["1.234", "5.678"], [1.234, 5.678]),
        (["1,234", "5,678"], [1234, 5678]),
        (["1.5", "2.5", "3.5", "1,2"], [1.5, 2.5, 3.5, None]),
        (["Total", "12,5 %", "€ 1.234"], [None, 12.5, 1234]),
        ([], []),
    ],
)
def test_the_decimal_sign_is_decided_for_the_table(texts: list[str], values: list[float | None]) -> None:
    assert numbers(texts) == values


@given(st.lists(st.floats(-1e9, 1e9).map(lambda value: round(value, 2)), min_size=1))
def test_what_is_written_in_english_and_in_german_is_read_back(values: list[float]) -> None:
    english = [f"{value:,.2f}" for value in values]
    german = [text.translate(str.maketrans(",.", ".,")) for text in english]
    french = [text.translate(str.maketrans(",.", "\u202f,")) for text in english]
    assert numbers(english) == numbers(german) == numbers(french) == values


@given(st.lists(st.text()))
def test_any_text_has_a_number_or_none(texts: list[str]) -> None:
    result = numbers(texts)
    assert len(result) == len(texts)
    assert all(value is None or any(c.isdigit() for c in text) for text, value in zip(texts, result, strict=True))
