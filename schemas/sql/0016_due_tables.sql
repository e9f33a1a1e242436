-- The sources whose tables changed since checks and stacks were brought up to date, at the end of a run; each may be there
-- more than once. What one run leaves, since it was interrupted, the next one does; what comes while it is done has a higher
-- number, and stays.
CREATE SEQUENCE aria_docs_internal.due_numbers;
CREATE TABLE aria_docs_internal.due_tables (
    source_id VARCHAR, number BIGINT DEFAULT nextval('aria_docs_internal.due_numbers')
);
INSERT INTO aria_docs_internal.due_tables (source_id) SELECT DISTINCT source_id FROM tables WHERE EXISTS (FROM due);
DROP TABLE due;

-- What earlier versions left until then of tables that have gone.
DELETE FROM checks WHERE table_id NOT IN (SELECT table_id FROM tables);
DELETE FROM aria_docs_internal.checked_tables WHERE table_id NOT IN (SELECT table_id FROM tables);
DELETE FROM aria_docs_internal.table_columns WHERE table_id NOT IN (SELECT table_id FROM tables);
DELETE FROM aria_docs_internal.table_lines WHERE table_id NOT IN (SELECT table_id FROM tables);
DELETE FROM aria_docs_internal.table_keys WHERE table_id NOT IN (SELECT table_id FROM tables);
DELETE FROM aria_docs_internal.table_meanings WHERE table_id NOT IN (SELECT table_id FROM tables);
