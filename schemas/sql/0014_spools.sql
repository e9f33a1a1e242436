-- What only a spool's batches say, kept so that they may be loaded in any order: when a path was last seen or missed, and
-- which tables go on from the page before, though they may come later.
CREATE SCHEMA IF NOT EXISTS aria_docs_internal;
CREATE TABLE aria_docs_internal.spooled_files (path VARCHAR, written_at TIMESTAMP);
CREATE TABLE aria_docs_internal.spooled_links (table_id VARCHAR, before VARCHAR, written_at TIMESTAMP);
