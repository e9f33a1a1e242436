"""What a database holds and what is missing from it: for `aria-docs status`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aria_docs.storage.database import Store

# Failures and notes of one kind are one line from so many on.
GROUP_FROM = 4

# A part is expected for each page of a document for the tasks that are asked page by page, else one for the whole.
_EXPECTED = """
    WITH here AS (
        SELECT s.source_id, s.path, s.kind, coalesce(s.n_pages, 0) AS n_pages
        FROM sources s WHERE source_id IN (SELECT source_id FROM files WHERE present)
          AND source_id NOT IN (SELECT source_id FROM failures WHERE task = '' AND source_id IS NOT NULL)
    ),
    known_tasks AS (
        SELECT task, kind = 'video' AS is_video, bool_or(part LIKE 'page:%') AS by_page
        FROM newest JOIN sources USING (source_id)
        WHERE task <> 'hearing' GROUP BY ALL -- a film with subtitles has none
    ),
    expected AS (
        SELECT source_id, path, task, CASE WHEN by_page AND n_pages > 0 THEN n_pages ELSE 1 END AS parts
        FROM here JOIN known_tasks ON is_video = (kind = 'video')
    ),
    read AS (
        SELECT source_id, task, count(*) AS parts, count(*) FILTER (status = 'ok') AS ok,
               count(*) FILTER (status = 'partial') AS partial
        FROM latest_readings GROUP BY ALL
    ),
    failed AS (
        SELECT source_id, task, count(DISTINCT part) AS parts FROM failures
        WHERE (source_id, task, part) NOT IN (SELECT (source_id, task, part) FROM newest) GROUP BY ALL
    ),
    counted AS (
        SELECT e.path, e.task, e.parts AS expected, coalesce(r.ok, 0) AS ok, coalesce(r.partial, 0) AS partial,
               coalesce(f.parts, 0) AS failed,
               greatest(0, e.parts - coalesce(r.parts, 0) - coalesce(f.parts, 0)) AS missing
        FROM expected e LEFT JOIN read r USING (source_id, task) LEFT JOIN failed f USING (source_id, task)
    )
"""
# What differs between failures or notes of one kind: paths, numbers.
_KIND = "regexp_replace(replace({text}, path, ''), '[0-9]+', '#', 'g')"


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of what is there, per kind and task; what is missing, partial or failed, and why; the last run.

    readings:   a row a task: parts expected, ok, partial, failed, and missing (neither read nor failed).
    missing:    a row a file and task of which parts are missing; unread: the paths that a run was ended before.
    partial:    a row a kind of note on what was not read, with how many parts of how many files it stands for.
    failures:   every failure; failure_kinds: as `partial`.
    """

    files: list[dict[str, Any]]
    readings: list[dict[str, Any]]
    results: dict[str, int]
    missing: list[dict[str, Any]]
    unread: list[str]
    partial: list[dict[str, Any]]
    failure_kinds: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    last_run: dict[str, Any] | None
    review: dict[str, int]
    corrections: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)

    def as_lines(self) -> list[str]:
        """For people: one fact a line, still to be made printable."""
        lines = [_files(row) for row in self.files]
        heads = ("task", "parts", "ok", "partial", "failed", "missing")
        lines += _align(heads, [tuple(row.values()) for row in self.readings])
        lines.append(", ".join(f"{count:,} {what}" for what, count in self.results.items()))
        if self.review["cells"]:
            cells, tables = self.review["cells"], self.review["tables"]
            verb = "is" if cells == 1 else "are"
            lines.append(f"{_count(cells, 'cell')} in {_count(tables, 'table')} {verb} worth a look: FROM review")
        if self.corrections["stale"]:
            lines.append(
                f"{_count(self.corrections['stale'], 'correction')} no longer fit what is read (state = 'stale')"
            )
        for row in self.missing:
            done = f"{row['expected'] - row['missing']} of {row['expected']} parts"
            lines.append(f"missing: {row['path']}: {row['task']}, {done}; the next run reads the rest")
        if self.unread:
            others = f" and {_count(len(self.unread) - 1, 'more file')}" if len(self.unread) > 1 else ""
            lines.append(f"not begun: {self.unread[0]}{others}; the next run reads them")
        for row in self.partial:
            where = f"{row['path']}, {row['part']}" if row["parts"] == 1 else _spread(row)
            lines.append(f"partly read: {where}: {row['note']}")
        for row in self.failure_kinds:
            again = "tried again by the next run" if row["retryable"] else "tried again with --retry-failed"
            where = "" if row["parts"] == 1 else f" ({_spread(row)})"
            lines.append(f"failed: {row['message']} [{row['error']}, {again}]{where}")
        if self.last_run:
            ended = self.last_run["ended_at"]
            when = f"ended {ended:%Y-%m-%d %H:%M} UTC" if ended else "not ended"
            lines.append(f"last run: {self.last_run['command'][:200]} ({when})")
        return lines


