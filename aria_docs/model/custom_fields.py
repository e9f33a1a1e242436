"""The fields of a user's pydantic model: as SQL types, as the JSON schema of an answer, as values that are stored.

Read from pydantic's core schema, which has every alias, generic and `Annotated` constraint worked out. Knows no file,
no question and no store.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal, localcontext
from enum import Enum
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from pydantic import BaseModel

from aria_docs.errors import UsageError

# Where the user's model sets no bound: a string or list without end would let a model that repeats itself run on.
MAX_TEXT, MAX_ITEMS, MAX_ENTRIES, MAX_REPEATS = 1_000, 200, 50, 100
MAX_INTEGER = 999_999_999_999_999  # 15 digits: a JSON number that every reader has exactly
MAX_DIGITS, DIGITS, PLACES = 38, 18, 4  # of DuckDB's DECIMAL; of one without max_digits; without decimal_places
MAX_DEPTH = 8

_DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_OFFSET = "(Z|[+-][0-2][0-9]:[0-5][0-9])"
_HEX = "[0-9a-f]"
# What every decoder makes the same grammar of: anchored at both ends (xgrammar takes any pattern as if it were),
# without look-around, flags, references, word boundaries, lazy or possessive repeats, alternatives beyond one group.
_PLAIN_PATTERN = re.compile(r"\^(?!.*\(\?[^:])(?!.*\\[0-9bBAzZpPkK])(?!.*[*+?}][*+?])([^|]*|\([^()]*\))\$", re.DOTALL)
_REPEATS = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|([*+])|\{([0-9]+),\}", re.DOTALL)

JsonSchema: TypeAlias = dict[str, Any]


class Shape(Protocol):
    """What stands at one place of a model: in a column, in a list, in a field of a nested model."""

    @property
    def sql(self) -> str:
        """Its DuckDB type."""

    @property
    def words(self) -> str:
        """What it is, for a reader."""

    def schema(self, *, described: bool) -> JsonSchema:
        """What an answer may say there; with titles and descriptions or without."""

    def given(self, answer: Any) -> Any:
        """An answer as the user's model takes it. Anything else is left for it to refuse."""

    def stored(self, value: Any) -> Any:
        """A validated value as JSON that DuckDB takes for its type. Raises ValueError."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value.

    bounds:   its JSON schema.
    rounded:  a decimal that is computed has as many places as it comes to, and gets those of its column.
    """

    sql: str
    words: str
    bounds: JsonSchema
    rounded: bool = False

    def schema(self, *, described: bool) -> JsonSchema:  # noqa: ARG002 - it has no description of its own
        """As given."""
        return dict(self.bounds)

    def given(self, answer: Any) -> Any:
        """A decimal with every digit that was written."""
        return str(answer) if self.sql.startswith("DECIMAL") and type(answer) in (int, Decimal) else answer

    def stored(self, value: Any) -> Any:
        """By its SQL type, whatever a validator of the user's made of it."""
        value = value.value if isinstance(value, Enum) else value
        if self.sql.startswith("DECIMAL"):
            return _stored_decimal(value, self.sql, rounded=self.rounded)
        match self.sql, value:
            case "VARCHAR", str():
                return str(value)
            case "VARCHAR", _ if type(value).__module__.startswith("pydantic"):
                return str(value)  # a URL
            case "BOOLEAN", bool():
                return value
            case "BIGINT", int() if not isinstance(value, bool) and -(2**63) <= value < 2**63:
                return int(value)
            case "DOUBLE", float() | int() if not isinstance(value, bool) and abs(value) < float("inf"):
                return float(value)
            case "TIMESTAMP", datetime():
                return (value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value).isoformat()
            case "DATE", date() if not isinstance(value, datetime):
                return value.isoformat()
            case "TIME", time(tzinfo=None):
                return value.isoformat()
            case "UUID", UUID():
                return str(value)
        raise ValueError(f"{value!r} is no {self.sql}")


