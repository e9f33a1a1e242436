-- What the figures of tables are about and which tables mean the same, worked out once for each table at the end of a
-- run. All of it is ours: the views `figures`, `stacks` and `stacked_…` are made of it.
CREATE SCHEMA IF NOT EXISTS aria_docs_internal;

CREATE TABLE aria_docs_internal.table_columns (
    table_id VARCHAR, col_no INTEGER, name VARCHAR, label VARCHAR, is_label BOOLEAN, period VARCHAR, period_start DATE,
    period_end DATE, unit VARCHAR, scale DOUBLE, n_filled BIGINT, n_numbers BIGINT, n_whole BIGINT, n_dates BIGINT,
    n_years BIGINT, n_spanning BIGINT, n_marks BIGINT
);

CREATE TABLE aria_docs_internal.table_lines (
    table_id VARCHAR, row_no INTEGER, label VARCHAR, period VARCHAR, period_start DATE, period_end DATE, unit VARCHAR,
    scale DOUBLE
);

-- read_at, continues: of the table when this was worked out; once they differ it is worked out again.
-- stack: tables of one stack have the same; own: what it would be for this table alone; why: what it shares with others.
CREATE TABLE aria_docs_internal.table_meanings (
    table_id VARCHAR, read_at TIMESTAMP, continues VARCHAR, period VARCHAR, period_start DATE, period_end DATE,
    unit VARCHAR, scale DOUBLE, labels VARCHAR[], distinct_labels VARCHAR[], periods BOOLEAN, lines VARCHAR[],
    caption_words VARCHAR[], own VARCHAR, title VARCHAR, stack VARCHAR, why VARCHAR
);

CREATE TABLE aria_docs_internal.table_keys (key UBIGINT, table_id VARCHAR);
