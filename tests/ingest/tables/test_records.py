"""Bands of a lattice with several records in them, and the lines of a cell: known answers."""

from __future__ import annotations

import pytest

from aria_docs.ingest.tables.lattice import Lattice
from aria_docs.ingest.tables.lines import text_of
from aria_docs.ingest.tables.records import with_records
from aria_docs.media import Word

XS = (0.0, 100.0, 200.0, 300.0)


def band(*cells: tuple[str, str]) -> tuple[Lattice, list[Word]]:
    """A head, and a band of three cells of two lines each."""
    lattice = Lattice(XS, (0.0, 20.0, 60.0), tuple((row, col, 1, 1) for row in (0, 1) for col in range(3)))
    words = [Word(f"Head{x:.0f}", (x + 10, 5, x + 50, 15)) for x in XS[:3]]
    for x, texts in zip(XS, cells, strict=False):
        for y, text in zip((25.0, 40.0), texts, strict=True):
            words += [Word(word, (x + 10 + 30 * n, y, x + 35 + 30 * n, y + 10)) for n, word in enumerate(text.split())]
    return lattice, words


@pytest.mark.parametrize(
    ("cells", "n_rows"),
    [
        ((("Ferries", ""), ("", "27"), ("0.3", "28")), 3),  # the label has 0.3 beside it, 27 has 28
        ((("Ferries", ""), ("27", ""), ("0.3", "28")), 2),  # both beside the first: one may go on
        ((("Ferries", ""), ("", "27"), ("8.5", "(1.2)")), 2),  # a deviation under its mean
        ((("Ferries", ""), ("", "27"), ("many", "people")), 2),
    ],
)
def test_cells_on_different_lines_beside_stacked_values_are_two_records(
    cells: tuple[tuple[str, str], ...], n_rows: int
) -> None:
    lattice, words = band(*cells)
    assert len(with_records(lattice, words).ys) - 1 == n_rows


@pytest.mark.parametrize("mark", ["ᵃ", "ᶜ", "¹²"])
def test_a_raised_mark_stands_behind_its_number(mark: str) -> None:
    number, raised = Word("1.304", (10, 10, 28, 16.5)), Word(mark, (29, 8.5, 31, 13))
    assert text_of([number, raised]) == f"1.304 {mark}"


def test_a_label_of_three_lines_with_values_at_its_middle_is_one_record() -> None:
    lattice, words = band(("", ""), ("", ""), ("", ""))
    words += [Word(f"label{n}", (10, y, 40, y + 8)) for n, y in enumerate((23.0, 36.0, 49.0))]
    words += [Word("12,400", (110, 36, 140, 44)), Word("900", (210, 36, 230, 44))]
    assert with_records(lattice, words) == lattice
