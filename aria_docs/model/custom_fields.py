"""The fields of a user's pydantic model: as SQL types, as the JSON schema of an answer, as values that are stored.

An answer has the fields of the model's JSON schema for validation, a row those of its schema for serialization:
computed fields are only in the second, excluded ones only in the first. Knows no file, no question and no store.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Context, Decimal, localcontext
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from aria_docs.errors import UsageError

# Where the user's model sets no bound: a string or list without end would let a model that repeats itself run on.
MAX_TEXT, MAX_ITEMS, MAX_REPEATS = 1_000, 200, 100
MAX_INTEGER = 999_999_999_999_999  # 15 digits: a JSON number that every reader has exactly
MAX_DIGITS, DIGITS, PLACES = 38, 18, 4  # of DuckDB's DECIMAL; of one without max_digits; without decimal_places

_DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_OFFSET = "(Z|[+-][0-2][0-9]:[0-5][0-9])"
# What every decoder makes the same grammar of: anchored at both ends (xgrammar takes any pattern as if it were),
# without look-around, flags, references, word boundaries, lazy or possessive repeats, alternatives beyond one group.
_PLAIN_PATTERN = re.compile(r"\^(?!.*\(\?[^:])(?!.*\\[0-9bBAzZpPkK])(?!.*[*+?}][*+?])([^|]*|\([^()]*\))\$", re.DOTALL)
_REPEATS = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|([*+])|\{([0-9]+),\}", re.DOTALL)
_KINDS = "str, int, float, bool, date, datetime, Decimal, Enum, Literal, a model, or a list of these"

JsonSchema: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FieldShape:
    """What stands at one place of a model: in a field or in a list.

    sql:       its DuckDB type.
    words:     what it is, for the question.
    bounds:    of a single value: its JSON schema, but for null.
    nullable:  whether it may be null.
    item:      what a list holds.
    fields:    name → field of a model, in their order; None if it is no model.
    rounded:   of a computed decimal, which may have more places than its column.
    """

    sql: str
    words: str
    bounds: JsonSchema
    nullable: bool = False
    item: FieldShape | None = None
    fields: Mapping[str, Field] | None = None
    name: str = ""
    description: str = ""
    rounded: bool = False

    @property
    def said(self) -> str:
        """What it is, null included."""
        return f"{self.words} or null" if self.nullable else self.words

    def schema(self, *, described: bool) -> JsonSchema:
        """The JSON schema of an answer, with titles and descriptions or without."""
        schema = dict(self.bounds)
        if self.item:
            schema = {"type": "array", "items": self.item.schema(described=described)} | schema
        if self.fields is not None:
            titles = {"title": self.name} | ({"description": self.description} if self.description else {})
            schema = (titles if described else {}) | self._object(described=described)
        return {"anyOf": [schema, {"type": "null"}]} if self.nullable else schema

    def _object(self, *, described: bool) -> JsonSchema:
        """Every key is required: a model that must say null looks first."""
        properties = {}
        for key, field in (self.fields or {}).items():
            text = {"description": field.description} if described and field.description else {}
            properties[key] = text | field.asked.schema(described=described)
        required = list(properties)
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    def given(self, answer: Any) -> Any:
        """An answer as the user's model takes it: without nulls that stand for a default, decimals as text."""
        if self.item and isinstance(answer, list):
            return [self.item.given(item) for item in answer]
        if self.fields is not None and isinstance(answer, dict):
            fields = self.fields
            left_out = {key for key, field in fields.items() if field.spare and not field.shape.nullable}
            return {
                key: fields[key].shape.given(value) if key in fields else value
                for key, value in answer.items()
                if value is not None or key not in left_out
            }
        return str(answer) if self.sql.startswith("DECIMAL") and type(answer) in (int, Decimal) else answer

    def as_stored(self, value: Any) -> Any:
        """A value of `model_dump(mode="json")` as JSON that DuckDB takes for its type. Raises ValueError."""
        if value is None and self.nullable:
            return None
        if self.item and isinstance(value, (list, tuple)):
            return [self.item.as_stored(item) for item in value]
        if self.fields is not None and isinstance(value, dict):
            return {name: _field_as_stored(name, field, value.get(name)) for name, field in self.fields.items()}
        if self.sql.startswith("DECIMAL"):
            return _decimal_as_stored(value, self.sql, rounded=self.rounded)
        match self.sql, value:
            case ("VARCHAR", str()) | ("BOOLEAN", bool()):
                return value
            case "BIGINT", int() if not isinstance(value, bool) and -(2**63) <= value < 2**63:
                return value
            case "DOUBLE", float() | int() if not isinstance(value, bool) and abs(value) < float("inf"):
                return float(value)
            case "DATE", str():
                return date.fromisoformat(value).isoformat()
            case "TIMESTAMP", str():
                moment = datetime.fromisoformat(value)
                return (moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment).isoformat()
        raise ValueError(f"{value!r} is no {self.sql}")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a model; `spare`: it has a default, so an answer may say null."""

    shape: FieldShape
    description: str
    spare: bool

    @property
    def asked(self) -> FieldShape:
        """What an answer may say."""
        return replace(self.shape, nullable=True) if self.spare else self.shape


@dataclass(frozen=True, slots=True)
class Fields:
    """A model, twice.

    asked:  what an answer holds, by the names it is asked under: aliases where there are some.
    kept:   what a row holds, by the names of its columns.
    """

    asked: FieldShape
    kept: FieldShape

    @property
    def columns(self) -> dict[str, str]:
        """Column → DuckDB type, computed fields last."""
        return {name: field.shape.sql for name, field in (self.kept.fields or {}).items()}

    @property
    def questions(self) -> Mapping[str, Field]:
        """Key → field of what is asked."""
        return self.asked.fields or {}

    def row(self, value: BaseModel) -> dict[str, Any]:
        """A validated answer as JSON for its columns. Raises ValueError, naming the field."""
        row: dict[str, Any] = self.kept.as_stored(value.model_dump(mode="json", warnings=False))
        return row


def read_model(model: type[BaseModel]) -> Fields:
    """The fields of a model. Raises UsageError for one that has no SQL type, naming it."""
    model.model_rebuild()
    name = model.__name__
    try:
        asked = _SchemaReader(name, model.model_json_schema(schema_generator=_Schemas, mode="validation"), spare=True)
        kept = model.model_json_schema(schema_generator=_Schemas, mode="serialization", by_alias=False)
        fields = Fields(asked.all(), _SchemaReader(name, kept).all())
    except _UnsupportedKind as error:
        raise UsageError(f"{name}{error}") from error
    if not (fields.questions and fields.columns):
        raise UsageError(f"{name} has no field")
    return fields


def walk(shape: FieldShape, depth: int = 0) -> Iterator[tuple[int, str, Field]]:
    """Every field that is asked for with its key, those of nested models below theirs."""
    for key, field in (shape.fields or {}).items():
        yield depth, key, field
        inner = field.shape
        while inner.item:
            inner = inner.item
        yield from walk(inner, depth + 1)


class _UnsupportedKind(Exception):
    """What has no column: the place in the model, and why."""


class _Schemas(GenerateJsonSchema):
    """pydantic's JSON schema with what it leaves out: a Decimal's digits, whether a datetime has an offset."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def decimal_schema(self, schema: Any) -> JsonSchema:
        """A string: a number may lose digits on its way, and decoders cannot look ahead as pydantic's pattern does.

        decimal_places decides the scale, else 4. max_digits decides the precision, with all of them before the point
        where decimal_places are not given; else 14 digits before the point.
        """
        digits, places = schema.get("max_digits"), schema.get("decimal_places")
        scale = min(PLACES if places is None else places, MAX_DIGITS)
        whole = DIGITS - PLACES if digits is None else digits - (places or 0)
        whole = max(0, min(whole, MAX_DIGITS - scale))
        sign = "" if any(schema.get(name) is not None and schema[name] >= 0 for name in ("ge", "gt")) else "-?"
        before = f"[0-9]{{1,{whole}}}" if whole else "0"
        after = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
        sql = f"DECIMAL({max(whole + scale, 1)},{scale})"
        return {"type": "string", "format": "decimal", "pattern": f"^{sign}{before}{after}$", "sql": sql}

    def datetime_schema(self, schema: Any) -> JsonSchema:
        """With `offset`, True where the value has one from UTC."""
        return super().datetime_schema(schema) | {"offset": schema.get("tz_constraint") not in (None, "naive")}

    def model_fields_schema(self, schema: Any) -> JsonSchema:
        """Refuses aliases that an answer cannot have."""
        keys = [self._key(name, field) for name, field in schema["fields"].items()]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise _UnsupportedKind(f" has {twice!r} twice")
        return super().model_fields_schema(schema)

    @staticmethod
    def _key(name: str, field: Any) -> str:
        """The first alias that is a plain name."""
        alias = field.get("validation_alias") or name
        paths = [[alias]] if isinstance(alias, str) else alias if isinstance(alias[0], list) else [alias]
        if len(paths[0]) > 1:
            raise _UnsupportedKind(f".{name}: its alias is a path into the answer; give it a plain one")
        return str(paths[0][0])


