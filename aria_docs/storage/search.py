"""The full-text index of `search_ranked`, brought up to date at the end of a run.

Of DuckDB's fts extension only stem() is used. Its create_fts_index counts every text again each time, holds the file
all the while, and drops digits and letters beyond a to z by default.
"""

from __future__ import annotations

import tempfile
from importlib import resources
from pathlib import Path

import duckdb

from aria_docs.errors import StoreError
from aria_docs.storage.connection import Connections
from aria_docs.storage.rows import copy_to, first_line, quote

_MACRO_LAID = "SELECT 1 FROM duckdb_functions() WHERE function_name = 'search_ranked'"
_UNRANKED = """
    SELECT row_number() OVER () AS no, text_hash, words_of(text) AS words
    FROM (SELECT text_hash, any_value(text) AS text
          FROM (SELECT text, md5_number_lower(text) AS text_hash FROM search_texts)
          ANTI JOIN ranked_texts USING (text_hash) WHERE text <> '' GROUP BY text_hash)
"""
_GONE = """
    SELECT text_id FROM ranked_texts
    ANTI JOIN (SELECT md5_number_lower(text) AS text_hash FROM search_texts) USING (text_hash)
"""
_TERMS = """
    SELECT no, term, count(*) AS n FROM (SELECT no, stem(unnest(words), 'english') AS term FROM unranked)
    GROUP BY ALL
"""


def rank(database: Connections) -> None:
    """Brings the full-text index up to date, where DuckDB's fts extension is installed; else takes search_ranked
    away once the index lacks a text.

    The words are counted while others may read; only then the file is taken. A text that is in the index is not
    counted again.
    """
    with tempfile.TemporaryDirectory() as folder:
        texts, terms = (str(Path(folder) / name) for name in ("texts.parquet", "terms.parquet"))
        with database.lock, database.reading(patience_s=float("inf")) as db:
            loads = load_fts(db)
            laid = bool(db.execute(_MACRO_LAID).fetchall())
            if not loads and not laid:
                return
            db.execute(f"CREATE TEMP TABLE unranked AS {_UNRANKED}")
            [(n_new,)] = db.execute("SELECT count(*) FROM unranked").fetchall()
            gone = [text_id for (text_id,) in db.execute(_GONE).fetchall()]
            if laid and not n_new and not gone:
                return
            if loads:
                try:
                    copy_to(db, "SELECT no, text_hash, len(words) AS n_words FROM unranked", texts, "parquet")
                    copy_to(db, _TERMS, terms, "parquet")
                except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
                    hint = "all else is stored, and the next run tries again"
                    raise StoreError(f"no full-text index: {first_line(error)} ({hint})") from error
        with database.writing() as db:
            if not loads:
                db.execute("DROP MACRO TABLE IF EXISTS search_ranked")
                return
            for table in ("ranked_texts", "ranked_terms"):
                db.execute(f"DELETE FROM {table} WHERE text_id IN (SELECT unnest(?::INTEGER[]))", [gone])
            # Another run may have put the same texts in meanwhile.
            db.execute(
                "CREATE TEMP TABLE fresh AS SELECT no, text_hash, n_words, "
                "CAST(no + (SELECT coalesce(max(text_id), 0) FROM ranked_texts) AS INTEGER) AS text_id "
                f"FROM {quote(texts)} ANTI JOIN ranked_texts USING (text_hash)"
            )
            db.execute("INSERT INTO ranked_texts SELECT text_id, text_hash, n_words FROM fresh")
            db.execute(f"INSERT INTO ranked_terms SELECT term, text_id, n FROM {quote(terms)} JOIN fresh USING (no)")
            load_fts(db)  # the macro is bound when it is made
            db.execute((resources.files("aria_docs.schemas") / "sql" / "ranked.sql").read_text(encoding="utf-8"))


def load_fts(db: duckdb.DuckDBPyConnection) -> bool:
    """Whether the extension is installed for this DuckDB; it is never downloaded."""
    try:
        db.execute("LOAD fts")
    except (duckdb.IOException, duckdb.InvalidInputException):  # not installed; made for another DuckDB
        return False
    return True
