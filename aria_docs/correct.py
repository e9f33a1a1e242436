"""Files of corrections, as the report downloads them and as SQL writes them, for `aria-docs correct --from`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aria_docs.errors import UsageError
from aria_docs.schemas.corrections import GivenCorrection

# Of a CSV these are text as it stands; whatever else `before` and `after` are is JSON.
_TEXTS = ("cell", "caption", "scene")


def read_corrections(path: Path) -> list[GivenCorrection]:
    """The corrections of a .json or .csv file. Raises UsageError, which names the first that is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as text: {error}") from error
    entries = _from_csv(text) if path.suffix.lower() == ".csv" else _from_json(text, path)
    found = []
    for number, entry in enumerate(entries, start=1):
        try:
            found.append(GivenCorrection.model_validate(entry))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise UsageError(f"{path}, correction {number}: {where}: {first['msg']}") from error
    return found


def _from_json(text: str, path: Path) -> list[Any]:
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"{path} is no JSON ({error}): it holds a list of corrections; CSV files end in .csv"
        ) from error
    if not isinstance(entries, list):
        raise UsageError(f"{path} holds no list: corrections are a JSON list of objects")
    return entries


def _from_csv(text: str) -> list[dict[str, Any]]:
    entries = []
    for row in csv.DictReader(io.StringIO(text, newline="")):
        entry: dict[str, Any] = {name: value for name, value in row.items() if name and value}
        entry["anchor"] = _json_or_text(row.get("anchor") or "{}")
        for name in ("before", "after"):
            value = row.get(name) or ""
            is_json = row.get("target") not in _TEXTS or _is_edge(entry["anchor"]) or value[:1] == value[-1:] == '"'
            entry[name] = _json_or_text(value) if is_json else value
        entries.append(entry)
    return entries


def _is_edge(anchor: Any) -> bool:
    return isinstance(anchor, dict) and anchor.get("field") in ("start_s", "end_s")


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value) if value else None
    except ValueError:
        return value
