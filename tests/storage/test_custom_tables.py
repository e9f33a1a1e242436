"""Tables of custom schemas: real types, each reading once, and no row lost when a schema changes."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aria_docs.errors import QueryError, StoreError
from aria_docs.model.custom import CustomSchema, Kind, load
from aria_docs.schemas.readings import Finished, ReadingRow, RecipeRow, RunRow, reading_id
from aria_docs.schemas.sources import FileRow
from aria_docs.storage.database import Batch, Store

NOW = datetime(2026, 11, 22, 9, 30)
EXAMPLE = Path(__file__).parents[2] / "examples" / "invoice.py"


def invoice(number: str, issued: str, due: str | None, total: str, *lines: tuple[str, str, str], **more: Any) -> str:
    """An answer as a model writes it."""
    listed = [dict(zip(("text", "quantity", "amount"), line, strict=True)) for line in lines]
    answer = {"number": number, "sender": "Ott & Co", "issued": issued, "due": due, "currency": "EUR", "total": total}
    return json.dumps(answer | {"lines": listed} | more)


ANSWERS = {
    "/in/a.pdf": invoice("A-1", "2026-01-31", "2026-03-02", "119.00", ("Pens", "9.5", "60.00"), ("Ink", "2", "40.00")),
    "/in/b.pdf": invoice("B-7", "2026-02-15", None, "0.30", ("Ink", "0.125", "0.10"), ("Ink", "1", "0.20")),
    "/in/c.pdf": invoice("C-2", "2026-02-28", "2026-03-07", "20.00", ("Post", "1", "20.00"), currency="USD"),
}  # fmt: skip


class Case:
    """A store, and readings by schemas."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "r.duckdb")
        self.store.prepare(patience_s=1)
        self._folder = folder
        self._n_runs = 0

    def schema(self, *fields: str, name: str = "Own") -> CustomSchema:
        body = "\n    ".join(fields)
        path = self._folder / "own.py"
        path.write_text(f"from pydantic import *\nfrom decimal import Decimal\nclass {name}(BaseModel):\n    {body}\n")
        return load(f"{path}:{name}")

    def begin(self, schema: CustomSchema) -> str:
        """A run with that schema; returns its recipe."""
        recipe = RecipeRow(recipe=f"r-{schema.hash[:8]}", options=json.dumps({"schema": schema.identity()}))
        self._n_runs += 1
        run = RunRow(run_id=f"run{self._n_runs}", started_at=NOW, command="c", engine="aria", recipe=recipe.recipe)
        self.store.begin_run(run, [recipe], schema=schema.row())
        return recipe.recipe

    def part(
        self, schema: CustomSchema, recipe: str, path: str, answer: str, *, kind: Kind = "document", minute: int = 0
    ) -> Finished:
        part = "page:3" if kind == "page" else kind
        rid = reading_id(source_id=path, task=schema.name, part=part, recipe=recipe)
        reading = ReadingRow(
            reading_id=rid, run_id="run", source_id=path, task=schema.name, part=part, engine="aria", recipe=recipe,
            answer=answer, status="ok", seconds=1, read_at=NOW + timedelta(minutes=minute),
        )  # fmt: skip
        page = 3 if kind == "page" else None
        rows = [
            schema.record_row(found, reading_id=rid, source_id=path, page=page) for found in schema.parse(kind, answer)
        ]
        return Finished(reading=reading, records=tuple(rows))

    def write(self, *parts: Finished) -> None:
        paths = {part.reading.source_id for part in parts if part.reading}
        files = [FileRow(path=path, source_id=path, size_bytes=9, modified_at=NOW) for path in sorted(paths)]
        self.store.write(Batch(files=files, finished=list(parts)))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return self.store.ask(query).rows

    def tables(self) -> set[str]:
        return {
            name
            for (name,) in self.ask("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'x#_%' ESCAPE '#'")
        }


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


