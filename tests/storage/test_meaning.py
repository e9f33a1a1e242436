"""What figures are about, and which tables mean the same: periods, units, labels, stacks; known answers."""

import random
from datetime import date
from itertools import combinations
from pathlib import Path

import pytest

from aria_docs.storage.database import Store
from aria_docs.storage.meaning import caption_words
from aria_docs.storage.periods import period_of, without_periods
from aria_docs.storage.units import unit_of, unit_of_caption
from tests.storage.test_stacks import Cell, Finished, head, id_of, table, write


@pytest.mark.parametrize(
    ("text", "name", "start", "end"),
    [
        ("2031", "2031", date(2031, 1, 1), date(2031, 12, 31)),
        ("FY 19", "2019", date(2019, 1, 1), date(2019, 12, 31)),
        ("2018/19", "2018/19", date(2018, 1, 1), date(2019, 12, 31)),
        ("1971-1990", "1971-1990", date(1971, 1, 1), date(1990, 12, 31)),
        ("3Q17", "2017-Q3", date(2017, 7, 1), date(2017, 9, 30)),
        ("second half of 2016", "2016-H2", date(2016, 7, 1), date(2016, 12, 31)),
        ("Sept. 2015", "2015-09", date(2015, 9, 1), date(2015, 9, 30)),
        ("at 28 February 2014", "2014-02-28", date(2014, 2, 28), date(2014, 2, 28)),
        ("Nine months ended September 30, 2013", "2013-01/2013-09", date(2013, 1, 1), date(2013, 9, 30)),
        ("year ended 30 June 2012", "2011/12", date(2011, 7, 1), date(2012, 6, 30)),
        ("Turnover 2011*", "2011", date(2011, 1, 1), date(2011, 12, 31)),
    ],
)
def test_periods(text: str, name: str, start: date, end: date) -> None:
    found = period_of(text)
    assert found
    assert (found.name, found.start, found.end) == (name, start, end)


@pytest.mark.parametrize(
    "text", ["", "Total", "12", "1,984", "3.2019", "2012 and 2014, 2016", "31 February 2014", "room 19845"]
)
def test_no_period(text: str) -> None:
    assert period_of(text) is None


def test_a_label_without_its_period() -> None:
    assert [without_periods(text) for text in ("Change 2019", "31 May 2018", "Note")] == ["Change", "", "Note"]


@pytest.mark.parametrize(
    ("text", "unit", "scale"),
    [
        ("GBP million", "GBP", 1e6), ("£m", "GBP", 1e6), ("in thousands of Swiss francs", "CHF", 1e3),
        ("Turnover (USD bn)", "USD", 1e9), ("Share, %", "%", 1), ("percentage", "%", 1),
        ("Output (1 000 tonnes)", "tonnes", 1e3),
        ("Visitors, thousand", None, 1e3), ("Supply, TWh", "TWh", 1), ("Dividend per share", None, 1),
    ],
)  # fmt: skip
def test_units(text: str, unit: str | None, scale: float) -> None:
    found = unit_of(text)
    assert found
    assert (found.unit, found.scale) == (unit, scale)


@pytest.mark.parametrize("text", ["", "Turnover", "Item", "Kingston", "Sales in Norway", "May", "m"])
def test_no_unit(text: str) -> None:
    assert unit_of(text) is None


def test_units_of_captions() -> None:
    found = unit_of_caption("Table 9. Balance of trade (in millions of US dollars)")
    assert found and (found.unit, found.scale) == ("USD", 1e6)
    assert unit_of_caption("Million-dollar questions of the board") is None


def test_captions_without_numbers() -> None:
    assert caption_words("Table 12. Wages by trade, 2019 (continued)") == caption_words("Tab. 4: Wages by trade, 2021")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "r.duckdb")
    store.prepare(patience_s=1)
    return store


def captioned(part: Finished, caption: str) -> Finished:
    return Finished(
        reading=part.reading, tables=(part.tables[0].model_copy(update={"caption": caption}),), cells=part.cells
    )


def test_figures_say_what_they_are_about(store: Store) -> None:
    rows: list[list[Cell]] = [
        [("GBP million", None, 2, 1), ("Note", None, 2, 1), ("31 March", None, 1, 2), None, ("Growth", None, 2, 1)],
        [None, None, ("2017", 2017), ("2016", 2016), None],
        [("Assets", None), *head("", "", "", "")],
        [("Mills", None), ("7", 7), ("12.5", 12.5), ("11", 11), ("14 %", 14)],
        [("Barns", None), ("", None), (":", None), ("3", 3), ("", None)],
        [("Liabilities", None, 1, 5), None, None, None, None],
        [("Loans", None), ("", None), ("(4)", -4), ("5", 5), ("", None)],
    ]  # fmt: skip
    write(store, captioned(table("a", 3, rows, header=2), "Table 8. What the estate owns"))
    answer = store.ask(
        "SELECT row_label, col_label, period, period_end, unit, scale, value, value_in_units FROM figures "
        "ORDER BY row_no, col_no"
    )
    end17, end16 = date(2017, 3, 31), date(2016, 3, 31)
    assert answer.rows == [
        ("Assets / Mills", "Note", None, None, None, 1, 7, 7),
        ("Assets / Mills", "31 March 2017", "2017-03-31", end17, "GBP", 1e6, 12.5, 12.5e6),
        ("Assets / Mills", "31 March 2016", "2016-03-31", end16, "GBP", 1e6, 11, 11e6),
        ("Assets / Mills", "Growth", None, None, "%", 1, 14, 14),
        ("Assets / Barns", "31 March 2016", "2016-03-31", end16, "GBP", 1e6, 3, 3e6),
        ("Liabilities / Loans", "31 March 2017", "2017-03-31", end17, "GBP", 1e6, -4, -4e6),
        ("Liabilities / Loans", "31 March 2016", "2016-03-31", end16, "GBP", 1e6, 5, 5e6),
    ]


