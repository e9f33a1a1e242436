-- Views and macros over the tables; laid anew whenever a run opens the database.

-- The newest reading of each part, of sources that still have a file.
CREATE OR REPLACE VIEW latest_readings AS
SELECT r.* FROM readings r JOIN aria_docs_internal.newest USING (source_id, reading_id)
WHERE r.source_id IN (SELECT source_id FROM files WHERE present);

-- Tables, cells and scenes of all readings as they are shown: with corrections in place of what was read.
CREATE OR REPLACE VIEW aria_docs_internal.shown_tables AS
SELECT t.* REPLACE (CASE WHEN o.corrected THEN o.n_rows ELSE t.n_rows END AS n_rows,
                    CASE WHEN o.corrected THEN o.n_cols ELSE t.n_cols END AS n_cols,
                    CASE WHEN o.corrected THEN o.n_header_rows ELSE t.n_header_rows END AS n_header_rows,
                    CASE WHEN o.corrected THEN o.caption ELSE t.caption END AS caption,
                    coalesce(o.confidence, t.confidence) AS confidence),
       coalesce(o.corrected, false) AS corrected
FROM tables t LEFT JOIN aria_docs_internal.corrected_tables o USING (table_id)
WHERE o.dropped IS NOT TRUE;

CREATE OR REPLACE VIEW aria_docs_internal.shown_cells AS
SELECT c.*, false AS corrected FROM cells c
WHERE table_id NOT IN (SELECT table_id FROM aria_docs_internal.corrected_tables)
UNION ALL BY NAME SELECT * FROM aria_docs_internal.corrected_cells;

CREATE OR REPLACE VIEW aria_docs_internal.shown_scenes AS
SELECT s.* REPLACE (CASE WHEN o.corrected THEN o.start_s ELSE s.start_s END AS start_s,
                    CASE WHEN o.corrected THEN o.end_s ELSE s.end_s END AS end_s,
                    CASE WHEN o.corrected THEN o.title ELSE s.title END AS title,
                    CASE WHEN o.corrected THEN o.description ELSE s.description END AS description),
       coalesce(o.corrected, false) AS corrected
FROM scenes s LEFT JOIN aria_docs_internal.corrected_scenes o USING (reading_id, scene_no);

-- One row per table and present file.
CREATE OR REPLACE VIEW document_tables AS
SELECT f.path, t.page, t.table_no, t.caption, t.n_rows, t.n_cols, t.n_header_rows, t.table_id, t.continues, t.grounded,
       t.source_id, t.reading_id, t.x0, t.y0, t.x1, t.y1, t.corrected, t.confidence
FROM aria_docs_internal.shown_tables t
JOIN aria_docs_internal.newest USING (source_id, reading_id)
JOIN files f ON f.source_id = t.source_id AND f.present;

-- One row per table, however many files have that content: for sums over files.
CREATE OR REPLACE VIEW tables_once AS
SELECT f.path, t.*
FROM aria_docs_internal.shown_tables t
JOIN aria_docs_internal.newest USING (source_id, reading_id)
JOIN (SELECT source_id, min(path) AS path FROM files WHERE present GROUP BY source_id) f ON f.source_id = t.source_id;

-- One row per stacked_… view: SELECT * FROM stacked_… has the rows of all its tables, with path and page; stacked_…_long
-- has a row for each figure. why: what its tables have in common.
CREATE OR REPLACE VIEW stacks AS
SELECT s.stack, count(*) AS n_tables, count(DISTINCT source_id) AS n_files,
       CAST(sum(n_rows - n_header_rows) AS BIGINT) AS n_rows, arg_min(caption, path) AS a_caption,
       coalesce(string_agg(DISTINCT why, '; ' ORDER BY why), 'same columns') AS why
FROM aria_docs_internal.stacked_tables s JOIN tables_once USING (table_id)
JOIN aria_docs_internal.table_meanings USING (table_id)
GROUP BY s.stack;

-- One row per cell of the tables of each present file.
CREATE OR REPLACE VIEW document_cells AS
SELECT t.path, t.page, t.table_no, t.caption, c.row_no, c.col_no, c.row_span, c.col_span, c.is_header, c.text, c.number,
       c.grounded, c.table_id, t.source_id, c.corrected, c.x0, c.y0, c.x1, c.y1, c.confidence
FROM aria_docs_internal.shown_cells c JOIN document_tables t USING (table_id);