@dataclass(frozen=True, slots=True)
class Perhaps:
    """A value or null."""

    shape: Shape

    @property
    def sql(self) -> str:
        """Any column takes NULL."""
        return self.shape.sql

    @property
    def words(self) -> str:
        """The value's."""
        return f"{self.shape.words} or null"

    def schema(self, *, described: bool) -> JsonSchema:
        """One of two."""
        return {"anyOf": [self.shape.schema(described=described), {"type": "null"}]}

    def given(self, answer: Any) -> Any:
        """Null stays."""
        return None if answer is None else self.shape.given(answer)

    def stored(self, value: Any) -> Any:
        """None stays."""
        return None if value is None else self.shape.stored(value)


@dataclass(frozen=True, slots=True)
class Many:
    """A list, set or tuple of any length."""

    item: Shape
    least: int
    most: int

    @property
    def sql(self) -> str:
        """A LIST."""
        return f"{self.item.sql}[]"

    @property
    def words(self) -> str:
        """The item's."""
        return f"list, each: {self.item.words}"

    def schema(self, *, described: bool) -> JsonSchema:
        """Always with an end."""
        least = {"minItems": self.least} if self.least else {}
        return {"type": "array", "items": self.item.schema(described=described)} | least | {"maxItems": self.most}

    def given(self, answer: Any) -> Any:
        """Item by item."""
        return [self.item.given(item) for item in answer] if isinstance(answer, list) else answer

    def stored(self, value: Any) -> Any:
        """In its order; that of a set is none, so it is sorted."""
        if not isinstance(value, Iterable) or isinstance(value, (str, bytes, Mapping)):
            raise ValueError(f"{value!r} is no list")
        items = [self.item.stored(item) for item in value]
        return sorted(items, key=repr) if isinstance(value, (set, frozenset)) else items


