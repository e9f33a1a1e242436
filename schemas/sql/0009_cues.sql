-- Every subtitle or spoken line of a video at its own second; kept by source, whatever has read it.
CREATE TABLE cues (source_id VARCHAR, cue_no INTEGER, start_s DOUBLE, end_s DOUBLE, text VARCHAR, origin VARCHAR);