def read_status(store: Store) -> Status:
    """Raises StoreError, StoreBusy."""
    counted = ("pages", "tables", "cells", "scenes", "summaries")
    [results] = store.records("SELECT " + ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in counted))
    named = "SELECT count(*) AS n FROM information_schema.tables WHERE table_name = 'review'"
    [[is_new]] = [row.values() for row in store.records(named)]  # a file of an earlier version has no such view
    [review] = store.records(_REVIEW) if is_new else [{"cells": 0, "tables": 0}]
    [corrections] = store.records(_CORRECTIONS) if is_new else [{"applied": 0, "stale": 0}]
    named = "SELECT count(*) AS n FROM duckdb_tables() WHERE table_name = 'unread'"
    [[has_unread]] = [row.values() for row in store.records(named)]
    unread = store.records("SELECT path FROM unread ORDER BY path") if has_unread else []
    runs = store.records("SELECT * FROM runs ORDER BY started_at DESC LIMIT 1")
    return Status(
        files=store.records(
            "SELECT kind, count(*) AS files, count(DISTINCT source_id) AS sources "
            "FROM files JOIN sources USING (source_id) WHERE present GROUP BY kind ORDER BY kind"
        ),
        readings=store.records(
            f"{_EXPECTED} SELECT task, sum(expected)::BIGINT AS parts, sum(ok)::BIGINT AS ok, "
            "sum(partial)::BIGINT AS partial, sum(failed)::BIGINT AS failed, sum(missing)::BIGINT AS missing "
            "FROM counted GROUP BY task ORDER BY task"
        ),
        results=results,
        missing=store.records(
            f"{_EXPECTED} SELECT path, task, expected, missing FROM counted WHERE missing > 0 ORDER BY ALL"
        ),
        unread=[row["path"] for row in unread],
        partial=store.records(_kinds_of(_PARTIAL, "note")),
        failure_kinds=store.records(_kinds_of("SELECT * FROM failures", "message")),
        failures=store.records("SELECT path, part, error, message, retryable FROM failures ORDER BY path, part"),
        last_run=runs[0] if runs else None,
        review=review,
        corrections=corrections,
    )


_REVIEW = """
    SELECT count(DISTINCT (table_id, row_no, col_no)) AS cells, count(DISTINCT table_id) AS tables FROM review
"""
_CORRECTIONS = """
    SELECT count(*) FILTER (state = 'applied') AS applied, count(*) FILTER (state = 'stale') AS stale FROM corrections
"""


_PARTIAL = """
    SELECT path, replace(part, ':', ' ') AS part, note, '' AS error, false AS retryable
    FROM latest_readings JOIN (SELECT source_id, min(path) AS path FROM files WHERE present GROUP BY source_id)
    USING (source_id) WHERE status = 'partial'
"""


def _kinds_of(rows: str, text: str) -> str:
    """Rows whose text is alike but for paths and numbers as one row, from `GROUP_FROM` of them on."""
    kind = _KIND.format(text=text)
    return f"""
        WITH rows AS ({rows}),
        grouped AS (SELECT *, {kind} AS kind, count(*) OVER (PARTITION BY error, {kind}) AS n_alike FROM rows)
        SELECT min(path) AS path, arg_min(part, path) AS part, arg_min({text}, path) AS {text}, error,
               any_value(retryable) AS retryable, count(*) AS parts, count(DISTINCT path) AS files
        FROM grouped
        GROUP BY error, kind, CASE WHEN n_alike < {GROUP_FROM} THEN path || '/' || part END
        ORDER BY parts DESC, path, part
    """


def _files(row: dict[str, Any]) -> str:
    kind = "PDF" if row["kind"] == "pdf" else row["kind"]
    different = f", {row['sources']} different" if row["sources"] < row["files"] else ""
    return f"{_count(row['files'], f'{kind} file')}{different}"


def _spread(row: dict[str, Any]) -> str:
    return f"{_count(row['parts'], 'part')} of {_count(row['files'], 'file')}, the first {row['path']}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


def _align(heads: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[str]:
    if not rows:
        return []
    table = [tuple(heads), *((str(value) for value in row) for row in rows)]
    cells = [[str(value) for value in row] for row in table]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    return ["  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip() for row in cells]
