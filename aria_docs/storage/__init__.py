"""THE DATABASE: what a run keeps, and how it is queried. duckdb is imported only below this folder."""
