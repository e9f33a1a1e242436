-- Laid where DuckDB's fts extension loads, and only while every text is in the index: a search that silently missed
-- pages would be worse than none. DuckDB without the extension opens the file as ever and cannot call this macro.

-- SELECT * FROM search_ranked('docking ferries'): what has any of these words in any English inflection, by BM25
-- (Robertson and Zaragoza 2009, k1 = 1.2, b = 0.75; the weight of a word as in Lucene, never below 0).
CREATE OR REPLACE MACRO search_ranked(words) AS TABLE
WITH asked AS (
    SELECT DISTINCT stem(word, 'english') AS term FROM (SELECT unnest(words_of(words)) AS word)
), whole AS (
    SELECT count(*) AS n_texts, avg(n_words) AS mean_words FROM aria_docs_internal.ranked_texts
), found AS (
    SELECT text_id, term, n, count(*) OVER (PARTITION BY term) AS n_having
    FROM aria_docs_internal.ranked_terms SEMI JOIN asked USING (term)
), weighed AS (
    SELECT text_hash, term, ln(1 + (n_texts - n_having + 0.5) / (n_having + 0.5)) AS weight,
           n * 2.2 / (n + 1.2 * (0.25 + 0.75 * n_words / mean_words)) AS closeness
    FROM found JOIN aria_docs_internal.ranked_texts USING (text_id), whole
), scored AS (
    SELECT text_hash, sum(weight * closeness) AS score, arg_max(term, weight) AS rarest FROM weighed GROUP BY text_hash
), shown AS (
    -- The end of a stem is not always in the text: ferri stands for ferry and ferries.
    SELECT kind, path, page, start_s, text, score,
           instr(strip_accents(lower(text)), left(rarest, greatest(length(rarest) - 1, 3))) AS place
    FROM search_texts JOIN scored ON md5_number_lower(text) = text_hash
)
SELECT kind, path, page, start_s,
       trim(regexp_replace(substr(text, greatest(1, place - 60), 160), '\s+', ' ', 'g')) AS snippet,
       round(score, 3) AS score
FROM shown
ORDER BY score DESC, path, page, start_s;
