"""Weights of `confidence`: log-odds of an error. Written by `benchmarks/confidence.py --write`.

Fitted 2026-11-27 on 18,574 cells, 218 tables, 104 files:
the dev halves of ICDAR 2013, of scans made of it, of PMC articles and of opendataloader-bench.
"""

INTERCEPT = -5.589
WEIGHTS = {
    "rows_joined": 1.604,
    "rows_parted": 0.849,
    "headless": 3.035,
    "high_cells": 0.455,
    "odd_cells": 0.053,
    "failing": 0.334,
    "filled": 0.882,
    "odd": 0.132,
    "gap": 0.876,
    "cut": 2.047,
    "unsure": 0.937,
    "unheld": 0.801,
    # stated
    "model": 0.700,
    "doubted": 4.000,
    "ungrounded": 5.000,
}
# Of a table: intercept, and weight of the logarithm of the errors expected in it.
OF_TABLES = (-1.869, 0.542)
