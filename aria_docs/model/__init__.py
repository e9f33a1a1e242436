"""TILES AND QUESTIONS, OR PAGES AND FRAMES → ANSWERS. Knows no file and no store."""