@dataclass(frozen=True, slots=True)
class Pairs:
    """A dict. An answer gives it as a list of keys and values: decoders bound a list, and few bound an object."""

    key: Shape
    value: Shape
    least: int
    most: int

    @property
    def sql(self) -> str:
        """A MAP."""
        return f"MAP({self.key.sql}, {self.value.sql})"

    @property
    def words(self) -> str:
        """Both."""
        return f"list of key and value, {self.value.words}"

    def schema(self, *, described: bool) -> JsonSchema:
        """A list of pairs."""
        sides = {"key": self.key.schema(described=described), "value": self.value.schema(described=described)}
        least = {"minItems": self.least} if self.least else {}
        return {"type": "array", "items": _object(sides)} | least | {"maxItems": self.most}

    def given(self, answer: Any) -> Any:
        """A dict; an answer that is an object already is taken too. Raises ValueError for a key with two values."""
        if isinstance(answer, list):
            pairs: dict[str, Any] = {}
            for pair in answer:
                if not (isinstance(pair, dict) and pair.keys() == {"key", "value"} and isinstance(pair["key"], str)):
                    return answer
                if pairs.setdefault(pair["key"], pair["value"]) != pair["value"]:
                    raise ValueError(f"the key {pair['key']!r} is given twice, with different values")
            answer = pairs
        return {key: self.value.given(value) for key, value in answer.items()} if isinstance(answer, dict) else answer

    def stored(self, value: Any) -> Any:
        """An object, which DuckDB reads as a MAP."""
        if not isinstance(value, Mapping):
            raise ValueError(f"{value!r} is no dict")
        return {self.key.stored(key): self.value.stored(item) for key, item in value.items()}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a model.

    name:      in Python and in SQL.
    key:       in an answer: its alias where it has one; None for a computed field, which nobody is asked for.
    spare:     it has a default: an answer may leave it open with null.
    excluded:  it is asked for and not stored.
    """

    name: str
    key: str | None
    shape: Shape
    description: str
    spare: bool = False
    excluded: bool = False

    @property
    def asked(self) -> Shape:
        """What an answer may say."""
        return Perhaps(self.shape) if self.spare and not isinstance(self.shape, Perhaps) else self.shape


@dataclass(frozen=True, slots=True)
class Struct:
    """A model and its fields, in their order."""

    name: str
    description: str
    fields: tuple[Field, ...]

    @property
    def words(self) -> str:
        """Its fields are listed below it."""
        return "object"

    @property
    def columns(self) -> dict[str, str]:
        """Name → type of what is stored."""
        return {field.name: field.shape.sql for field in self.fields if not field.excluded}

    @property
    def sql(self) -> str:
        """A STRUCT."""
        return f"STRUCT({', '.join(f'{quoted(name)} {type_}' for name, type_ in self.columns.items())})"

    @property
    def questions(self) -> dict[str, Field]:
        """Key → field, of those that are asked for."""
        return {field.key: field for field in self.fields if field.key is not None}

    def schema(self, *, described: bool) -> JsonSchema:
        """Every key has to be there: a model that must say null looks first."""
        properties = {}
        for key, field in self.questions.items():
            properties[key] = field.asked.schema(described=described)
            if described and field.description:
                properties[key] = {"description": field.description} | properties[key]
        titles = {"title": self.name} | ({"description": self.description} if self.description else {})
        return (titles if described else {}) | _object(properties)

    def given(self, answer: Any) -> Any:
        """Without the nulls that stand for a default."""
        if not isinstance(answer, dict):
            return answer
        questions = self.questions
        taken = {}
        for key, value in answer.items():
            if field := questions.get(key):
                if value is None and field.spare and not isinstance(field.shape, Perhaps):
                    continue
                taken[key] = field.shape.given(value)
            else:
                taken[key] = value
        return taken

    def stored(self, value: Any) -> dict[str, Any]:
        """Raises ValueError, naming the field."""
        values = {}
        for field in self.fields:
            if not field.excluded:
                try:
                    values[field.name] = field.shape.stored(getattr(value, field.name))
                except ValueError as error:
                    raise ValueError(f"{field.name}: {error}") from error
        return values


def read_model(model: type[BaseModel]) -> Struct:
    """The fields of a model. Raises UsageError for one that has no SQL type, naming it."""
    model.model_rebuild()
    shape = _Reader(model.__name__).shape(model.__pydantic_core_schema__, ())
    if not isinstance(shape, Struct):
        raise UsageError(f"{model.__name__} is a list or a single value: a schema is a model with fields")
    return shape


def quoted(name: str) -> str:
    """As SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def _object(properties: dict[str, JsonSchema]) -> JsonSchema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