def test_a_year_that_spans_lines_stands_in_each_of_them(store: Store) -> None:
    rows: list[list[Cell]] = [
        head("", "", "Employed"),
        [("1987", 1987, 3, 1), ("Men", None), ("10", 10)], [None, ("Women", None), ("11", 11)],
        [None, ("All", None), ("21", 21)],
        [("1988", 1988, 2, 1), ("Men", None), ("12", 12)], [None, ("Women", None), ("13", 13)],
    ]  # fmt: skip
    part = table("a", 1, rows)
    write(store, part)
    assert store.ask(f"SELECT count(*), sum(employed) FROM tbl_{id_of(part)} WHERE c0 = 1987").rows == [(3, 42)]
    assert store.ask("SELECT period, sum(value) FROM figures GROUP BY 1 ORDER BY 1").rows == [
        ("1987", 42),
        ("1988", 25),
    ]


def test_a_column_of_numbers_survives_stray_marks(store: Store) -> None:
    values = [("1", 1), ("(c)", None), ("3", 3), (":", None), ("5", 5), ("6", 6), ("see p. 4", None), ("–", None)]
    part = table("a", 1, [head("Farm", "Sheep"), *([(f"farm {n}", None), cell] for n, cell in enumerate(values))])
    write(store, part)
    answer = store.ask(
        f"SELECT sum(sheep), list(sheep_mark ORDER BY row_no) FILTER (sheep_mark IS NOT NULL) FROM tbl_{id_of(part)}"
    )
    assert answer.rows == [(15, ["(c)", ":", "see p. 4", "–"])]


FIRMS = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ivy", "Juniper")
STATEMENTS = {
    "Income statement": ["Turnover", "Cost of sales", "Gross profit", "Wages", "Operating profit", "Tax", "Net profit"],
    "Balance sheet": ["Land", "Machines", "Stocks", "Debtors", "Cash", "Equity", "Bank loans", "Creditors"],
    "Cash flow statement": ["Net profit", "Depreciation", "Change in stocks",
                            "Bought machines", "Dividends paid", "Cash at end"],
    "Five years at a glance": ["Turnover", "Net profit", "Employees", "Dividend"],
}  # fmt: skip


def annual_report(firm: str, year: int, luck: random.Random) -> list[tuple[str, Finished]]:
    """The tables of one report with what kind each is. Captions are there for some firms, and differ from year to year;
    a line comes or goes; a note column stands in some; two firms say it in words of their own."""
    n = FIRMS.index(firm)
    own = {"Turnover": "Net sales", "Debtors": "Receivables", "Stocks": "Inventories"} if n in (3, 7) else {}
    made = []
    for page, (kind, lines) in enumerate(STATEMENTS.items(), start=2):
        years = [year - back for back in range(5 if kind.startswith("Five") else 2)]
        kept = [line for line in lines if luck.random() > 0.1 or line == lines[0]]
        note = n % 3 == 0 and len(years) == 2
        rows: list[list[Cell]] = [head("EUR thousand", *(["Note"] if note else []), *map(str, years))]
        for line in kept:
            numbers: list[Cell] = [(f"{value:,}", float(value)) for value in (luck.randrange(10_000) for _ in years)]
            rows.append([(own.get(line, line), None), *([("3", 3.0)] if note else []), *numbers])
        caption = f"Table {page}. {kind} {year}" if n % 2 or note != (n % 3 == 0) else f"{kind}, {year} and {year - 1}"
        part = table(f"{firm}{year}", page, rows)
        made.append((kind, captioned(part, caption) if n != 4 else part))
    segments: list[list[Cell]] = [head("Mill", "Logs, thousand m³", "Boards, thousand m³", f"Staff {year}")]
    segments += [[(f"Mill {firm} {place}", None), ("5", 5), ("4", 4), ("30", 30)] for place in range(3)]
    made.append(("Mills", captioned(table(f"{firm}{year}", 9, segments), f"Our mills in {year}")))
    contacts: list[list[Cell]] = [head("Name", "Phone"), *([(f"{firm} {who}", None), ("555", 555)] for who in "AB")]
    made.append((f"Contacts {firm} {year}" if year % 2 else "Contacts", table(f"{firm}{year}", 12, contacts)))
    return made