class _SchemaReader:
    """From a JSON schema to shapes. Paths are the way to a place, for messages."""

    def __init__(self, name: str, schema: JsonSchema, *, spare: bool = False) -> None:
        self._name, self._schema, self._spare = name, schema, spare
        self._open: list[str] = []

    def all(self) -> FieldShape:
        """Of the whole model."""
        shape = self._shape(self._schema, "", computed=False)
        if shape.fields is None:
            raise _UnsupportedKind(" is a RootModel, a list or a single value: a schema is a model with fields")
        return shape

    def _shape(self, node: JsonSchema, path: str, *, computed: bool) -> FieldShape:
        if "$ref" in node:
            return self._resolve(node["$ref"].rpartition("/")[2], path, computed=computed)
        if "anyOf" in node or "oneOf" in node:
            return self._union(node.get("anyOf") or node["oneOf"], path, computed=computed)
        if "enum" in node or "const" in node:
            return _choice(node["enum"] if "enum" in node else [node["const"]], path)
        if "properties" in node:
            return self._struct(node, path, computed=computed)
        if node.get("type") == "array" and "items" in node and not {"prefixItems", "uniqueItems"} & node.keys():
            item = self._shape(node["items"], f"{path}[]", computed=computed)
            bounds = {"minItems": node["minItems"]} if node.get("minItems") else {}
            most = node.get("maxItems", max(MAX_ITEMS, node.get("minItems", 0)))
            return FieldShape(f"{item.sql}[]", f"list, each: {item.said}", bounds | {"maxItems": most}, item=item)
        return _single(node, path, computed=computed)

    def _resolve(self, name: str, path: str, *, computed: bool) -> FieldShape:
        node = self._schema["$defs"][name]
        if name in self._open:
            raise _UnsupportedKind(f"{path}: {name} holds itself, and SQL has no such type")
        self._open.append(name)
        shape = self._shape(node, path, computed=computed)
        self._open.pop()
        return shape

    def _struct(self, node: JsonSchema, path: str, *, computed: bool) -> FieldShape:
        fields = {}
        for name, inner in node["properties"].items():
            shape = self._shape(inner, f"{path}.{name}", computed=computed or inner.get("readOnly", False))
            spare = self._spare and name not in node.get("required", ())
            fields[name] = Field(shape, _one_line(inner.get("description")), spare)
        lower = [name.lower() for name in fields]
        if not self._spare and len(set(lower)) < len(lower):
            twice = next(name for name in lower if lower.count(name) > 1)
            raise _UnsupportedKind(f"{path} has {twice!r} twice, and SQL knows no case")
        columns = ", ".join(f"{quote(name)} {field.shape.sql}" for name, field in fields.items())
        description = _one_line(node.get("description"))
        sql = f"STRUCT({columns})"
        return FieldShape(sql, "object", {}, fields=fields, name=node.get("title", self._name), description=description)

    def _union(self, choices: list[JsonSchema], path: str, *, computed: bool) -> FieldShape:
        shapes = [self._shape(choice, path, computed=computed) for choice in choices if choice.get("type") != "null"]
        nullable = len(shapes) < len(choices) or any(shape.nullable for shape in shapes)
        if len(shapes) == 1:
            return replace(shapes[0], nullable=nullable)
        types = sorted({shape.sql for shape in shapes})
        if len(types) != 1 or any(shape.item or shape.fields is not None for shape in shapes):
            raise _UnsupportedKind(f"{path}: it is one of {' | '.join(types)}, and a column has one type")
        words = " or ".join(dict.fromkeys(shape.words for shape in shapes))
        return replace(shapes[0], words=words, bounds={"anyOf": [shape.bounds for shape in shapes]}, nullable=nullable)


