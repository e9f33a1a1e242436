"""Weights of `confidence`: log-odds of an error. Written by `benchmarks/confidence.py --write`.

Fitted 2026-11-27 on 18,516 cells, 217 tables, 103 files:
the dev halves of ICDAR 2013, of scans made of it, of PMC articles and of opendataloader-bench.
"""

INTERCEPT = -5.647
WEIGHTS = {
    "rows_joined": 1.870,
    "rows_parted": 1.689,
    "headless": 3.034,
    "high_cells": 0.162,
    "odd_cells": 0.251,
    "failing": 0.320,
    "filled": 0.917,
    "odd": 0.682,
    "gap": 1.101,
    "cut": 2.063,
    "unsure": 0.187,
    "unheld": 0.792,
    # stated
    "model": 0.700,
    "doubted": 4.000,
    "ungrounded": 5.000,
}
# Of a table: intercept, and weight of the logarithm of the errors expected in it.
OF_TABLES = (-1.969, 0.619)
