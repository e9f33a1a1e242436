-- A spool's rows as one reading of each part: laid over the temporary views raw_<table>, which are its Parquet files, and
-- the temporary table batches (batch, written_at). Names of batches are in the order of their writing: what comes later counts,
-- as in a database. What was read once only, nearly all there is, is passed through: the tables again_… are small. A batch has a
-- reading and a page once: what is there twice is of a source that is in two batches.

CREATE OR REPLACE TEMP TABLE again_readings AS
SELECT reading_id, arg_max(batch, (read_at, run_id, batch)) AS last FROM raw_readings WHERE reading_id IN (
    SELECT reading_id FROM raw_readings
    WHERE source_id IN (SELECT source_id FROM raw_readings GROUP BY source_id HAVING min(batch) <> max(batch))
    GROUP BY reading_id HAVING count(*) > 1
) GROUP BY reading_id;

CREATE OR REPLACE TEMP TABLE again_pages AS
SELECT source_id, page, max(batch) AS last FROM raw_pages
WHERE source_id IN (SELECT source_id FROM raw_pages GROUP BY source_id HAVING min(batch) <> max(batch))
GROUP BY source_id, page HAVING count(*) > 1;

CREATE OR REPLACE TEMP TABLE again_shots AS
SELECT source_id, max(batch) AS last FROM raw_shots GROUP BY source_id HAVING count(DISTINCT batch) > 1;

-- Each task of a video says what is said in it: the last one counts, also where it says that nothing is.
CREATE OR REPLACE TEMP TABLE again_cues AS
SELECT source_id, max(batch) AS last FROM raw_marks WHERE mark = 'cues' GROUP BY source_id HAVING count(DISTINCT batch) > 1;

CREATE OR REPLACE TEMP TABLE again_tables AS
SELECT table_id, batch FROM raw_tables JOIN again_readings USING (reading_id) WHERE batch <> last;

CREATE OR REPLACE TEMP VIEW spool_readings AS
SELECT r.* FROM raw_readings r LEFT JOIN again_readings a USING (reading_id) WHERE a.last IS NULL OR a.last = r.batch;
CREATE OR REPLACE TEMP VIEW spool_scenes AS
SELECT r.* FROM raw_scenes r LEFT JOIN again_readings a USING (reading_id) WHERE a.last IS NULL OR a.last = r.batch;
CREATE OR REPLACE TEMP VIEW spool_summaries AS
SELECT r.* FROM raw_summaries r LEFT JOIN again_readings a USING (reading_id) WHERE a.last IS NULL OR a.last = r.batch;
CREATE OR REPLACE TEMP VIEW spool_sidecars AS
SELECT r.* FROM raw_sidecars r LEFT JOIN again_readings a USING (reading_id) WHERE a.last IS NULL OR a.last = r.batch;
CREATE OR REPLACE TEMP VIEW spool_grounds AS
SELECT r.* FROM raw_grounds r LEFT JOIN again_readings a USING (reading_id) WHERE a.last IS NULL OR a.last = r.batch;
CREATE OR REPLACE TEMP VIEW spool_records AS
SELECT r.* FROM raw_records r LEFT JOIN again_readings a USING (reading_id) WHERE a.last IS NULL OR a.last = r.batch;
CREATE OR REPLACE TEMP VIEW spool_cells AS
FROM raw_cells ANTI JOIN again_tables USING (table_id, batch);

CREATE OR REPLACE TEMP VIEW spool_links AS
SELECT table_id, arg_max(before, batch) AS before, max(batch) AS batch FROM raw_links GROUP BY table_id;
CREATE OR REPLACE TEMP VIEW spool_tables AS
SELECT t.* REPLACE (CASE WHEN l.batch >= t.batch THEN l.before ELSE t.continues END AS continues)
FROM raw_tables t LEFT JOIN again_readings a USING (reading_id) LEFT JOIN spool_links l USING (table_id)
WHERE a.last IS NULL OR a.last = t.batch;

CREATE OR REPLACE TEMP VIEW spool_pages AS
SELECT p.* FROM raw_pages p LEFT JOIN again_pages a USING (source_id, page) WHERE a.last IS NULL OR a.last = p.batch;
CREATE OR REPLACE TEMP VIEW spool_page_lines AS
SELECT p.* FROM raw_page_lines p LEFT JOIN again_pages a USING (source_id, page) WHERE a.last IS NULL OR a.last = p.batch;
CREATE OR REPLACE TEMP VIEW spool_form_fields AS
SELECT p.* FROM raw_form_fields p LEFT JOIN again_pages a USING (source_id, page) WHERE a.last IS NULL OR a.last = p.batch;
CREATE OR REPLACE TEMP VIEW spool_shots AS
SELECT s.* FROM raw_shots s LEFT JOIN again_shots a USING (source_id) WHERE a.last IS NULL OR a.last = s.batch;
CREATE OR REPLACE TEMP VIEW spool_cues AS
SELECT c.* FROM raw_cues c LEFT JOIN again_cues a USING (source_id) WHERE a.last IS NULL OR a.last = c.batch;

-- A path that is gone has a row without a source.
CREATE OR REPLACE TEMP VIEW spool_files AS
SELECT path, arg_max(source_id, batch) AS source_id, arg_max(size_bytes, batch) AS size_bytes,
       arg_max(modified_at, batch) AS modified_at, arg_max(present, batch) AS present, max(batch) AS batch
FROM raw_files GROUP BY path;
-- The path first seen; of several rows that say so the last one knows most.
CREATE OR REPLACE TEMP VIEW spool_sources AS
SELECT * FROM raw_sources
QUALIFY row_number() OVER (PARTITION BY source_id
                           ORDER BY first_seen_at, n_pages IS NULL AND duration_s IS NULL, batch DESC) = 1;
CREATE OR REPLACE TEMP VIEW spool_recipes AS
SELECT recipe, any_value(options) AS options, max(batch) AS batch FROM raw_recipes GROUP BY recipe;
CREATE OR REPLACE TEMP VIEW spool_runs AS
SELECT * FROM raw_runs QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY batch DESC) = 1;
CREATE OR REPLACE TEMP VIEW spool_marks AS FROM raw_marks;

-- Failures that nothing later has undone: the part was read, the source opened, the path gone or of another content.
CREATE OR REPLACE TEMP VIEW spool_failures AS
WITH last AS (
    SELECT * FROM raw_failures QUALIFY row_number() OVER (PARTITION BY path, task, part, recipe ORDER BY batch DESC) = 1
)
SELECT f.* FROM last f
WHERE NOT EXISTS (FROM raw_readings r WHERE r.source_id = f.source_id AND r.task = f.task AND r.part = f.part
                  AND r.recipe = f.recipe AND r.batch > f.batch)
  AND NOT EXISTS (FROM raw_marks m WHERE f.task = '' AND m.mark = 'opened' AND m.source_id = f.source_id AND m.batch > f.batch)
  AND NOT EXISTS (FROM raw_files x WHERE x.path = f.path AND x.batch > f.batch
                  AND (x.source_id IS NULL OR x.source_id IS DISTINCT FROM f.source_id));
