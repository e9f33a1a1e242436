-- The chance that a cell's text and number, a table's every cell, a shot's beginning are right; NULL where it was read
-- by an earlier version.
ALTER TABLE tables ADD COLUMN confidence DOUBLE;
ALTER TABLE cells ADD COLUMN confidence DOUBLE;
ALTER TABLE shots ADD COLUMN confidence DOUBLE;
ALTER TABLE aria_docs_internal.corrected_tables ADD COLUMN confidence DOUBLE;
ALTER TABLE aria_docs_internal.corrected_cells ADD COLUMN confidence DOUBLE;

-- Where each value of an answer to a schema of a user stands; words: those of the page that it was read from. Where
-- nothing stands for it, page, box and words are NULL and reason says why.
CREATE TABLE grounds (
    reading_id VARCHAR, source_id VARCHAR, record_no INTEGER, field VARCHAR, value VARCHAR, page INTEGER,
    x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE, words VARCHAR, reason VARCHAR, confidence DOUBLE
);
