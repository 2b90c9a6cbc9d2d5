"""Loops over an `evaluate` function: which method, later which plan. Nothing here trains or times."""
