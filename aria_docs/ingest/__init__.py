"""FILES → PAGES, FRAMES. Knows no model, no tiling, no store."""