def test_forty_annual_reports_of_ten_firms_over_four_years(store: Store) -> None:
    """Every true pair is in one stack: the same statement of a firm in two years; and no two kinds ever are."""
    luck = random.Random(16)
    kind_of: dict[str, tuple[str, str]] = {}
    for year in (2021, 2022, 2023, 2024):  # one run a year: the stacks grow
        parts = []
        for firm in FIRMS:
            for kind, part in annual_report(firm, year, luck):
                parts.append(part)
                kind_of[id_of(part)] = (
                    firm,
                    kind.partition(" Alder")[0].split(" 20")[0] if "Contacts" not in kind else "Contacts",
                )
        write(store, *parts, run=f"run {year}")
    stack_of = dict(store.ask("SELECT table_id, stack FROM aria_docs_internal.stacked_tables").rows)
    missed, false = [], []
    for one, other in combinations(kind_of, 2):
        together = stack_of.get(one) is not None and stack_of.get(one) == stack_of.get(other)
        if kind_of[one] == kind_of[other] and not together:
            missed.append((kind_of[one], kind_of[other]))
        if kind_of[one][1] != kind_of[other][1] and together:
            false.append((kind_of[one], kind_of[other]))
    assert (len(missed), len(false)) == (0, 0), (missed[:5], false[:5])
    [(stack, why)] = store.ask("SELECT stack, why FROM stacks WHERE stack LIKE '%mill_logs%'").rows
    assert "periods" in why
    wide = store.ask(f"SELECT * FROM {stack} LIMIT 1").names
    assert {"mill", "staff_2021", "staff_2024"} <= set(wide)
    assert store.ask(f"SELECT count(DISTINCT period) FROM {stack}_long WHERE col_label LIKE 'Staff%'").rows == [(4,)]


def test_the_order_of_reading_makes_no_other_stacks(tmp_path: Path) -> None:
    parts = [
        part for firm in FIRMS[:2] for year in (2021, 2022) for _, part in annual_report(firm, year, random.Random(3))
    ]
    found = []
    for name, order in (("a", parts), ("b", parts[::-1])):
        one = Store(tmp_path / f"{name}.duckdb")
        one.prepare(patience_s=1)
        for part in order:
            write(one, part, run=str(id(part)))
        found.append(
            one.ask(
                "SELECT stack, list_sort(list(table_id)) FROM aria_docs_internal.stacked_tables GROUP BY 1 ORDER BY 1"
            ).rows
        )
    assert found[0] == found[1]


def test_a_permutation_and_a_subset_are_one_stack(store: Store) -> None:
    value: list[list[Cell]] = [[("Oslo", None), ("1", 1), ("2", 2), ("3", 3)]]
    one = table("a", 1, [head("Town", "Schools", "Pupils", "Teachers"), *value])
    turned = table("b", 1, [head("Town", "Teachers", "Schools", "Pupils"), *value])
    less = table("c", 1, [head("Town", "Pupils", "Schools"), value[0][:3]])
    other = table("d", 1, [head("Town", "Cows", "Hens", "Geese"), *value])
    write(store, one, turned, less, other)
    [(stack, n)] = store.ask("SELECT stack, n_tables FROM stacks").rows
    assert n == 3
    assert store.ask(f"SELECT sum(schools), sum(pupils), sum(teachers) FROM {stack}").rows == [(5, 6, 4)]


def test_what_is_ours_is_not_shown(store: Store) -> None:
    shown = {name for (name,) in store.ask("SHOW TABLES").rows}
    assert {"tables", "cells", "figures", "stacks", "document_tables"} <= shown
    assert not shown & {"migrations", "ranked_terms", "sidecars", "stacked_tables", "table_keys", "newest", "due"}


def test_every_table_view_and_column_says_what_it_is(store: Store) -> None:
    pair = [
        captioned(table(name, 1, [head("Town", "Cows", "Hens"), [("Oslo", None), ("1", 1), ("2", 2)]]), "Herds")
        for name in "ab"
    ]
    write(store, *pair)
    shown = "schema_name = 'main' AND NOT internal"
    bare = store.ask(
        f"SELECT view_name FROM duckdb_views() WHERE {shown} AND comment IS NULL "
        f"UNION ALL SELECT table_name FROM duckdb_tables() WHERE {shown} AND comment IS NULL UNION ALL "
        f"SELECT table_name || '.' || column_name FROM duckdb_columns() WHERE {shown} AND comment IS NULL "
        "AND NOT starts_with(table_name, 'stacked_')"
    ).rows
    assert bare == [], "schemas/sql/comments.txt has a line for each"
    [(told,)] = store.ask(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'cells' AND column_name = 'row_span'"
    ).rows
    assert told == "How many rows the cell takes."
    assert store.ask(
        "SELECT count(*) FROM duckdb_views() WHERE view_name LIKE 'stacked%' AND comment IS NULL"
    ).rows == [(0,)]
    store.prepare(patience_s=1)
    assert store.ask("SELECT count(*) > 100 FROM duckdb_columns() WHERE comment IS NOT NULL").rows == [(True,)]
