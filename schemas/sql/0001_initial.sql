-- Times in seconds from the first displayed frame; boxes in PDF points from the page's top left; pages from 1,
-- rows and columns from 0. No primary keys: ids are derived from content, and a part is replaced in one transaction.

CREATE TABLE runs (
    run_id VARCHAR, started_at TIMESTAMP, ended_at TIMESTAMP, command VARCHAR, engine VARCHAR, recipe VARCHAR,
    n_read INTEGER, n_failed INTEGER, n_skipped INTEGER         -- files
);

CREATE TABLE recipes (recipe VARCHAR, options VARCHAR);         -- options: JSON of all that was hashed

CREATE TABLE files (                                            -- one row per path
    path VARCHAR, source_id VARCHAR, size_bytes BIGINT, modified_at TIMESTAMP, present BOOLEAN
);

CREATE TABLE sources (                                          -- one row per content
    source_id VARCHAR, path VARCHAR, kind VARCHAR, size_bytes BIGINT, n_pages INTEGER,
    duration_s DOUBLE, width INTEGER, height INTEGER, fps DOUBLE, first_seen_at TIMESTAMP
);

CREATE TABLE readings (                                         -- one part, one task, one recipe
    reading_id VARCHAR, run_id VARCHAR, source_id VARCHAR, task VARCHAR, part VARCHAR, engine VARCHAR, model VARCHAR,
    model_revision VARCHAR, prompt_version VARCHAR, recipe VARCHAR, answer VARCHAR, status VARCHAR, note VARCHAR,
    seconds DOUBLE, prefill_s DOUBLE, decode_s DOUBLE, peak_bytes BIGINT, input_tokens BIGINT, output_tokens BIGINT,
    frames DOUBLE[], read_at TIMESTAMP
);

CREATE TABLE pages (
    source_id VARCHAR, page INTEGER, width_pt DOUBLE, height_pt DOUBLE, text VARCHAR, from_ocr BOOLEAN
);

CREATE TABLE tables (
    table_id VARCHAR, reading_id VARCHAR, source_id VARCHAR, page INTEGER, table_no INTEGER,
    x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE, n_rows INTEGER, n_cols INTEGER, n_header_rows INTEGER,
    caption VARCHAR, continues VARCHAR, grounded DOUBLE
);

CREATE TABLE cells (                                            -- a spanning cell stands once, at its top left
    table_id VARCHAR, row_no INTEGER, col_no INTEGER, row_span INTEGER, col_span INTEGER, is_header BOOLEAN,
    text VARCHAR, number DOUBLE, x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE, grounded BOOLEAN
);

CREATE TABLE shots (
    source_id VARCHAR, shot_no INTEGER, start_s DOUBLE, end_s DOUBLE, transition VARCHAR,
    transition_start_s DOUBLE, transition_end_s DOUBLE
);

CREATE TABLE scenes (
    reading_id VARCHAR, source_id VARCHAR, scene_no INTEGER, start_s DOUBLE, end_s DOUBLE, transition VARCHAR,
    title VARCHAR, description VARCHAR, thumbnail BLOB
);

CREATE TABLE summaries (
    reading_id VARCHAR, source_id VARCHAR, title VARCHAR, language VARCHAR, text VARCHAR,
    key_points STRUCT(text VARCHAR, page INTEGER, start_s DOUBLE)[]
);

CREATE TABLE failures (                                         -- kept until read
    path VARCHAR, source_id VARCHAR, task VARCHAR, part VARCHAR, recipe VARCHAR, stage VARCHAR, error VARCHAR,
    message VARCHAR, retryable BOOLEAN, failed_at TIMESTAMP
);