def _single(node: JsonSchema, path: str, *, computed: bool) -> FieldShape:
    """One value."""
    match node.get("type"), node.get("format"):
        case "string", None:
            return FieldShape("VARCHAR", "text", _text_bounds(node))
        case "integer", None:
            return FieldShape("BIGINT", "whole number", {"type": "integer"} | _integer_bounds(node))
        case "number", None:
            names = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
            return FieldShape("DOUBLE", "number", {"type": "number"} | {key: node[key] for key in names if key in node})
        case "boolean", None:
            return FieldShape("BOOLEAN", "true or false", {"type": "boolean"})
        case "string", "date":
            bounds = {"type": "string", "format": "date", "pattern": f"^{_DAY}$"}
            return FieldShape("DATE", "date as YYYY-MM-DD", bounds)
        case "string", "date-time":  # no format in the answer's schema: there, `date-time` asks for an offset
            offset, shown = (_OFFSET, "+HH:MM") if node.get("offset") else ("", "")
            bounds = {"type": "string", "pattern": f"^{_DAY}T{_CLOCK}{offset}$"}
            return FieldShape("TIMESTAMP", f"date and time as YYYY-MM-DDTHH:MM:SS{shown}", bounds)
        case "string", "decimal":
            bounds = {"type": "string", "pattern": node["pattern"]}
            return FieldShape(node["sql"], 'decimal number in quotes, as "1234.50"', bounds, rounded=computed)
    kinds = {"object": "a dict", "array": "a set or a tuple of fixed places"}
    kind = f"a JSON string of format {node['format']}" if "format" in node else kinds.get(node.get("type", ""), "Any")
    raise _UnsupportedKind(f"{path}: {kind} has no column; use {_KINDS}")