-- What to look at first, the likeliest to be wrong on top: cells of which one in five or more is wrong, that a failed check
-- names, or whose text was not found on the page; none that a person has corrected or confirmed. expected_error: one less
-- the confidence; of what an earlier version read, one in as many as the check names.
CREATE OR REPLACE VIEW review AS
WITH named AS (
    SELECT table_id, s.row_no, s.col_no, 1.0 / n AS chance,
           concat(coalesce(note, kind), '; ' || regexp_replace(CAST(mend AS VARCHAR), '\.0$', '') || ' would mend it') AS why
    FROM (SELECT *, unnest(suspects) AS s, len(suspects) AS n FROM checks WHERE NOT holds)
    UNION ALL
    SELECT table_id, row_no, col_no, 0.2, 'not found on the page'
    FROM aria_docs_internal.shown_cells WHERE NOT grounded AND text <> ''
    UNION ALL
    SELECT table_id, row_no, col_no, 0.2, concat('right with ', floor(100 * confidence)::INTEGER, ' % by how it was read')
    FROM aria_docs_internal.shown_cells WHERE confidence < 0.8
), doubted AS (
    SELECT table_id, row_no, col_no, max(chance) AS chance, string_agg(DISTINCT why, '; ' ORDER BY why) AS why
    FROM named GROUP BY ALL
), looked_at AS (
    SELECT DISTINCT source_id, page, CAST(anchor ->> '$.row' AS INTEGER) AS row_no,
           CAST(anchor ->> '$.col' AS INTEGER) AS col_no, after ->> '$' AS text
    FROM corrections WHERE target = 'cell' AND state = 'applied'
)
SELECT c.path, c.page, c.table_no, c.caption, c.row_no, c.col_no, c.text, d.why,
       coalesce(1 - c.confidence, d.chance) AS expected_error, c.table_id, c.source_id, c.x0, c.y0, c.x1, c.y1
FROM doubted d JOIN document_cells c USING (table_id, row_no, col_no)
ANTI JOIN looked_at l ON l.source_id = c.source_id AND l.page = c.page AND l.row_no = c.row_no AND l.col_no = c.col_no
    AND l.text = c.text
ORDER BY expected_error DESC, c.path, c.page, c.table_no, c.row_no, c.col_no;

-- One row per number of each table, with what it is about. row_label: the sections it stands in and the labels of its
-- line; col_label: all header rows, joined; period: from the column, the line or the caption; value_in_units: the value
-- times the scale, so that EUR thousand and EUR million add up.
CREATE OR REPLACE VIEW figures AS
SELECT t.path, t.source_id, t.table_id, t.page, t.caption, c.row_no, c.col_no, r.label AS row_label, k.label AS col_label,
       coalesce(k.period, r.period, m.period) AS period,
       CASE WHEN k.period IS NOT NULL THEN k.period_start WHEN r.period IS NOT NULL THEN r.period_start
            ELSE m.period_start END AS period_start,
       CASE WHEN k.period IS NOT NULL THEN k.period_end WHEN r.period IS NOT NULL THEN r.period_end
            ELSE m.period_end END AS period_end,
       nullif(CASE WHEN k.unit = '' THEN '' ELSE coalesce(sign.unit, r.unit, k.unit, m.unit) END, '') AS unit,
       CASE WHEN sign.unit = '%' OR k.unit = '' THEN 1.0 ELSE coalesce(r.scale, k.scale, m.scale, 1.0) END AS scale,
       c.number AS value,
       c.number * CASE WHEN sign.unit = '%' OR k.unit = '' THEN 1.0 ELSE coalesce(r.scale, k.scale, m.scale, 1.0) END AS value_in_units,
       c.text
FROM aria_docs_internal.shown_cells c
JOIN document_tables t USING (table_id)
JOIN aria_docs_internal.table_meanings m USING (table_id)
JOIN aria_docs_internal.table_columns k ON k.table_id = c.table_id AND k.col_no = c.col_no AND NOT k.is_label
LEFT JOIN aria_docs_internal.table_lines r ON r.table_id = c.table_id AND r.row_no = c.row_no,
LATERAL (SELECT CASE WHEN contains(c.text, '%') THEN '%' WHEN contains(c.text, '€') THEN 'EUR'
                     WHEN contains(c.text, '£') THEN 'GBP' END AS unit) AS sign
WHERE c.number IS NOT NULL AND c.row_no >= t.n_header_rows;

