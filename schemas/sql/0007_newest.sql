-- The newest reading of each part of each source for each task, whatever its recipe: kept when readings are written, so
-- that no view has to look for it among all of them.
CREATE TABLE newest (source_id VARCHAR, task VARCHAR, part VARCHAR, reading_id VARCHAR);
INSERT INTO newest SELECT source_id, task, part, arg_max(reading_id, read_at) FROM readings GROUP BY ALL;

-- What is to be done at the end of a run; a row is written with what makes it due, and a run that is interrupted leaves
-- it to the next one.
CREATE TABLE due (what VARCHAR);
INSERT INTO due VALUES ('stacks');
