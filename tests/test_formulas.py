"""What is marked as text, and what stays as it is."""

import pytest

from aria_docs.formulas import harmless


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+cmd|x", "-2+3+cmd|' /C calc'!A0", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1+1", "-A1", "=-5",
        "=cmd|'/C calc'!A0", "- of which cars",
    ],
)  # fmt: skip
def test_formulas_are_marked_as_text(text: str) -> None:
    assert harmless(text) == "'" + text


@pytest.mark.parametrize(
    "text",
    ["", "a=b", "-5", "-12", "+3.2 %", "-1,204.50", "-", "–", "--", "5-3", "(12)", "– 3", "'=1", " x", "plain = text"],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text
