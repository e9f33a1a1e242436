-- What comes while a run ends has a higher number than what that works out, and stays due.
CREATE SEQUENCE IF NOT EXISTS aria_docs_internal.due_numbers;
ALTER TABLE aria_docs_internal.due_tables
    ADD COLUMN IF NOT EXISTS number BIGINT DEFAULT nextval('aria_docs_internal.due_numbers');

-- What earlier versions left of tables that have gone.
DELETE FROM checks WHERE table_id NOT IN (SELECT table_id FROM tables);
DELETE FROM aria_docs_internal.checked_tables WHERE table_id NOT IN (SELECT table_id FROM tables);
DELETE FROM aria_docs_internal.table_columns WHERE table_id NOT IN (SELECT table_id FROM tables);
DELETE FROM aria_docs_internal.table_lines WHERE table_id NOT IN (SELECT table_id FROM tables);
DELETE FROM aria_docs_internal.table_keys WHERE table_id NOT IN (SELECT table_id FROM tables);
DELETE FROM aria_docs_internal.table_meanings WHERE table_id NOT IN (SELECT table_id FROM tables);
