-- What people know better than the reading. before, after: JSON. state: applied where the anchor still holds, else stale.
CREATE TABLE corrections (
    correction_id VARCHAR, source_id VARCHAR, page INTEGER, target VARCHAR, anchor JSON, before JSON, after JSON,
    made_at TIMESTAMP, made_by VARCHAR, note VARCHAR, state VARCHAR
);

-- What arithmetic says of a table; row_no or col_no is NULL where the whole column or row is meant.
CREATE TABLE checks (
    table_id VARCHAR, check_no INTEGER, kind VARCHAR, holds BOOLEAN, row_no INTEGER, col_no INTEGER,
    suspects STRUCT(row_no INTEGER, col_no INTEGER)[], mend DOUBLE, expected DOUBLE, found DOUBLE, note VARCHAR
);

CREATE SCHEMA IF NOT EXISTS aria_docs_internal;

-- Tables, cells and scenes of the newest readings as corrections make them: the whole of each that one applies to.
-- Worked out again whenever their source is read or corrected.
CREATE TABLE aria_docs_internal.corrected_tables (
    table_id VARCHAR, source_id VARCHAR, n_rows INTEGER, n_cols INTEGER, n_header_rows INTEGER, caption VARCHAR,
    dropped BOOLEAN, corrected BOOLEAN
);
CREATE TABLE aria_docs_internal.corrected_cells (
    table_id VARCHAR, row_no INTEGER, col_no INTEGER, row_span INTEGER, col_span INTEGER, is_header BOOLEAN,
    text VARCHAR, number DOUBLE, x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE, grounded BOOLEAN, corrected BOOLEAN
);
CREATE TABLE aria_docs_internal.corrected_scenes (
    reading_id VARCHAR, source_id VARCHAR, scene_no INTEGER, start_s DOUBLE, end_s DOUBLE, title VARCHAR,
    description VARCHAR, corrected BOOLEAN
);

-- When the reading of a table was checked; a table that is read again or corrected is checked again.
CREATE TABLE aria_docs_internal.checked_tables (table_id VARCHAR, read_at TIMESTAMP);

-- The views of stacks are laid anew, over what is shown.
DELETE FROM stacked_tables;
INSERT INTO due SELECT 'stacks' WHERE 'stacks' NOT IN (SELECT what FROM due);
