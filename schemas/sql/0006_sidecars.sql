-- The subtitles that lay beside a video when it was read: once they are others, the reading is out of date.
CREATE TABLE sidecars (reading_id VARCHAR, sha256 VARCHAR);