class _Reader:
    """From pydantic's core schema to shapes. `path` is the way to a place, for messages; models on it are not met
    twice."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._definitions: dict[str, Any] = {}
        self._open: list[type[BaseModel]] = []
        self._computed = False

    def shape(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> Shape:
        """Raises UsageError."""
        kind = schema["type"]
        match kind:
            case "definitions":
                self._definitions |= {definition["ref"]: definition for definition in schema["definitions"]}
                return self.shape(schema["schema"], path)
            case "definition-ref":
                return self.shape(self._definitions[schema["schema_ref"]], path)
            case "default" | "function-before" | "function-after" | "function-wrap":
                return self.shape(schema["schema"], path)
            case "json-or-python":
                return self.shape(schema["json_schema"], path)
            case "nullable":
                return _perhaps(self.shape(schema["schema"], path))
            case "model":
                return self._struct(schema, path)
            case "list" | "set" | "frozenset":
                return self._many(schema, schema.get("items_schema"), path)
            case "tuple" if schema.get("variadic_item_index") == 0 and len(schema["items_schema"]) == 1:
                return self._many(schema, schema["items_schema"][0], path)
            case "dict":
                return self._pairs(schema, path)
            case "union":
                return self._union(schema, path)
            case "literal":
                return self._choice(schema["expected"], path)
            case "enum":
                return self._choice(schema["members"], path)
        scalar = _scalar(schema)
        if scalar is None:
            raise self._refusal(path, f"{_PYTHON.get(kind, kind)} has no SQL type here")
        return replace(scalar, rounded=self._computed)

    def _struct(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> Struct:
        model: type[BaseModel] = schema["cls"]
        if schema.get("root_model"):
            raise self._refusal(path, f"{model.__name__} is a RootModel: write its type in its place")
        if model in self._open:
            raise self._refusal(path, f"{model.__name__} holds itself, and SQL has no such type")
        if len(self._open) == MAX_DEPTH:
            raise self._refusal(path, f"models are nested more than {MAX_DEPTH} deep")
        self._open.append(model)
        inner = schema["schema"]
        while inner["type"] != "model-fields":
            inner = inner["schema"]
        by_alias = model.model_config.get("validate_by_alias", True)
        fields = []
        for name, declared in inner["fields"].items():
            info = model.model_fields[name]
            at = (*path, name)
            fields.append(
                Field(
                    name=name,
                    key=self._key(name, declared.get("validation_alias") if by_alias else None, at),
                    shape=self.shape(declared["schema"], at),
                    description=_one_line(info.description),
                    spare=not info.is_required(),
                    excluded=bool(info.exclude),
                )
            )
        for computed in inner.get("computed_fields", ()):
            name = computed["property_name"]
            described = _one_line(model.model_computed_fields[name].description)
            outer, self._computed = self._computed, True
            fields.append(Field(name, None, self.shape(computed["return_schema"], (*path, name)), described))
            self._computed = outer
        self._open.pop()
        self._check_names(fields, path, model)
        return Struct(model.__name__, _one_line(model.__doc__), tuple(fields))

    def _check_names(self, fields: list[Field], path: tuple[str, ...], model: type[BaseModel]) -> None:
        names = [field.name.lower() for field in fields if not field.excluded]
        keys = [field.key for field in fields if field.key is not None]
        if not names or not keys:
            raise self._refusal(path, f"{model.__name__} has no field")
        for name in (*names, *keys):
            if names.count(name) > 1 or keys.count(name) > 1:
                raise self._refusal(path, f"{model.__name__} has {name!r} twice, and SQL knows no case")

    def _key(self, name: str, alias: Any, path: tuple[str, ...]) -> str:
        """The first alias that is a plain name."""
        if alias is None:
            return name
        if isinstance(alias, str):
            return alias
        paths = alias if alias and isinstance(alias[0], list) else [alias]
        plain = [way[0] for way in paths if len(way) == 1 and isinstance(way[0], str)]
        if not plain:
            raise self._refusal(path, "its alias is a path into the answer; give it a plain one")
        return str(plain[0])

    def _many(self, schema: Mapping[str, Any], items: Mapping[str, Any] | None, path: tuple[str, ...]) -> Many:
        if items is None:
            raise self._refusal(path, "a list has to say what it holds, as in list[str]")
        item = self.shape(items, (*path, "[]"))
        return Many(item, schema.get("min_length") or 0, _most(schema, MAX_ITEMS))

    def _pairs(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> Pairs:
        if "keys_schema" not in schema or "values_schema" not in schema:
            raise self._refusal(path, "a dict has to say what it holds, as in dict[str, float]")
        key = self.shape(schema["keys_schema"], (*path, "keys"))
        if not isinstance(key, Scalar) or key.sql != "VARCHAR":
            raise self._refusal(path, f"a dict's keys are {key.sql}, and JSON has text only: use dict[str, …]")
        value = self.shape(schema["values_schema"], (*path, "values"))
        return Pairs(key, value, schema.get("min_length") or 0, _most(schema, MAX_ENTRIES))

    def _union(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> Shape:
        choices = [choice[0] if isinstance(choice, tuple) else choice for choice in schema["choices"]]
        shapes = [self.shape(choice, path) for choice in choices if choice["type"] != "none"]
        plain = [shape.shape if isinstance(shape, Perhaps) else shape for shape in shapes]
        types = sorted({shape.sql for shape in plain})
        if len(types) > 1 or not all(isinstance(shape, Scalar) for shape in plain):
            raise self._refusal(path, f"it is one of {' | '.join(types)}, and a column has one type")
        either = [shape.schema(described=False) for shape in plain]
        one = Scalar(types[0], " or ".join(dict.fromkeys(shape.words for shape in plain)), {"anyOf": either})
        return one if len(shapes) == len(choices) and shapes == plain else Perhaps(one)

    def _choice(self, members: Iterable[Any], path: tuple[str, ...]) -> Shape:
        """An enum or Literal, by its values."""
        values = [member.value if isinstance(member, Enum) else member for member in members]
        kept = [value for value in values if value is not None]
        types = {str if isinstance(value, str) else type(value) for value in kept}
        sql, name = _CHOICES.get(types.pop() if len(types) == 1 else object, ("", ""))
        if not sql:
            raise self._refusal(path, "an enum or Literal has either texts or whole numbers as values")
        kept = [str(value) if sql == "VARCHAR" else value for value in kept]
        words = f"one of {', '.join(str(value) for value in kept)}"
        one = Scalar(sql, words, {"type": name, "enum": kept})
        return one if len(kept) == len(values) else Perhaps(one)

    def _refusal(self, path: tuple[str, ...], why: str) -> UsageError:
        place = ".".join(path).replace(".[]", "[]")
        return UsageError(f"{self._name}{'.' if place else ''}{place}: {why}")


_CHOICES = {str: ("VARCHAR", "string"), int: ("BIGINT", "integer"), bool: ("BOOLEAN", "boolean")}
_PYTHON = {
    "any": "Any",
    "timedelta": "timedelta (use a number of seconds)",
    "tagged-union": "a union of models",
    "dataclass": "a dataclass (make it a BaseModel)",
    "typed-dict": "a TypedDict (make it a BaseModel)",
    "tuple": "a tuple of fixed places (make it a BaseModel)",
    "lax-or-strict": "a path, secret or other special type (use str)",
    "function-plain": "a type with a validator of its own only",
    "none": "None alone",
}


def _perhaps(shape: Shape) -> Shape:
    return shape if isinstance(shape, Perhaps) else Perhaps(shape)


def _scalar(schema: Mapping[str, Any]) -> Scalar | None:
    match schema["type"]:
        case "str":
            return Scalar("VARCHAR", "text", _text(schema))
        case "url" | "multi-host-url":
            return Scalar("VARCHAR", "address", {"type": "string", "maxLength": _most(schema, MAX_TEXT)})
        case "int":
            return Scalar("BIGINT", "whole number", {"type": "integer"} | _integers(schema))
        case "float":
            return Scalar("DOUBLE", "number", {"type": "number"} | _range(schema))
        case "bool":
            return Scalar("BOOLEAN", "true or false", {"type": "boolean"})
        case "date":
            return Scalar("DATE", "date as YYYY-MM-DD", {"type": "string", "format": "date", "pattern": f"^{_DAY}$"})
        # No format for these: JSON schema's `time` and `date-time` ask for an offset from UTC.
        case "time":
            return Scalar("TIME", "time as HH:MM:SS", {"type": "string", "pattern": f"^{_CLOCK}$"})
        case "datetime" if schema.get("tz_constraint") not in (None, "naive"):
            pattern = f"^{_DAY}T{_CLOCK}{_OFFSET}$"
            words = "date and time as YYYY-MM-DDTHH:MM:SS+HH:MM"
            return Scalar("TIMESTAMP", words, {"type": "string", "pattern": pattern})
        case "datetime":
            pattern = f"^{_DAY}T{_CLOCK}$"
            return Scalar("TIMESTAMP", "date and time as YYYY-MM-DDTHH:MM:SS", {"type": "string", "pattern": pattern})
        case "uuid":
            pattern = f"^{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}$"
            return Scalar("UUID", "UUID", {"type": "string", "pattern": pattern})
        case "decimal":
            return _decimal(schema)
    return None


def _text(schema: Mapping[str, Any]) -> JsonSchema:
    bounds: JsonSchema = {"type": "string"}
    if schema.get("min_length"):
        bounds["minLength"] = schema["min_length"]
    bounds["maxLength"] = _most(schema, max(MAX_TEXT, schema.get("min_length") or 0))
    pattern = schema.get("pattern")
    pattern = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
    if pattern and _PLAIN_PATTERN.fullmatch(pattern):
        bounds["pattern"] = _with_an_end(pattern, schema.get("max_length") or MAX_REPEATS)
    return bounds


def _with_an_end(pattern: str, most: int) -> str:
    """`[A-Z]+` → `[A-Z]{1,100}`: xgrammar knows no greatest length beside a pattern."""

    def bounded(found: re.Match[str]) -> str:
        kept, repeat, least = found.groups()
        if kept:
            return kept
        low = int(least) if least else int(repeat == "+")
        return f"{{{low},{max(low, most)}}}"

    return _REPEATS.sub(bounded, pattern)


def _most(schema: Mapping[str, Any], otherwise: int) -> int:
    most = schema.get("max_length")
    return max(otherwise, schema.get("min_length") or 0) if most is None else int(most)


def _integers(schema: Mapping[str, Any]) -> JsonSchema:
    """Always within 15 digits, unless the user's own bounds go further."""
    low, high = schema.get("ge"), schema.get("le")
    low = int(schema["gt"]) + 1 if "gt" in schema and low is None else low
    high = int(schema["lt"]) - 1 if "lt" in schema and high is None else high
    return {
        "minimum": min(-MAX_INTEGER, high or 0) if low is None else low,
        "maximum": max(MAX_INTEGER, low or 0) if high is None else high,
    }