@pytest.fixture(scope="module")
def read_invoices(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """For tests that only read."""
    return filled(Case(tmp_path_factory.mktemp("invoices")))


@pytest.fixture
def invoices(case: Case) -> Case:
    return filled(case)


def filled(case: Case) -> Case:
    schema = load(f"{EXAMPLE}:Invoice")
    recipe = case.begin(schema)
    case.write(*(case.part(schema, recipe, path, answer) for path, answer in ANSWERS.items()))
    return case


def test_types_are_real(read_invoices: Case) -> None:
    types = dict(
        read_invoices.ask("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'x_invoice'")
    )
    assert types == {
        "reading_id": "VARCHAR", "source_id": "VARCHAR", "page": "INTEGER", "start_s": "DOUBLE", "end_s": "DOUBLE",
        "number": "VARCHAR", "sender": "VARCHAR", "issued": "DATE", "due": "DATE", "currency": "VARCHAR",
        "total": "DECIMAL(14,2)", "net": "DECIMAL(14,2)",
        "lines": 'STRUCT("text" VARCHAR, quantity DECIMAL(10,3), amount DECIMAL(14,2))[]',
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        (
            "SELECT number, due - issued AS days FROM x_invoice WHERE due < DATE '2026-03-05'",
            [("A-1", 30)],
        ),
        (
            "SELECT number FROM x_invoice WHERE coalesce(due, issued + INTERVAL 9 DAY) < DATE '2026-03-08' ORDER BY 1",
            [("A-1",), ("B-7",), ("C-2",)],
        ),
        (
            "SELECT currency, sum(total) AS total, sum(total - net) AS tax FROM x_invoice GROUP BY currency ORDER BY 1",
            [("EUR", Decimal("119.30"), Decimal("19.00")), ("USD", Decimal("20.00"), Decimal("0.00"))],
        ),
        (
            """SELECT l.text, sum(l.quantity) AS n, sum(l.amount) AS amount
               FROM (SELECT unnest(lines) AS l FROM x_invoice) GROUP BY ALL ORDER BY amount DESC LIMIT 2""",
            [("Pens", Decimal("9.500"), Decimal("60.00")), ("Ink", Decimal("3.125"), Decimal("40.30"))],
        ),
        (
            "SELECT path, len(lines), lines[1].text FROM latest_x_invoice WHERE month(issued) = 2 ORDER BY path",
            [("/in/b.pdf", 2, "Ink"), ("/in/c.pdf", 1, "Post")],
        ),
    ],
)
def test_queries_of_invoices(read_invoices: Case, query: str, rows: list[tuple[Any, ...]]) -> None:
    assert read_invoices.ask(query) == rows


def test_users_only_read(read_invoices: Case) -> None:
    with pytest.raises(QueryError, match="reading only"):
        read_invoices.ask("DELETE FROM x_invoice")


def test_reading_again_replaces_and_gone_files_are_not_shown(invoices: Case) -> None:
    schema = load(f"{EXAMPLE}:Invoice")
    recipe = invoices.begin(schema)
    invoices.write(invoices.part(schema, recipe, "/in/a.pdf", invoice("A-2", "2026-01-31", None, "1.00")))
    assert invoices.ask("SELECT number, lines, net FROM x_invoice WHERE source_id = '/in/a.pdf'") == [
        ("A-2", [], Decimal(0))
    ]
    assert invoices.ask("SELECT count(*) FROM x_invoice") == [(3,)]
    invoices.store.forget(["/in/a.pdf"])
    assert invoices.ask("SELECT number FROM latest_x_invoice ORDER BY ALL") == [("B-7",), ("C-2",)]


def test_pages_and_segments(case: Case) -> None:
    schema = case.schema("a: int | None")
    recipe = case.begin(schema)
    segments = [{"start": "0:05", "end": "1:10", "a": 1}, {"start": "2:00", "end": "2:00", "a": 2}]
    case.write(
        case.part(schema, recipe, "/in/d.pdf", '{"a": 7}', kind="page"),
        case.part(schema, recipe, "/in/v.mp4", json.dumps({"segments": segments}), kind="video"),
        case.part(schema, recipe, "/in/e.pdf", '{"a": null}', kind="page"),
    )
    assert case.ask("SELECT source_id, page, start_s, end_s, a FROM x_own ORDER BY a") == [
        ("/in/v.mp4", None, 5.0, 70.0, 1),
        ("/in/v.mp4", None, 120.0, 120.0, 2),
        ("/in/d.pdf", 3, None, None, 7),
    ]
    assert case.ask("SELECT count(*) FROM readings") == [(3,)]


def test_a_reading_that_found_nothing_hides_an_older_one(case: Case) -> None:
    schema = case.schema("a: int | None")
    recipe = case.begin(schema)
    other = RecipeRow(recipe="other-model", options=json.dumps({"schema": schema.identity()}))
    case.store.begin_run(
        RunRow(run_id="o", started_at=NOW, command="c", engine="remote", recipe=other.recipe),
        [other],
        schema=schema.row(),
    )
    case.write(case.part(schema, recipe, "/in/a.pdf", '{"a": 7}'))
    assert case.ask("SELECT a FROM latest_x_own") == [(7,)]
    case.write(case.part(schema, other.recipe, "/in/a.pdf", '{"a": null}', minute=1))
    assert case.ask("SELECT a FROM latest_x_own") == []
    assert case.ask("SELECT a FROM x_own") == [(7,)]


