"""A user's own schema: a pydantic model in a file of theirs, as a table, as a question, and as answers that fit both.

Knows no store and no engine. The user's file is executed by path under a name of its own; it is no part of the package.

An answer about a page or a document is one object with the model's fields, and one row; about a video it is a list of
segments, and a row each. An answer that is null or empty in every field says that there is no such thing: no row.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, TypeAdapter, ValidationError

from aria_docs import prompts
from aria_docs.errors import UsageError
from aria_docs.model import snapping
from aria_docs.model.custom_fields import Fields, read_model, walk
from aria_docs.model.engine import HEARING
from aria_docs.model.recovery import whole_part
from aria_docs.model.seen import Record
from aria_docs.schemas.answers import Clock
from aria_docs.schemas.records import RecordRow, SchemaRow

Per = Literal["page", "document"]
Kind = Literal["page", "document", "video"]

TASK_NAMES = frozenset({"tables", "scenes", "summary", HEARING})
OUR_COLUMNS = ("reading_id", "source_id", "page", "start_s", "end_s")
MAX_SEGMENTS = 256  # as many as frames are shown
_MAX_NAME = 40
_LIKE_AN_OLD_TABLE = re.compile(r"_[0-9a-f]{8}$")  # of a schema before: x_<name>_<hash8>
# A field of the user's may be called like a segment's own times.
_CLOCKS = (("start", "end"), ("segment_start", "segment_end"), ("segment_starts_at", "segment_ends_at"))
# What a user's own code may raise, a validator over an odd answer for instance; pydantic wraps the others.
_CODE_FAILS = (ArithmeticError, AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class CustomSchema:
    """A user's model, ready to be asked for.

    name:         of its task: the class name in lower case, words joined by `_`.
    per:          whether a document is asked about as a whole or page by page; a video is always asked for segments.
    columns:      column → DuckDB type, in the order of the fields; computed fields last.
    hash:         of columns, JSON schema and descriptions; 64 hex digits.
    json_schema:  one answer as JSON schema, descriptions included.
    """

    name: str
    per: Per
    columns: dict[str, str]
    hash: str
    json_schema: str
    model: type[BaseModel] = field(repr=False, compare=False)
    fields: Fields = field(repr=False, compare=False)

    @property
    def table(self) -> str:
        """`x_invoice`."""
        return f"x_{self.name}"

    def row(self) -> SchemaRow:
        """What the store has to know of it, to hand to `Store.begin_run` or `Store.prepare_schema`."""
        columns = json.dumps(self.columns)
        return SchemaRow(name=self.name, hash=self.hash, columns=columns, json_schema=self.json_schema)

    def record_row(self, record: Record, *, reading_id: str, source_id: str, page: int | None = None) -> RecordRow:
        """A record of one reading as a row; `page` where the part was a page."""
        return RecordRow(
            name=self.name,
            hash=self.hash,
            reading_id=reading_id,
            source_id=source_id,
            page=page,
            start_s=record.start_s,
            end_s=record.end_s,
            fields=json.dumps(record.values),
        )

    def identity(self) -> dict[str, object]:
        """What of it decides an answer. A recipe holds it as `schema`: the views look for its hash there."""
        return {"name": self.name, "per": self.per, "hash": self.hash, "json_schema": json.loads(self.json_schema)}

    def question(self, kind: Kind) -> str:
        """The question, from the model's docstring and the descriptions of its fields."""
        asks = {"page": prompts.CUSTOM_PAGE, "document": prompts.CUSTOM_DOCUMENT, "video": prompts.CUSTOM_VIDEO}
        form = self.fields.asked
        head = f"{form.name}: {form.description}" if form.description else form.name
        lines = [asks[kind], "", head]
        for depth, key, at in walk(form):
            described = f": {at.description}" if at.description else ""
            lines.append(f"{'  ' * depth}- {key} ({at.asked.said}){described}")
        return "\n".join(lines)

    def wire(self, kind: Kind) -> str:
        """The JSON schema, as text, that constrains the answer while it is decoded.

        One object, or for a video {"segments": […]} of objects with `start` and `end` as M:SS before the fields. Every
        text and list has an end, every key has to be there, no other may be.
        """
        answer = self.fields.asked.schema(described=False)
        if kind == "video":
            clock = TypeAdapter(Clock).json_schema()
            answer["properties"] = dict.fromkeys(self._clocks, clock) | answer["properties"]
            answer["required"] = [*self._clocks, *answer["required"]]
            segments = {"type": "array", "items": answer, "maxItems": MAX_SEGMENTS}
            answer = {
                "type": "object",
                "properties": {"segments": segments},
                "required": ["segments"],
                "additionalProperties": False,
            }
        return json.dumps(answer)

    def parse(self, kind: Kind, text: str) -> tuple[Record, ...]:
        """The records of an answer, validated by the user's model. Raises ValueError with a reason of one sentence."""
        answer = _decode(text)
        if kind != "video":
            record = self._record(answer)
            return (record,) if record else ()
        records = []
        for number, segment in enumerate(_segments(answer)):
            try:
                records.append(self._segment(segment))
            except ValueError as error:
                raise ValueError(f"segment {number}: {error}") from error
        return tuple(record for record in records if record)

    def recover(self, kind: Kind, text: str) -> tuple[Record, ...]:
        """What still holds of an answer that was cut off, or that `parse` refuses; () where nothing does.

        Items of a list and segments count only whole; a segment that the user's model refuses is left out, and so is
        the answer where a field without a default or null is missing.
        """
        whole = whole_part(text)
        if whole is None:
            return ()
        try:
            answer = _decode(whole)
            if kind != "video":
                given = dict.fromkeys(self.fields.questions) | answer if isinstance(answer, dict) else answer
                record = self._record(given)
                return (record,) if record else ()
            segments = _segments(answer)
        except ValueError:  # asked for in vain: the caller knows already that the answer does not hold
            return ()
        records = []
        for segment in segments:
            try:
                records.append(self._segment(segment))
            except ValueError:  # this one is left out, as said above
                continue
        return tuple(record for record in records if record)

    @property
    def _clocks(self) -> tuple[str, str]:
        """What a segment's times are called: `start` and `end`, unless fields of the user's are."""
        return next(names for names in _CLOCKS if not self.fields.questions.keys() & set(names))

    def _segment(self, segment: Any) -> Record | None:
        if not isinstance(segment, dict):
            raise ValueError("a segment is an object")
        start, end = self._clocks
        start_s, end_s = _seconds(segment, start), _seconds(segment, end)
        if end_s < start_s:
            raise ValueError(f"it ends at {segment[end]}, before it starts at {segment[start]}")
        record = self._record({key: value for key, value in segment.items() if key not in self._clocks})
        return record and Record(record.values, start_s, end_s)

    def _record(self, answer: Any) -> Record | None:
        """None where every field is null or empty. Raises ValueError."""
        if isinstance(answer, dict) and answer.keys() >= self.fields.questions.keys() and _is_empty(answer):
            return None
        try:
            given = json.dumps(self.fields.asked.given(answer), default=float)  # Decimal: what JSON has as a number
            return Record(self.fields.row(self.model.model_validate_json(given)))
        except ValidationError as error:
            raise ValueError(_reason(error)) from error
        except ValueError:
            raise
        except _CODE_FAILS as error:
            raise ValueError(f"{self.fields.asked.name}'s own code fails on it: {_describe(error)}") from error