def _range(schema: Mapping[str, Any]) -> JsonSchema:
    names = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
    return {names[name]: schema[name] for name in names if schema.get(name) is not None}


def _decimal(schema: Mapping[str, Any]) -> Scalar:
    """A string of digits: pydantic's own schema is a number or a pattern that looks ahead, and decoders know no
    look-ahead; a number may lose digits on its way.

    decimal_places decides the scale, else 4. max_digits decides the precision, with all of them before the point where
    decimal_places are not given; else 14 digits before the point.
    """
    digits, places = schema.get("max_digits"), schema.get("decimal_places")
    scale = min(PLACES if places is None else places, MAX_DIGITS)
    whole = DIGITS - PLACES if digits is None else digits - (places or 0)
    whole = max(0, min(whole, MAX_DIGITS - scale))
    sign = "" if any(schema.get(name) is not None and schema[name] >= 0 for name in ("ge", "gt")) else "-?"
    before = f"[0-9]{{1,{whole}}}" if whole else "0"
    after = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
    bounds = {"type": "string", "pattern": f"^{sign}{before}{after}$"}
    return Scalar(f"DECIMAL({max(whole + scale, 1)},{scale})", 'decimal number in quotes, as "1234.50"', bounds)


def _stored_decimal(value: Any, sql: str, *, rounded: bool) -> str:
    precision, scale = (int(number) for number in re.findall("[0-9]+", sql))
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        value = Decimal(value)
        if value.is_finite() and value.copy_abs() < Decimal(1).scaleb(precision - scale):
            with localcontext(Context(prec=precision + scale + len(value.as_tuple().digits))):
                placed = value.quantize(Decimal(1).scaleb(-scale))
            if placed == value or (rounded and placed.copy_abs() < Decimal(1).scaleb(precision - scale)):
                return format(placed, "f")
    raise ValueError(f"{value} does not fit {sql}")


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def walk(struct: Struct, depth: int = 0) -> Iterator[tuple[int, Field]]:
    """Every field that is asked for, those of nested models below theirs."""
    for field in struct.questions.values():
        yield depth, field
        inner = field.shape
        while not isinstance(inner, (Struct, Scalar)):
            match inner:
                case Perhaps():
                    inner = inner.shape
                case Many():
                    inner = inner.item
                case Pairs():
                    inner = inner.value
        if isinstance(inner, Struct):
            yield from walk(inner, depth + 1)
