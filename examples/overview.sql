-- What is in the database: every table, scene and summary, each with its file and place.
SELECT parse_filename(path) AS file, 'page ' || page AS place, 'table' AS found,
       n_rows || ' × ' || n_cols || coalesce(': ' || left(caption, 60), '') AS what
FROM document_tables
UNION ALL
SELECT parse_filename(path), start_clock, transition, coalesce(left(replace(description, chr(10), ' '), 60), '')
FROM video_scenes
UNION ALL
SELECT parse_filename(path), '', 'summary', left(replace(text, chr(10), ' '), 60) || '…'
FROM file_summaries
ORDER BY ALL;