-- One row per scene and present file, with clock times as people write them. confidence: that something changes where
-- it begins; of a begin that no shot has, one in two.
CREATE OR REPLACE VIEW video_scenes AS
SELECT f.path, s.scene_no, s.start_s, s.end_s,
       strftime(make_timestamp(CAST(s.start_s * 1e6 AS BIGINT)), '%H:%M:%S.%g') AS start_clock,
       strftime(make_timestamp(CAST(s.end_s * 1e6 AS BIGINT)), '%H:%M:%S.%g') AS end_clock,
       s.transition, s.title, s.description, s.thumbnail, s.source_id, s.reading_id, s.corrected,
       CASE WHEN s.corrected OR s.start_s = 0 THEN 1.0 WHEN b.start_s IS NULL THEN 0.5 ELSE b.confidence END AS confidence
FROM aria_docs_internal.shown_scenes s
JOIN aria_docs_internal.newest USING (source_id, reading_id)
JOIN files f ON f.source_id = s.source_id AND f.present
LEFT JOIN shots b ON b.source_id = s.source_id AND b.start_s = s.start_s;

-- One row per subtitle or spoken line of each present file, with clock times as people write them.
CREATE OR REPLACE VIEW video_cues AS
SELECT f.path, c.cue_no, c.start_s, c.end_s,
       strftime(make_timestamp(CAST(c.start_s * 1e6 AS BIGINT)), '%H:%M:%S.%g') AS start_clock, c.text, c.origin,
       c.source_id
FROM cues c JOIN files f ON f.source_id = c.source_id AND f.present;

-- One row per summary and present file.
CREATE OR REPLACE VIEW file_summaries AS
SELECT f.path, s.title, s.language, s.text, s.key_points, s.source_id, s.reading_id
FROM summaries s
JOIN aria_docs_internal.newest USING (source_id, reading_id)
JOIN files f ON f.source_id = s.source_id AND f.present;

-- One row per value of an answer to a schema of a user, with where it stands; ORDER BY confidence has first what to look at.
CREATE OR REPLACE VIEW field_grounds AS
SELECT f.path, r.task AS schema_name, g.record_no, g.field, g.value, g.page, g.words, g.reason, g.confidence, g.x0, g.y0, g.x1, g.y1,
       g.source_id, g.reading_id
FROM grounds g
JOIN aria_docs_internal.newest USING (source_id, reading_id)
JOIN readings r USING (reading_id)
JOIN files f ON f.source_id = g.source_id AND f.present;

-- What a search looks through: one row per page, caption, summary, scene and cue of each present file.
CREATE OR REPLACE VIEW search_texts AS
SELECT 'page' AS kind, f.path, p.page, NULL::DOUBLE AS start_s, p.text, p.source_id
FROM pages p JOIN files f ON f.source_id = p.source_id AND f.present
UNION ALL
SELECT 'caption', path, page, NULL, caption, source_id FROM document_tables WHERE caption IS NOT NULL
UNION ALL
SELECT 'summary', path, NULL, NULL, concat_ws(chr(10), title, text), source_id FROM file_summaries
UNION ALL
SELECT 'scene', path, NULL, start_s, concat_ws(chr(10), title, description), source_id FROM video_scenes
WHERE title IS NOT NULL OR description IS NOT NULL
UNION ALL
SELECT 'cue', path, NULL, start_s, text, source_id FROM video_cues;

-- The words of a text as a search compares them: without case and accents.
CREATE OR REPLACE MACRO words_of(text) AS regexp_extract_all(strip_accents(lower(text)), '[\p{L}\p{M}\p{N}]+');

-- A pattern that a text with this word matches, whatever its case and accents; so may others.
CREATE OR REPLACE MACRO aria_docs_internal.may_be(word) AS
    '(?i)' || regexp_replace(word, '(.)', '(?:\1|[^\\x00-\\x7F])\\p{M}*', 'g');

-- SELECT * FROM search('ferry revenue'): what holds all of these words, whole or as part of longer ones, whatever
-- their case and accents; the more often and the shorter the text, the higher. It needs no extension. Every text is
-- looked at; folding those that cannot have the first word would cost most.
CREATE OR REPLACE MACRO search(words) AS TABLE
WITH asked AS (
    SELECT list_distinct(words_of(words)) AS asked_words
), folded AS (
    SELECT kind, path, page, start_s, text, strip_accents(lower(text)) AS plain, asked_words
    FROM search_texts, asked
    WHERE regexp_matches(text, aria_docs_internal.may_be(words_of(words)[1]))
), found AS (
    SELECT * FROM folded
    WHERE len(asked_words) > 0 AND list_bool_and([contains(plain, word) FOR word IN asked_words])
)
SELECT kind, path, page, start_s,
       trim(regexp_replace(substr(text, greatest(1, instr(plain, asked_words[1]) - 60), 160), '\s+', ' ', 'g')) AS snippet,
       round(list_sum(list_transform(asked_words, lambda word:
           ln(1 + (length(plain) - length(replace(plain, word, ''))) / length(word)))) / ln(20 + length(plain)), 3) AS score
