-- The sources whose tables changed since stacks and checks were brought up to date, at the end of a run; each may be there
-- more than once. What one run leaves, since it was interrupted, the next one does.
CREATE TABLE aria_docs_internal.due_tables (source_id VARCHAR);
INSERT INTO aria_docs_internal.due_tables SELECT DISTINCT source_id FROM tables WHERE EXISTS (FROM due);
DROP TABLE due;
