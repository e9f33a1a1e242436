"""The locked-down door for questions: one statement that reads this database and nothing else."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb

from aria_docs import text_table
from aria_docs.errors import QueryError, StoreError, UsageError
from aria_docs.storage.connection import Connections
from aria_docs.storage.rows import copy_to, first_line, quote, records, with_hints
from aria_docs.storage.search import load_fts
from aria_docs.storage.shapes import lay_typed_views

Format = Literal["table", "lines", "markdown", "csv", "json", "parquet"]
MAX_SHOWN = 1000  # rows of an answer in text: more are for a file

Frames = Literal["pandas", "polars", "pyarrow"]
_RANKED_NAMED = re.compile(r"\bsearch_ranked\b", re.IGNORECASE)
_NO_FTS = re.compile(r'search_ranked does not exist|"stem" is not in the catalog', re.IGNORECASE)
_NEEDS_FTS = (
    f"search_ranked needs DuckDB's fts extension: `INSTALL fts` once in DuckDB {duckdb.__version__}, then "
    "`aria-docs run` builds its index; search('…') needs neither"
)


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query answers: the names and SQL types of its columns, and its rows."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Questions(Connections):
    """What people and exports ask of a database, read-only.

    allowed:  files that a query may read beside the database's own.
    """

    allowed: Sequence[str] = ()

    def lay_on_demand(self, db: duckdb.DuckDBPyConnection, queries: str) -> None:
        """What the queries name and is not stored."""
        lay_typed_views(db, queries)

    def records(self, query: str, *, patience_s: float = 10.0) -> list[dict[str, Any]]:
        """The rows of one of our own queries, read-only."""
        with self.reading(patience_s=patience_s) as db:
            return records(db, query)

    def answer(self, query: str, *, form: Format, target: Path | None, patience_s: float = 10.0) -> None:
        """A user's query to standard output or a file. One statement that reads this database and nothing else.

        Raises QueryError, StoreBusy.
        """
        if form == "parquet" and target is None:
            raise QueryError("parquet is not for a terminal: name a file with -o")
        if form in ("table", "lines", "markdown"):
            self._answer_in_text(query, form=form, target=target, patience_s=patience_s)
            return
        # Not to /dev/stdout: DuckDB would empty a file that the shell appends to, and cannot open a socket.
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "answer" if target is None else target.absolute())
            with self._asking([query], target=path, patience_s=patience_s) as (db, [text]):
                copy_to(db, text, path, form)
            if target is None:
                with Path(path).open("rb") as answer:
                    shutil.copyfileobj(answer, sys.stdout.buffer)
                sys.stdout.flush()

    def _answer_in_text(self, query: str, *, form: Format, target: Path | None, patience_s: float) -> None:
        """On a terminal as wide as that is, elsewhere as wide as it takes, or as COLUMNS says."""
        most = None if target else MAX_SHOWN
        with self._asking([query], patience_s=patience_s) as (db, [text]):
            found = db.execute(text)
            names = [column[0] for column in found.description or ()]
            rows = found.fetchall() if most is None else found.fetchmany(most + 1)
        if form == "markdown":
            drawn = text_table.as_markdown(names, rows[:most])
        elif form == "lines":
            drawn = text_table.as_lines(names, rows[:most])
        else:
            set_width = os.environ.get("COLUMNS", "").isdecimal() or sys.stdout.isatty()
            width = shutil.get_terminal_size().columns if set_width and target is None else None
            drawn = text_table.as_text(names, rows[:most], width=width)
        if most is not None and len(rows) > most:
            drawn += f"\nthese are the first {most:,} rows: add LIMIT, or write them all with -o FILE.csv"
        if target:
            target.write_text(drawn + "\n", encoding="utf-8")
        else:
            sys.stdout.write(drawn + "\n")
            sys.stdout.flush()

    def ask(self, query: str, parameters: Sequence[Any] | None = None, *, patience_s: float = 10.0) -> QueryResult:
        """A user's query as Python values. Raises QueryError, StoreBusy.

        parameters:  for the `?` of the query.
        """
        with self._asking([query], patience_s=patience_s) as (db, [text]):
            return _answer(db.sql(text, params=parameters or None))

    def ask_all(self, queries: Sequence[str], *, patience_s: float = 10.0) -> list[QueryResult]:
        """Several queries in one opening of the file."""
        with self._asking(queries, patience_s=patience_s) as (db, texts):
            return [_answer(db.sql(text)) for text in texts]

    def write_parquet(self, queries: Sequence[tuple[str, Path]], *, patience_s: float = 10.0) -> list[int]:
        """The answer of each query to its file; returns the numbers of rows. Raises StoreError."""
        with self.reading(patience_s=patience_s) as db:
            self.lay_on_demand(db, " ".join(query for query, _ in queries))
            try:
                return [copy_to(db, query, str(target.absolute()), "parquet") for query, target in queries]
            except duckdb.IOException as error:
                raise StoreError(f"Parquet cannot be written: {first_line(error)}") from error

    def frame(
        self, query: str, library: Frames, parameters: Sequence[Any] | None = None, *, patience_s: float = 10.0
    ) -> Any:
        """A user's query as a data frame of that library. Raises UsageError where the library is missing, QueryError,
        StoreBusy."""
        for needed in ("polars", "pyarrow") if library == "polars" else (library,):
            try:
                importlib.import_module(needed)
            except ModuleNotFoundError as e:
                raise UsageError(f"{needed} is not installed: pip install 'aria-docs[notebook]' brings it") from e
        with self._asking([query], patience_s=patience_s) as (db, [text]):
            found = db.sql(text, params=parameters or None)
            if library == "pandas":
                return found.df()
            return found.pl() if library == "polars" else found.to_arrow_table()

    @contextmanager
    def _asking(
        self, queries: Sequence[str], *, patience_s: float, target: str | None = None
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[str]]]:
        """The file, closed to everything but reading it, and each query without its semicolon."""
        ranked = _RANKED_NAMED.search(" ".join(queries)) is not None
        with self.reading(patience_s=patience_s) as db:
            try:
                texts = [_only_reads(db, query) for query in queries]
                self.lay_on_demand(db, " ".join(queries))
                if ranked:
                    load_fts(db)
                if paths := [*self.allowed, *([target] if target else [])]:
                    db.execute(f"SET allowed_paths = [{', '.join(map(quote, paths))}]")
                db.execute("SET search_path = 'main'")  # SHOW TABLES lists what is for people
                db.execute("SET python_enable_replacements = false")  # nor does it read the caller's variables
                db.execute("SET enable_external_access = false")
                db.execute("SET lock_configuration = true")
                yield db, texts
            except duckdb.CatalogException as error:
                raise QueryError(_NEEDS_FTS if ranked and _NO_FTS.search(str(error)) else with_hints(error)) from error
            except duckdb.Error as error:
                raise QueryError(with_hints(error)) from error


def _answer(found: duckdb.DuckDBPyRelation) -> QueryResult:
    return QueryResult(tuple(found.columns), tuple(str(type_) for type_ in found.types), found.fetchall())


def _only_reads(db: duckdb.DuckDBPyConnection, query: str) -> str:
    """The one statement that the query is, without its semicolon. Raises QueryError."""
    statements = db.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(f"one statement is needed, and {len(statements)} were given")
    if str(statements[0].type).rpartition(".")[2] not in ("SELECT", "EXPLAIN", "MULTI"):
        raise QueryError("the database is open for reading only: a query begins with SELECT, FROM or WITH")
    return statements[0].query.strip().rstrip(";")
