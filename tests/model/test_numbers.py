"""Known answers for cells, and what must hold for every table of numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aria_docs.model.numbers import numbers, sign_of, usual_sign


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
        ("5.", 5),
        ("4.010,90-", -4010.9),
        ("17−", -17),
        ("1.750,-", 1750),
        ("kr. 2 400", 2400),
        ("99,5 Kč", 99.5),
        ("SFr. 8.20", 8.2),
        ("₹ 7,50,000", 750000),
        ("%7.5", 7.5),
        ("٤٢٬٠٠٠", 42000),
        ("٩٫٥٪", 9.5),
        ("\u200f−۱۲", -12),
        ("२५", 25),
        ("１２", 12),
        ("91³", 91),
        ("7ᵇ,ᶜ", 7),
        ("7¹⁾", 7),
        ("7 ¹)", 7),
        ("(12*)", -12),
        ("12¶", 12),
        ("12.....", 12),
        ("৳ 12", 12),
        ("GH₵12.50", 12.5),
        ("KWD 1.250", 1.25),
        ("USD12", 12),
        ("12¢", None),
        ("3.07²,⁴", 3.07),
        ("41.2ᵇ", 41.2),
        ("8.5×10⁻⁴", 8.5e-4),
        ("3 · 10⁶", 3e6),
        ("10⁻²", 0.01),
        ("20,500 (2)", 20500),
        ("..... 640", 640),
        ("640 . . . .", 640),
        ("10⁶", None),
        ("2.5×104", None),  # raised digits that nobody marked
        ("-12-", None),
        ("1,5.", None),
        (":", None),
        ("‡", None),
        ("..", None),
        ("(c)", None),
        (".....", None),
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
        (".", None),
        ("%", None),
        ("$", None),
        ("34.7 (1.2)", None),
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
        (["........", "7,450", "8,120"], [None, 7450, 8120]),
        (["31.12.2024", "01.06.2025", "7,450"], [None, None, 7450]),
        (["2.3.1", "2.3.2", "1.450", "0.7"], [None, None, 1.45, 0.7]),
        (["3,4", *["1,450"] * 11], [None, *[1450] * 11]),  # a list among thousands
        (["38,15", *["6,450"] * 6], [None, *[6450] * 6]),  # a slip
        (["38,15", *["6,450"] * 3], [38.15, *[6.45] * 3]),
        (["2 150 300", "1,450", "2,610"], [None, 1450, 2610]),
        (["12 345", "10 20", "3 7"], [None, None, None]),  # two values in a cell
        (["12 345", "98765"], [None, 98765]),
        (["1 450", "12 345"], [1450, 12345]),
        (["0,125", "1,250"], [0.125, 1.25]),
        (["12 (3)", "25 (7)", "8 (2)"], [None, None, None]),  # each with its share
        (["1,200 (1)", "980", "764"], [1200, 980, 764]),  # a footnote
        (["(1)", "(2)", "(3)", "12"], [None, None, None, 12]),  # columns are counted
        (["(2)", "(1)", "(3)"], [-2, -1, -3]),
        ([], []),
    ],
)
def test_the_decimal_sign_is_decided_for_the_table(texts: list[str], values: list[float | None]) -> None:
    assert numbers(texts) == values


@pytest.mark.parametrize(
    ("rows", "values"),
    [
        # Codes in the first column have no vote, and a blank in them does not make a comma decimal.
        ([["7 100", "1,450"], ["7 200", "2,610"], ["8 100", "3,005"]], [1450, 2610, 3005]),
        ([["1.1", "1.450,00"], ["1.2", "2.610"]], [1450, 2610]),
        # A column that is sure of itself is read in its own way.
        (
            [["a", "1.234", "7,5"], ["b", "1.5", "8,1"], ["c", "2.25", "9,4"], ["d", "", "0,3"]],
            [1.234, 1.5, 2.25, None],
        ),
        ([["a", "(1)", ""], ["b", "(2)", "5"], ["c", "(3)", "7"]], [None, None, None]),  # rows are counted
    ],
)
def test_columns_decide(rows: list[list[str]], values: list[float | None]) -> None:
    texts = [text for row in rows for text in row]
    columns = [column for row in rows for column in range(len(row))]
    found = numbers(texts, columns)
    assert [value for value, column in zip(found, columns, strict=True) if column == 1] == values


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


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("Die Zahl der Betriebe und der Einwohner", ","),
        ("Nombre des communes et des habitants", ","),
        ("Сумма за год по отделам", ","),
        ("The number of farms and of their owners", "."),
        ("Müller, Bolt, Nut", None),
        ("", None),
    ],
)
def test_the_language_of_a_page_is_seen(text: str, sign: str | None) -> None:
    assert usual_sign(text) == sign


def test_the_page_decides_where_no_cell_does() -> None:
    texts = ["1.300", "2.150", "410"]
    assert numbers(texts, usual=",") == [1300, 2150, 410]
    assert numbers(["1.5", *texts], usual=",")[1] == 1.3  # a cell that is clear has the last word
    assert (
        sign_of(texts, [1300, 2150, 410]) == "," and sign_of(texts, numbers(texts)) == "." and sign_of([], []) is None
    )


def test_where_no_cell_decides_the_language_of_the_page_does() -> None:
    assert numbers(["1,250", "3,400"], usual=",") == [1.25, 3.4]
    assert numbers(["1,250", "3,400"], usual=".") == numbers(["1,250", "3,400"]) == [1250, 3400]
