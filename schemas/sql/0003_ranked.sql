-- The full-text index that search_ranked('…') asks, filled at the end of a run where DuckDB's fts extension loads.
-- Texts are known by content: whichever rows of search_texts have the text are found, none that have not.
CREATE TABLE ranked_texts (text_id INTEGER, text_hash UBIGINT, n_words INTEGER);  -- text_hash: md5_number_lower(text)
CREATE TABLE ranked_terms (term VARCHAR, text_id INTEGER, n INTEGER);             -- n: how often the text has the stem