def test_a_changed_schema_leaves_its_table_behind_and_finds_it_again(case: Case) -> None:
    first, second, third = case.schema("a: int"), case.schema("a: str", "b: int"), case.schema("a: str", "b: float")
    recipe1 = case.begin(first)
    case.write(case.part(first, recipe1, "/in/a.pdf", '{"a": 1}'))
    recipe2 = case.begin(second)
    assert case.tables() == {"x_own", f"x_own_{first.hash[:8]}"}
    assert case.ask(f"SELECT a FROM x_own_{first.hash[:8]}") == [(1,)]
    assert case.ask("SELECT a, b FROM x_own") == []
    case.write(case.part(second, recipe2, "/in/a.pdf", '{"a": "x", "b": 2}', minute=1))
    assert case.ask("SELECT path, a, b FROM latest_x_own") == [("/in/a.pdf", "x", 2)]
    # A run that began with the first one goes on, whatever another process has done.
    case.write(case.part(first, recipe1, "/in/b.pdf", '{"a": 3}', minute=2))
    assert case.ask(f"SELECT a FROM x_own_{first.hash[:8]} ORDER BY a") == [(1,), (3,)]
    case.begin(third)
    assert case.tables() == {"x_own", f"x_own_{first.hash[:8]}", f"x_own_{second.hash[:8]}"}
    case.begin(first)
    assert case.tables() == {"x_own", f"x_own_{second.hash[:8]}", f"x_own_{third.hash[:8]}"}
    assert case.ask("SELECT path, a FROM latest_x_own ORDER BY a") == [("/in/a.pdf", 1), ("/in/b.pdf", 3)]
    case.write(case.part(first, recipe1, "/in/b.pdf", '{"a": 4}', minute=3))
    assert case.ask("SELECT a FROM x_own ORDER BY a") == [(1,), (4,)]
    known = case.ask(
        "SELECT name, hash, table_name FROM aria_docs_internal.custom_schemas ORDER BY table_name = 'x_own' DESC"
    )
    assert known[0] == ("own", first.hash, "x_own")
    assert {table for *_, table in known} == case.tables()
    [(kept,)] = case.ask("SELECT json_schema FROM aria_docs_internal.custom_schemas WHERE table_name = 'x_own'")
    assert kept == first.json_schema


def test_the_same_schema_again_changes_nothing(case: Case) -> None:
    schema = case.schema("a: int")
    recipe = case.begin(schema)
    case.write(case.part(schema, recipe, "/in/a.pdf", '{"a": 1}'))
    case.begin(schema)
    case.store.prepare_schema(schema.row())
    assert case.tables() == {"x_own"}
    assert case.ask("SELECT a FROM x_own") == [(1,)]
    assert case.ask("SELECT count(*) FROM aria_docs_internal.custom_schemas") == [(1,)]


def test_two_schemas_beside_each_other(case: Case) -> None:
    mine, yours = case.schema("a: int", name="Mine"), case.schema("a: str", name="YourOwn")
    parts = [
        case.part(mine, case.begin(mine), "/in/a.pdf", '{"a": 1}'),
        case.part(yours, case.begin(yours), "/in/a.pdf", '{"a": "x"}'),
    ]
    case.write(*parts)
    assert case.tables() == {"x_mine", "x_your_own"}
    assert case.ask("SELECT m.a, y.a FROM latest_x_mine m JOIN latest_x_your_own y USING (path)") == [(1, "x")]


def test_columns_may_be_called_anything(case: Case) -> None:
    names = ("order", "select", "fields", "r", "größe", "Path", "table_name")
    schema = case.schema(*(f"{name}: str" for name in names), "nested: list[list[Decimal]]")
    recipe = case.begin(schema)
    case.write(
        case.part(schema, recipe, "/in/a.pdf", json.dumps(dict.fromkeys(names, "'\"é\x00") | {"nested": [["1.5"]]}))
    )
    quoted = ", ".join(f'"{name}"' for name in names)
    assert case.ask(f"SELECT {quoted}, nested FROM latest_x_own") == [("'\"é\x00",) * 7 + ([[Decimal("1.5")]],)]
    assert case.ask("SELECT file_path FROM latest_x_own") == [("/in/a.pdf",)]


def test_what_does_not_fit_is_an_error_and_nothing_is_written(case: Case) -> None:
    schema = case.schema("a: int")
    recipe = case.begin(schema)
    good = case.part(schema, recipe, "/in/a.pdf", '{"a": 1}')
    [row] = good.records
    bad = Finished(reading=good.reading, records=(row.model_copy(update={"fields": '{"a": "x"}'}),))
    with pytest.raises(StoreError, match="could not be written"):
        case.write(bad)
    assert case.ask("SELECT (SELECT count(*) FROM readings), (SELECT count(*) FROM files)") == [(0, 0)]
    stranger = Finished(records=(row.model_copy(update={"hash": "0" * 64}),))
    with pytest.raises(StoreError, match=r"the schema own \(00000000\) was not prepared"):
        case.store.write(Batch(finished=[stranger]))