def load(spec: str, *, per: Per = "document") -> CustomSchema:
    """`invoice.py:Invoice` → the model of that name in that file. Raises UsageError.

    What the file imports from beside itself is found while it is executed, not later.
    """
    file, colon, class_name = spec.rpartition(":")
    if not (colon and file and class_name.isidentifier()):
        raise UsageError(f"--schema {spec}: write a file and a class in it, for example invoice.py:Invoice")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"--schema {spec}: there is no file {file}")
    model = getattr(_execute(path, spec), class_name, None)
    if model is None:
        raise UsageError(f"--schema {spec}: {path.name} has no {class_name}")
    if not (isinstance(model, type) and issubclass(model, BaseModel)) or model is BaseModel:
        raise UsageError(f"--schema {spec}: {class_name} is no pydantic model; write class {class_name}(BaseModel)")
    try:
        fields = read_model(model)
    except UsageError as error:
        raise UsageError(f"--schema {spec}: {error}") from error
    except _CODE_FAILS as error:
        raise UsageError(f"--schema {spec}: pydantic cannot make sense of {class_name}: {_describe(error)}") from error
    name = task_name(class_name)
    if name in TASK_NAMES:
        raise UsageError(f"--schema {spec}: {name} is a task already; give the class another name")
    if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{_MAX_NAME - 1}}}", name) or _LIKE_AN_OLD_TABLE.search(name):
        raise UsageError(f"--schema {spec}: x_{name} is no name for a table; give the class another name")
    if ours := next((column for column in fields.columns if column.lower() in OUR_COLUMNS), None):
        raise UsageError(f"--schema {spec}: every table has a column {ours} already; give the field another name")
    json_schema = json.dumps(fields.asked.schema(described=True))
    digest = sha256(json.dumps([list(fields.columns.items()), json_schema]).encode()).hexdigest()
    return CustomSchema(
        name=name, per=per, columns=fields.columns, hash=digest, json_schema=json_schema, model=model, fields=fields
    )


