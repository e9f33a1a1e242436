"""What a model said → data that can be relied on. Pure: text in, values out; never raises for anything a model says.

A model that is cut off stops in the middle of a word, and a server that does not constrain its decoding may say
anything. What is kept is what was said whole:

    {"tables": [{"caption": "Trade", "box": [90, 1     nothing: a number may go on
    … "rows": [["Year", "km"], ["2019", "1             the row of the heading, and not half of the next
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

# xgrammar, vLLM's usual way to constrain an answer, lets these into strings as they are, where JSON has none.
_BLANK_FOR_CONTROL = dict.fromkeys(range(32), " ")
_UNFINISHED = re.compile(r"[-+.\w]+$")  # a number, true, false or null that the text ends in


@dataclass(frozen=True, slots=True)
class RecoveredAnswer:
    """An answer.

    data:   the JSON object; empty if absent.
    fault:  None where the answer is whole and fits its schema; else why not, in a few words without a full stop.
    broke_off:  whether it is no whole JSON object, so that more may have been meant.
    """

    data: Mapping[str, Any]
    fault: str | None = None
    broke_off: bool = False


def recover(model: type[BaseModel], text: str, *, ended: bool, whole: Collection[str]) -> RecoveredAnswer:
    """What a text says that should be a `model` in JSON.

    ended:  False where it was cut off at its token limit.
    whole:  the names of the lists whose items are kept whole or not at all.
    """
    said = complete(text)
    if said is None:
        return recover_broken(text, ended=ended, whole=whole)
    try:
        model.model_validate_json(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        return RecoveredAnswer(
            partial(said, whole=whole), f"the answer does not fit its form ({_fold_message(where, first['msg'])})"
        )
    return RecoveredAnswer(partial(said, whole=whole))


def recover_broken(text: str, *, ended: bool, whole: Collection[str] | None) -> RecoveredAnswer:
    """What an answer says that is no whole JSON object."""
    fault = "the answer is no whole JSON object" if ended else "the answer was cut off at its token limit"
    return RecoveredAnswer(partial(text, whole=whole), fault, broke_off=True)


def complete(text: str) -> str | None:
    """The first JSON object in a text, where it is closed: without what stands around it, as in ```json … ```.

    Raw control characters, which no parser takes inside a string, have become blanks.
    """
    text = text.translate(_BLANK_FOR_CONTROL)
    scan = _scan(text)
    return text[scan.start : scan.stop] if scan and not scan.open else None


def partial(text: str, *, whole: Collection[str] | None) -> dict[str, Any]:
    """The first JSON object in a text as far as it is said, closed where it broke off; empty if absent.

    whole:  the names of the lists whose items are kept whole or not at all; None: the outermost list, of any name.
    """
    text = text.translate(_BLANK_FOR_CONTROL)
    scan = _scan(text)
    if scan is None:
        return {}
    said = text[scan.start : scan.stop]
    if scan.open:
        begun = [frame.item for frame in scan.open if frame.is_list and (whole is None or frame.name in whole)]
        cut = next((item for item in begun if item is not None), None)
        if cut is not None:
            said = text[scan.start : cut].rstrip().removesuffix(",")
        elif not scan.in_string:
            said = _UNFINISHED.sub("", said)
    try:
        value = from_json(said, allow_partial=True)
    except ValueError:  # no JSON, at a place before its end: nothing after that place can be relied on
        return {}
    return value if isinstance(value, dict) else {}


def whole_part(text: str) -> str | None:
    """The first JSON object in a text up to the last value that is surely whole, and closed; None if absent.

        {"no": 7, "lines": [{"a": 1}, {"a": 2}, {"a":     →   {"no": 7, "lines": [{"a": 1}, {"a": 2}]}

    Whole are values of the outermost object, and items of the outermost list. The text itself is kept: a number that
    is read from it has every digit that was written.
    """
    scan = _scan(text)
    if scan is None or scan.whole is None:
        return None
    stop, closing = scan.whole
    return text[scan.start : stop] + closing


def fitting_fields(model: type[BaseModel], value: object) -> dict[str, Any]:
    """The fields of a value that fit, each by itself; of a list those of its items that do, as many as it may have."""
    if not isinstance(value, dict):
        return {}
    found = {}
    for name, field in _fields(model).items():
        if name not in value:
            continue
        try:
            found[name] = field.whole.validate_python(value[name])
        except ValidationError:
            if field.item and isinstance(value[name], list):
                found[name] = _fitting(field.item, value[name])[: field.most]
    return found


def _fitting(item: TypeAdapter[Any], values: list[Any]) -> list[Any]:
    kept = []
    for value in values:
        try:
            kept.append(item.validate_python(value))
        except ValidationError:  # this one does not fit; the others may
            continue
    return kept


@dataclass(frozen=True, slots=True)
class _FieldCheck:
    """How to check a field: whole, and, of a list without a least length, each item; `most` is its greatest length."""

    whole: TypeAdapter[Any]
    item: TypeAdapter[Any] | None
    most: int | None


@cache
def _fields(model: type[BaseModel]) -> dict[str, _FieldCheck]:
    fields = {}
    for name, info in model.model_fields.items():
        lengths = {
            kind: getattr(rule, kind)
            for rule in info.metadata
            for kind in ("min_length", "max_length")
            if hasattr(rule, kind)
        }
        parts = get_origin(info.annotation) is list and not lengths.get("min_length")
        [inner] = get_args(info.annotation) if parts else [None]
        fields[name] = _FieldCheck(
            TypeAdapter(info.rebuild_annotation()),
            TypeAdapter(inner) if inner else None,
            lengths.get("max_length"),
        )
    return fields


@dataclass(slots=True)
class _Nesting:
    """A container that is open. item: where the item begins that is not finished, of a list; name: the list's key."""

    is_list: bool
    name: str | None
    item: int | None = None


@dataclass(frozen=True, slots=True)
class _ObjectScan:
    """The first object of a text stands at [start, stop); `open` are the containers it leaves open, outermost first.

    whole:  the end of its last whole value, and the brackets that close what is open there; see `whole_part`.
    """

    start: int
    stop: int
    open: list[_Nesting]
    in_string: bool = False
    whole: tuple[int, str] | None = None


_MARK = re.compile(r'["{}\[\],:]|[^\s"{}\[\],:]+')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)


def _scan(text: str) -> _ObjectScan | None:
    """Reads brackets, strings and commas, and nothing else, so that no text is too broken for it."""
    start = text.find("{")
    if start < 0:
        return None
    frames: list[_Nesting] = []
    key: str | None = None
    whole: tuple[int, str] | None = None
    at = start
    while mark := _MARK.search(text, at):
        symbol, at = mark.group(), mark.end()
        if symbol in ",:":
            if symbol == ",":
                whole = _whole(frames, mark.start()) or whole
                if frames[-1].is_list:
                    frames[-1].item = None
            continue
        if symbol in "}]":
            frames.pop()
            if not frames:
                return _ObjectScan(start, at, frames, whole=(at, ""))
            frames[-1].item = None
            whole = _whole(frames, at) or whole
            continue
        if frames and frames[-1].is_list:
            frames[-1].item = mark.start()
        if symbol in "{[":
            frames.append(_Nesting(symbol == "[", key))
            key = None
        elif symbol == '"':
            string = _STRING.match(text, mark.start())
            if string is None:
                return _ObjectScan(start, len(text), frames, in_string=True, whole=whole)
            at = string.end()
            if frames[-1].is_list:
                frames[-1].item = None
            else:
                key = string.group()[1:-1]
    return _ObjectScan(start, len(text), frames, whole=whole)


def _whole(frames: list[_Nesting], at: int) -> tuple[int, str] | None:
    """That place, if a value of the outermost object or an item of the outermost list ends there."""
    lists = [frame.is_list for frame in frames]
    if lists == [False] or (lists[-1] and lists.count(True) == 1):
        return at, "".join("]" if is_list else "}" for is_list in reversed(lists))
    return None


def _fold_message(where: str, message: str) -> str:
    return f"{where}: {message[:1].lower()}{message[1:]}"
