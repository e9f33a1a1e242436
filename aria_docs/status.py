"""What a database holds and what is missing from it: for `aria-docs status`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aria_docs.storage.database import Store


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of what is there, per kind and task; the standing failures; the last run."""

    files: list[dict[str, Any]]
    readings: list[dict[str, Any]]
    results: dict[str, int]
    unfinished: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    last_run: dict[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)

    def as_lines(self) -> list[str]:
        """For people: one fact a line, still to be made printable."""
        lines = [f"{row['files']} {row['kind']} files ({row['sources']} different)" for row in self.files]
        lines += _aligned(("task", "parts", "ok", "partial"), [tuple(row.values()) for row in self.readings])
        lines.append(", ".join(f"{count:,} {what}" for what, count in self.results.items()))
        lines += [f"unfinished: {row['path']}: {row['done']} of {row['n_pages']} pages" for row in self.unfinished]
        for row in self.failures:
            again = "tried again by the next run" if row["retryable"] else "tried again with --retry-failed"
            lines.append(f"failed: {row['message']} [{row['error']}, {again}]")
        if self.last_run:
            ended = self.last_run["ended_at"]
            when = f"ended {ended:%Y-%m-%d %H:%M} UTC" if ended else "not ended"
            lines.append(f"last run: {self.last_run['command'][:200]} ({when})")
        return lines


def read_status(store: Store) -> Status:
    """Raises StoreError, StoreBusy."""
    counted = ("pages", "tables", "cells", "scenes", "summaries")
    [results] = store.records("SELECT " + ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in counted))
    runs = store.records("SELECT * FROM runs ORDER BY started_at DESC LIMIT 1")
    return Status(
        files=store.records(
            "SELECT kind, count(*) AS files, count(DISTINCT source_id) AS sources "
            "FROM files JOIN sources USING (source_id) WHERE present GROUP BY kind ORDER BY kind"
        ),
        readings=store.records(
            "SELECT task, count(*) AS parts, count(*) FILTER (status = 'ok') AS ok, "
            "count(*) FILTER (status = 'partial') AS partial FROM latest_readings GROUP BY task ORDER BY task"
        ),
        results=results,
        unfinished=store.records(
            "SELECT s.path, count(DISTINCT p.page) AS done, s.n_pages "
            "FROM sources s LEFT JOIN pages p USING (source_id) "
            "WHERE s.source_id IN (SELECT source_id FROM files WHERE present) "
            "AND s.source_id NOT IN (SELECT source_id FROM failures WHERE source_id IS NOT NULL) "
            "GROUP BY ALL HAVING done < s.n_pages ORDER BY s.path"
        ),
        failures=store.records("SELECT path, part, error, message, retryable FROM failures ORDER BY path, part"),
        last_run=runs[0] if runs else None,
    )


def _aligned(heads: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[str]:
    if not rows:
        return []
    table = [tuple(heads), *((str(value) for value in row) for row in rows)]
    cells = [[str(value) for value in row] for row in table]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    return ["  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip() for row in cells]