def task_name(class_name: str) -> str:
    """`PurchaseOrder` → `purchase_order`, `HTTPLog` → `http_log`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name).strip("_").lower()


def _execute(path: Path, spec: str) -> ModuleType:
    """The user's file as a module, known to Python for as long as pydantic may look up its names. Raises UsageError."""
    name = f"aria_docs_schema_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    found = importlib.util.spec_from_file_location(name, path) if path.suffix == ".py" else None
    if found is None or found.loader is None:
        raise UsageError(f"--schema {spec}: {path.name} is no Python file; its name ends in .py")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        with _findable(path.resolve().parent):
            found.loader.exec_module(module)
    except (*_CODE_FAILS, AssertionError, ImportError, OSError, SyntaxError, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(f"--schema {spec}: {path.name} cannot be executed: {_describe(error)}") from error
    return module


@contextmanager
def _findable(folder: Path) -> Iterator[None]:
    """Modules of the folder can be imported, and no bytecode is left beside the user's file."""
    kept, wrote_none = list(sys.path), sys.dont_write_bytecode
    sys.path.append(str(folder))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path[:] = kept
        sys.dont_write_bytecode = wrote_none


def _decode(text: str) -> Any:
    """JSON with every digit of its numbers. Raises ValueError."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _segments(answer: Any) -> list[Any]:
    segments = answer.get("segments") if isinstance(answer, dict) else None
    if not isinstance(segments, list):
        raise ValueError('it is no {"segments": […]}')
    return segments


def _seconds(segment: dict[str, Any], name: str) -> float:
    try:
        clock: str = TypeAdapter(Clock).validate_python(segment.get(name))
    except ValidationError as error:
        raise ValueError(f"{name} is {segment.get(name)!r} and not minutes and seconds as 3:07") from error
    return snapping.seconds(clock)


def _is_empty(answer: Any) -> bool:
    if isinstance(answer, dict):
        return all(_is_empty(value) for value in answer.values())
    return answer is None or answer in ("", [])


def _reason(error: ValidationError) -> str:
    """The first of pydantic's reasons, and how many more there are."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    place = ".".join(str(step) for step in errors[0]["loc"])
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return _first_line(f"{place}: {errors[0]['msg']}" if place else errors[0]["msg"]) + more


def _describe(error: BaseException) -> str:
    return _first_line(f"{type(error).__name__}: {error}")


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