def test_a_table_of_the_users_is_left_alone(case: Case) -> None:
    schema = case.schema("a: int")
    with duckdb.connect(str(case.store.path)) as db:
        db.execute("CREATE TABLE X_Own (mine INTEGER)")
    with pytest.raises(StoreError, match="has a table x_own that aria-docs did not make"):
        case.begin(schema)
    assert case.ask("SELECT count(*) FROM runs") == [(0,)]
    with duckdb.connect(str(case.store.path)) as db:
        db.execute("DROP TABLE x_own")
    recipe = case.begin(schema)
    case.write(case.part(schema, recipe, "/in/a.pdf", '{"a": 1}'))
    with duckdb.connect(str(case.store.path)) as db:
        db.execute("DROP TABLE x_own")
    recipe = case.begin(schema)  # a table that was dropped is made anew
    case.write(case.part(schema, recipe, "/in/a.pdf", '{"a": 2}'))
    assert case.ask("SELECT a FROM x_own") == [(2,)]


def test_a_database_from_before_custom_schemas(case: Case) -> None:
    with duckdb.connect(str(case.store.path)) as db:
        db.execute("DROP TABLE aria_docs_internal.custom_schemas")
        db.execute("DELETE FROM aria_docs_internal.migrations WHERE name = '0004_custom_schemas.sql'")
    case.store.prepare(patience_s=1)
    case.begin(case.schema("a: int"))
    assert case.tables() == {"x_own"}


VARIED = """
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal
from pydantic import *

class Colour(Enum):
    RED = "r e d"
    BLUE = "blue"

class Item(BaseModel):
    name: str = Field(alias="Item's name")
    price: Annotated[Decimal, Field(max_digits=20, decimal_places=3)] | None
    sold: list[date]

class Varied(BaseModel):
    text: str
    whole: int
    real: float
    sure: bool
    day: date | None
    moment: datetime
    colour: Colour
    either: Literal["a", "b"] | None
    money: Annotated[Decimal, Field(max_digits=38, decimal_places=6)]
    items: list[Item]
    best: Item | None
    grid: list[list[int | None]]
"""
ITEMS = st.fixed_dictionaries(
    {
        "Item's name": st.text(),
        "price": st.none() | st.decimals(-(10**17) + 1, 10**17 - 1, places=3),
        "sold": st.lists(st.dates(), max_size=3),
    }
)
INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES = st.fixed_dictionaries(
    {
        "text": st.text(),
        "whole": INT64,
        "real": st.floats(allow_nan=False, allow_infinity=False),
        "sure": st.booleans(),
        "day": st.none() | st.dates(),
        "moment": st.datetimes(),
        "colour": st.sampled_from(["r e d", "blue"]),
        "either": st.sampled_from(["a", "b", None]),
        "money": st.decimals(-(10**32) + 1, 10**32 - 1, places=6),
        "items": st.lists(ITEMS, max_size=3),
        "best": st.none() | ITEMS,
        "grid": st.lists(st.lists(st.none() | INT64, max_size=3), max_size=3),
    }
)


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, CustomSchema, str]:
    folder = tmp_path_factory.mktemp("varied")
    (folder / "varied.py").write_text(VARIED)
    case, schema = Case(folder), load(f"{folder / 'varied.py'}:Varied")
    return case, schema, case.begin(schema)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(VALUES, min_size=1, max_size=5))
def test_any_instance_comes_back_as_it_went_in(
    varied: tuple[Case, CustomSchema, str], values: list[dict[str, Any]]
) -> None:
    case, schema, recipe = varied
    instances = [schema.model.model_validate(value) for value in values]
    parts = [
        case.part(schema, recipe, f"/in/{number}.pdf", instance.model_dump_json(by_alias=True))
        for number, instance in enumerate(instances)
    ]
    case.write(*parts)
    answer = case.store.ask(
        f"SELECT * EXCLUDE (reading_id, source_id, page, start_s, end_s) FROM x_varied "
        f"WHERE CAST(parse_filename(source_id, true) AS INTEGER) < {len(instances)} ORDER BY source_id"
    )
    found = [dict(zip(answer.names, row, strict=True)) for row in answer.rows]
    expected = [instance.model_dump() for instance in instances]
    for row in expected:
        row["colour"] = row["colour"].value
    assert found == expected
    assert {type(row["money"]) for row in found} == {Decimal}
    assert {type(row["day"]) for row in found} <= {date, type(None)}