FROM found
ORDER BY score DESC, path, page, start_s;

-- One table as rows and columns: SELECT * FROM extracted_table('0123456789abcdef'). Columns past the table's
-- width are NULL; a table of more than 64 columns is in `cells` whole.
CREATE OR REPLACE MACRO extracted_table(id) AS TABLE
SELECT row_no,
       max(text) FILTER (col_no = 0) AS c0,
       max(text) FILTER (col_no = 1) AS c1,
       max(text) FILTER (col_no = 2) AS c2,
       max(text) FILTER (col_no = 3) AS c3,
       max(text) FILTER (col_no = 4) AS c4,
       max(text) FILTER (col_no = 5) AS c5,
       max(text) FILTER (col_no = 6) AS c6,
       max(text) FILTER (col_no = 7) AS c7,
       max(text) FILTER (col_no = 8) AS c8,
       max(text) FILTER (col_no = 9) AS c9,
       max(text) FILTER (col_no = 10) AS c10,
       max(text) FILTER (col_no = 11) AS c11,
       max(text) FILTER (col_no = 12) AS c12,
       max(text) FILTER (col_no = 13) AS c13,
       max(text) FILTER (col_no = 14) AS c14,
       max(text) FILTER (col_no = 15) AS c15,
       max(text) FILTER (col_no = 16) AS c16,
       max(text) FILTER (col_no = 17) AS c17,
       max(text) FILTER (col_no = 18) AS c18,
       max(text) FILTER (col_no = 19) AS c19,
       max(text) FILTER (col_no = 20) AS c20,
       max(text) FILTER (col_no = 21) AS c21,
       max(text) FILTER (col_no = 22) AS c22,
       max(text) FILTER (col_no = 23) AS c23,
       max(text) FILTER (col_no = 24) AS c24,
       max(text) FILTER (col_no = 25) AS c25,
       max(text) FILTER (col_no = 26) AS c26,
       max(text) FILTER (col_no = 27) AS c27,
       max(text) FILTER (col_no = 28) AS c28,
       max(text) FILTER (col_no = 29) AS c29,
       max(text) FILTER (col_no = 30) AS c30,
       max(text) FILTER (col_no = 31) AS c31,
       max(text) FILTER (col_no = 32) AS c32,
       max(text) FILTER (col_no = 33) AS c33,
       max(text) FILTER (col_no = 34) AS c34,
       max(text) FILTER (col_no = 35) AS c35,
       max(text) FILTER (col_no = 36) AS c36,
       max(text) FILTER (col_no = 37) AS c37,
       max(text) FILTER (col_no = 38) AS c38,
       max(text) FILTER (col_no = 39) AS c39,
       max(text) FILTER (col_no = 40) AS c40,
       max(text) FILTER (col_no = 41) AS c41,
       max(text) FILTER (col_no = 42) AS c42,
       max(text) FILTER (col_no = 43) AS c43,
       max(text) FILTER (col_no = 44) AS c44,
       max(text) FILTER (col_no = 45) AS c45,
       max(text) FILTER (col_no = 46) AS c46,
       max(text) FILTER (col_no = 47) AS c47,
       max(text) FILTER (col_no = 48) AS c48,
       max(text) FILTER (col_no = 49) AS c49,
       max(text) FILTER (col_no = 50) AS c50,
       max(text) FILTER (col_no = 51) AS c51,
       max(text) FILTER (col_no = 52) AS c52,
       max(text) FILTER (col_no = 53) AS c53,
       max(text) FILTER (col_no = 54) AS c54,
       max(text) FILTER (col_no = 55) AS c55,
       max(text) FILTER (col_no = 56) AS c56,
       max(text) FILTER (col_no = 57) AS c57,
       max(text) FILTER (col_no = 58) AS c58,
       max(text) FILTER (col_no = 59) AS c59,
       max(text) FILTER (col_no = 60) AS c60,
       max(text) FILTER (col_no = 61) AS c61,
       max(text) FILTER (col_no = 62) AS c62,
       max(text) FILTER (col_no = 63) AS c63
FROM aria_docs_internal.shown_cells WHERE table_id = id GROUP BY row_no ORDER BY row_no;
