"""Weights of `confidence`: log-odds of an error. Written by `benchmarks/confidence.py --write`.

Fitted on 2026-11-27 on 15,839 cells of 183 tables of 75 documents:
the dev halves of ICDAR 2013, of scans made of it, of PMC articles and of opendataloader-bench.
"""

INTERCEPT = -6.192
WEIGHTS = {
    "rows_joined": 3.951,
    "rows_parted": 3.556,
    "headless": 3.897,
    "high_cells": 1.848,
    "odd_cells": 1.556,
    "failing": 1.132,
    "filled": 1.160,
    "odd": 0.466,
    "gap": 0.848,
    "cut": 2.391,
    "unsure": 0.633,
    "unheld": 0.802,
    # stated
    "model": 0.700,
    "doubted": 2.500,
    "ungrounded": 3.000,
}
# Of a table: intercept, and weight of the logarithm of the errors expected in it.
OF_TABLES = (-1.834, 0.922)
