"""aria_docs: folders of PDFs and long videos in, one DuckDB file of tables, scenes and summaries out."""

__version__ = "0.1.0"
