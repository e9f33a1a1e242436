"""The engine that needs no weights: layout, ruling lines, shots, extractive summaries."""
