"""Stored rows → the answer that a model would have given for them: the forms of schemas/answers.py as compact JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from aria_docs.errors import UsageError
from aria_docs.schemas.answers import DocumentSummaryAnswer, ScenesAnswer, TablesAnswer, VideoSummaryAnswer

Row = Mapping[str, Any]


def tables(found: Sequence[tuple[Row, Sequence[Row]]], width_pt: float, height_pt: float) -> str:
    """The tables of one page, each with its cells, in order. UsageError where they do not fit the form."""
    return _text(TablesAnswer, {"tables": [_table(table, cells, width_pt, height_pt) for table, cells in found]})


def _table(table: Row, cells: Sequence[Row], width_pt: float, height_pt: float) -> dict[str, Any]:
    rows = [["" for _ in range(table["n_cols"])] for _ in range(table["n_rows"])]
    spans = []
    for cell in cells:
        rows[cell["row_no"]][cell["col_no"]] = cell["text"] or ""
        if cell["row_span"] > 1 or cell["col_span"] > 1:
            place = {"row": cell["row_no"], "col": cell["col_no"]}
            spans.append(place | {"rows": cell["row_span"], "cols": cell["col_span"]})
    edges = zip((table["x0"], table["y0"], table["x1"], table["y1"]), (width_pt, height_pt) * 2, strict=True)
    return {
        "caption": table["caption"],
        "box": [min(1000, max(0, round(1000 * edge / full))) for edge, full in edges],
        "header_rows": table["n_header_rows"],
        "rows": rows,
        "spans": spans,
    }


def scenes(found: Sequence[Row]) -> str:
    """The scenes of one video in order, in whole seconds as frames are labelled."""
    return _text(
        ScenesAnswer,
        {
            "scenes": [
                {
                    "start": clock(scene["start_s"]),
                    "end": clock(scene["end_s"]),
                    "title": scene["title"] or "",
                    "description": scene["description"] or "",
                }
                for scene in found
            ]
        },
    )


def summary(found: Row, *, of_video: bool) -> str:
    """The summary of a document or a video; key points that stand nowhere are left out."""
    points = [
        {"text": point["text"]} | ({"time": clock(point["start_s"])} if of_video else {"page": point["page"]})
        for point in found["key_points"]
        if point["start_s" if of_video else "page"] is not None
    ]
    answer = {"title": found["title"] or "", "language": found["language"] or "en"}
    answer |= {"text": found["text"], "key_points": points}
    return _text(VideoSummaryAnswer if of_video else DocumentSummaryAnswer, answer)


def clock(time_s: float) -> str:
    """12.48 → 0:12; minutes may pass 59."""
    return f"{int(time_s) // 60}:{int(time_s) % 60:02d}"


def _text(form: type[BaseModel], answer: dict[str, Any]) -> str:
    try:
        form.model_validate(answer)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"it does not fit the form of an answer ({place}: {first['msg']})") from error
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
