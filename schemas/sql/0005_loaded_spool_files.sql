-- Which files of a spool are in this database: written in the transaction that loads them, so none is loaded twice.
CREATE TABLE loaded_spool_files (name VARCHAR, loaded_at TIMESTAMP);
