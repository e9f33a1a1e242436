"""A user's own model: which columns it has, what is asked, what answers hold, and what is refused, in one sentence."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aria_docs.errors import UsageError
from aria_docs.model.custom import CustomSchema, load, task_name
from aria_docs.model.recovery import whole_part
from aria_docs.model.seen import Record

HEAD = """
import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NewType
from pydantic import *

class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"

class Level(IntEnum):
    LOW = 1
    HIGH = 2

class Item(BaseModel):
    name: str
    price: Annotated[Decimal, Field(decimal_places=2)] | None = None

class Node(BaseModel):
    children: list["Node"]

@dataclass
class Pair:
    a: int

Code = NewType("Code", str)
"""


def schema(folder: Path, *fields: str, name: str = "Thing", per: str = "document") -> CustomSchema:
    body = "\n    ".join(fields)
    (folder / "own.py").write_text(f"{HEAD}\nclass {name}(BaseModel):\n    {body}\n")
    return load(f"{folder / 'own.py'}:{name}", per=per)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "sql"),
    [
        ("a: str", "VARCHAR"),
        ("a: Code", "VARCHAR"),
        ("a: Annotated[str, AfterValidator(str.lower)]", "VARCHAR"),
        ("a: int", "BIGINT"),
        ("a: PositiveInt | None = None", "BIGINT"),
        ("a: float", "DOUBLE"),
        ("a: bool", "BOOLEAN"),
        ("a: dt.date | None", "DATE"),
        ("a: PastDate", "DATE"),
        ("a: dt.datetime", "TIMESTAMP"),
        ("a: AwareDatetime", "TIMESTAMP"),
        ("a: Decimal", "DECIMAL(18,4)"),
        ("a: condecimal(max_digits=12, decimal_places=2)", "DECIMAL(12,2)"),
        ("a: Decimal = Field(decimal_places=6)", "DECIMAL(20,6)"),
        ("a: Decimal = Field(max_digits=9)", "DECIMAL(13,4)"),
        ("a: Decimal = Field(max_digits=60)", "DECIMAL(38,4)"),
        ("a: Decimal = Field(max_digits=3, decimal_places=3)", "DECIMAL(3,3)"),
        ("a: Colour", "VARCHAR"),
        ("a: Level | None", "BIGINT"),
        ("a: Literal['x', 'y', None]", "VARCHAR"),
        ("a: Literal[Colour.RED]", "VARCHAR"),
        ("a: Literal[1, 2]", "BIGINT"),
        ("a: Literal[True]", "BOOLEAN"),
        ("a: Literal['n/a'] | Colour", "VARCHAR"),
        ("a: list[dt.date]", "DATE[]"),
        ("a: list[list[int]]", "BIGINT[][]"),
        ("a: Pair", 'STRUCT("a" BIGINT)'),
        ("a: tuple[int, ...]", "BIGINT[]"),
        ("a: Sequence[float]", "DOUBLE[]"),
        ("a: list[str | None] | None = None", "VARCHAR[]"),
        ("a: Item", 'STRUCT("name" VARCHAR, "price" DECIMAL(16,2))'),
        ("a: list[Item]", 'STRUCT("name" VARCHAR, "price" DECIMAL(16,2))[]'),
    ],
)
def test_columns(tmp_path: Path, field: str, sql: str) -> None:
    assert schema(tmp_path, field).columns == {"a": sql}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (["a: Any"], r"Thing\.a: Any has no column; use str, int, float, bool, date, datetime, Decimal, Enum"),
        (["a: bytes"], r"Thing\.a: a JSON string of format binary has no column"),
        (["a: dt.timedelta"], "of format duration has no column"),
        (["a: dt.time"], "of format time has no column"),
        (["a: UUID4"], "of format uuid4 has no column"),
        (["a: HttpUrl"], "of format uri has no column"),
        (["a: Path"], "of format path has no column; use str"),
        (["a: SecretStr"], "of format password has no column; use str"),
        (["a: set[str]"], "a set or a tuple of fixed places has no column"),
        (["a: tuple[int, str]"], "a tuple of fixed places has no column"),
        (["a: Annotated[str, PlainValidator(str)]"], "Any has no column"),
        (["a: int | str"], r"one of BIGINT \| VARCHAR, and a column has one type"),
        (["a: list[Item | int]"], r"Thing\.a\[\]: it is one of BIGINT \| STRUCT"),
        (["a: Literal[1, 'x']"], "either texts or whole numbers"),
        (["a: list"], r"Thing\.a\[\]: Any has no column"),
        (["a: list[Item] | dict[str, Item]"], r"Thing\.a: a dict has no column"),
        (["a: Node"], r"Thing\.a\.children\[\]: Node holds itself"),
        (["child: 'Thing | None'"], "Thing holds itself"),
        (["a: int", "A: str"], "'a' twice, and SQL knows no case"),
        (["a: int = Field(alias='x')", "b: int = Field(alias='x')"], "'x' twice"),
        (["a: int = Field(validation_alias=AliasPath('x', 0))"], "alias is a path"),
        (["pass"], "Thing has no field"),
        (["page: int"], "a column page already"),
        (["Start_S: int"], "a column Start_S already"),
        (["a: int", "reading_id: str"], "a column reading_id already"),
    ],
)
def test_what_no_table_can_hold_is_refused(tmp_path: Path, fields: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        schema(tmp_path, *fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "content", "why"),
    [
        ("own.py", "", "write a file and a class in it"),
        (":Thing", "", "write a file and a class in it"),
        ("own.py:", "", "write a file and a class in it"),
        ("other.py:Thing", "", "there is no file .*other.py"),
        (".:Thing", "", "there is no file"),
        ("own.txt:Thing", "", "is no Python file"),
        ("own.py:Thing", "x = 1", "own.py has no Thing"),
        ("own.py:Thing", "class Thing: pass", "is no pydantic model"),
        ("own.py:BaseModel", "from pydantic import BaseModel", "is no pydantic model"),
        ("own.py:Thing", "def Thing(: pass", "cannot be executed: SyntaxError"),
        ("own.py:Thing", "import no_such_library", "cannot be executed: ModuleNotFoundError: No module named"),
        ("own.py:Thing", "1 / 0", "cannot be executed: ZeroDivisionError"),
        ("own.py:Thing", "raise SystemExit", "cannot be executed: SystemExit"),
        ("own.py:Thing", "from pydantic import *\nclass Thing(BaseModel):\n  a: 'Unknown'", "cannot make sense"),
        ("own.py:Thing", "from pydantic import *\nclass Thing(BaseModel):\n  a: object()", "cannot be executed"),
        ("own.py:Thing", "from pydantic import *\nclass Thing(RootModel[list[int]]): pass", "RootModel"),
        ("own.py:Summary", "from pydantic import *\nclass Summary(BaseModel):\n  a: int", "is a task already"),
        ("own.py:Ünit", "from pydantic import *\nclass Ünit(BaseModel):\n  a: int", "no name for a table"),
        ("own.py:T_0123abcd", "from pydantic import *\nclass T_0123abcd(BaseModel):\n  a: int", "no name for a table"),
    ],
)
def test_files_that_hold_no_schema(tmp_path: Path, spec: str, content: str, why: str) -> None:
    for suffix in (".py", ".txt"):
        (tmp_path / f"own{suffix}").write_text(content, encoding="utf-8")
    before = set(sys.modules)
    with pytest.raises(UsageError, match=why) as caught:
        load(str(tmp_path / spec) if spec[0] != ":" else spec)
    assert "\n" not in str(caught.value)
    assert "cannot be executed" not in why or set(sys.modules) == before


@pytest.mark.parametrize(
    ("class_name", "name"),
    [("Invoice", "invoice"), ("PurchaseOrder", "purchase_order"), ("HTTPLog2", "http_log2"), ("_Own", "own")],
)
def test_names(class_name: str, name: str) -> None:
    assert task_name(class_name) == name


def test_the_file_is_executed_and_nothing_of_it_stays_importable(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("from pydantic import BaseModel\nclass Part(BaseModel):\n    a: int\n")
    text = "from __future__ import annotations\nfrom beside_it import Part, BaseModel\nclass Whole(BaseModel):\n    "
    (tmp_path / "whole.py").write_text(f"{text}parts: list[Part]\n")
    path_before, spec = list(sys.path), f"{tmp_path / 'whole.py'}:Whole"
    first = load(spec)
    assert sys.path == path_before
    assert "whole" not in sys.modules
    assert first.columns == {"parts": 'STRUCT("a" BIGINT)[]'}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beside_it.py", "whole.py"]
    (tmp_path / "whole.py").write_text(f"{text}parts: list[Part]\n    more: int\n")
    assert load(spec).columns == first.columns | {"more": "BIGINT"}
    del sys.modules["beside_it"]


def test_the_hash_is_of_what_is_asked(tmp_path: Path) -> None:
    same = [schema(tmp_path, "a: int"), schema(tmp_path, "a: int  # a comment"), schema(tmp_path, "a: int", per="page")]
    assert len({found.hash for found in same}) == 1
    others = [
        schema(tmp_path, "a: str"),
        schema(tmp_path, "b: int"),
        schema(tmp_path, "a: int | None"),
        schema(tmp_path, "a: int = Field(le=9)"),
        schema(tmp_path, "a: int = Field(description='how many')"),
        schema(tmp_path, '"""All of them."""', "a: int"),
    ]
    assert len({found.hash for found in (*same, *others)}) == 7
    assert re.fullmatch("[0-9a-f]{64}", same[0].hash)
    identity = same[2].identity()
    assert (identity["name"], identity["per"], identity["hash"]) == ("thing", "page", same[0].hash)
    assert json.loads(json.dumps(identity)) == identity


def test_the_question_says_what_the_user_said(tmp_path: Path) -> None:
    thing = schema(
        tmp_path,
        '"""One thing\n    that is sold."""',
        "number: str = Field(alias='No.', description='as printed')",
        "day: dt.date | None",
        "colour: Colour = Colour.RED",
        "items: list[Item] = Field(description='all of them')",
    )
    ask, _, form = thing.question("page").partition("\n\n")
    assert "this page" in ask
    assert form == (
        "Thing: One thing that is sold.\n"
        "- No. (text): as printed\n"
        "- day (date as YYYY-MM-DD or null)\n"
        "- colour (one of red, blue or null)\n"
        "- items (list, each: object): all of them\n"
        "  - name (text)\n"
        '  - price (decimal number in quotes, as "1234.50" or null)'
    )
    assert "this document" in thing.question("document")
    assert "segment" in thing.question("video")


ALL = (
    "text: str",
    "code: Annotated[str, Field(pattern='^[A-Z]{2,}-[0-9]+$')]",
    "currency: Annotated[str, Field(pattern='^(EUR|USD)$')]",
    "inside: Annotated[str, Field(pattern='[0-9]+')]",
    "short: Annotated[str, Field(min_length=2, max_length=5)] | None",
    "whole: int",
    "share: Annotated[float, Field(ge=0, le=1)]",
    "money: Annotated[Decimal, Field(ge=0, max_digits=6, decimal_places=2)]",
    "day: dt.date",
    "sent: dt.datetime",
    "seen: AwareDatetime",
    "colour: Colour = Colour.RED",
    "level: Level",
    "sure: bool",
    "items: list[Item]",
    "tags: Annotated[list[str], Field(min_length=1, max_length=3)]",
)
ANSWER: dict[str, Any] = {
    "text": 'é "quoted" \\ 表', "code": "AB-7", "currency": "EUR", "inside": "no 7", "short": None, "whole": 7,
    "share": 0.25, "money": "1234.50", "day": "2024-02-29", "sent": "2024-02-29T10:00:00",
    "seen": "2024-02-29T10:00:00+02:00", "colour": None, "level": 2, "sure": True,
    "items": [{"name": "n", "price": "1.50"}, {"name": "m", "price": None}], "tags": ["b", "a"],
}  # fmt: skip


def places(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, list):
        for item in schema:
            yield from places(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema
        for key, value in schema.items():
            if key not in ("enum", "required"):
                yield from places(value)


@pytest.mark.parametrize("kind", ["page", "document", "video"])
def test_everything_on_the_wire_has_an_end(tmp_path: Path, kind: Any) -> None:
    wire = json.loads(schema(tmp_path, *ALL).wire(kind))
    found = list(places(wire))
    assert {place["type"] for place in found} == {
        "object", "array", "string", "integer", "number", "boolean", "null",
    }  # fmt: skip
    for place in found:
        match place["type"]:
            case "string":
                assert {"maxLength", "enum", "pattern"} & place.keys()
                assert not re.search(r"\(\?|[*+]|,\}", place.get("pattern", "").replace("[+-]", ""))
            case "array":
                assert place["maxItems"] <= 256
            case "integer":
                assert "enum" in place or {"minimum", "maximum"} <= place.keys()
            case "object":
                assert place["additionalProperties"] is False
                assert place["required"] == list(place["properties"])


def test_bounds_of_the_user_and_ours(tmp_path: Path) -> None:
    wire = json.loads(schema(tmp_path, *ALL).wire("document"))["properties"]
    assert list(wire) == list(ANSWER)
    assert wire["text"] == {"type": "string", "maxLength": 1000}
    assert wire["code"]["pattern"] == "^[A-Z]{2,100}-[0-9]{1,100}$"
    assert wire["currency"]["pattern"] == "^(EUR|USD)$"
    assert "pattern" not in wire["inside"], "decoders differ on patterns that are not anchored"
    assert wire["short"] == {"anyOf": [{"type": "string", "minLength": 2, "maxLength": 5}, {"type": "null"}]}
    assert wire["share"] == {"type": "number", "minimum": 0, "maximum": 1}
    assert wire["money"] == {"type": "string", "pattern": r"^[0-9]{1,4}(\.[0-9]{1,2})?$"}
    assert wire["colour"]["anyOf"] == [{"type": "string", "enum": ["red", "blue"]}, {"type": "null"}]
    assert wire["tags"] == {
        "type": "array",
        "items": {"type": "string", "maxLength": 1000},
        "minItems": 1,
        "maxItems": 3,
    }


@pytest.mark.parametrize("kind", ["document", "video"])
def test_a_decoder_takes_the_wire(tmp_path: Path, kind: Any) -> None:
    llguidance = pytest.importorskip("llguidance")
    thing = schema(tmp_path, *ALL)
    tokens = llguidance.LLTokenizer("byte")
    answer = ANSWER if kind == "document" else {"segments": [{"start": "0:05", "end": "61:10"} | ANSWER]}

    def takes(answer: Any) -> bool:
        matcher = llguidance.LLMatcher(tokens, llguidance.LLMatcher.grammar_from_json_schema(thing.wire(kind)))
        return bool(
            matcher.consume_tokens(tokens.tokenize_str(json.dumps(answer, ensure_ascii=False)))
            and matcher.is_accepting()
        )

    assert takes(answer)
    assert not takes(answer | {"more": 1})
    assert len(thing.parse(kind, json.dumps(answer))) == 1


def test_an_answer_becomes_a_record(tmp_path: Path) -> None:
    [record] = schema(tmp_path, *ALL).parse("document", json.dumps(ANSWER))
    assert record == Record(
        ANSWER
        | {
            "colour": "red",  # null: nothing was said, and the default holds
            "seen": "2024-02-29T08:00:00",  # UTC
        }
    )


def test_aliases_computed_excluded_and_nested(tmp_path: Path) -> None:
    thing = schema(
        tmp_path,
        "number: str = Field(validation_alias=AliasChoices('No.', 'Nr.'))",
        "thoughts: str = Field('', exclude=True)",
        "a: Decimal",
        "@computed_field",
        "@property",
        "def third(self) -> Decimal: return self.a / 3",
        "@field_validator('number')",
        "@classmethod",
        "def bare(cls, value: str) -> str: return value.strip('#')",
    )
    assert thing.columns == {"number": "VARCHAR", "a": "DECIMAL(18,4)", "third": "DECIMAL(18,4)"}
    assert json.loads(thing.wire("page"))["required"] == ["No.", "thoughts", "a"]
    answer = '{"No.": "#7", "thoughts": "hm", "a": 0.1}'
    [record] = thing.parse("page", answer)
    assert record.values == {"number": "7", "a": "0.1000", "third": "0.0333"}


def test_models_that_are_built_late(tmp_path: Path) -> None:
    late = "class Thing(BaseModel):\n    model_config = ConfigDict(defer_build=True)\n    a: 'Later'\n"
    (tmp_path / "own.py").write_text(f"from pydantic import *\n{late}class Later(BaseModel):\n    b: int\n")
    assert load(f"{tmp_path / 'own.py'}:Thing").columns == {"a": 'STRUCT("b" BIGINT)'}


def test_digits_are_kept(tmp_path: Path) -> None:
    thing = schema(tmp_path, "a: Decimal", "model_config = ConfigDict(strict=True)", "day: dt.date")
    [record] = thing.parse("page", '{"a": 12345678901234.5678, "day": "2024-02-29"}')
    assert record.values["a"] == "12345678901234.5678"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ("nothing", "it is no JSON"),
        ("[]", "valid dictionary or object|should be an object"),
        ("{}", r"text: Field required \(and 1\d more\)"),
        ("[" * 100_000, "it is no JSON|nested too deep"),
        ({"share": float("nan")}, "NaN is no number in JSON"),
        ({"share": 2}, "share: Input should be less than or equal to 1"),
        ({"day": "2023-02-29"}, "day: .*day value is outside"),
        ({"money": "1.234"}, "money: .*decimal places"),
        ({"whole": 2**63}, "whole: .* is no BIGINT"),
        ({"colour": "green"}, "colour: Input should be 'red' or 'blue'"),
        ({"items": [{"name": 1}]}, "items.0.name: Input should be a valid string"),
        ({"text": "\ud800"}, "Invalid JSON: unexpected end of hex escape"),
    ],
)
def test_answers_that_do_not_hold(tmp_path: Path, changed: Any, why: str) -> None:
    thing = schema(tmp_path, *ALL)
    text = changed if isinstance(changed, str) else json.dumps(ANSWER | changed)
    with pytest.raises(ValueError, match=why) as caught:
        thing.parse("document", text)
    assert "\n" not in str(caught.value)


def test_the_users_own_code_may_refuse_or_fail(tmp_path: Path) -> None:
    thing = schema(
        tmp_path,
        "a: int",
        "@model_validator(mode='after')",
        "def check(self):",
        "    if self.a < 0: raise ValueError('it is never negative')",
        "    return [None][self.a] or self",
    )
    assert len(thing.parse("page", '{"a": 0}')) == 1
    with pytest.raises(ValueError, match="it is never negative"):
        thing.parse("page", '{"a": -1}')
    with pytest.raises(ValueError, match="Thing's own code fails on it: IndexError"):
        thing.parse("page", '{"a": 1}')


def test_decimals_without_bounds_must_fit_their_column(tmp_path: Path) -> None:
    thing = schema(tmp_path, "a: Decimal")
    for fits in ("-99999999999999.9999", "0.1", "1E3", "1.50000"):
        assert thing.parse("page", json.dumps({"a": fits}))
    for too_much in ("100000000000000", "0.00001", "1E14"):
        with pytest.raises(ValueError, match=r"a: .* does not fit DECIMAL\(18,4\)"):
            thing.parse("page", json.dumps({"a": too_much}))


def test_null_everywhere_is_no_row(tmp_path: Path) -> None:
    thing = schema(tmp_path, "a: str", "b: list[Item]", "c: Item | None", "d: int = 3")
    assert thing.parse("page", '{"a": null, "b": [], "c": {"name": "", "price": null}, "d": null}') == ()
    assert thing.parse("page", '{"a": "", "b": [], "c": null, "d": 0}') == (
        Record({"a": "", "b": [], "c": None, "d": 0}),
    )


def test_segments_of_a_video(tmp_path: Path) -> None:
    thing = schema(tmp_path, "a: int | None")
    segment = json.loads(thing.wire("video"))["properties"]["segments"]["items"]
    assert segment["required"] == ["start", "end", "a"]
    answer = [{"start": "0:05", "end": "75:00", "a": 1}, {"start": "1:00", "end": "1:00", "a": None}]
    assert thing.parse("video", json.dumps({"segments": answer})) == (Record({"a": 1}, 5.0, 4500.0),)
    assert thing.parse("video", '{"segments": []}') == ()
    bad = {"start": "1:00", "end": "0:59", "a": 1}
    for wrong, why in (
        ({"segments": [*answer, bad]}, "segment 2: it ends at 0:59, before it starts at 1:00"),
        ({"segments": [bad | {"end": "60"}]}, "end is '60' and not minutes and seconds"),
        ({"segments": [7]}, "segment 0: a segment is an object"),
        (answer, "it is no"),
    ):
        with pytest.raises(ValueError, match=why):
            thing.parse("video", json.dumps(wrong))
    assert thing.recover("video", json.dumps({"segments": [bad, *answer]})) == (Record({"a": 1}, 5.0, 4500.0),)


def test_a_field_may_be_called_start(tmp_path: Path) -> None:
    thing = schema(tmp_path, "start: str", "stop: str")
    segment = {"segment_start": "0:00", "segment_end": "0:07", "start": "x", "stop": "y"}
    assert list(json.loads(thing.wire("video"))["properties"]["segments"]["items"]["properties"]) == list(segment)
    [record] = thing.parse("video", json.dumps({"segments": [segment]}))
    assert record == Record({"start": "x", "stop": "y"}, 0.0, 7.0)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ('{"a": 1, "b": [{"c": 1}, {"c": 2}]}  and so on', '{"a": 1, "b": [{"c": 1}, {"c": 2}]}'),
        ('{"a": 1, "b": [{"c": 1}, {"c": 2}', '{"a": 1, "b": [{"c": 1}, {"c": 2}]}'),
        ('{"a": 1, "b": [{"c": 1}, {"c": [1, 2', '{"a": 1, "b": [{"c": 1}]}'),
        ('{"a": 1, "b": [1, 23', '{"a": 1, "b": [1]}'),
        ('{"a": "x, }]", "b": "y', '{"a": "x, }]"}'),
        ('{"a": "\\"", "b', '{"a": "\\""}'),
        ('{"a": "x", "b": {"c": 1, "d": 2', '{"a": "x"}'),
        ('{"a": 1', None),
        ('{"a', None),
        ("", None),
        ("}", None),
    ],
)
def test_the_whole_part(text: str, whole: str | None) -> None:
    assert whole_part(text) == whole


def test_what_is_recovered_of_any_prefix_is_part_of_the_answer(tmp_path: Path) -> None:
    thing = schema(tmp_path, "number: str", "note: str | None", "items: list[Item]", "last: int = 0")
    items = '[{"name": "n", "price": "1.50"}, {"name": "m", "price": null}]'
    text = f'{{"number": "7", "note": "a, [b", "items": {items}, "last": 5}}'
    [whole] = thing.parse("document", text)
    seen = []
    for length in range(len(text) + 1):
        for record in thing.recover("document", text[:length]):
            assert record.values["number"] == "7"
            n_items = len(record.values["items"])
            assert record.values["items"] == whole.values["items"][:n_items]
            if n_items not in seen:
                seen.append(n_items)
    assert seen == [1, 2], "no record before the first item, as the list has no default"
    assert thing.recover("document", text) == (whole,)
    assert thing.recover("document", "nothing") == ()
