"""How many changed digits arithmetic shows, and how often it is wrong about right tables.

    python benchmarks/checks.py [--tables 200] [--seed 18] [--alarms]

Makes financial tables of four kinds (statements with sub-totals, quarters with a total, shares of 100, accounts with a
balance), half of them rounded from finer figures as reports are. Counts alarms in the right ones; then changes one
digit of each. "Can be shown": the changed number is part of a sum, difference or balance of the table, and is off by
more than rounding explains (2 of the last digit where the table is rounded).
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass, replace

from aria_docs.model.checks import Entry, checks_of


@dataclass(frozen=True)
class Made:
    """Rows of printed numbers (None: text) below one header row; `bound`: cells that arithmetic binds."""

    rows: list[list[str | float | None]]
    bound: set[tuple[int, int]]
    rounded: bool
    decimals: int = 0


def statement(pick: random.Random) -> Made:
    years, rounded = pick.randint(1, 4), pick.random() < 0.5
    rows: list[list[str | float | None]] = []
    fine: list[list[float]] = []

    def put(label: str, values: list[float]) -> list[float]:
        fine.append(values)
        rows.append([label, *(float(round(value)) for value in values)])
        return values

    def item(low: int, high: int) -> list[float]:
        return [pick.uniform(low, high) if rounded else float(pick.randint(low, high)) for _ in range(years)]

    scale = pick.choice([500, 5_000, 60_000])
    subtotals = []
    for section in range(pick.randint(1, 3)):
        items = [put(f"Item {section}{n}", item(scale // 20, scale)) for n in range(pick.randint(2, 6))]
        subtotals.append(put(f"Total section {section}", [sum(column) for column in zip(*items, strict=True)]))
    if len(subtotals) > 1:
        put("Total", [sum(column) for column in zip(*subtotals, strict=True)])
    bound = {(row + 1, col + 1) for row in range(len(rows)) for col in range(years)}
    return Made(rows, bound, rounded)


def quarters(pick: random.Random) -> Made:
    rounded = pick.random() < 0.5
    rows: list[list[str | float | None]] = []
    items = []
    for n in range(pick.randint(3, 8)):
        fine = [pick.uniform(100, 9_000) if rounded else float(pick.randint(100, 9_000)) for _ in range(4)]
        items.append(fine)
        rows.append([f"Region {n}", *(float(round(value)) for value in fine), float(round(sum(fine)))])
    totals = [sum(column) for column in zip(*items, strict=True)]
    rows.append(["Total", *(float(round(value)) for value in totals), float(round(sum(totals)))])
    return Made(rows, {(row + 1, col) for row in range(len(rows)) for col in range(1, 6)}, rounded)


def account(pick: random.Random) -> Made:
    balance = pick.randint(1_000, 20_000)
    rows: list[list[str | float | None]] = [["Opening", None, None, float(balance)]]
    for n in range(pick.randint(7, 14)):
        paid_in, paid_out = (pick.randint(50, 4_000), None) if pick.random() < 0.5 else (None, pick.randint(50, 900))
        balance += (paid_in or 0) - (paid_out or 0)
        rows.append([f"Day {n}", *(None if x is None else float(x) for x in (paid_in, paid_out)), float(balance)])
    bound = {(r + 1, c) for r, row in enumerate(rows) for c in (1, 2, 3) if row[c] is not None and r + c > 3}
    return Made(rows, bound, False)


def shares(pick: random.Random) -> Made:
    columns = pick.randint(2, 4)
    made = []
    for _ in range(columns):
        parts = [pick.uniform(2, 30) for _ in range(5)]
        made.append([100 * part / sum(parts) for part in parts])
    rows: list[list[str | float | None]] = [
        [f"Holder {n}", *(round(column[n], 1) for column in made)] for n in range(5)
    ]
    rows.append(["Total", *(100.0 for _ in made)])
    bound = {(row + 1, col + 1) for row in range(6) for col in range(columns)}
    return Made(rows, bound, True, decimals=1)


def entries(made: Made) -> list[Entry]:
    found = [Entry(0, col, str(2025 - col), float(2025 - col), is_header=True) for col in range(1, len(made.rows[0]))]
    for row, line in enumerate(made.rows, start=1):
        for col, value in enumerate(line):
            text = value if isinstance(value, str) else "" if value is None else f"{value:,.{made.decimals}f}"
            found.append(Entry(row, col, text, value if isinstance(value, float) else None))
    return found


def change(listed: list[Entry], made: Made, pick: random.Random) -> tuple[list[Entry], tuple[int, int], float]:
    """One digit of one bound cell becomes another; not the first one a nought."""
    while True:
        row, col = pick.choice(sorted(made.bound))
        n = next(n for n, entry in enumerate(listed) if (entry.row, entry.col) == (row, col))
        text = listed[n].text
        places = [at for at, c in enumerate(text) if c.isdigit()]
        at = pick.choice(places)
        digit = pick.choice([d for d in "0123456789" if d != text[at] and not (d == "0" and at == places[0])])
        mended = text[:at] + digit + text[at + 1 :]
        number = float(mended.replace(",", ""))
        off = abs(number - (listed[n].number or 0.0)) * 10**made.decimals
        return [*listed[:n], replace(listed[n], text=mended, number=number), *listed[n + 1 :]], (row, col), off


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--alarms", action="store_true", help="print what is missed and every false alarm")
    args = parser.parse_args()
    pick = random.Random(args.seed)
    kinds = (statement, quarters, account, shares)
    false = shown = can = named = mended = mends = 0
    missed: dict[str, int] = {}
    began = time.process_time()
    for n in range(args.tables):
        kind = kinds[n % 4]
        made = kind(pick)
        right = entries(made)
        alarms = [check for check in checks_of(right, n_header_rows=1) if not check.holds]
        false += bool(alarms)
        if alarms and args.alarms:
            print("false alarm", kind.__name__, alarms[0], [[e.text for e in right if e.row == r] for r in range(20)])
        wrong, place, off = change(right, made, pick)
        if made.rounded and off <= 2:
            continue
        can += 1
        alarms = [check for check in checks_of(wrong, n_header_rows=1) if not check.holds]
        shown += bool(alarms)
        named += bool(alarms) and any(place in check.suspects for check in alarms)
        values = {(entry.row, entry.col): entry.number for entry in right}
        proposed = [check for check in alarms if check.mend is not None]
        mends += bool(proposed)
        mended += any(abs((values[check.suspects[0]] or 0) - (check.mend or 0)) <= 3 for check in proposed)
        if not alarms:
            missed[kind.__name__] = missed.get(kind.__name__, 0) + 1
            if args.alarms:
                print(
                    "missed", kind.__name__, place, off, [[e.text for e in wrong if e.row == r] for r in range(1, 20)]
                )
    print(f"{args.tables} right tables: false alarms in {false}")
    print(f"{can} changed digits can be shown: {shown} are ({shown / can:.1%}); missed by kind: {missed}")
    print(f"the changed cell is among the suspects in {named} of {shown} ({named / max(1, shown):.1%})")
    print(f"a mending value is named in {mends}, and is right in {mended}")
    print(f"{(time.process_time() - began) / (args.tables + can) * 1e3:.1f} CPU ms a table")


if __name__ == "__main__":
    main()
