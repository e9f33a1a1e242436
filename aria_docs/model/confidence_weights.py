"""Weights of `confidence`: log-odds of an error. Written by `benchmarks/confidence.py --write`.

Fitted 2026-11-27 on 18,630 cells, 218 tables, 104 files:
the dev halves of ICDAR 2013, of scans made of it, of PMC articles and of opendataloader-bench.
"""

INTERCEPT = -5.620
WEIGHTS = {
    "rows_joined": 2.121,
    "rows_parted": 2.122,
    "headless": 2.931,
    "high_cells": 0.506,
    "odd_cells": 0.200,
    "failing": 0.295,
    "filled": 0.899,
    "odd": 0.509,
    "gap": 1.029,
    "cut": 2.262,
    "unsure": 0.799,
    "unheld": 0.904,
    # stated
    "model": 0.700,
    "doubted": 4.000,
    "ungrounded": 5.000,
}
# Of a table: intercept, and weight of the logarithm of the errors expected in it.
OF_TABLES = (-1.787, 0.645)
