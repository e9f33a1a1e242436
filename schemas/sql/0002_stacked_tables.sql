-- Which tables stand in which of the stacked_… views: tables whose columns have the same names, in two files or more.
-- Written at the end of a run, when the views themselves are laid.
CREATE TABLE stacked_tables (stack VARCHAR, table_id VARCHAR);
