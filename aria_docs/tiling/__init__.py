"""IMAGES → TILES WITHIN A BUDGET. Arithmetic and uint8 pixels; no model, no torch."""
