"""What arithmetic says of one table. Pure.

              2025   2024
    Ferries  1,204  1,151
    Trams       96     88      lines that add up in one column are expected to in the others; where they do not, the
    Total    1,300  1,299      cells of that sum are suspects, less those that other sums clear

1. `_relations`: which line is the sum (or the difference) of those before it, by what holds in most samples. A
   sub-total takes its terms off the list, so that the total above it is made of sub-totals.
2. `_judge`: a sample in which a relation does not hold is an alarm only where that is no coincidence: the relation is
   sure, and it is off by what one changed digit makes, or enough of the table speaks for it.
3. Columns are checked so, then rows, by the same rules; balances, counts and types have rules of their own.

A relation "holds" within what rounding of the printed digits explains.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from aria_docs.media import Check, Place
from aria_docs.schemas.corrections import CheckRow, Suspect

# The kinds of what arithmetic says; others are of the page (`confidence`).
ARITHMETIC = ("sum", "difference", "balance", "count", "type")

# Beyond these a table is no statement that people add up, and looking at all sums takes too long.
_MAX_LINES, _MAX_SAMPLES, _MAX_TERMS = 300, 300, 40
_BY_CHANCE = 0.005  # so many relations of numbers that have nothing to do with each other are taken for one, a table
_DIGIT_BY_CHANCE = 0.02  # an alarm by a single sample: so seldom is a sum off by just one digit where it is none at all
# Published totals are off by one or two of their last digit in 1 of 50 tables of the dev sets, where figures were
# rounded on their own: shown only where this many others hold.
_SLIPS, _SURE_OF_SLIPS = 2, 6
_TOTAL = re.compile(
    r"\b(sub)?-?total|\bsum\b|\bnet\b|\bgesamt|\bsumme|\binsgesamt|\btotaux|\btotale|\bsoma|\bsuma\b|\btotaal", re.I
)
_BLANK = re.compile(r"[-‐‑‒–—―−.…·*\s]*")
_GARBLED = re.compile(r"[-(]?(?=.*\d)(?=.*[OoIlSBZ|])[\dOoIlSBZ|.,\s]{2,}\)?")


@dataclass(frozen=True, slots=True)
class Entry:
    """A cell as arithmetic needs it."""

    row: int
    col: int
    text: str
    number: float | None
    is_wide: bool = False
    is_header: bool = False


@dataclass(frozen=True, slots=True)
class _Value:
    """A printed number. units: its value in its own last digit; decimals: how many there are."""

    number: float
    decimals: int
    place: Place


@dataclass(frozen=True, slots=True)
class _Sum:
    """Line `target` is the signed sum of `terms` in the samples that hold, not in those that fail."""

    target: int
    terms: tuple[tuple[int, int], ...]
    holding: tuple[int, ...]
    failing: tuple[int, ...]
    expected: bool = False  # its target says that it is the total of just these, or 100


@dataclass(frozen=True, slots=True)
class _Mismatch:
    check: Check
    cells: frozenset[Place]
    off: float  # what its target has too much
    signs: Mapping[Place, int]


def checks_of(entries: Sequence[Entry], *, n_header_rows: int) -> list[Check]:
    """Every check of a table that says something, failures among them."""
    values = {
        (entry.row, entry.col): _Value(entry.number, _decimals(entry.text, entry.number), (entry.row, entry.col))
        for entry in entries
        if entry.number is not None and not entry.is_wide and entry.row >= n_header_rows and not entry.is_header
    }
    texts = {(entry.row, entry.col): entry.text for entry in entries}
    rows = sorted({entry.row for entry in entries if entry.row >= n_header_rows})
    cols = sorted({entry.col for entry in entries})
    if not 2 <= len(rows) <= _MAX_LINES or len(cols) > _MAX_SAMPLES:
        return []
    good: list[tuple[Check, frozenset[Place]]] = []
    bad: list[_Mismatch] = []
    percents = {col for col in cols if any("%" in texts.get((row, col), "") for row in range(rows[-1] + 1))}
    for down in (True, False):
        lines, samples = (rows, cols) if down else (cols, rows)
        grid = _CheckedGrid(values, texts, lines, samples, down=down, ratios=frozenset(percents if down else ()))
        for relation in _relations(grid):
            _judge(grid, relation, good, bad)
    found = [check for check, _ in good] + _blame(bad, good, values)
    return (
        found + list(_balances(values, rows, cols)) + list(_counts(values, rows, cols)) + list(_types(entries, values))
    )


def row_of(check: Check, *, table_id: str, check_no: int) -> CheckRow:
    """A check of a table as a row of the database."""
    return CheckRow(
        table_id=table_id,
        check_no=check_no,
        kind=check.kind,
        holds=check.holds,
        row_no=check.row,
        col_no=check.col,
        suspects=[Suspect(row_no=row, col_no=col) for row, col in check.suspects],
        mend=check.mend,
        expected=check.expected,
        found=check.found,
        note=check.note,
    )


def _decimals(text: str, number: float) -> int:
    """Digits printed behind the decimal sign: trailing zeros count, so they are taken from the text."""
    digits = re.search(r"[.,](\d+)\D*$", text)
    if digits is None:
        return 0
    whole = float(number).is_integer()
    return 0 if whole and len(digits[1]) == 3 else len(digits[1])


@dataclass(frozen=True, slots=True)
class _CheckedGrid:
    """Lines that may add up, in samples: rows in columns, or columns in rows."""

    values: Mapping[Place, _Value]
    texts: Mapping[Place, str]
    lines: Sequence[int]
    samples: Sequence[int]
    down: bool
    ratios: frozenset[int]
    _numbers: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """_numbers: of each line the numbers in all samples, NaN where there is none, and half of their last digits."""
        for line in self.lines:
            found = [self.at(line, sample) for sample in self.samples]
            self._numbers[line] = (
                np.array([np.nan if value is None else value.number for value in found]),
                np.array([0.5 * 10.0**-value.decimals if value else 0.0 for value in found]),
            )

    def place(self, line: int, sample: int) -> Place:
        return (line, sample) if self.down else (sample, line)

    def at(self, line: int, sample: int) -> _Value | None:
        """None where there is no number; a blank or dash is a nought."""
        place = self.place(line, sample)
        if (value := self.values.get(place)) is not None:
            return value
        return _Value(0.0, 0, place) if _BLANK.fullmatch(self.texts.get(place, "")) else None

    def has(self, line: int) -> int:
        return sum(self.place(line, sample) in self.values for sample in self.samples)

    def near_sums(self, target: int, terms: Sequence[int]) -> dict[int, NDArray[np.bool_]]:
        """By sign, for the last 1, 2, … of these lines: whether their sum (or the first less the others) is in any
        sample as near to the target as rounding could explain."""
        whole = self._numbers[target]
        last_first = [self._numbers[line] for line in reversed(terms)]
        parts = np.array([numbers for numbers, _ in last_first]).reshape(len(terms), len(self.samples))
        halves = np.array([half for _, half in last_first]).reshape(parts.shape)
        sums = np.cumsum(parts, axis=0)
        slack = np.cumsum(halves, axis=0) + whole[1] + 1e-6 + 1e-9 * np.cumsum(np.abs(parts), axis=0)
        return {
            1: (np.abs(whole[0] - sums) <= slack).any(axis=1),
            -1: (np.abs(whole[0] - (2 * parts - sums)) <= slack).any(axis=1),
        }

    def is_total(self, line: int) -> bool:
        """By the words of its label or heading."""
        first = range(4) if self.down else range(3)
        return any(_TOTAL.search(self.texts.get((line, n) if self.down else (n, line), "")) for n in first)


@dataclass(frozen=True, slots=True)
class _Difference:
    """How far a sum is off in one sample: in its last printed digits, with what rounding explains."""

    units: int
    size: int  # of the largest number in it
    slack: int
    decimals: int

    @property
    def holds(self) -> bool:
        return abs(self.units) <= self.slack

    @property
    def by_chance(self) -> float:
        """How seldom numbers of this size agree so well."""
        return min(1.0, (2 * self.slack + 1) / max(1, self.size))

    @property
    def digit_by_chance(self) -> float:
        """As `by_chance` of being off by one digit; 1 where it is off by anything else."""
        digits = len(str(self.size))
        for power in range(digits):
            step = 10**power
            nearest = round(abs(self.units) / step)
            if 1 <= nearest <= 9 and abs(abs(self.units) - nearest * step) <= min(self.slack, step / 4):
                return min(1.0, 18 * digits * (2 * self.slack + 1) / max(1, self.size))
        return 1.0


def _difference(grid: _CheckedGrid, target: int, terms: Sequence[tuple[int, int]], sample: int) -> _Difference | None:
    """None where a cell of it holds no number, its target is nought (as a less a is), or all terms but one are."""
    whole = grid.values.get(grid.place(target, sample))
    parts = [(grid.at(line, sample), sign) for line, sign in terms]
    known = [(part, sign) for part, sign in parts if part is not None]
    if whole is None or not whole.number or len(known) < len(parts) or sum(part.number != 0 for part, _ in known) < 2:
        return None
    decimals = max(whole.decimals, *(part.decimals for part, _ in known))
    unit = 10**decimals
    units = round(whole.number * unit) - sum(sign * round(part.number * unit) for part, sign in known)
    size = max(abs(round(whole.number * unit)), *(abs(round(part.number * unit)) for part, _ in known))
    # Rounding errors are spread evenly over half of each number's last digit to each side: three deviations of their
    # sum, and never more than all of them together.
    steps = [10 ** (decimals - part.decimals) for part in (whole, *(part for part, _ in known)) if part.number]
    slack = min(round(3 * sqrt(sum(step * step for step in steps) / 12)), sum(steps) // 2)
    return _Difference(units, size, slack, decimals)


def _relations(grid: _CheckedGrid) -> Iterator[_Sum]:
    """The sums of a grid from its first line on, sub-totals before totals; where there are none, totals that stand
    before their terms."""
    lines = [line for line in grid.lines if grid.has(line)]
    found = list(_parse(grid, lines))
    if not any(relation.holding for relation in found) and grid.down:
        found = list(_parse(grid, lines[::-1])) or found
    yield from found


def _parse(grid: _CheckedGrid, lines: Sequence[int]) -> Iterator[_Sum]:
    active: list[int] = []
    for target in lines:
        best = _best(grid, target, active, n_targets=len(lines))
        if best:
            yield best
            taken = {line for line, _ in best.terms}
            active = [line for line in active if line not in taken]
        active.append(target)


def _best(grid: _CheckedGrid, target: int, active: Sequence[int], *, n_targets: int) -> _Sum | None:
    """The relation that most samples speak for, if it is none by chance."""
    longest = min(len(active), _MAX_TERMS)
    n_tried = 2 * max(1, longest - 1) * n_targets
    prior = 0.05 if grid.is_total(target) else 1.0
    natural = _natural_counts(grid, active) if prior < 1 else set()
    hundred = _is_hundred(grid, target)
    best: tuple[float, _Sum] | None = None
    near = grid.near_sums(target, active[-longest:])
    for count in range(2, longest + 1):
        own = active[-count:]
        for sign in (1, -1):
            # Without a sample that holds, only a total that one sample tells of can be a relation.
            if not near[sign][count - 1] and (prior == 1 or sign < 0):
                continue
            terms = ((own[0], 1), *((line, sign) for line in own[1:]))
            expected = count in natural and sign > 0
            chance, holding, failing = n_tried * prior * (0.05 if expected or hundred else 1.0), [], []
            digit = 1.0
            for sample in grid.samples:
                off = _difference(grid, target, terms, sample)
                if off is None:
                    continue
                if off.holds:
                    holding.append(sample)
                    chance *= off.by_chance
                elif sample not in grid.ratios:
                    failing.append(sample)
                    digit = min(digit, off.digit_by_chance)
            alone = len(failing) == 1 and prior < 1 and sign > 0
            if not holding and not (alone and digit * (0.1 if expected else longest) <= _DIGIT_BY_CHANCE):
                continue
            score = chance if holding else digit
            sure = score <= (_BY_CHANCE if holding else 1.0)
            # Where it fails as often as it holds, what holds is a coincidence or a column of another kind.
            if sure and len(failing) <= max(1, len(holding)) and (best is None or score < best[0]):
                best = (score, _Sum(target, terms, tuple(holding), tuple(failing), expected or hundred))
    return best[1] if best else None


def _natural_counts(grid: _CheckedGrid, active: Sequence[int]) -> set[int]:
    """How many lines a total is expected to add up: the items since the last total, or the totals, or all."""
    totals = [grid.is_total(line) for line in active]
    items = next((n for n, is_total in enumerate(reversed(totals)) if is_total), len(totals))
    last = next((n for n, is_total in enumerate(reversed(totals)) if not is_total), len(totals))
    return {items or last, len(active)}


def _is_hundred(grid: _CheckedGrid, target: int) -> bool:
    """Shares of a whole: their total is 100 wherever it stands."""
    found = [value for sample in grid.samples if (value := grid.values.get(grid.place(target, sample)))]
    return len(found) > 1 and sum(value.number == 100 for value in found) >= 0.5 * len(found)


def _judge(
    grid: _CheckedGrid, relation: _Sum, good: list[tuple[Check, frozenset[Place]]], bad: list[_Mismatch]
) -> None:
    """Its samples that hold; and those that fail, where that means something."""
    lines = [line for line, _ in relation.terms]
    kind = "sum" if all(sign > 0 for _, sign in relation.terms) else "difference"
    for sample in (*relation.holding, *relation.failing):
        off = _difference(grid, relation.target, relation.terms, sample)
        whole = grid.values[grid.place(relation.target, sample)]
        assert off is not None
        expected = round(whole.number - off.units / 10**off.decimals, off.decimals)
        row, col = (None, sample) if grid.down else (sample, None)
        check = Check(kind, off.holds, row=row, col=col, expected=expected, found=whole.number)
        signs = {grid.place(line, sample): sign for line, sign in relation.terms}
        cells = frozenset((*signs, whole.place))
        if off.holds:
            good.append((check, cells))
        elif _means_something(grid, relation, off, is_like=_is_like(grid, relation, sample)):
            what = "row" if grid.down else "column"
            first, last = min(lines), max(lines)
            check = replace(
                check,
                note=f"{what} {relation.target} is not the {kind} of {what}s {first} to {last}: "
                f"{expected:,.{off.decimals}f} is expected, {whole.number:,.{off.decimals}f} stands there",
            )
            bad.append(_Mismatch(check, cells, off.units / 10**off.decimals, signs | {whole.place: 0}))


def _is_like(grid: _CheckedGrid, relation: _Sum, sample: int) -> bool:
    """Whether its numbers can add up: printed as where they do, and the total not one between its terms (a mean)."""
    whole = grid.values[grid.place(relation.target, sample)]
    parts = [value.number for line, _ in relation.terms if (value := grid.at(line, sample))]
    decimals = {grid.values[grid.place(relation.target, other)].decimals for other in relation.holding}
    is_mean = min(parts) < whole.number < max(parts)
    return whole.decimals in decimals and not is_mean


def _means_something(grid: _CheckedGrid, relation: _Sum, off: _Difference, *, is_like: bool) -> bool:
    """Off by one digit: the other samples are enough. Off by anything else, many must speak for the relation."""
    held, failed = len(relation.holding), len(relation.failing)
    if abs(off.units) <= _SLIPS and held < _SURE_OF_SLIPS:
        return False
    if relation.expected and held == 0:
        return True  # _best has weighed it
    if relation.expected and failed <= max(1, 0.25 * held) and is_like:
        return True
    if off.digit_by_chance <= _DIGIT_BY_CHANCE * (10 if held > 2 else 1):
        return True
    return held >= 3 and failed <= 0.25 * held and (grid.is_total(relation.target) or held >= 5)


def _blame(
    bad: Sequence[_Mismatch], good: Sequence[tuple[Check, frozenset[Place]]], values: Mapping[Place, _Value]
) -> list[Check]:
    """The suspects of each failure: cells that fail in most of what they are in, and are in nothing that holds, and
    which another digit would mend; each step only while some are left."""
    counts = Counter(place for failure in bad for place in failure.cells)
    cleared = frozenset(place for _, cells in good for place in cells)
    found = []
    for failure in bad:
        suspects = {place for place in failure.cells if place in values}
        mends = {place: _mend(failure, place, values[place]) for place in suspects}
        most = max(counts[place] for place in suspects)
        for kept in (
            {place for place in suspects if place not in cleared},
            {place for place in suspects if counts[place] == most},
            {place for place in suspects if _is_one_digit(values[place], mends[place])},
        ):
            suspects = suspects & kept or suspects
        ordered = tuple(sorted(suspects))
        mend = mends[ordered[0]] if len(ordered) == 1 else None
        found.append(replace(failure.check, suspects=ordered, mend=mend))
    return found


def _mend(failure: _Mismatch, place: Place, value: _Value) -> float:
    """What it would be, were it the only one that is wrong."""
    sign = failure.signs[place]
    return round(value.number + (failure.off * sign if sign else -failure.off), max(value.decimals, 6))


def _is_one_digit(value: _Value, mend: float) -> bool:
    one, other = (f"{number:.{value.decimals}f}" for number in (value.number, mend))
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) == 1


def _balances(values: Mapping[Place, _Value], rows: Sequence[int], cols: Sequence[int]) -> Iterator[Check]:
    """A column that carries on: what stood there before, and what came in or went out beside it."""
    for balance in cols:
        best: tuple[int, list[tuple[int, float]]] | None = None
        others = [col for col in cols if col != balance]
        pairs = [(one, None) for one in others] + [(one, two) for one in others for two in others if one != two]
        for plus, minus in pairs[:60]:
            for sign in (1, -1) if minus is None else (1,):
                steps = _steps(values, rows, balance, plus, minus, sign)
                right = [row for row, off in steps if abs(off) < 1e-6]
                if len(right) >= 4 and len(steps) - len(right) <= 2 and (best is None or len(right) > best[0]):
                    best = (len(right), steps)
        if best is None:
            continue
        wrong = [(row, off) for row, off in best[1] if abs(off) >= 1e-6]
        yield Check("balance", not wrong, col=balance, note="each is the one before it with what came and went")
        for row, off in wrong[:1]:
            # The next one being off by as much the other way, it is this one; else what came or went, or the last.
            place = (row, balance)
            back = any(abs(off + other) < 1e-6 for _, other in wrong[1:])
            found = values[place].number
            touched = tuple((row, col) for col in cols if (row, col) in values)
            yield Check(
                "balance", False, row=row, suspects=(place,) if back else touched,
                mend=round(found - off, 6) if back else None, expected=round(found - off, 6), found=found,
                note=f"row {row} does not carry on from the row before it",
            )  # fmt: skip


def _steps(
    values: Mapping[Place, _Value], rows: Sequence[int], balance: int, plus: int, minus: int | None, sign: int
) -> list[tuple[int, float]]:
    """How far each row is from carrying on; rows in which nothing moves do not count."""
    steps = []
    before: float | None = None
    for row in rows:
        here = values.get((row, balance))
        if here is None:
            continue
        moved = [values.get((row, plus)), values.get((row, minus)) if minus is not None else None]
        by = sign * (moved[0].number if moved[0] else 0.0) - (moved[1].number if moved[1] else 0.0)
        if before is not None and by:
            steps.append((row, here.number - before - by))
        before = here.number
    return steps


def _counts(values: Mapping[Place, _Value], rows: Sequence[int], cols: Sequence[int]) -> Iterator[Check]:
    """Columns that count 1, 2, 3 or have one year after the other: one that is off between two that are right."""
    for col in cols:
        here = [values[row, col] for row in rows if (row, col) in values]
        if len(here) < 6 or any(value.decimals for value in here):
            continue
        for step in (1, -1):
            expected = [value.number - step * n for n, value in enumerate(here)]
            first, n_right = Counter(expected).most_common(1)[0]
            wrong = [n for n, number in enumerate(expected) if number != first]
            if n_right < 5 or len(wrong) > 1:
                continue
            if not wrong:
                yield Check("count", True, col=col)
                continue
            value, mend = here[wrong[0]], first + step * wrong[0]
            yield Check(
                "count", False, col=col, suspects=(value.place,), mend=mend, expected=mend, found=value.number,
                note=f"{value.number:.0f} stands where {mend:.0f} would be next",
            )  # fmt: skip


def _types(entries: Sequence[Entry], values: Mapping[Place, _Value]) -> Iterator[Check]:
    """Columns of numbers in which one cell looks like a number with a letter for a digit: 1O4, l2."""
    n_numbers = Counter(col for _, col in values)
    for entry in entries:
        if entry.number is not None or entry.is_header or n_numbers[entry.col] < 4:
            continue
        if _GARBLED.fullmatch(entry.text.strip()):
            note = f"{entry.text!r} stands in a column of numbers"
            yield Check("type", False, col=entry.col, suspects=((entry.row, entry.col),), note=note)
