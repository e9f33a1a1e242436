"""Weights of `confidence`: log-odds of an error. Written by `benchmarks/confidence.py --write`.

Fitted 2026-11-27 on 18,564 cells, 217 tables, 103 files:
the dev halves of ICDAR 2013, of scans made of it, of PMC articles and of opendataloader-bench.
"""

INTERCEPT = -5.621
WEIGHTS = {
    "rows_joined": 1.665,
    "rows_parted": 1.694,
    "headless": 3.042,
    "high_cells": 0.115,
    "odd_cells": 0.256,
    "failing": 0.320,
    "filled": 0.890,
    "odd": 0.699,
    "gap": 1.115,
    "cut": 2.056,
    "unsure": 0.206,
    "unheld": 0.781,
    # stated
    "model": 0.700,
    "doubted": 4.000,
    "ungrounded": 5.000,
}
# Of a table: intercept, and weight of the logarithm of the errors expected in it.
OF_TABLES = (-1.919, 0.559)
