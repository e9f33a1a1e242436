-- Files that a run found and was ended before it came to them.
CREATE SCHEMA IF NOT EXISTS aria_docs_internal;
CREATE TABLE aria_docs_internal.unread (path VARCHAR);