def _choice(values: list[Any], path: str) -> FieldShape:
    """An enum or Literal, by its values."""
    kept = [value for value in values if value is not None]
    types = {type(value) for value in kept}
    sql, name = _CHOICES.get(types.pop() if len(types) == 1 else object, ("", ""))
    if not sql:
        raise _UnsupportedKind(f"{path}: an enum or Literal has either texts or whole numbers as values")
    words = f"one of {', '.join(str(value) for value in kept)}"
    return FieldShape(sql, words, {"type": name, "enum": kept}, nullable=len(kept) < len(values))


_CHOICES = {str: ("VARCHAR", "string"), int: ("BIGINT", "integer"), bool: ("BOOLEAN", "boolean")}


def _text_bounds(node: JsonSchema) -> JsonSchema:
    least, most, pattern = node.get("minLength", 0), node.get("maxLength"), node.get("pattern")
    bounds: JsonSchema = {"type": "string"} | ({"minLength": least} if least else {})
    bounds["maxLength"] = max(MAX_TEXT, least) if most is None else most
    if pattern and _PLAIN_PATTERN.fullmatch(pattern):
        bounds["pattern"] = _with_an_end(pattern, most or MAX_REPEATS)
    return bounds


def _with_an_end(pattern: str, most: int) -> str:
    """`[A-Z]+` → `[A-Z]{1,100}`: xgrammar knows no greatest length beside a pattern."""

    def bounded(found: re.Match[str]) -> str:
        kept, repeat, least = found.groups()
        low = int(least) if least else int(repeat == "+")
        return kept or f"{{{low},{max(low, most)}}}"

    return _REPEATS.sub(bounded, pattern)


def _integer_bounds(node: JsonSchema) -> JsonSchema:
    """Always within 15 digits, unless the user's own bounds go further."""
    low = node.get("minimum", int(node["exclusiveMinimum"]) + 1 if "exclusiveMinimum" in node else None)
    high = node.get("maximum", int(node["exclusiveMaximum"]) - 1 if "exclusiveMaximum" in node else None)
    return {
        "minimum": min(-MAX_INTEGER, high or 0) if low is None else low,
        "maximum": max(MAX_INTEGER, low or 0) if high is None else high,
    }


def _decimal_as_stored(value: Any, sql: str, *, rounded: bool) -> str:
    """As text with all the places of its column."""
    precision, scale = (int(number) for number in re.findall("[0-9]+", sql))
    number, end = Decimal(value), Decimal(1).scaleb(precision - scale)
    if number.is_finite() and number.copy_abs() < end:
        with localcontext(Context(prec=precision + scale + len(number.as_tuple().digits))):
            placed = number.quantize(Decimal(1).scaleb(-scale))
        if placed == number or (rounded and placed.copy_abs() < end):
            return format(placed, "f")
    raise ValueError(f"{value} does not fit {sql}")


def _field_as_stored(name: str, field: Field, value: Any) -> Any:
    try:
        return field.shape.as_stored(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def quote(name: str) -> str:
    """As SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
